//! What must hold for any text: used by the fuzz target and replayed by `tests/fuzz.rs`.

use branchline_config::Config;

const FAULTS_MAX: usize = 200;

/// It is read, or refused with a bounded number of faults that each say where and how to put it right.
pub(crate) fn config(data: &[u8]) {
    let Err(faults) = Config::parse("branchline.toml", &String::from_utf8_lossy(data)) else {
        return;
    };
    assert!((1..=FAULTS_MAX).contains(&faults.len()));
    for fault in faults {
        let told = fault.to_string();
        assert!(told.starts_with("branchline.toml"), "{told}");
        assert!(!fault.fix.is_empty(), "{told}");
    }
}

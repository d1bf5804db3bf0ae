//! The simulator's call flows, played against daemons on the loopback.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Flows that wait longer than this, in seconds, are left to the simulator.
const LONGEST_S: &str = "120";
/// So many are.
const LEFT_OUT: usize = 5;

#[test]
fn call_flows_of_the_simulator_hold_on_real_sockets() {
    let mut ladders = Vec::new();
    collect(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("../sim/ladder"),
        &mut ladders,
    );
    let played = Command::new(env!("CARGO_BIN_EXE_branchline"))
        .args(["ladder", "--longest", LONGEST_S])
        .args(&ladders)
        .output()
        .expect("the program starts");
    let told = String::from_utf8_lossy(&played.stdout);
    assert!(played.status.success(), "{told}");
    let left_out = told.lines().filter(|line| line.starts_with("left out: ")).count();
    assert_eq!(left_out, LEFT_OUT, "{told}");
    let passed = told.lines().filter(|line| line.starts_with("passed: ")).count();
    assert_eq!(passed, ladders.len() - LEFT_OUT, "{told}");
}

fn collect(folder: &Path, ladders: &mut Vec<PathBuf>) {
    for entry in folder.read_dir().expect("the flows are there") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, ladders);
        } else if path.extension().is_some_and(|name| name == "ladder") {
            ladders.push(path);
        }
    }
}

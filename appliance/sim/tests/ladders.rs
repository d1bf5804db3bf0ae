//! Every `.ladder` file, played in memory.

use std::path::{Path, PathBuf};

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("the folder can be read").path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "ladder") {
            found.push(path);
        }
    }
}

#[test]
fn every_ladder_goes_as_it_is_written() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("ladder");
    let mut found = Vec::new();
    files(&root, &mut found);
    found.sort();
    assert!(found.len() >= 20, "only {} ladders", found.len());
    let mut failures = Vec::new();
    for path in found {
        let name = path.strip_prefix(&root).unwrap().display().to_string();
        let text = std::fs::read_to_string(&path).unwrap();
        if let Err(fault) = branchline_sim::theatre::play(&name, &text) {
            failures.push(fault);
        }
    }
    assert!(
        failures.is_empty(),
        "{} failed:\n{}",
        failures.len(),
        failures.join("\n\n")
    );
}

#[test]
fn a_ladder_that_goes_otherwise_fails_with_its_line() {
    let text = "extension 201\nextension 202\nphone 201 -> INVITE 202\nexpect phone 202 <- BYE within 1s\n";
    let fault = branchline_sim::theatre::play("wrong", text).unwrap_err();
    assert!(fault.starts_with("wrong:4: phone 202 should have got BYE"), "{fault}");
}

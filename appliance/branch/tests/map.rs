//! ARCHITECTURE.md names only files and folders that are there.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

/// The files below a folder, by their paths from the top of the repository.
fn files(top: &Path, below: &str) -> Vec<String> {
    let entries = std::fs::read_dir(top.join(below)).unwrap().map(|entry| entry.unwrap());
    let found = entries.flat_map(|entry| {
        let name = entry.file_name().into_string().unwrap();
        let path = format!("{below}/{name}");
        match entry.file_type().unwrap().is_dir() {
            true if name == "target" || name.starts_with('.') => Vec::new(),
            true => files(top, &path),
            false => vec![path],
        }
    });
    found.collect()
}

/// What stands between backticks outside of blocks and looks like a path.
fn paths(page: &str) -> Vec<&str> {
    let outside = page.split("```").step_by(2);
    let named = outside.flat_map(|text| text.split('`').skip(1).step_by(2));
    named
        .filter(|name| !name.contains([' ', '*', '(']))
        .filter(|name| name.contains('/') || name.ends_with(".rs"))
        .collect()
}

fn is_there(files: &[String], named: &str) -> bool {
    let (file, folder) = (format!("/{named}"), format!("/{}/", named.trim_end_matches('/')));
    files
        .iter()
        .any(|known| known.ends_with(&file) || known.contains(&folder))
}

#[test]
fn the_map_names_only_files_that_are_there() {
    let top = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let files = files(&top, ".");
    let page = std::fs::read_to_string(top.join("ARCHITECTURE.md")).unwrap();
    let named = paths(&page);
    assert!(named.len() > 20, "{named:?}");
    let missing: Vec<&str> = named.into_iter().filter(|named| !is_there(&files, named)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert!(!is_there(&files, "branch/src/nothing.rs"));
}

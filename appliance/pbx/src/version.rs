//! Which version this program is.

/// In one piece, so that a test can find it in the program and make another version of it.
static MARKED: &str = concat!("branchline-version:", env!("CARGO_PKG_VERSION"));
const MARK: &str = "branchline-version:";

/// Such as `0.1.0`.
pub fn own() -> &'static str {
    MARKED.split_at(MARK.len()).1
}

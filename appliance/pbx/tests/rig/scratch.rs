//! A folder per test.

use std::path::{Path, PathBuf};

/// Removed when dropped; kept, and named on stderr, when the test fails.
pub struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// Makes the folder. Unix socket paths and baresip's configuration want it short.
    pub fn new(name: &str) -> Scratch {
        let path = std::env::temp_dir().join(format!("rig-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).expect("the temporary folder is writable");
        Scratch { path }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the files of this test are kept in {}", self.path.display());
        } else {
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

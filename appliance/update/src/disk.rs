//! What the updater asks of a file system. Nothing is durable before it is synchronised, and a power cut may come between any two.

use std::io;

use semver::Version;

/// Directory of the versions.
pub const VERSIONS: &str = "versions";
/// Link to the version that is started.
pub const CURRENT: &str = "current";
/// Directory that a version is made in.
pub const INCOMING: &str = "incoming";
/// Name of the program in the directory of its version.
pub const BINARY: &str = "branchline";

/// Files below one directory, by their path in it; the empty path is that directory.
pub trait Disk {
    /// The contents of a small file; `None` when there is none.
    fn read(&self, path: &str) -> io::Result<Option<Vec<u8>>>;
    /// Where a link points to; `None` when there is none.
    fn target(&self, path: &str) -> io::Result<Option<String>>;
    /// Names in a directory; empty when there is none.
    fn list(&self, path: &str) -> io::Result<Vec<String>>;
    /// Whether there is a file.
    fn is_file(&self, path: &str) -> bool;
    /// Makes a file, or empties the one there is.
    fn write(&mut self, path: &str, contents: &[u8]) -> io::Result<()>;
    /// Makes a directory where there is none.
    fn make_directory(&mut self, path: &str) -> io::Result<()>;
    /// Makes a link.
    fn link(&mut self, path: &str, target: &str) -> io::Result<()>;
    /// Gives a file, link or directory another name; a file or link of that name goes.
    fn rename(&mut self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file or link, or a directory with everything in it; done when there is none.
    fn remove(&mut self, path: &str) -> io::Result<()>;
    /// Returns once the contents of a file are durable.
    fn sync_file(&mut self, path: &str) -> io::Result<()>;
    /// Returns once the names in a directory are durable.
    fn sync_directory(&mut self, path: &str) -> io::Result<()>;
}

/// Directory of one version.
pub fn version_directory(version: &Version) -> String {
    format!("{VERSIONS}/{version}")
}

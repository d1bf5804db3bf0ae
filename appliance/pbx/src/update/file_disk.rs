//! The versions of this box on its file system.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use branchline_update::Disk;

/// A directory.
#[derive(Clone, Debug)]
pub struct FileDisk {
    root: PathBuf,
}

/// The record and a trial take a few kilobytes.
const READ_BYTES_MAX: u64 = 1 << 20;
const NAMES_MAX: usize = 256;

impl FileDisk {
    /// It need not exist before something is written.
    pub fn new(root: &Path) -> FileDisk {
        FileDisk { root: root.to_owned() }
    }

    /// Where a path of it is.
    pub fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }
}

impl Disk for FileDisk {
    fn read(&self, path: &str) -> io::Result<Option<Vec<u8>>> {
        let path = self.path(path);
        let found = absent_is_none(fs::metadata(&path))?;
        match found.map(|found| found.len()) {
            None => Ok(None),
            Some(0..=READ_BYTES_MAX) => fs::read(&path).map(Some),
            Some(_) => Err(io::ErrorKind::FileTooLarge.into()),
        }
    }

    fn target(&self, path: &str) -> io::Result<Option<String>> {
        let target = absent_is_none(fs::read_link(self.path(path)))?;
        Ok(target.map(|target| target.to_string_lossy().into_owned()))
    }

    fn list(&self, path: &str) -> io::Result<Vec<String>> {
        let Some(entries) = absent_is_none(fs::read_dir(self.path(path)))? else {
            return Ok(Vec::new());
        };
        let name = |entry: io::Result<fs::DirEntry>| Ok(entry?.file_name().to_string_lossy().into_owned());
        entries.take(NAMES_MAX).map(name).collect()
    }

    fn is_file(&self, path: &str) -> bool {
        self.path(path).is_file()
    }

    fn write(&mut self, path: &str, contents: &[u8]) -> io::Result<()> {
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(true).mode(0o644);
        file.open(self.path(path))?.write_all(contents)
    }

    fn make_directory(&mut self, path: &str) -> io::Result<()> {
        let path = self.path(path);
        fs::create_dir_all(&path)?;
        fs::set_permissions(&path, Permissions::from_mode(0o755))
    }

    fn link(&mut self, path: &str, target: &str) -> io::Result<()> {
        symlink(target, self.path(path))
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path(from), self.path(to))
    }

    fn remove(&mut self, path: &str) -> io::Result<()> {
        let path = self.path(path);
        let Some(found) = absent_is_none(fs::symlink_metadata(&path))? else {
            return Ok(());
        };
        match found.is_dir() {
            true => fs::remove_dir_all(&path),
            false => fs::remove_file(&path),
        }
    }

    fn sync_file(&mut self, path: &str) -> io::Result<()> {
        File::open(self.path(path))?.sync_all()
    }

    fn sync_directory(&mut self, path: &str) -> io::Result<()> {
        File::open(self.path(path))?.sync_all()
    }
}

fn absent_is_none<T>(found: io::Result<T>) -> io::Result<Option<T>> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

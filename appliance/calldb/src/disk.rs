//! The few file operations of the journal, as traits: tests put a disk under it that fails on command.

use std::fmt::Debug;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where files are kept.
pub(crate) trait Disk: Debug + Send + Sync {
    /// Makes a directory and its parents.
    fn make_dirs(&self, dir: &Path) -> io::Result<()>;
    /// Files in a directory and their lengths in bytes, in any order.
    fn list(&self, dir: &Path) -> io::Result<Vec<(PathBuf, u64)>>;
    /// The first `bytes_max` bytes of a file.
    fn read(&self, path: &Path, bytes_max: u64) -> io::Result<Vec<u8>>;
    /// Makes a new empty file, or empties the old one.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// Opens a file to write on at its end.
    fn append_to(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes names created or removed in a directory durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
}

/// An open file.
pub(crate) trait DiskFile: Debug + Send + Sync {
    /// Writes at the end.
    fn append(&self, bytes: &[u8]) -> io::Result<()>;
    /// Cuts the file to so many bytes.
    fn cut(&self, bytes: u64) -> io::Result<()>;
    /// Makes all that was written durable, however long that takes.
    fn sync(&self) -> io::Result<()>;
    /// The same for one who has other things to do.
    fn sync_in_time(&self) -> io::Result<()> {
        self.sync()
    }
    /// Its length, bytes; fails if its name is gone.
    fn bytes(&self) -> io::Result<u64>;
}

/// The disk of the operating system.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RealDisk;

impl Disk for RealDisk {
    fn make_dirs(&self, dir: &Path) -> io::Result<()> {
        fs::create_dir_all(dir)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<(PathBuf, u64)>> {
        let files = fs::read_dir(dir)?.map(|item| {
            let item = item?;
            Ok((item.path(), item.metadata()?.len()))
        });
        files
            // A file may be deleted while the directory is read.
            .filter(|file: &io::Result<_>| {
                !file
                    .as_ref()
                    .is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
            })
            .collect()
    }

    fn read(&self, path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(path)?.take(bytes_max).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        File::create(path)?;
        self.append_to(path)
    }

    fn append_to(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(OpenOptions::new().append(true).open(path)?))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }
}

impl DiskFile for File {
    fn append(&self, bytes: &[u8]) -> io::Result<()> {
        let mut file = self;
        file.write_all(bytes)
    }

    fn cut(&self, bytes: u64) -> io::Result<()> {
        self.set_len(bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }

    fn bytes(&self) -> io::Result<u64> {
        let metadata = self.metadata()?;
        if metadata.nlink() == 0 {
            return Err(io::Error::new(
                io::ErrorKind::NotFound,
                "the file was removed from outside",
            ));
        }
        Ok(metadata.len())
    }
}

//! Files only the box may read, replaced as a whole or not at all.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use crate::password;

/// What failed, and on which file.
#[derive(Debug, thiserror::Error)]
#[error("{what} {}: {source}", .path.display())]
pub struct FileFault {
    what: &'static str,
    path: PathBuf,
    #[source]
    source: io::Error,
}

impl FileFault {
    /// Names the file an error is about.
    pub fn new(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FileFault {
        let path = path.to_owned();
        move |source| FileFault { what, path, source }
    }

    /// Whether the file does not exist.
    pub fn is_absent(&self) -> bool {
        self.source.kind() == io::ErrorKind::NotFound
    }
}

/// Makes the directory and its parents, mode 0700 where it is new.
pub fn create_private_directory(path: &Path) -> Result<(), FileFault> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(FileFault::new("cannot make", path))
}

/// Reads a text file of at most `bytes_max`.
pub fn read_text(path: &Path, bytes_max: u64) -> Result<String, FileFault> {
    let fault = |error| FileFault::new("cannot read", path)(error);
    let length = fs::metadata(path).map_err(fault)?.len();
    if length > bytes_max {
        return Err(fault(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("larger than {bytes_max} bytes"),
        )));
    }
    fs::read_to_string(path).map_err(fault)
}

/// Writes a file of mode 0600 beside `path`, flushes it, and puts it in place; the owner stays the same.
pub fn replace_private(path: &Path, contents: &[u8]) -> Result<(), FileFault> {
    write_beside(path, contents).map_err(FileFault::new("cannot write", path))
}

fn write_beside(path: &Path, contents: &[u8]) -> io::Result<()> {
    // A link stays a link: what it points to is replaced.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let directory = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy();
    let beside = directory.join(format!(".{name}.{}", password::random_hex()?));
    let written = write_new(&beside, &path, contents).and_then(|()| fs::rename(&beside, &path));
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written?;
    File::open(directory)?.sync_all()
}

fn write_new(beside: &Path, path: &Path, contents: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(beside)?;
    keep_owner(&file, path)?;
    file.write_all(contents)?;
    file.sync_all()
}

// Root edits what the daemon's own user must still be able to read.
fn keep_owner(file: &File, path: &Path) -> io::Result<()> {
    let old = match fs::metadata(path) {
        Ok(old) => old,
        Err(_) => fs::metadata(
            path.parent()
                .filter(|p| !p.as_os_str().is_empty())
                .unwrap_or(Path::new(".")),
        )?,
    };
    let new = file.metadata()?;
    if nix::unistd::geteuid().is_root() && (old.uid(), old.gid()) != (new.uid(), new.gid()) {
        fchown(file, Some(old.uid()), Some(old.gid()))?;
    }
    Ok(())
}

/// Removes all but the latest `kept_max` files of `dir` whose names begin so and go on with a time of one length.
pub fn keep_latest(dir: &Path, (beginning, kept_max): (&str, usize)) -> Result<(), FileFault> {
    let mut paths: Vec<PathBuf> = fs::read_dir(dir)
        .map_err(FileFault::new("cannot read", dir))?
        .filter_map(|item| Some(item.ok()?.path()))
        .filter(|path| {
            path.file_name()
                .is_some_and(|name| name.as_encoded_bytes().starts_with(beginning.as_bytes()))
        })
        .collect();
    paths.sort();
    for path in paths.iter().rev().skip(kept_max) {
        fs::remove_file(path).map_err(FileFault::new("cannot remove", path))?;
    }
    Ok(())
}

/// Permission bits that others than the owner hold on `path`.
pub fn foreign_mode_bits(path: &Path) -> io::Result<u32> {
    Ok(fs::metadata(path)?.permissions().mode() & 0o077)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_as_a_whole_and_only_its_owner_reads_it() {
        let directory = std::env::temp_dir().join(format!("branchline-file-{}", password::random_hex().unwrap()));
        create_private_directory(&directory).unwrap();
        assert_eq!(foreign_mode_bits(&directory).unwrap(), 0);
        let path = directory.join("a.toml");
        fs::write(&path, "old and longer").unwrap();
        replace_private(&path, b"new").unwrap();
        assert_eq!(read_text(&path, 100).unwrap(), "new");
        assert_eq!(foreign_mode_bits(&path).unwrap(), 0);
        assert_eq!(
            fs::read_dir(&directory).unwrap().count(),
            1,
            "nothing is left beside it"
        );
        assert!(read_text(&path, 2).is_err());
        assert!(read_text(&directory.join("none"), 2).unwrap_err().is_absent());
        fs::remove_dir_all(&directory).unwrap();
    }
}

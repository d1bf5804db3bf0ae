//! New versions of this program: fetched, proved, put beside the old one, tried, and kept or taken back.
//!
//! [`branchline_update`] decides. Here are the disk, the sources, the test call, and the conversation with the daemon.

mod current;
mod drive;
mod file_disk;
mod incoming;
mod shown;
mod source;
mod test_call;

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use branchline_update::{KeyFault, Refusal, Shelf, ShelfFault, Version};
use nix::fcntl::{Flock, FlockArg};
use nix::sys::statvfs::{FsFlags, statvfs};

use crate::place::Place;
use crate::version;

pub(crate) use current::{before, take_up_system};
pub use current::{settle, start_current};
pub use drive::{Job, go_on, install};
pub(crate) use drive::{stop_when_idle, tell_daemon, vitals};
pub use file_disk::FileDisk;
pub use incoming::pack;
pub use shown::{shown, shown_at};
pub use source::{Examination, Wish, examine};

/// Why an update was not made.
#[derive(Debug, thiserror::Error)]
pub enum UpdateFault {
    /// The release.
    #[error(transparent)]
    Refusal(#[from] Refusal),
    /// The disk.
    #[error(transparent)]
    Shelf(#[from] ShelfFault),
    /// The keys of the configuration.
    #[error(transparent)]
    Key(#[from] KeyFault),
    /// The source.
    #[error("{0}")]
    Source(String),
    /// The archive holds something else.
    #[error("the archive was proved and cannot be used: {0}")]
    Archive(String),
    /// A file.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// Why not.
        source: io::Error,
    },
    /// Another updater runs.
    #[error("another update goes on; see branchline update status")]
    Locked,
}

fn io_fault(what: impl Into<String>) -> impl FnOnce(io::Error) -> UpdateFault {
    let what = what.into();
    move |source| UpdateFault::Io { what, source }
}

/// The versions of a box, to look at.
pub fn look(place: &Place) -> Shelf<FileDisk> {
    Shelf::new(FileDisk::new(&place.versions))
}

/// The versions of a box, for the one process that may change them.
#[derive(Debug)]
pub struct Held {
    /// Them.
    pub shelf: Shelf<FileDisk>,
    _lock: Flock<File>,
}

/// Takes the versions; fails at once while another updater has them.
pub fn hold(place: &Place) -> Result<Held, UpdateFault> {
    make_directory(place)?;
    let lock = Flock::lock(lock_file(place, "lock")?, FlockArg::LockExclusiveNonblock);
    Ok(Held {
        _lock: lock.map_err(|_| UpdateFault::Locked)?,
        shelf: look(place),
    })
}

/// Waits until nobody else changes which version is current. An updater holds this for moments, the other lock for minutes.
fn alone(place: &Place) -> Result<Flock<File>, UpdateFault> {
    let lock = Flock::lock(lock_file(place, "changing")?, FlockArg::LockExclusive);
    lock.map_err(|(_, error)| io_fault("cannot wait for the updater")(error.into()))
}

fn lock_file(place: &Place, name: &str) -> Result<File, UpdateFault> {
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(place.versions.join(name));
    file.map_err(io_fault(format!("cannot use {}", place.versions.display())))
}

fn make_directory(place: &Place) -> Result<(), UpdateFault> {
    let directory = &place.versions;
    let cannot = || format!("cannot use {}", directory.display());
    // Everybody may read and start them; who may write them owns the box.
    let made = DirBuilder::new().recursive(true).mode(0o755).create(directory);
    made.map_err(io_fault(cannot()))?;
    let found = statvfs(directory).map_err(|error| io_fault(cannot())(error.into()))?;
    match found.flags().contains(FsFlags::ST_NOEXEC) {
        true => Err(UpdateFault::Source(format!(
            "no program starts from {}: mount it without noexec, or name another with --versions",
            directory.display()
        ))),
        false => Ok(()),
    }
}

/// Version of the program that runs.
pub fn own_version() -> Result<Version, UpdateFault> {
    let parsed = version::own().parse();
    parsed.map_err(|_| UpdateFault::Source(format!("{} is not a version", version::own())))
}

/// Whether two paths are the same file.
fn is_same(one: &Path, other: &Path) -> bool {
    one.canonicalize()
        .is_ok_and(|one| other.canonicalize().is_ok_and(|other| one == other))
}

//! Versions side by side, and the link to the one that is started.
//!
//! Each step leaves the disk so that [`Shelf::settle`], which runs before each start of the daemon, knows how to go on:
//! the files `record` and `pending` and the link `current` decide, nothing else.

use std::io;

use semver::Version;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::disk::{BINARY, CURRENT, Disk, INCOMING, VERSIONS, version_directory};
use crate::judge::Before;
use crate::record::{Outcome, Pending, Record};

const RECORD: &str = "record";
const PENDING: &str = "pending";

/// Why the shelf cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ShelfFault {
    /// The file system.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// A file that was damaged.
    #[error("the file {name} is damaged: {problem}; remove it and install again")]
    Damaged {
        /// Its name.
        name: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// A version that is not there.
    #[error("there is no version {0} here")]
    Absent(Version),
    /// Another trial goes on.
    #[error("version {0} is on trial; wait for its end")]
    Busy(Version),
}

/// What the disk says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// What became of updates.
    pub record: Record,
    /// A version on trial.
    pub pending: Option<Pending>,
    /// The version that is started.
    pub current: Option<Version>,
    /// Every version that is there, the lowest first.
    pub versions: Vec<Version>,
}

/// What was found before a start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    /// No update goes on.
    Quiet,
    /// The version on trial is started once more.
    OnTrial {
        /// How often it may be started after this.
        tries_left: u32,
    },
    /// An update had not come to the change of versions.
    Abandoned(Version),
    /// The old version is back.
    TakenBack(Version),
}

/// The versions on a disk.
#[derive(Debug)]
pub struct Shelf<D> {
    disk: D,
}

impl<D: Disk> Shelf<D> {
    /// On a disk that may be empty.
    pub fn new(disk: D) -> Shelf<D> {
        Shelf { disk }
    }

    /// The file system.
    pub fn disk(&self) -> &D {
        &self.disk
    }

    /// The file system, to put a new program into [`INCOMING`].
    pub fn disk_mut(&mut self) -> &mut D {
        &mut self.disk
    }

    /// What the disk says.
    pub fn state(&self) -> Result<State, ShelfFault> {
        let found = self.disk.list(VERSIONS).map_err(io_fault("cannot list versions"))?;
        let mut versions: Vec<Version> = found.iter().filter_map(|name| name.parse().ok()).collect();
        versions.retain(|version| self.has(version));
        versions.sort();
        Ok(State {
            record: self.load(RECORD)?.unwrap_or_default(),
            pending: self.load(PENDING)?,
            current: self.current()?,
            versions,
        })
    }

    /// Puts the program in [`INCOMING`] beside the others, under its version.
    pub fn put(&mut self, version: &Version) -> Result<(), ShelfFault> {
        let place = version_directory(version);
        let what = "cannot put the new version beside the others";
        if self.current()?.as_ref() == Some(version) {
            return Err(ShelfFault::Busy(version.clone()));
        }
        let disk = &mut self.disk;
        let mut put = || {
            disk.sync_file(&format!("{INCOMING}/{BINARY}"))?;
            disk.sync_directory(INCOMING)?;
            disk.make_directory(VERSIONS)?;
            disk.sync_directory("")?;
            disk.remove(&place)?;
            disk.rename(INCOMING, &place)?;
            disk.sync_directory(VERSIONS)
        };
        put().map_err(io_fault(what))
    }

    /// Makes a version current without a trial: the one that the system brought.
    pub fn adopt(&mut self, version: &Version) -> Result<(), ShelfFault> {
        if let Some(pending) = self.load::<Pending>(PENDING)? {
            return Err(ShelfFault::Busy(pending.version));
        }
        self.switch(version)
    }

    /// Makes a version current on trial.
    pub fn begin(&mut self, pending: &Pending) -> Result<(), ShelfFault> {
        if let Some(other) = self.load::<Pending>(PENDING)? {
            return Err(ShelfFault::Busy(other.version));
        }
        for version in [&pending.from, &pending.version] {
            if !self.has(version) {
                return Err(ShelfFault::Absent(version.clone()));
            }
        }
        // What the record says of this version is of an earlier trial, and must not be taken for the end of this one.
        self.change(|record| record.forget(&pending.version))?;
        self.store(PENDING, pending)?;
        self.switch(&pending.version)
    }

    /// The version on trial stays.
    pub fn keep(&mut self, utc_ms: i64) -> Result<(), ShelfFault> {
        let Some(pending) = self.load::<Pending>(PENDING)? else {
            return Ok(());
        };
        self.change(|record| record.note_good(&pending.version, utc_ms))?;
        self.drop_pending()
    }

    /// The version on trial goes, and the one before is current again.
    pub fn take_back(&mut self, reason: &str, utc_ms: i64) -> Result<(), ShelfFault> {
        let Some(pending) = self.load::<Pending>(PENDING)? else {
            return Ok(());
        };
        let both = (&pending.version, &pending.from);
        self.change(|record| record.note_taken_back(both, reason, utc_ms))?;
        self.switch(&pending.from)?;
        self.drop_pending()
    }

    /// The version on trial was not started: another time.
    pub fn withdraw(&mut self, reason: &str) -> Result<(), ShelfFault> {
        let Some(pending) = self.load::<Pending>(PENDING)? else {
            return Ok(());
        };
        self.change(|record| record.refused = reason.to_owned())?;
        self.switch(&pending.from)?;
        self.drop_pending()
    }

    /// Changes the record.
    pub fn change(&mut self, change: impl FnOnce(&mut Record)) -> Result<(), ShelfFault> {
        let old: Record = self.load(RECORD)?.unwrap_or_default();
        let mut new = old.clone();
        change(&mut new);
        match new == old {
            true => Ok(()),
            false => self.store(RECORD, &new),
        }
    }

    /// Before a start of the daemon: finishes what a power cut interrupted, counts the tries of a version on trial, and
    /// takes it back when there is none left.
    pub fn settle(&mut self, utc_ms: i64) -> Result<Settled, ShelfFault> {
        let Some(pending) = self.load::<Pending>(PENDING)? else {
            return Ok(Settled::Quiet);
        };
        let record: Record = self.load(RECORD)?.unwrap_or_default();
        let is_current = self.current()?.as_ref() == Some(&pending.version);
        match (&record.last, is_current) {
            (Some(Outcome::Good { version, .. }), true) if *version == pending.version => {
                self.drop_pending()?;
                Ok(Settled::Quiet)
            }
            (Some(Outcome::TakenBack { version, .. }), true | false) if *version == pending.version => {
                self.switch(&pending.from)?;
                self.drop_pending()?;
                Ok(Settled::TakenBack(pending.version))
            }
            (Some(Outcome::Good { .. } | Outcome::TakenBack { .. }) | None, false) => {
                self.drop_pending()?;
                Ok(Settled::Abandoned(pending.version))
            }
            (Some(Outcome::Good { .. } | Outcome::TakenBack { .. }) | None, true) => self.try_again(pending, utc_ms),
        }
    }

    fn try_again(&mut self, mut pending: Pending, utc_ms: i64) -> Result<Settled, ShelfFault> {
        match pending.tries_left.checked_sub(1) {
            Some(tries_left) => {
                pending.tries_left = tries_left;
                self.store(PENDING, &pending)?;
                Ok(Settled::OnTrial { tries_left })
            }
            None => {
                self.take_back("it was started too often before it was found good", utc_ms)?;
                Ok(Settled::TakenBack(pending.version))
            }
        }
    }

    /// Goes back from the current version to another by hand.
    pub fn go_back(&mut self, to: &Version, (reason, utc_ms): (&str, i64)) -> Result<(), ShelfFault> {
        if let Some(pending) = self.load::<Pending>(PENDING)? {
            return Err(ShelfFault::Busy(pending.version));
        }
        let current = self.current()?;
        if !self.has(to) || current.as_ref() == Some(to) {
            return Err(ShelfFault::Absent(to.clone()));
        }
        let Some(version) = current else { return self.switch(to) };
        let pending = Pending {
            version,
            from: to.clone(),
            tries_left: 0,
            before: Before::default(),
            utc_ms,
        };
        self.store(PENDING, &pending)?;
        self.take_back(reason, utc_ms)
    }

    /// Removes all versions but the current one and those named.
    pub fn tidy(&mut self, keep: &[Version]) -> Result<(), ShelfFault> {
        let state = self.state()?;
        let is_kept = |version: &Version| Some(version) == state.current.as_ref() || keep.contains(version);
        for version in state.versions.iter().filter(|version| !is_kept(version)) {
            let gone = self.disk.remove(&version_directory(version));
            gone.map_err(io_fault("cannot remove an old version"))?;
        }
        Ok(())
    }

    fn has(&self, version: &Version) -> bool {
        self.disk.is_file(&format!("{}/{BINARY}", version_directory(version)))
    }

    fn current(&self) -> Result<Option<Version>, ShelfFault> {
        let target = self
            .disk
            .target(CURRENT)
            .map_err(io_fault("cannot read the link current"))?;
        let version = target.and_then(|target| target.rsplit('/').next()?.parse().ok());
        Ok(version.filter(|version| self.has(version)))
    }

    fn switch(&mut self, version: &Version) -> Result<(), ShelfFault> {
        if !self.has(version) {
            return Err(ShelfFault::Absent(version.clone()));
        }
        let beside = format!(".{CURRENT}");
        let disk = &mut self.disk;
        let mut switch = || {
            disk.remove(&beside)?;
            disk.link(&beside, &version_directory(version))?;
            disk.rename(&beside, CURRENT)?;
            disk.sync_directory("")
        };
        switch().map_err(io_fault("cannot change the link current"))
    }

    fn drop_pending(&mut self) -> Result<(), ShelfFault> {
        let gone = self.disk.remove(PENDING).and_then(|()| self.disk.sync_directory(""));
        gone.map_err(io_fault("cannot end the trial"))
    }

    fn load<T: DeserializeOwned>(&self, name: &'static str) -> Result<Option<T>, ShelfFault> {
        let read = self
            .disk
            .read(name)
            .map_err(io_fault("cannot read the record of updates"))?;
        let parse = |text: Vec<u8>| serde_json::from_slice(&text);
        read.map(parse).transpose().map_err(|error| ShelfFault::Damaged {
            name,
            problem: error.to_string(),
        })
    }

    fn store<T: Serialize>(&mut self, name: &'static str, value: &T) -> Result<(), ShelfFault> {
        let beside = format!(".{name}");
        let disk = &mut self.disk;
        let mut store = || {
            disk.write(&beside, &serde_json::to_vec_pretty(value)?)?;
            disk.sync_file(&beside)?;
            disk.rename(&beside, name)?;
            disk.sync_directory("")
        };
        store().map_err(io_fault("cannot write the record of updates"))
    }
}

fn io_fault(what: &'static str) -> impl FnOnce(io::Error) -> ShelfFault {
    move |source| ShelfFault::Io { what, source }
}

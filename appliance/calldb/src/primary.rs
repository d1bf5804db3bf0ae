//! The SQLite copy: entries go in once each, in order, together with the cursor that says how far.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::{fs, io};

use branchline_journal::{Entry, Event, Stamp, Uuid};
use rusqlite::{Connection, OptionalExtension, Transaction};
use tracing::{error, warn};

use crate::reconcile::Quarantined;
use crate::salvage::{self, Aside};
use crate::schema::{Depth, Opened};
use crate::sealed::{readable, text, unseal};
use crate::segment::{Homes, Wanted};
use crate::tables::{
    Apply, SELECT_OPEN_CALLS, apply_one, apply_or_quarantine, close_call, note_boots, open_call, put_emergency_call,
    put_record, seq_of, set_meta, trim,
};
use crate::{Fold, Reason, schema};

/// The open database.
#[derive(Debug)]
pub(crate) struct Primary {
    connection: Connection,
    is_checked: bool,
    path: PathBuf,
    file: FileId,
    applied_seq: u64,
    extent: Extent,
    records_max: u64,
    since_trim: u64,
}

/// What makes a file the same file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    fn of(path: &Path) -> Result<FileId, Reason> {
        match fs::metadata(path) {
            Ok(metadata) => Ok(FileId {
                device: metadata.dev(),
                inode: metadata.ino(),
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Reason::Missing),
            Err(error) => Err(Reason::Failed(error.to_string())),
        }
    }
}

/// Whether all calls up to the cursor are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    Whole,
    /// A home of the journal could not be read; its calls are filled in when it is back.
    Incomplete,
}

/// What is opened, and for whom.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    pub(crate) path: &'a Path,
    pub(crate) homes: &'a Homes,
    pub(crate) records_max: u64,
}

/// How the database was found.
#[derive(Debug)]
pub(crate) enum Found {
    Sound,
    /// It could not be used and is now at `moved_to`; `salvaged` rows were carried over from it.
    Replaced {
        moved_to: PathBuf,
        why: String,
        salvaged: u64,
    },
}

/// Old records are looked for once in so many applied entries.
const TRIM_EVERY_ENTRIES: u64 = 1000;

impl Primary {
    /// Opens the database. What can be read of a damaged one is carried over into a new one, that of another box is
    /// left out; either is moved aside, and the cursor starts at 0, so that the journal fills in the rest.
    pub(crate) fn open(place: Place<'_>, depth: Depth) -> Result<(Primary, Found), Reason> {
        let path = place.path;
        salvage::finish(path)?;
        if schema::owner_of(path).is_some_and(|owner| !place.homes.is_ours(owner)) {
            let moved_to = salvage::move_aside(path, Aside::OfAnotherBox)?;
            let why = "it is the call database of another box".to_owned();
            return Primary::replacing(place, (moved_to, why, 0));
        }
        match schema::open(path, depth) {
            Ok(opened) => Ok((Primary::over(opened, place)?, Found::Sound)),
            Err(Reason::Damaged(why)) => {
                let (moved_to, salvaged) = salvage::make_again(path)?;
                Primary::replacing(place, (moved_to, why, salvaged))
            }
            Err(
                other @ (Reason::Deadline
                | Reason::Busy
                | Reason::TooManyLookups
                | Reason::Missing
                | Reason::Bypassed
                | Reason::NewerSchema { .. }
                | Reason::Refused(_)
                | Reason::Failed(_)),
            ) => Err(other),
        }
    }

    fn replacing(
        place: Place<'_>,
        (moved_to, why, salvaged): (PathBuf, String, u64),
    ) -> Result<(Primary, Found), Reason> {
        error!(moved_to = %moved_to.display(), why, salvaged, "the call database is moved aside and made again");
        let primary = Primary::over(schema::open(place.path, Depth::Quick)?, place)?;
        let found = Found::Replaced {
            moved_to,
            why,
            salvaged,
        };
        Ok((primary, found))
    }

    fn over(opened: Opened, place: Place<'_>) -> Result<Primary, Reason> {
        let Opened { connection, is_checked } = opened;
        connection.execute(
            "INSERT INTO owner SELECT ?1 WHERE NOT EXISTS (SELECT 1 FROM owner)",
            [place.homes.owner().as_bytes()],
        )?;
        let meta = |key: &str| -> rusqlite::Result<Option<i64>> {
            let mut select = connection.prepare("SELECT value FROM meta WHERE key = ?1")?;
            select.query_row([key], |row| row.get(0)).optional()
        };
        let (cursor, incomplete) = (meta("applied_seq")?.unwrap_or(0), meta("incomplete")?.unwrap_or(0));
        Ok(Primary {
            file: FileId::of(place.path)?,
            path: place.path.to_owned(),
            applied_seq: u64::try_from(cursor).unwrap_or(0),
            extent: if incomplete == 0 {
                Extent::Whole
            } else {
                Extent::Incomplete
            },
            connection,
            is_checked,
            records_max: place.records_max,
            since_trim: 0,
        })
    }

    /// Fails when the file has another name, or none: SQLite would go on writing where nobody finds it.
    pub(crate) fn is_in_place(&self) -> Result<(), Reason> {
        if FileId::of(&self.path)? == self.file {
            Ok(())
        } else {
            Err(Reason::Missing)
        }
    }

    /// Reads, writes and flushes a little.
    pub(crate) fn probe(&mut self) -> Result<(), Reason> {
        self.is_in_place()?;
        let read = |connection: &Connection| -> rusqlite::Result<Option<i64>> {
            let select = "SELECT value FROM meta WHERE key = 'canary'";
            connection.query_row(select, [], |row| row.get(0)).optional()
        };
        let next = read(&self.connection)?.unwrap_or(0).wrapping_add(1);
        set_meta(&self.connection, "canary", next)?;
        if read(&self.connection)? != Some(next) {
            return Err(Reason::Failed(
                "it reads back another value than was written".to_owned(),
            ));
        }
        self.connection
            .query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?;
        Ok(())
    }

    /// Every page and row was read when it was opened.
    pub(crate) fn is_checked(&self) -> bool {
        self.is_checked
    }

    /// Reads every page and every row, with rests.
    pub(crate) fn check(&self, rest: &mut schema::Rest<'_>) -> Result<(), Reason> {
        schema::check(&self.connection, rest)
    }

    /// Writes all that this connection still sees of a deleted file to `path`, if that is still free.
    pub(crate) fn restore_to(self, path: &Path) {
        if path.exists() {
            return;
        }
        match salvage::write_whole(self.connection, path) {
            Ok(()) => warn!(path = %path.display(), "the call database was deleted and is restored from the open file"),
            Err(error) => warn!(%error, "the call database was deleted; it is made again from the journal"),
        }
    }

    /// Whether calls may be missing because a home of the journal could not be read.
    pub(crate) fn is_incomplete(&self) -> bool {
        self.extent == Extent::Incomplete
    }

    pub(crate) fn mark(&mut self, extent: Extent) -> Result<(), Reason> {
        if self.extent != extent {
            set_meta(&self.connection, "incomplete", i64::from(extent == Extent::Incomplete))?;
            self.extent = extent;
        }
        Ok(())
    }

    /// Takes in the calls among entries that the cursor has passed; returns how many were missing.
    pub(crate) fn fill_in(&mut self, entries: &[Entry]) -> Result<u64, Reason> {
        let transaction = self.connection.transaction()?;
        let count = |transaction: &Transaction<'_>| -> rusqlite::Result<i64> {
            transaction.query_row("SELECT COUNT(*) FROM call_record", [], |row| row.get(0))
        };
        let before = count(&transaction)?;
        for entry in entries {
            match &entry.event {
                Event::CallEnded(record) => {
                    put_record(&transaction, entry.seq, record)?;
                    close_call(&transaction, &entry.event)?;
                }
                Event::EmergencyCall(call) => put_emergency_call(&transaction, entry.seq, call)?,
                // Bindings say not when they were made: an old one could come back over one that was removed.
                Event::BindingSet(_) | Event::BindingRemoved(_) => {}
                Event::CallStarted(_)
                | Event::CallAnswered(_)
                | Event::BoxStarted { .. }
                | Event::Heartbeat { .. }
                | Event::ConfigLoaded { .. }
                | Event::Omitted { .. }
                | Event::Unknown(_) => {}
            }
        }
        let filled = count(&transaction)? - before;
        transaction.commit()?;
        Ok(u64::try_from(filled).unwrap_or(0))
    }

    /// What was refused of the wanted entries.
    pub(crate) fn quarantined(&self, wanted: Wanted) -> Result<Vec<Quarantined>, Reason> {
        let mut select = self
            .connection
            .prepare("SELECT seq, kind, why FROM quarantine WHERE seq > ?1 AND seq <= ?2 ORDER BY seq")?;
        let rows = select.query_map([seq_of(wanted.after), seq_of(wanted.up_to)], |row| {
            Ok(Quarantined {
                seq: u64::try_from(row.get::<_, i64>(0)?).unwrap_or(0),
                kind: row.get(1)?,
                why: row.get(2)?,
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// The calls of the wanted entries, with the checksum of each record.
    pub(crate) fn records_between(&self, wanted: Wanted) -> Result<BTreeMap<Uuid, u32>, Reason> {
        let mut select = self
            .connection
            .prepare("SELECT id, body, crc FROM call_record WHERE seq > ?1 AND seq <= ?2")?;
        let rows = select.query_map([seq_of(wanted.after), seq_of(wanted.up_to)], |row| {
            let id = Uuid::from_slice(&row.get::<_, Vec<u8>>(0)?).unwrap_or_default();
            text(row, 1)?;
            Ok((id, row.get(2)?))
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// The last `seq` that is in the tables.
    pub(crate) fn applied_seq(&self) -> u64 {
        self.applied_seq
    }

    /// Takes entries after `seq` again, as far as they are others than those applied.
    pub(crate) fn rewind_to(&mut self, seq: u64) {
        self.applied_seq = self.applied_seq.min(seq);
    }

    /// Applies entries in order, in one transaction with the cursor; those up to the cursor are passed over. An entry
    /// that the database refuses for what is in it goes into quarantine, so that it does not hold up the others.
    pub(crate) fn apply(&mut self, entries: &[Entry]) -> Result<(), Reason> {
        let cursor = self.applied_seq;
        let first = entries
            .iter()
            .position(|entry| entry.seq > cursor)
            .unwrap_or(entries.len());
        let fresh = &entries[first..];
        let Some(last) = fresh.last() else { return Ok(()) };
        match self.apply_whole(fresh, apply_one) {
            Err(Reason::Refused(_)) => self.apply_whole(fresh, apply_or_quarantine)?,
            applied => applied?,
        }
        self.applied_seq = last.seq;
        Ok(())
    }

    fn apply_whole(&mut self, entries: &[Entry], apply: Apply) -> Result<(), Reason> {
        let Some(last) = entries.last() else { return Ok(()) };
        let transaction = self.connection.transaction()?;
        for entry in entries {
            apply(&transaction, entry)?;
        }
        note_boots(&transaction, entries.iter())?;
        transaction
            .prepare_cached("UPDATE meta SET value = ?1 WHERE key = 'applied_seq'")?
            .execute([seq_of(last.seq)])?;
        self.since_trim += entries.len() as u64;
        if self.since_trim >= TRIM_EVERY_ENTRIES {
            self.since_trim = 0;
            trim(&transaction, self.records_max)?;
        }
        transaction.commit()?;
        Ok(())
    }

    /// What the applied entries leave behind. Bindings that ended before `now` by a trusted clock are deleted.
    pub(crate) fn fold(&self, now: &Stamp) -> Result<Fold, Reason> {
        if now.clock_trusted {
            self.connection
                .execute("DELETE FROM binding WHERE expires_utc_ms <= ?1", [now.utc_ms])?;
        }
        let mut fold = Fold::default();
        let mut bindings = self.connection.prepare("SELECT body, crc FROM binding")?;
        for binding in bindings.query_map([], |row| unseal(row, 0))? {
            readable(binding)?.into_iter().for_each(|binding| fold.bind(binding));
        }
        let mut calls = self.connection.prepare(SELECT_OPEN_CALLS)?;
        for open in calls.query_map([], open_call)? {
            readable(open)?.into_iter().for_each(|open| fold.open_call(open));
        }
        let mut calls = self
            .connection
            .prepare("SELECT body, crc FROM emergency_call ORDER BY seq")?;
        for call in calls.query_map([], |row| unseal(row, 0))? {
            readable(call)?.into_iter().for_each(|call| fold.emergency(call));
        }
        let mut boots = self
            .connection
            .prepare("SELECT last_seen, crc FROM boot ORDER BY seq")?;
        for stamp in boots.query_map([], |row| unseal(row, 0))? {
            readable(stamp)?.into_iter().for_each(|stamp| fold.seen(stamp));
        }
        Ok(fold)
    }
}

//! The SQLite copy: entries go in once each, in order, together with the cursor that says how far.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::{fs, io};

use branchline_journal::{Binding, CallAnswered, CallRecord, CallStarted, EmergencyCall, Entry, Event, Stamp, Uuid};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use tracing::warn;

use crate::fold::EMERGENCY_CALLS_MAX;
use crate::fold::OpenCall;
use crate::reconcile::Quarantined;
use crate::sealed::{readable, seal, text, unseal};
use crate::segment::Wanted;
use crate::{Fold, Reason, salvage, schema};

/// The open database.
#[derive(Debug)]
pub(crate) struct Primary {
    connection: Connection,
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

/// How the database was found.
#[derive(Debug)]
pub(crate) enum Found {
    Sound,
    /// It was damaged and is now at `moved_to`; `salvaged` rows could still be read from it.
    Damaged {
        moved_to: PathBuf,
        why: String,
        salvaged: u64,
    },
}

/// The open calls, for [`open_call`].
pub(crate) const SELECT_OPEN_CALLS: &str = "SELECT started, started_crc, answered, answered_crc FROM open_call";
/// Old records are looked for once in so many applied entries.
const TRIM_EVERY_ENTRIES: u64 = 1000;
const BOOTS_MAX: i64 = 64;
/// Refused entries kept in the database, the latest.
const QUARANTINED_MAX: i64 = 1000;

impl Primary {
    /// Opens the database at `path`. A damaged file is moved aside and what can be read of it is carried over; its
    /// cursor then starts at 0, so that the journal fills in the rest.
    pub(crate) fn open(path: &Path, records_max: u64) -> Result<(Primary, Found), Reason> {
        match schema::open(path) {
            Ok(connection) => Ok((Primary::over(connection, (path, records_max))?, Found::Sound)),
            Err(Reason::Damaged(why)) => {
                let moved_to = salvage::move_aside(path).map_err(|error| Reason::Failed(error.to_string()))?;
                let mut connection = schema::open(path)?;
                let salvaged = salvage::carry_over(&moved_to, &mut connection);
                let primary = Primary::over(connection, (path, records_max))?;
                Ok((
                    primary,
                    Found::Damaged {
                        moved_to,
                        why,
                        salvaged,
                    },
                ))
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

    fn over(connection: Connection, (path, records_max): (&Path, u64)) -> Result<Primary, Reason> {
        let meta = |key: &str| -> rusqlite::Result<Option<i64>> {
            let mut select = connection.prepare("SELECT value FROM meta WHERE key = ?1")?;
            select.query_row([key], |row| row.get(0)).optional()
        };
        let (cursor, incomplete) = (meta("applied_seq")?.unwrap_or(0), meta("incomplete")?.unwrap_or(0));
        Ok(Primary {
            file: FileId::of(path)?,
            path: path.to_owned(),
            applied_seq: u64::try_from(cursor).unwrap_or(0),
            extent: if incomplete == 0 {
                Extent::Whole
            } else {
                Extent::Incomplete
            },
            connection,
            records_max,
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

    /// Reads every page and every row.
    pub(crate) fn check(&self) -> Result<(), Reason> {
        schema::check(&self.connection)
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
            if let Event::CallEnded(record) = &entry.event {
                put_record(&transaction, entry.seq, record)?;
                close_call(&transaction, &entry.event)?;
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

type Apply = fn(&Transaction<'_>, &Entry) -> Result<(), Reason>;

fn apply_or_quarantine(transaction: &Transaction<'_>, entry: &Entry) -> Result<(), Reason> {
    transaction.execute_batch("SAVEPOINT entry")?;
    match apply_one(transaction, entry) {
        Err(Reason::Refused(why)) => {
            transaction.execute_batch("ROLLBACK TO entry")?;
            warn!(
                seq = entry.seq,
                kind = entry.event.kind(),
                why,
                "an entry goes into quarantine"
            );
            let body = serde_json::to_string(entry).unwrap_or_default();
            transaction
                .prepare_cached("INSERT OR REPLACE INTO quarantine VALUES (?1, ?2, ?3, ?4)")?
                .execute(params![seq_of(entry.seq), entry.event.kind(), why, body])?;
            transaction.execute(
                "DELETE FROM quarantine WHERE seq NOT IN (SELECT seq FROM quarantine ORDER BY seq DESC LIMIT ?1)",
                [QUARANTINED_MAX],
            )?;
        }
        applied => applied?,
    }
    transaction.execute_batch("RELEASE entry")?;
    Ok(())
}

fn set_meta(connection: &Connection, key: &str, value: i64) -> Result<(), Reason> {
    connection.execute("INSERT OR REPLACE INTO meta VALUES (?1, ?2)", params![key, value])?;
    Ok(())
}

fn apply_one(transaction: &Transaction<'_>, entry: &Entry) -> Result<(), Reason> {
    match &entry.event {
        Event::CallStarted(started) => start_call(transaction, started)?,
        Event::CallAnswered(answered) => answer_call(transaction, answered)?,
        Event::CallEnded(record) => {
            put_record(transaction, entry.seq, record)?;
            close_call(transaction, &entry.event)?;
        }
        Event::Unknown(_) => close_call(transaction, &entry.event)?,
        Event::BindingSet(binding) => put_binding(transaction, binding)?,
        Event::BindingRemoved(key) => {
            transaction
                .prepare_cached("DELETE FROM binding WHERE aor = ?1 AND contact_key = ?2")?
                .execute([&key.aor, &key.contact])?;
        }
        Event::EmergencyCall(call) => put_emergency_call(transaction, entry.seq, call)?,
        Event::BoxStarted { .. } | Event::Heartbeat { .. } | Event::ConfigLoaded { .. } | Event::Omitted { .. } => {}
    }
    Ok(())
}

/// Puts a call for help in under its id; the latest word on it counts.
pub(crate) fn put_emergency_call(transaction: &Transaction<'_>, seq: u64, call: &EmergencyCall) -> Result<(), Reason> {
    let sealed = seal(call)?;
    transaction
        .prepare_cached(
            "INSERT INTO emergency_call VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (id) DO UPDATE SET seq = ?2, body = ?3, crc = ?4 WHERE seq < ?2",
        )?
        .execute(params![call.call.as_bytes(), seq_of(seq), sealed.body, sealed.crc])?;
    let keep = i64::try_from(EMERGENCY_CALLS_MAX).unwrap_or(i64::MAX);
    transaction
        .prepare_cached(
            "DELETE FROM emergency_call WHERE id NOT IN (SELECT id FROM emergency_call ORDER BY seq DESC LIMIT ?1)",
        )?
        .execute([keep])?;
    Ok(())
}

pub(crate) fn put_binding(transaction: &Transaction<'_>, binding: &Binding) -> Result<(), Reason> {
    let (key, sealed) = (binding.key(), seal(binding)?);
    transaction
        .prepare_cached("INSERT OR REPLACE INTO binding VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![
            key.aor,
            key.contact,
            binding.expires_utc_ms,
            sealed.body,
            sealed.crc
        ])?;
    Ok(())
}

pub(crate) fn start_call(transaction: &Transaction<'_>, started: &CallStarted) -> Result<(), Reason> {
    let sealed = seal(started)?;
    transaction
        .prepare_cached(
            "INSERT INTO open_call (id, started, started_crc) VALUES (?1, ?2, ?3) ON CONFLICT (id) DO NOTHING",
        )?
        .execute(params![started.call.as_bytes(), sealed.body, sealed.crc])?;
    Ok(())
}

pub(crate) fn answer_call(transaction: &Transaction<'_>, answered: &CallAnswered) -> Result<(), Reason> {
    let sealed = seal(answered)?;
    transaction
        .prepare_cached("UPDATE open_call SET answered = ?2, answered_crc = ?3 WHERE id = ?1 AND answered IS NULL")?
        .execute(params![answered.call.as_bytes(), sealed.body, sealed.crc])?;
    Ok(())
}

/// Reads a row of [`SELECT_OPEN_CALLS`].
pub(crate) fn open_call(row: &Row<'_>) -> rusqlite::Result<OpenCall> {
    let answered = match row.get_ref(2)? {
        ValueRef::Null => None,
        ValueRef::Integer(_) | ValueRef::Real(_) | ValueRef::Text(_) | ValueRef::Blob(_) => Some(unseal(row, 2)?),
    };
    Ok(OpenCall {
        started: unseal(row, 0)?,
        answered,
    })
}

fn close_call(transaction: &Transaction<'_>, event: &Event) -> Result<(), Reason> {
    if let Some(call) = event.ends_call() {
        transaction
            .prepare_cached("DELETE FROM open_call WHERE id = ?1")?
            .execute([call.as_bytes()])?;
    }
    Ok(())
}

/// Puts a record in under its id. A record with a later `seq` for the same call is a correction and replaces it;
/// the same or an earlier one changes nothing.
pub(crate) fn put_record(transaction: &Transaction<'_>, seq: u64, record: &CallRecord) -> Result<(), Reason> {
    let seq = seq_of(seq);
    let known: Option<i64> = transaction
        .prepare_cached("SELECT seq FROM call_record WHERE id = ?1")?
        .query_row([record.id.as_bytes()], |row| row.get(0))
        .optional()?;
    if let Some(known) = known {
        if known >= seq {
            return Ok(());
        }
        transaction
            .prepare_cached("DELETE FROM call_number WHERE seq = ?1")?
            .execute([known])?;
    }
    let sealed = seal(record)?;
    transaction
        .prepare_cached(
            "INSERT OR REPLACE INTO call_record VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
        )?
        .execute(params![
            record.id.as_bytes(),
            seq,
            record.started.utc_ms,
            record.from.normalised.as_ref().unwrap_or(&record.from.dialled),
            record.to.normalised.as_ref().unwrap_or(&record.to.dialled),
            record.direction.name(),
            record.outcome.name(),
            record.trunks.last(),
            record.extensions.last(),
            i64::try_from(record.talk_ms).unwrap_or(i64::MAX),
            record.emergency,
            sealed.body,
            sealed.crc,
        ])?;
    let mut number = transaction.prepare_cached("INSERT OR IGNORE INTO call_number VALUES (?1, ?2)")?;
    for text in numbers(record) {
        number.execute(params![text, seq])?;
    }
    Ok(())
}

fn numbers(record: &CallRecord) -> impl Iterator<Item = &String> {
    let parties = [&record.from, &record.to];
    let dialled = parties.map(|party| &party.dialled);
    let normalised = parties.map(|party| party.normalised.as_ref()).into_iter().flatten();
    dialled.into_iter().chain(normalised).chain(&record.extensions)
}

fn note_boots<'a>(transaction: &Transaction<'_>, entries: impl Iterator<Item = &'a Entry>) -> Result<(), Reason> {
    let mut fold = Fold::default();
    let mut last_seq = 0;
    for entry in entries {
        fold.seen(entry.stamp);
        last_seq = entry.seq;
    }
    for stamp in fold.boots() {
        let sealed = seal(stamp)?;
        transaction
            .prepare_cached("INSERT OR REPLACE INTO boot VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![
                stamp.boot.0.as_bytes(),
                seq_of(last_seq),
                sealed.body,
                sealed.crc
            ])?;
    }
    transaction
        .prepare_cached("DELETE FROM boot WHERE id NOT IN (SELECT id FROM boot ORDER BY seq DESC LIMIT ?1)")?
        .execute([BOOTS_MAX])?;
    Ok(())
}

fn trim(transaction: &Transaction<'_>, records_max: u64) -> Result<(), Reason> {
    let keep = i64::try_from(records_max).unwrap_or(i64::MAX);
    let oldest_gone: Option<i64> = transaction
        .query_row(
            "SELECT seq FROM call_record ORDER BY seq DESC LIMIT 1 OFFSET ?1",
            [keep],
            |row| row.get(0),
        )
        .optional()?;
    if let Some(seq) = oldest_gone {
        transaction.execute("DELETE FROM call_number WHERE seq <= ?1", [seq])?;
        transaction.execute("DELETE FROM call_record WHERE seq <= ?1", [seq])?;
    }
    Ok(())
}

pub(crate) fn seq_of(seq: u64) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}

//! What an entry does to the rows of SQLite.

use branchline_journal::{Binding, CallAnswered, CallRecord, CallStarted, CallsForHelp, EmergencyCall, Entry, Event};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use tracing::warn;

use crate::fold::OpenCall;
use crate::sealed::{seal, unseal};
use crate::{Fold, Reason};

/// The open calls, for [`open_call`].
pub(crate) const SELECT_OPEN_CALLS: &str = "SELECT started, started_crc, answered, answered_crc FROM open_call";
const BOOTS_MAX: i64 = 64;
/// Refused entries kept in the database, the latest.
const QUARANTINED_MAX: i64 = 1000;

/// One way to apply an entry.
pub(crate) type Apply = fn(&Transaction<'_>, &Entry) -> Result<(), Reason>;

pub(crate) fn apply_or_quarantine(transaction: &Transaction<'_>, entry: &Entry) -> Result<(), Reason> {
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

pub(crate) fn set_meta(connection: &Connection, key: &str, value: i64) -> Result<(), Reason> {
    connection.execute("INSERT OR REPLACE INTO meta VALUES (?1, ?2)", params![key, value])?;
    Ok(())
}

pub(crate) fn apply_one(transaction: &Transaction<'_>, entry: &Entry) -> Result<(), Reason> {
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
    let keep = i64::try_from(CallsForHelp::MAX).unwrap_or(i64::MAX);
    // By the rule of `CallsForHelp`; a row whose JSON a newer version wrote counts as one of a telephone.
    transaction
        .prepare_cached(
            "DELETE FROM emergency_call WHERE (SELECT COUNT(*) FROM emergency_call) > ?1 AND id = (
               SELECT id FROM emergency_call WHERE seq < (SELECT MAX(seq) FROM emergency_call)
               ORDER BY CASE WHEN json_valid(body) THEN json_extract(body, '$.extension') IS NOT NULL ELSE 1 END, seq
               LIMIT 1)",
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

pub(crate) fn close_call(transaction: &Transaction<'_>, event: &Event) -> Result<(), Reason> {
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

pub(crate) fn note_boots<'a>(
    transaction: &Transaction<'_>,
    entries: impl Iterator<Item = &'a Entry>,
) -> Result<(), Reason> {
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

pub(crate) fn trim(transaction: &Transaction<'_>, records_max: u64) -> Result<(), Reason> {
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

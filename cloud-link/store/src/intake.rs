//! Entries of the boxes' journals on their way in: each once, whatever is sent again.

use branchline_journal::{CallRecord, Entry, Event};

use crate::boxes::unreadable;
use crate::engine::{Scope, Session};
use crate::value::Value;
use crate::{Enrolled, Store, StoreError};

/// Entries in order, as one message of a box brings them.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// At least one.
    pub entries: Vec<Entry>,
    /// Entries before them that the box had to give up.
    pub lost: u64,
}

impl Store {
    /// Keeps a batch and how far the box has come, in one step. Gives back how many were new.
    pub async fn take_in(&self, now_ms: i64, whose: Enrolled, batch: Batch) -> Result<u64, StoreError> {
        self.write(Scope::Tenant(whose.tenant), move |session| {
            take_in(session, now_ms, (whose, &batch))
        })
        .await
    }

    /// Keeps an entry that came ahead of its turn; it comes again with its batch.
    pub async fn take_in_ahead(&self, whose: Enrolled, entry: Entry) -> Result<(), StoreError> {
        self.write(Scope::Tenant(whose.tenant), move |session| {
            keep(session, whose, &entry).map(|_| ())
        })
        .await
    }
}

fn take_in(session: &mut dyn Session, now_ms: i64, (whose, batch): (Enrolled, &Batch)) -> Result<u64, StoreError> {
    let Some(last) = batch.entries.last() else { return Ok(0) };
    // First, so that two connections of one box do not wait for each other crosswise.
    let values = [
        whose.tenant.0.into(),
        whose.id.0.into(),
        now_ms.into(),
        last.seq.into(),
        last.id.into(),
        batch.lost.into(),
    ];
    let changed = session.execute(
        "UPDATE box SET seen_ms = $3, acked_seq = $4, acked_id = $5, lost = lost + $6 WHERE tenant = $1 AND box = $2",
        &values,
    )?;
    if changed == 0 {
        return Err(StoreError::NotFound("box"));
    }
    let mut new = 0;
    for entry in &batch.entries {
        new += keep(session, whose, entry)?;
    }
    Ok(new)
}

/// 1 for an entry that was not there, 0 otherwise.
fn keep(session: &mut dyn Session, whose: Enrolled, entry: &Entry) -> Result<u64, StoreError> {
    let body = serde_json::to_string(entry).map_err(|error| unreadable(&error))?;
    let values = [
        whose.tenant.0.into(),
        whose.id.0.into(),
        entry.id.into(),
        entry.seq.into(),
        entry.stamp.utc_ms.into(),
        entry.event.kind().into(),
        body.into(),
    ];
    let new = session.execute(
        "INSERT INTO entry (tenant, box, id, seq, utc_ms, kind, body) VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT DO NOTHING",
        &values,
    )?;
    if let (1, Event::CallEnded(record)) = (new, &entry.event) {
        keep_call(session, whose, (entry.seq, record))?;
    }
    Ok(new)
}

/// A record may be written again with better times: the later one in the journal counts, in whatever order they come.
fn keep_call(session: &mut dyn Session, whose: Enrolled, (seq, record): (u64, &CallRecord)) -> Result<(), StoreError> {
    let body = serde_json::to_string(record).map_err(|error| unreadable(&error))?;
    let party = |party: &branchline_journal::RecordedParty| -> Value {
        party.normalised.as_deref().unwrap_or(&party.dialled).into()
    };
    let values = [
        whose.tenant.0.into(),
        whose.id.0.into(),
        record.id.into(),
        seq.into(),
        record.started.utc_ms.into(),
        party(&record.from),
        party(&record.to),
        record.direction.name().into(),
        record.outcome.name().into(),
        record.talk_ms.into(),
        i64::from(record.emergency).into(),
        body.into(),
    ];
    session.execute(
        "INSERT INTO call (tenant, box, call, seq, started_ms, caller, callee, direction, outcome, talk_ms, emergency, body)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
         ON CONFLICT (tenant, box, call) DO UPDATE SET
            seq = excluded.seq, started_ms = excluded.started_ms, caller = excluded.caller, callee = excluded.callee,
            direction = excluded.direction, outcome = excluded.outcome, talk_ms = excluded.talk_ms,
            emergency = excluded.emergency, body = excluded.body
         WHERE call.seq < excluded.seq",
        &values,
    )?;
    Ok(())
}

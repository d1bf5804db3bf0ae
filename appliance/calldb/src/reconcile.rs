//! After a recovery: whether SQLite holds exactly the calls that the journal tells of.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use branchline_journal::{Event, Uuid, crc32c};
use serde::{Deserialize, Serialize};

use crate::Reason;
use crate::primary::Primary;
use crate::sealed::seal;
use crate::segment::{Homes, Wanted, replay};

/// How an outage of the database ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recovery {
    /// Why the database was not used.
    pub why: String,
    /// How long it was not used.
    pub degraded_ms: u64,
    /// How long it took to catch up.
    pub recovering_ms: u64,
    /// The last `seq` in the database before.
    pub after_seq: u64,
    /// The last `seq` in it now.
    pub up_to_seq: u64,
    /// What the journal tells of the time between.
    pub journal: Side,
    /// What the database holds of it.
    pub database: Side,
    /// Calls that only the journal has.
    pub missing_calls: u64,
    /// Their ids, at most [`LISTED_MAX`].
    pub missing: Vec<Uuid>,
    /// Entries that the database refused.
    pub quarantined_entries: u64,
    /// What they are, at most [`LISTED_MAX`].
    pub quarantined: Vec<Quarantined>,
    /// Homes of the journal that could not be read; what they hold is filled in when they are back.
    pub homes_missed: u32,
}

/// One side of the comparison.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Side {
    /// Calls with a record.
    pub calls: u64,
    /// Sum of the checksums of their ids and records.
    pub checksum: u64,
}

/// An entry that the database refused; it stays in the journal and in the table `quarantine`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantined {
    /// Its number.
    pub seq: u64,
    /// Its kind.
    pub kind: String,
    /// What the database said.
    pub why: String,
}

/// Calls and entries named in a [`Recovery`].
pub const LISTED_MAX: usize = 100;

impl Recovery {
    /// Whether both sides are the same but for what was quarantined.
    pub fn is_equal(&self) -> bool {
        self.missing_calls == 0 && self.journal == self.database
    }
}

impl Side {
    fn add(&mut self, id: Uuid, crc: u32) {
        let mut bytes = [0; 20];
        bytes[..16].copy_from_slice(id.as_bytes());
        bytes[16..].copy_from_slice(&crc.to_le_bytes());
        self.calls += 1;
        self.checksum = self.checksum.wrapping_add(u64::from(crc32c(&bytes)));
    }
}

/// What is compared: entries after one `seq` up to another.
#[derive(Clone, Debug)]
pub(crate) struct Outage {
    pub(crate) why: String,
    pub(crate) after_seq: u64,
    pub(crate) degraded: Duration,
    pub(crate) recovering: Duration,
}

/// Compares both sides of what came after `outage.after_seq`.
pub(crate) fn reconcile(outage: &Outage, homes: &Homes, primary: &Primary) -> Result<Recovery, Reason> {
    let wanted = Wanted {
        after: outage.after_seq,
        up_to: primary.applied_seq(),
    };
    let quarantined = primary.quarantined(wanted)?;
    let mut told: BTreeMap<Uuid, u32> = BTreeMap::new();
    let Ok(replayed) = replay::<Infallible>(homes, wanted, |entries| {
        for entry in entries {
            if let Event::CallEnded(record) = &entry.event
                && quarantined
                    .binary_search_by_key(&entry.seq, |refused| refused.seq)
                    .is_err()
                && let Ok(sealed) = seal(record)
            {
                told.insert(record.id, sealed.crc);
            }
        }
        Ok(())
    });
    let held = primary.records_between(wanted)?;
    let (mut journal, mut database) = (Side::default(), Side::default());
    for (id, crc) in &held {
        database.add(*id, *crc);
    }
    for (id, crc) in &told {
        journal.add(*id, *crc);
    }
    let missing: Vec<Uuid> = told.into_keys().filter(|id| !held.contains_key(id)).collect();
    Ok(Recovery {
        why: outage.why.clone(),
        degraded_ms: ms(outage.degraded),
        recovering_ms: ms(outage.recovering),
        after_seq: wanted.after,
        up_to_seq: wanted.up_to,
        journal,
        database,
        missing_calls: missing.len() as u64,
        missing: missing.into_iter().take(LISTED_MAX).collect(),
        quarantined_entries: quarantined.len() as u64,
        quarantined: quarantined.into_iter().take(LISTED_MAX).collect(),
        homes_missed: replayed.homes_missed,
    })
}

fn ms(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

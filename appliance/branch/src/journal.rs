//! The one ordered journal: numbers its entries and knows which are safe.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use branchline_journal::{BootId, Entry, Event, Stamp, uuid_v7};
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::Rng;
use uuid::Uuid;

use crate::now::Now;
use crate::output::Journalled;

/// Entries waiting for the disk are late after this; nothing waits longer for them.
pub(crate) const PATIENCE: Duration = Duration::from_millis(50);

pub(crate) struct Journal {
    rng: ChaCha12Rng,
    boot: BootId,
    started: Instant,
    next_seq: u64,
    /// The time is not before this.
    floor: Floor,
    clock_trusted: bool,
    /// How far it has come.
    kept: Journalled,
    /// When each entry that a power cut would take was made.
    waiting: VecDeque<(u64, Instant)>,
    pub(crate) made: u64,
}

/// Where to go on after a restart.
#[derive(Clone, Copy, Debug)]
pub struct JournalStart {
    /// Identity of this run of the box.
    pub boot: BootId,
    /// The first number to give.
    pub next_seq: u64,
    /// When the last entry was made, UTC milliseconds: a clock that was not set since says less.
    pub newest_utc_ms: Option<i64>,
}

/// The last moment that is in the journal.
#[derive(Clone, Copy)]
struct Floor {
    utc_ms: i64,
    at: Instant,
}

impl Journal {
    pub(crate) fn new(now: Now, start: JournalStart, rng: ChaCha12Rng) -> Self {
        Journal {
            rng,
            boot: start.boot,
            started: now.mono,
            next_seq: start.next_seq,
            floor: Floor {
                utc_ms: start.newest_utc_ms.unwrap_or(i64::MIN),
                at: now.mono,
            },
            clock_trusted: now.clock_trusted,
            kept: Journalled {
                written_seq: start.next_seq.saturating_sub(1),
                synced_seq: start.next_seq.saturating_sub(1),
            },
            waiting: VecDeque::new(),
            made: 0,
        }
    }

    pub(crate) fn id(&mut self, now: Now) -> Uuid {
        let mut random = [0; 10];
        self.rng.fill_bytes(&mut random);
        uuid_v7(self.dated(now).utc_ms, &random)
    }

    /// The moment with the best wall time there is: a clock that nobody set may not run back behind what was recorded, but
    /// goes on from there.
    pub(crate) fn dated(&self, now: Now) -> Now {
        if now.clock_trusted {
            return now;
        }
        let passed_ms = now.mono.saturating_duration_since(self.floor.at).as_millis();
        let least = self
            .floor
            .utc_ms
            .saturating_add(i64::try_from(passed_ms).unwrap_or(i64::MAX));
        Now {
            utc_ms: now.utc_ms.max(least),
            ..now
        }
    }

    /// Whether the wall clock has just become one to be trusted.
    pub(crate) fn handle_clock(&mut self, now: Now) -> bool {
        let came = now.clock_trusted && !self.clock_trusted;
        self.clock_trusted = now.clock_trusted;
        came
    }

    pub(crate) fn stamp(&self, now: Now) -> Stamp {
        Stamp {
            utc_ms: self.dated(now).utc_ms,
            clock_trusted: now.clock_trusted,
            mono_ms: u64::try_from(now.mono.saturating_duration_since(self.started).as_millis()).unwrap_or(u64::MAX),
            boot: self.boot,
        }
    }

    /// The next entry; its number tells when it is safe.
    pub(crate) fn entry(&mut self, now: Now, event: Event) -> Entry {
        let seq = self.next_seq;
        self.next_seq += 1;
        self.made += 1;
        if self.waiting.len() < WAITING_MAX {
            self.waiting.push_back((seq, now.mono));
        }
        let stamp = self.stamp(now);
        self.floor = Floor {
            utc_ms: stamp.utc_ms,
            at: now.mono,
        };
        Entry {
            id: self.id(now),
            seq,
            stamp,
            event,
        }
    }

    pub(crate) fn handle_journalled(&mut self, journalled: Journalled) {
        let Journalled {
            written_seq,
            synced_seq,
        } = journalled;
        self.kept.synced_seq = self.kept.synced_seq.max(synced_seq);
        self.kept.written_seq = self.kept.written_seq.max(written_seq).max(synced_seq);
        while self.waiting.front().is_some_and(|(seq, _)| *seq <= synced_seq) {
            self.waiting.pop_front();
        }
    }

    /// Whether an entry survives the end of the program.
    pub(crate) fn is_written(&self, seq: u64) -> bool {
        seq <= self.kept.written_seq
    }

    /// Whether an entry survives a power cut.
    pub(crate) fn is_synced(&self, seq: u64) -> bool {
        seq <= self.kept.synced_seq
    }

    pub(crate) fn last_seq(&self) -> u64 {
        self.next_seq.saturating_sub(1)
    }

    pub(crate) fn pending(&self) -> u32 {
        u32::try_from(self.next_seq.saturating_sub(1).saturating_sub(self.kept.synced_seq)).unwrap_or(u32::MAX)
    }

    /// Entries wait for the disk longer than they should.
    pub(crate) fn is_late(&self, now: Instant) -> bool {
        self.waiting
            .front()
            .is_some_and(|(_, made)| now.saturating_duration_since(*made) > LATE)
    }

    pub(crate) fn uptime_ms(&self, now: Now) -> u64 {
        self.stamp(now).mono_ms
    }
}

/// A flood of entries keeps only so many arrival times; the oldest tells whether the disk is late.
const WAITING_MAX: usize = 4096;
/// A disk slower than this is shown as degraded.
const LATE: Duration = Duration::from_secs(2);

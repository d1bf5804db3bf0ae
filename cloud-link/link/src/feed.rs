//! The journal on its way to the cloud: what is sent next, what is on its way, what is safe.

use std::collections::VecDeque;
use std::time::Instant;

use branchline_journal::Entry;
use branchline_wire::v1::{Entries, Tail};

use crate::Pace;

/// Entries asked of the journal at once.
pub const READ_ENTRIES_MAX: usize = 200;
/// Bytes asked of the journal at once; a message is far below [`branchline_wire::frame::MESSAGE_BYTES_MAX`] with it.
pub const READ_BYTES_MAX: usize = 512 * 1024;

/// What the journal has on its disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalState {
    /// First entry that is still there.
    pub first_seq: u64,
    /// Last entry that is flushed; none in an empty journal. Only flushed entries go out: what the cloud has must never be
    /// lost by the box.
    pub tail: Option<Tail>,
}

/// What is in the journal at a place that the cloud says it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// That very entry.
    Same,
    /// Another one, or none yet: the journal was lost and begun again.
    Other,
    /// It is no longer kept. A journal that was begun again and has already passed that place looks the same; what it gave up
    /// before is then not counted as lost.
    Gone,
}

/// Entries to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Read {
    /// From this one on, in order.
    pub from_seq: u64,
    /// At most so many, and [`READ_BYTES_MAX`] bytes.
    pub entries_max: usize,
}

/// The cursor of one session.
#[derive(Debug)]
pub struct Feed {
    next_seq: u64,
    acked: Option<Tail>,
    /// Given up unsent, not yet told.
    lost: u64,
    on_the_way: VecDeque<Tail>,
    window: usize,
    reading: bool,
    pace: Pace,
}

impl Feed {
    /// Begins after `acked`, as far as the journal still knows it.
    #[must_use]
    pub fn new(acked: Option<(Tail, Found)>, journal: JournalState, window: usize, pace: Pace) -> Self {
        let (acked, next_seq) = match acked {
            Some((tail, Found::Same | Found::Gone)) => (Some(tail), tail.seq + 1),
            // What another journal held is not known.
            Some((_, Found::Other)) => (None, journal.first_seq),
            None => (None, 1),
        };
        let lost = journal.first_seq.saturating_sub(next_seq);
        Feed {
            next_seq: next_seq.max(journal.first_seq),
            acked,
            lost,
            on_the_way: VecDeque::new(),
            window: window.max(1),
            reading: false,
            pace,
        }
    }

    /// What the journal shall be asked for now.
    pub fn poll_read(&mut self, now: Instant, journal: JournalState) -> Option<Read> {
        if journal.first_seq > self.next_seq {
            self.lost += journal.first_seq - self.next_seq;
            self.next_seq = journal.first_seq;
        }
        let there = (journal.tail?.seq + 1).saturating_sub(self.next_seq);
        let room = self.window.saturating_sub(self.on_the_way.len());
        if self.reading || there == 0 || room == 0 {
            return None;
        }
        let entries_max = self.pace.allowed(now).min(room).min(READ_ENTRIES_MAX);
        self.reading = entries_max > 0;
        self.reading.then_some(Read {
            from_seq: self.next_seq,
            entries_max,
        })
    }

    /// Entries came out of the journal; the message to send, unless they are not what was asked for.
    pub fn handle_read(&mut self, entries: Vec<Entry>) -> Option<Entries> {
        self.reading = false;
        let in_order = entries
            .iter()
            .zip(self.next_seq..)
            .all(|(entry, expected)| entry.seq == expected);
        if entries.is_empty() || !in_order {
            return None;
        }
        self.pace.spend(entries.len());
        self.next_seq += entries.len() as u64;
        self.on_the_way.extend(entries.iter().map(|entry| Tail {
            seq: entry.seq,
            id: entry.id,
        }));
        Some(Entries {
            entries,
            lost: std::mem::take(&mut self.lost),
        })
    }

    /// The cloud has everything up to here; `false` when that was never sent.
    pub fn handle_ack(&mut self, up_to: Tail) -> bool {
        if self.acked == Some(up_to) {
            return true;
        }
        let Some(at) = self.on_the_way.iter().position(|sent| *sent == up_to) else {
            return false;
        };
        self.on_the_way.drain(..=at);
        self.acked = Some(up_to);
        true
    }

    /// Entries that are not acknowledged.
    #[must_use]
    pub fn unsent(&self, journal: JournalState) -> u64 {
        let tail = journal.tail.map_or(0, |tail| tail.seq);
        (tail + 1).saturating_sub(self.next_seq) + self.on_the_way.len() as u64
    }

    /// Last entry that the cloud has.
    #[must_use]
    pub fn acked(&self) -> Option<Tail> {
        self.acked
    }

    /// When the pace allows the next entry, if one waits for that alone.
    #[must_use]
    pub fn poll_timeout(&self, journal: JournalState) -> Option<Instant> {
        let waits = journal.tail.is_some_and(|tail| tail.seq >= self.next_seq);
        (waits && !self.reading && self.on_the_way.len() < self.window).then(|| self.pace.next_at())
    }
}

//! From the branch to the journal and back, without ever waiting.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use branchline_branch::Journalled;
use branchline_calldb::{Ack, AppendError, CallDb, Kept, Notice, OpenError, OpenReport, Setup};
use branchline_journal::Entry;
use tokio::sync::Notify;

use super::storage::Storage;

/// Where entries go; `CallDb` outside of tests.
pub(super) trait Sink {
    /// Takes all or none.
    fn append(&mut self, entries: Vec<Entry>) -> Result<(), AppendError>;
}

impl Sink for CallDb {
    fn append(&mut self, entries: Vec<Entry>) -> Result<(), AppendError> {
        CallDb::append(self, entries)
    }
}

/// How far the journal has come, told from its own thread.
#[derive(Debug, Default)]
pub(super) struct Acks {
    written_seq: AtomicU64,
    synced_seq: AtomicU64,
    changed: Notify,
}

impl Acks {
    /// Waits for the next change. Safe to cancel.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Something else has changed that the loop asks for.
    fn wake(&self) {
        self.changed.notify_one();
    }

    fn note(&self, ack: Ack) {
        self.written_seq.fetch_max(ack.up_to_seq, Ordering::AcqRel);
        match ack.kept {
            Kept::Written => {}
            // Nothing better is to come while the disks fail: calls go on.
            Kept::Synced | Kept::MemoryOnly => {
                self.synced_seq.fetch_max(ack.up_to_seq, Ordering::AcqRel);
            }
        }
        self.changed.notify_one();
    }
}

/// The open call database, and what it is told by.
pub(super) struct Opened {
    pub(super) db: CallDb,
    pub(super) report: OpenReport,
    pub(super) acks: Arc<Acks>,
    pub(super) storage: Arc<Storage>,
}

/// Opens the call database; what it says is kept. Reports of recoveries go to the directory `reports`.
pub(super) fn open(setup: &Setup, reports: PathBuf) -> Result<Opened, OpenError> {
    let (acks, storage) = (Arc::new(Acks::default()), Arc::new(Storage::new(reports)));
    let (their_acks, their_storage) = (Arc::clone(&acks), Arc::clone(&storage));
    let notify = move |notice| match notice {
        Notice::Acked(ack) => their_acks.note(ack),
        Notice::Journal(homes) => {
            their_storage.handle_homes(&homes);
            their_acks.wake();
        }
        Notice::Database(state) => {
            their_storage.handle_database(state);
            their_acks.wake();
        }
        Notice::Recovered(recovery) => their_storage.handle_recovery(&recovery),
    };
    let (db, report) = CallDb::open(setup, notify)?;
    Ok(Opened {
        db,
        report,
        acks,
        storage,
    })
}

/// The branch's end of the journal.
#[derive(Debug)]
pub(super) struct Journal<S> {
    sink: S,
    acks: Arc<Acks>,
    told: Journalled,
    pending: Vec<Entry>,
    state: State,
    /// Each run of losses not acknowledged past: the branch's number after it, and how many were lost by then.
    losses: VecDeque<(u64, u64)>,
    /// Entries lost because the journal took none for too long.
    pub(super) lost: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Flowing,
    /// Handed back; logged once.
    Held,
}

impl<S: Sink> Journal<S> {
    /// Goes on after the last entry in the journal.
    pub(super) fn new(sink: S, acks: Arc<Acks>) -> Journal<S> {
        Journal {
            sink,
            acks,
            told: Journalled {
                written_seq: 0,
                synced_seq: 0,
            },
            pending: Vec::new(),
            state: State::Flowing,
            losses: VecDeque::new(),
            lost: 0,
        }
    }

    /// Hands over the entries of a turn; what is not taken now is offered again with the next.
    pub(super) fn append(&mut self, entries: &mut Vec<Entry>) {
        for mut entry in entries.drain(..) {
            if self.pending.len() >= PENDING_MAX {
                self.lose(entry.seq);
                continue;
            }
            // The journal knows no gaps.
            entry.seq -= self.lost;
            self.pending.push(entry);
        }
        self.offer();
    }

    /// Offers again what was handed back.
    pub(super) fn offer(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        match self.sink.append(std::mem::take(&mut self.pending)) {
            Ok(()) => {
                if self.state == State::Held {
                    self.state = State::Flowing;
                    tracing::info!("the journal takes entries again");
                }
            }
            Err(refused) => {
                if self.state == State::Flowing {
                    self.state = State::Held;
                    tracing::error!(%refused, "the journal does not keep up; entries wait in memory");
                }
                self.pending = refused.into_entries();
            }
        }
    }

    /// The acknowledgements of the journal's thread.
    pub(super) fn acks(&self) -> &Arc<Acks> {
        &self.acks
    }

    /// What the branch has not been told yet.
    pub(super) fn acked(&mut self) -> Option<Journalled> {
        let synced_seq = self.acks.synced_seq.load(Ordering::Acquire);
        let journalled = Journalled {
            written_seq: self.as_numbered(self.acks.written_seq.load(Ordering::Acquire)),
            synced_seq: self.as_numbered(synced_seq),
        };
        // The last run of losses that is behind both is still needed: it tells how far the numbers are apart.
        while self
            .losses
            .get(1)
            .is_some_and(|(after, lost)| synced_seq >= after - lost)
        {
            self.losses.pop_front();
        }
        if journalled == self.told {
            return None;
        }
        self.told = journalled;
        Some(journalled)
    }

    /// The branch's number of the entry that is `seq` in the journal.
    fn as_numbered(&self, seq: u64) -> u64 {
        let behind = self.losses.iter().rev().find(|(after, lost)| seq >= after - lost);
        seq + behind.map_or(0, |(_, lost)| *lost)
    }

    /// Entries that wait here.
    pub(super) fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Where entries go.
    pub(super) fn sink(&self) -> &S {
        &self.sink
    }

    /// Ends the sending side.
    pub(super) fn into_sink(self) -> S {
        self.sink
    }

    fn lose(&mut self, seq: u64) {
        if self.lost == 0 {
            tracing::error!("the journal has taken nothing for too long; call records are being lost");
        }
        self.lost += 1;
        match self.losses.back_mut() {
            Some(run) if run.0 == seq => *run = (seq + 1, self.lost),
            Some(_) | None => self.losses.push_back((seq + 1, self.lost)),
        }
    }
}

/// Entries that wait while a disk hangs: minutes of a busy branch, in some 30 MB.
pub(super) const PENDING_MAX: usize = 65_536;

#[cfg(test)]
mod tests {
    use branchline_journal::{BootId, Event, Stamp, uuid_v7};

    use super::*;

    #[derive(Default)]
    struct Disk {
        hangs: bool,
        taken: Vec<u64>,
    }

    impl Sink for Disk {
        fn append(&mut self, entries: Vec<Entry>) -> Result<(), AppendError> {
            if self.hangs {
                return Err(AppendError::Full(entries));
            }
            self.taken.extend(entries.iter().map(|entry| entry.seq));
            Ok(())
        }
    }

    fn entry(seq: u64) -> Entry {
        let boot = BootId(uuid_v7(0, &[0; 10]));
        let stamp = Stamp {
            utc_ms: 0,
            clock_trusted: false,
            mono_ms: 0,
            boot,
        };
        Entry {
            id: uuid_v7(0, &[1; 10]),
            seq,
            stamp,
            event: Event::Heartbeat { live_calls: 0 },
        }
    }

    fn entries(seqs: std::ops::RangeInclusive<u64>) -> Vec<Entry> {
        seqs.map(entry).collect()
    }

    fn ack(up_to_seq: u64, kept: Kept) -> Ack {
        Ack { up_to_seq, kept }
    }

    fn journalled(written_seq: u64, synced_seq: u64) -> Journalled {
        Journalled {
            written_seq,
            synced_seq,
        }
    }

    #[test]
    fn what_a_hanging_disk_hands_back_is_offered_again_in_order() {
        let mut journal = Journal::new(
            Disk {
                hangs: true,
                ..Disk::default()
            },
            Arc::default(),
        );
        journal.append(&mut entries(1..=2));
        journal.append(&mut entries(3..=3));
        assert_eq!((journal.pending(), journal.lost), (3, 0));
        journal.sink.hangs = false;
        journal.append(&mut entries(4..=4));
        assert_eq!(journal.sink().taken, [1, 2, 3, 4]);
        assert_eq!(journal.acked(), None);
        journal.acks().note(ack(3, Kept::Written));
        journal.acks().note(ack(2, Kept::Synced));
        assert_eq!(journal.acked(), Some(journalled(3, 2)));
        assert_eq!(journal.acked(), None);
        journal.acks().note(ack(4, Kept::MemoryOnly));
        assert_eq!(journal.acked(), Some(journalled(4, 4)));
    }

    #[test]
    fn lost_entries_leave_no_gap_in_the_journal_and_acks_still_fit() {
        let full = PENDING_MAX as u64;
        let mut journal = Journal::new(
            Disk {
                hangs: true,
                ..Disk::default()
            },
            Arc::default(),
        );
        journal.append(&mut entries(1..=full + 5));
        assert_eq!((journal.pending(), journal.lost), (PENDING_MAX, 5));
        journal.sink.hangs = false;
        journal.offer();
        journal.append(&mut entries(full + 6..=full + 8));
        assert_eq!(journal.sink().taken, (1..=full + 3).collect::<Vec<_>>());
        for (acked, told) in [(10, 10), (full, full), (full + 1, full + 6), (full + 3, full + 8)] {
            journal.acks().note(ack(acked, Kept::Synced));
            assert_eq!(journal.acked(), Some(journalled(told, told)));
        }
    }
}

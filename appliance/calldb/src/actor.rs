//! The handle of the database for the program, and what its two threads share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use branchline_journal::Entry;
use thiserror::Error;

use crate::guard::Guard;
use crate::inbox::Inbox;
use crate::reconcile::Recovery;
use crate::spool::HomeStatus;
use crate::{Reason, clock};

/// What the database tells the program, from its own threads; whoever takes it must not wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Entries are kept.
    Acked(Ack),
    /// The homes of the journal: one fails, or is back. While none is in use, entries are kept in memory only.
    Journal(Vec<HomeStatus>),
    /// SQLite's state changed.
    Database(DatabaseState),
    /// SQLite has caught up after an outage: what it holds, compared with the journal.
    Recovered(Box<Recovery>),
}

/// An acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack {
    /// All entries up to here, inclusive.
    pub up_to_seq: u64,
    /// How well they are kept; what an earlier ack said of earlier entries stands if it said more.
    pub kept: Kept,
}

/// What an acknowledged entry survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kept {
    /// Nothing: the disk failed. It is written as soon as the disk takes it.
    MemoryOnly,
    /// The end of the process.
    Written,
    /// A power cut.
    Synced,
}

/// State of SQLite; the journal works in all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatabaseState {
    /// Follows the journal.
    Normal,
    /// Not used; tried again with growing pauses of up to half a minute.
    Degraded(Reason),
    /// Back, and catching up.
    Recovering,
}

/// Counters for the metrics and the health page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Last `seq` in the journal file.
    pub written_seq: u64,
    /// Last `seq` in SQLite.
    pub applied_seq: u64,
    /// Entries waiting for the journal.
    pub queued: usize,
    /// Entries lost because all disks failed for longer than memory lasts.
    pub lost_entries: u64,
    /// Bytes of the journal that wait for SQLite.
    pub held_bytes: u64,
    /// As many as may: then no more is written until SQLite takes some.
    pub held_bytes_max: u64,
    /// Homes of the journal, the most preferred first.
    pub homes: Vec<HomeStatus>,
    /// State of SQLite.
    pub database: DatabaseState,
}

/// Why entries were handed back.
#[derive(Debug, Error)]
pub enum AppendError {
    /// The queue is full: try again after the next ack.
    #[error("the journal queue is full, {} entries handed back", .0.len())]
    Full(Vec<Entry>),
    /// The database has been closed.
    #[error("the journal is closed, {} entries handed back", .0.len())]
    Closed(Vec<Entry>),
    /// The entries do not follow the last one.
    #[error("entry {found} follows where {expected} should, {} entries handed back", .entries.len())]
    OutOfOrder {
        /// The `seq` that is next.
        expected: u64,
        /// The first `seq` that is not.
        found: u64,
        /// The entries.
        entries: Vec<Entry>,
    },
}

impl AppendError {
    /// The entries that were not taken.
    pub fn into_entries(self) -> Vec<Entry> {
        match self {
            AppendError::Full(entries) | AppendError::Closed(entries) => entries,
            AppendError::OutOfOrder { entries, .. } => entries,
        }
    }
}

/// The open call database. [`CallDb::append`] and [`CallDb::status`] never wait for a disk.
#[derive(Debug)]
pub struct CallDb {
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) next_seq: u64,
    pub(crate) journal_bytes_max: u64,
    pub(crate) shared: Arc<Shared>,
    pub(crate) threads: Vec<JoinHandle<()>>,
}

impl CallDb {
    /// Hands entries to the journal; their `seq` must go on from [`CallDb::next_seq`] without a gap. Takes all or none.
    pub fn append(&mut self, entries: Vec<Entry>) -> Result<(), AppendError> {
        let count = entries.len();
        for (entry, expected) in entries.iter().zip(self.next_seq..) {
            if entry.seq != expected {
                return Err(AppendError::OutOfOrder {
                    expected,
                    found: entry.seq,
                    entries,
                });
            }
        }
        if count == 0 {
            return Ok(());
        }
        self.inbox.put(entries)?;
        self.next_seq += count as u64;
        Ok(())
    }

    /// The `seq` of the next entry.
    pub fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// How far everything is.
    pub fn status(&self) -> Status {
        Status {
            written_seq: self.shared.written_seq.load(Ordering::Acquire),
            applied_seq: self.shared.applied_seq.load(Ordering::Acquire),
            queued: self.inbox.len(),
            lost_entries: self.shared.lost_entries.load(Ordering::Relaxed),
            held_bytes: self.shared.held_bytes.load(Ordering::Relaxed),
            held_bytes_max: self.journal_bytes_max,
            homes: self.shared.homes(),
            database: self.shared.database(),
        }
    }

    /// Leaves SQLite alone until [`CallDb::restore`], or for so long; the journal keeps the records.
    pub fn bypass(&self, at_most: Option<Duration>) {
        let now = clock();
        self.shared.guard.handle_bypass(now, at_most.map(|span| now + span));
        self.shared.set_database(DatabaseState::Degraded(Reason::Bypassed));
    }

    /// Ends the bypass: SQLite is tried, and used again once it has proved itself.
    pub fn restore(&self) {
        self.shared.guard.handle_restore(clock());
    }

    /// Holds journal segments until a reader beside SQLite has taken `seq` as well; without a call none are held.
    pub fn hold_after(&self, seq: u64) {
        self.shared.held_after_seq.store(seq, Ordering::Release);
    }

    /// Writes what waits, syncs it, applies it, and ends the threads. Waits for the disk.
    pub fn close(mut self) {
        self.inbox.close();
        for thread in std::mem::take(&mut self.threads) {
            if thread.join().is_err() {
                tracing::error!("a call database thread ended badly");
            }
        }
    }
}

impl Drop for CallDb {
    fn drop(&mut self) {
        self.inbox.close();
    }
}

/// What the handle and the threads share.
pub(crate) struct Shared {
    pub(crate) written_seq: AtomicU64,
    pub(crate) applied_seq: AtomicU64,
    pub(crate) held_after_seq: AtomicU64,
    pub(crate) held_bytes: AtomicU64,
    synced_seq: AtomicU64,
    lost_entries: AtomicU64,
    pub(crate) guard: Guard,
    database: Mutex<DatabaseState>,
    homes: Mutex<Vec<HomeStatus>>,
    notify: Box<dyn Fn(Notice) + Send + Sync>,
}

impl Shared {
    pub(crate) fn new(last_seq: u64, notify: Box<dyn Fn(Notice) + Send + Sync>) -> Shared {
        Shared {
            written_seq: AtomicU64::new(last_seq),
            applied_seq: AtomicU64::new(0),
            held_after_seq: AtomicU64::new(u64::MAX),
            held_bytes: AtomicU64::new(0),
            synced_seq: AtomicU64::new(0),
            lost_entries: AtomicU64::new(0),
            guard: Guard::new(clock()),
            database: Mutex::new(DatabaseState::Normal),
            homes: Mutex::default(),
            notify,
        }
    }

    pub(crate) fn notify(&self, notice: Notice) {
        (self.notify)(notice);
    }

    /// Everything up to here is in SQLite and with every other reader.
    pub(crate) fn settled_seq(&self) -> u64 {
        self.applied_seq
            .load(Ordering::Acquire)
            .min(self.held_after_seq.load(Ordering::Acquire))
    }

    pub(crate) fn note_written(&self, seq: u64) {
        self.written_seq.fetch_max(seq, Ordering::AcqRel);
    }

    pub(crate) fn note_synced(&self, seq: u64) {
        self.synced_seq.fetch_max(seq, Ordering::AcqRel);
    }

    pub(crate) fn synced_seq(&self) -> u64 {
        self.synced_seq.load(Ordering::Acquire)
    }

    pub(crate) fn note_lost(&self, lost: u64) {
        self.lost_entries.store(lost, Ordering::Relaxed);
    }

    pub(crate) fn database(&self) -> DatabaseState {
        lock(&self.database).clone()
    }

    pub(crate) fn set_database(&self, state: DatabaseState) {
        let before = std::mem::replace(&mut *lock(&self.database), state.clone());
        if before != state {
            self.notify(Notice::Database(state));
        }
    }

    pub(crate) fn homes(&self) -> Vec<HomeStatus> {
        lock(&self.homes).clone()
    }

    pub(crate) fn set_homes(&self, homes: Vec<HomeStatus>) {
        let before = std::mem::replace(&mut *lock(&self.homes), homes.clone());
        if before != homes {
            self.notify(Notice::Journal(homes));
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Shared")
            .field("written_seq", &self.written_seq)
            .finish_non_exhaustive()
    }
}

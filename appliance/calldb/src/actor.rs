//! The handle of the database for the program, and what its two threads share.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use branchline_journal::Entry;
use thiserror::Error;

use crate::Reason;

/// What the database tells the program, from its own threads; whoever takes it must not wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Entries are kept.
    Acked(Ack),
    /// The journal cannot be written; entries are acknowledged as kept in memory only.
    JournalFault(String),
    /// The journal is written again, with what was kept in memory.
    JournalSound,
    /// SQLite's state changed.
    Database(DatabaseState),
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
    /// Cannot be used; tried again with growing pauses of up to half a minute.
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
    /// Entries lost because the disk failed for longer than memory lasts.
    pub lost_entries: u64,
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
    pub(crate) queue: SyncSender<Vec<Entry>>,
    pub(crate) queue_entries_max: usize,
    pub(crate) next_seq: u64,
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
        let queued = self.shared.queued.fetch_add(count, Ordering::AcqRel);
        // A batch larger than the queue still passes when it is alone; it would never pass otherwise.
        let refused = if queued > 0 && queued + count > self.queue_entries_max {
            AppendError::Full(entries)
        } else {
            match self.queue.try_send(entries) {
                Ok(()) => {
                    self.next_seq += count as u64;
                    return Ok(());
                }
                Err(TrySendError::Full(entries)) => AppendError::Full(entries),
                Err(TrySendError::Disconnected(entries)) => AppendError::Closed(entries),
            }
        };
        self.shared.queued.fetch_sub(count, Ordering::AcqRel);
        Err(refused)
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
            queued: self.shared.queued.load(Ordering::Acquire),
            lost_entries: self.shared.lost_entries.load(Ordering::Relaxed),
            database: self.shared.database(),
        }
    }

    /// Holds journal segments until a reader beside SQLite has taken `seq` as well; without a call none are held.
    pub fn hold_after(&self, seq: u64) {
        self.shared.held_after_seq.store(seq, Ordering::Release);
    }

    /// Writes what waits, syncs it, applies it, and ends the threads. Waits for the disk.
    pub fn close(self) {
        let CallDb { queue, threads, .. } = self;
        drop(queue);
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a call database thread ended badly");
            }
        }
    }
}

/// What the handle and the threads share.
pub(crate) struct Shared {
    pub(crate) written_seq: AtomicU64,
    pub(crate) applied_seq: AtomicU64,
    pub(crate) held_after_seq: AtomicU64,
    pub(crate) queued: AtomicUsize,
    pub(crate) lost_entries: AtomicU64,
    database: Mutex<DatabaseState>,
    notify: Box<dyn Fn(Notice) + Send + Sync>,
}

impl Shared {
    pub(crate) fn new(last_seq: u64, notify: Box<dyn Fn(Notice) + Send + Sync>) -> Shared {
        Shared {
            written_seq: AtomicU64::new(last_seq),
            applied_seq: AtomicU64::new(0),
            held_after_seq: AtomicU64::new(u64::MAX),
            queued: AtomicUsize::new(0),
            lost_entries: AtomicU64::new(0),
            database: Mutex::new(DatabaseState::Normal),
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

    pub(crate) fn database(&self) -> DatabaseState {
        self.lock().clone()
    }

    pub(crate) fn set_database(&self, state: DatabaseState) {
        let before = std::mem::replace(&mut *self.lock(), state.clone());
        if before != state {
            self.notify(Notice::Database(state));
        }
    }

    fn lock(&self) -> MutexGuard<'_, DatabaseState> {
        self.database.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Shared")
            .field("written_seq", &self.written_seq)
            .finish_non_exhaustive()
    }
}

//! SQLite's thread: applies what the journal thread hands on, reads from the journal what it missed, and brings the
//! database back when it can be had again.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use branchline_journal::Entry;
use tracing::{debug, error, warn};

use crate::Reason;
use crate::actor::{DatabaseState, Shared};
use crate::primary::{Found, Primary};
use crate::segment::{Wanted, replay};

pub(crate) struct Applier {
    pub(crate) primary: Option<Primary>,
    pub(crate) journal_dir: PathBuf,
    pub(crate) database: PathBuf,
    pub(crate) records_max: u64,
    pub(crate) shared: Arc<Shared>,
    /// Set when the run began without the database: the `seq` that the journal ended with.
    pub(crate) opened_without_at_seq: Option<u64>,
    /// Searched in vain up to here: what is missing below is damaged.
    pub(crate) looked_up_to_seq: u64,
    pub(crate) retry: Retry,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Retry {
    not_before: Option<Instant>,
    pause: Duration,
}

const TICK: Duration = Duration::from_millis(500);
/// Longest pause between two attempts.
const PAUSE_MAX: Duration = Duration::from_secs(30);
const GROUP_ENTRIES_MAX: usize = 4096;
/// How long entries gather for one transaction: they are safe in the journal, and nobody reads sooner.
const GATHER: Duration = Duration::from_millis(100);

impl Applier {
    /// Runs until the journal thread has ended, then catches up one last time.
    pub(crate) fn run(mut self, queue: &Receiver<Vec<Entry>>) {
        loop {
            match queue.recv_timeout(TICK) {
                Ok(first) => self.step(&gather(first, queue)),
                Err(RecvTimeoutError::Timeout) => self.step(&[]),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.retry = Retry::default();
        self.step(&[]);
    }

    /// Brings SQLite forward: by `group` if it follows, from the journal otherwise.
    fn step(&mut self, group: &[Entry]) {
        if self.retry.not_before.is_some_and(|not_before| clock() < not_before) {
            return;
        }
        let stepped = self.bring_forward(group);
        self.conclude(stepped);
    }

    fn bring_forward(&mut self, group: &[Entry]) -> Result<(), Reason> {
        if self.primary.is_none() {
            self.reopen()?;
        }
        let Some(primary) = &mut self.primary else {
            return Ok(());
        };
        let applied_seq = primary.applied_seq();
        let written_seq = self.shared.written_seq.load(Ordering::Acquire);
        match group.first() {
            Some(first) if first.seq <= applied_seq.saturating_add(1) => primary.apply(group),
            // What lies between may be in memory only as yet; all comes from the journal, in order.
            Some(_) | None if written_seq > applied_seq.max(self.looked_up_to_seq) => self.catch_up(written_seq),
            Some(_) | None => Ok(()),
        }
    }

    fn reopen(&mut self) -> Result<(), Reason> {
        let (mut primary, found) = Primary::open(&self.database, self.records_max)?;
        if let Found::Damaged {
            moved_to,
            why,
            salvaged,
        } = found
        {
            error!(moved_to = %moved_to.display(), why, salvaged, "the call database was damaged and is made again");
        }
        if let Some(seq) = self.opened_without_at_seq.take() {
            // The journal went on from its own end, which a database out of reach may have been ahead of.
            primary.rewind_to(seq);
        }
        self.looked_up_to_seq = 0;
        self.shared.set_database(DatabaseState::Recovering);
        self.primary = Some(primary);
        Ok(())
    }

    /// Applies what the journal holds up to `written_seq`.
    fn catch_up(&mut self, written_seq: u64) -> Result<(), Reason> {
        let Some(primary) = &mut self.primary else {
            return Ok(());
        };
        let wanted = Wanted {
            after: primary.applied_seq(),
            up_to: written_seq,
        };
        let replayed = replay(&self.journal_dir, wanted, |entries| {
            primary.apply(entries).map_err(Failure::Database)
        });
        match replayed {
            Ok(replayed) => debug!(
                entries = replayed.entries,
                "the call database caught up with the journal"
            ),
            Err(Failure::Database(reason)) => return Err(reason),
            Err(Failure::Journal(error)) => {
                return Err(Reason::Failed(format!("the journal cannot be read: {error}")));
            }
        }
        self.looked_up_to_seq = written_seq;
        Ok(())
    }

    fn conclude(&mut self, applied: Result<(), Reason>) {
        match applied {
            Ok(()) => {
                if let Some(primary) = &self.primary {
                    self.shared.applied_seq.store(primary.applied_seq(), Ordering::Release);
                }
                self.retry = Retry::default();
                self.shared.set_database(DatabaseState::Normal);
            }
            Err(reason) => {
                warn!(%reason, "the call database cannot be written; the journal keeps the records");
                self.retry.pause = (self.retry.pause * 2).clamp(TICK, PAUSE_MAX);
                self.retry.not_before = clock().checked_add(self.retry.pause);
                // Busy passes by itself; anything else is looked at from the file up, with its check.
                if reason != Reason::Busy {
                    self.primary = None;
                }
                self.shared.set_database(DatabaseState::Degraded(reason));
            }
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the pause between attempts to reopen a file decides nothing about a call"
)]
fn clock() -> Instant {
    Instant::now()
}

enum Failure {
    Database(Reason),
    Journal(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Failure::Journal(error)
    }
}

/// Lets more come, asleep: a thread that wakes for each of them costs more than SQLite does.
fn gather(first: Vec<Entry>, queue: &Receiver<Vec<Entry>>) -> Vec<Entry> {
    std::thread::park_timeout(GATHER);
    let mut group = first;
    while group.len() < GROUP_ENTRIES_MAX {
        let Ok(more) = queue.try_recv() else { break };
        group.extend(more);
    }
    group
}

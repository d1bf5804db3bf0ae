//! What waits for the journal thread: entries, and reports of the threads that touch the disks slowly.

use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use branchline_journal::Entry;

use crate::AppendError;

/// What the thread of a home found out.
#[derive(Debug)]
pub(crate) enum Report {
    /// A sync failed, of the file numbered `mark`.
    SyncFailed { home: usize, mark: u64, fault: io::Error },
    /// A probe of a home that had failed came back.
    Probed { home: usize, result: io::Result<()> },
}

/// All that waits.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    pub(crate) entries: Vec<Entry>,
    pub(crate) reports: Vec<Report>,
    /// The handle is gone: nothing more comes.
    pub(crate) closed: bool,
}

#[derive(Debug, Default)]
struct Waiting {
    taken: Taken,
    /// The journal thread sleeps until something comes.
    awaited: bool,
}

#[derive(Debug)]
pub(crate) struct Inbox {
    waiting: Mutex<Waiting>,
    changed: Condvar,
    entries_max: usize,
}

impl Inbox {
    pub(crate) fn new(entries_max: usize) -> Inbox {
        Inbox {
            waiting: Mutex::default(),
            changed: Condvar::new(),
            entries_max,
        }
    }

    /// Takes all or none. A batch larger than the bound still passes when it is alone; it would never pass otherwise.
    pub(crate) fn put(&self, mut entries: Vec<Entry>) -> Result<(), AppendError> {
        let mut waiting = self.lock();
        let queued = waiting.taken.entries.len();
        if waiting.taken.closed {
            return Err(AppendError::Closed(entries));
        }
        if queued > 0 && queued + entries.len() > self.entries_max {
            return Err(AppendError::Full(entries));
        }
        waiting.taken.entries.append(&mut entries);
        self.wake(waiting);
        Ok(())
    }

    /// At most a sync and a probe of each home are under way, so reports are few.
    pub(crate) fn report(&self, report: Report) {
        let mut waiting = self.lock();
        waiting.taken.reports.push(report);
        self.wake(waiting);
    }

    pub(crate) fn close(&self) {
        let mut waiting = self.lock();
        waiting.taken.closed = true;
        self.wake(waiting);
    }

    /// Entries that wait.
    pub(crate) fn len(&self) -> usize {
        self.lock().taken.entries.len()
    }

    /// Waits for anything, for `patience` at most.
    pub(crate) fn take(&self, patience: Duration) -> Taken {
        let mut waiting = self.lock();
        waiting.awaited = true;
        let is_empty = |waiting: &mut Waiting| {
            let taken = &waiting.taken;
            taken.entries.is_empty() && taken.reports.is_empty() && !taken.closed
        };
        let mut waiting = match self.changed.wait_timeout_while(waiting, patience, is_empty) {
            Ok((waiting, _)) => waiting,
            Err(poisoned) => poisoned.into_inner().0,
        };
        waiting.awaited = false;
        Taken {
            entries: std::mem::take(&mut waiting.taken.entries),
            reports: std::mem::take(&mut waiting.taken.reports),
            closed: waiting.taken.closed,
        }
    }

    fn wake(&self, waiting: MutexGuard<'_, Waiting>) {
        let awaited = waiting.awaited;
        drop(waiting);
        if awaited {
            self.changed.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! The journal thread: writes what waits, acknowledges it, asks for syncs, and hands it to SQLite's thread.

use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError};
use std::time::{Duration, Instant};

use branchline_journal::Entry;
use tracing::error;

use crate::actor::{Ack, DatabaseState, Kept, Notice, Shared};
use crate::hand::{Hand, Task};
use crate::inbox::{Inbox, Report};
use crate::spool::Spool;
use crate::{Reason, clock};

/// Owns the spool.
pub(crate) struct Writer {
    pub(crate) spool: Spool,
    pub(crate) shared: Arc<Shared>,
    pub(crate) inbox: Arc<Inbox>,
    /// One for each home.
    pub(crate) hands: Vec<Hand>,
    /// Written and not asked to be synced since.
    pub(crate) unsynced_since: Option<Instant>,
    pub(crate) probing: Vec<bool>,
}

/// Rest after a write: one wake-up for all that came within it. What comes after a rest is written at once.
const GATHER: Duration = Duration::from_millis(3);
/// A power cut takes at most this much of what nothing waits for.
const SYNC_WITHIN: Duration = Duration::from_secs(1);
const IDLE: Duration = Duration::from_secs(2);
/// While a sync or a probe is under way.
const WATCH: Duration = Duration::from_millis(500);
/// From here on a sync is due even if no entry asks for one.
const UNSYNCED_BYTES_DUE: usize = 256 << 10;

impl Writer {
    /// Runs until the handle is gone and all is written.
    pub(crate) fn run(mut self, applier: &SyncSender<Vec<Entry>>) {
        loop {
            let taken = self.inbox.take(self.patience(clock()));
            let now = clock();
            taken
                .reports
                .into_iter()
                .for_each(|report| self.handle_report(now, report));
            let is_last = taken.closed && taken.entries.is_empty();
            if !taken.entries.is_empty() {
                self.commit(now, &taken.entries);
                // A full queue is no loss: SQLite's thread reads what it missed from the journal.
                if let Err(TrySendError::Disconnected(_)) = applier.try_send(taken.entries) {
                    error!("the call database thread has ended");
                }
                std::thread::park_timeout(GATHER);
            }
            self.tend(now);
            if is_last {
                break;
            }
        }
        let left = self.spool.close(clock());
        self.publish();
        if left > 0 {
            self.shared.note_lost(self.spool.lost() + left);
            error!(lost = left, "the journal closes without the entries that no disk took");
        }
    }

    /// Writes a group and acknowledges what is acknowledged without a sync.
    fn commit(&mut self, now: Instant, group: &[Entry]) {
        let Some(last) = group.last() else { return };
        let kept = self.spool.write(now, group);
        match kept {
            Kept::Written => self.shared.note_written(self.spool.written_seq()),
            Kept::Synced | Kept::MemoryOnly => self.publish(),
        }
        let needs_sync = group.iter().filter(|entry| entry.event.needs_sync()).count();
        if kept == Kept::Written {
            self.unsynced_since.get_or_insert(now);
            if needs_sync > 0 || self.spool.unsynced_bytes() > UNSYNCED_BYTES_DUE {
                self.sync();
            }
        }
        if kept != Kept::Written || needs_sync < group.len() {
            self.ack(last.seq, kept);
        }
    }

    fn handle_report(&mut self, now: Instant, report: Report) {
        let kept = match report {
            Report::SyncFailed { home, mark, fault } => self.spool.handle_sync_failed(now, (home, mark), &fault),
            Report::Probed { home, result } => {
                self.probing[home] = false;
                self.spool.handle_probe(now, home, result)
            }
        };
        self.moved(kept);
    }

    /// What is due by time.
    fn tend(&mut self, now: Instant) {
        self.spool.handle_synced(self.shared.synced_seq());
        if self.spool.unsynced_bytes() == 0 {
            self.unsynced_since = None;
        }
        let is_stuck = |at: usize| self.hands[at].is_stuck(now);
        if self.spool.current().is_some_and(is_stuck) {
            let kept = self.spool.handle_slow(now);
            self.moved(kept);
        }
        if self
            .unsynced_since
            .is_some_and(|since| now.saturating_duration_since(since) >= SYNC_WITHIN)
        {
            self.sync();
        }
        if let Some((at, dir)) = self.spool.poll_probe(now)
            && !self.probing[at]
        {
            self.probing[at] = true;
            self.hands[at].ask(Task::Probe(dir.to_owned()));
        }
        self.spool.prune(self.shared.settled_seq());
        if self.shared.guard.is_stuck(now) {
            // Its own thread cannot say so.
            self.shared.set_database(DatabaseState::Degraded(Reason::Deadline));
        }
    }

    fn patience(&self, now: Instant) -> Duration {
        let watching = self.spool.unsynced_bytes() > 0 || self.probing.contains(&true);
        let most = if watching { WATCH } else { IDLE };
        let sync = self.unsynced_since.map(|since| since + SYNC_WITHIN);
        let due = [sync, self.spool.poll_timeout()].into_iter().flatten().min();
        due.map_or(most, |due| due.saturating_duration_since(now).min(most))
    }

    fn sync(&mut self) {
        self.unsynced_since = None;
        if let Some((at, job)) = self.spool.sync_job() {
            self.hands[at].ask(Task::Sync(job));
        }
    }

    /// Entries went to another home, or to memory.
    fn moved(&mut self, kept: Option<Kept>) {
        let Some(kept) = kept else { return };
        self.publish();
        self.ack(self.spool.last_seq(), kept);
    }

    fn ack(&self, up_to_seq: u64, kept: Kept) {
        if kept == Kept::Synced {
            self.shared.note_synced(up_to_seq);
        }
        self.shared.notify(Notice::Acked(Ack { up_to_seq, kept }));
    }

    fn publish(&self) {
        self.shared.note_written(self.spool.written_seq());
        self.shared.note_lost(self.spool.lost());
        self.shared.set_homes(self.spool.statuses());
    }
}

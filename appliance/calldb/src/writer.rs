//! The journal thread: writes what waits, acknowledges it, asks for syncs, and hands it to SQLite's thread.

use std::sync::Arc;
use std::sync::atomic::Ordering;
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
                let kept = self.spool.handle_probe(now, home, result);
                self.shared.set_homes(self.spool.statuses());
                kept
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
        for (at, dir) in self.spool.poll_probes(now) {
            // A disk that hangs is not asked again, and keeps no other from being asked.
            if !std::mem::replace(&mut self.probing[at], true) {
                self.hands[at].ask(Task::Probe(dir));
            }
        }
        self.spool.prune(self.shared.settled_seq());
        self.shared.held_bytes.store(self.spool.held_bytes(), Ordering::Relaxed);
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

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::{Path, PathBuf};
    use std::sync::{Mutex, mpsc};

    use branchline_journal::{BootId, Entry, Event, Stamp, Uuid, uuid_v7};

    use super::*;
    use crate::disk::{Disk, DiskFile, RealDisk};
    use crate::{CallDb, Limits, Paths, Setup};

    /// The real disk, but for flushes, writes or all that is done in some homes, which takes 10 s once told to.
    #[derive(Clone, Debug)]
    struct SlowDisk {
        homes: Vec<PathBuf>,
        slow: Arc<Mutex<Option<Slow>>>,
    }

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Slow {
        Flush,
        Write,
        Everything,
    }

    #[derive(Debug)]
    struct SlowFile(Arc<dyn DiskFile>, Arc<Mutex<Option<Slow>>>);

    impl SlowFile {
        fn wait_if(&self, slow: Slow) {
            wait_if(&self.1, slow);
        }
    }

    /// Until it is told otherwise, for 10 s at most.
    fn wait_if(now: &Mutex<Option<Slow>>, slow: Slow) {
        let is_slow = || [Some(slow), Some(Slow::Everything)].contains(&*now.lock().unwrap());
        for _ in (0..500).take_while(|_| is_slow()) {
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }

    impl SlowDisk {
        fn is_slow(&self, path: &Path) -> bool {
            self.homes.iter().any(|home| path.starts_with(home))
        }

        fn slowed(&self, path: &Path, file: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
            match self.is_slow(path) {
                true => Arc::new(SlowFile(file, Arc::clone(&self.slow))),
                false => file,
            }
        }

        fn wait(&self, path: &Path) {
            if self.is_slow(path) {
                wait_if(&self.slow, Slow::Everything);
            }
        }
    }

    impl Disk for SlowDisk {
        fn make_dirs(&self, dir: &Path) -> io::Result<()> {
            self.wait(dir);
            RealDisk.make_dirs(dir)
        }

        fn list(&self, dir: &Path) -> io::Result<Vec<(PathBuf, u64)>> {
            self.wait(dir);
            RealDisk.list(dir)
        }

        fn read(&self, path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
            self.wait(path);
            RealDisk.read(path, bytes_max)
        }

        fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
            self.wait(path);
            Ok(self.slowed(path, RealDisk.create(path)?))
        }

        fn append_to(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
            Ok(self.slowed(path, RealDisk.append_to(path)?))
        }

        fn remove(&self, path: &Path) -> io::Result<()> {
            RealDisk.remove(path)
        }

        fn sync_dir(&self, dir: &Path) -> io::Result<()> {
            RealDisk.sync_dir(dir)
        }
    }

    impl DiskFile for SlowFile {
        fn append(&self, bytes: &[u8]) -> io::Result<()> {
            self.wait_if(Slow::Write);
            self.0.append(bytes)
        }

        fn cut(&self, bytes: u64) -> io::Result<()> {
            self.0.cut(bytes)
        }

        fn sync(&self) -> io::Result<()> {
            self.wait_if(Slow::Flush);
            self.0.sync()
        }

        fn bytes(&self) -> io::Result<u64> {
            self.0.bytes()
        }
    }

    fn entry(seq: u64) -> Entry {
        Entry {
            id: uuid_v7(0, &[0; 10]),
            seq,
            stamp: Stamp {
                utc_ms: 0,
                clock_trusted: false,
                mono_ms: seq,
                boot: BootId(Uuid::nil()),
            },
            event: Event::ConfigLoaded { digest: String::new() },
        }
    }

    #[test]
    fn a_flush_or_write_that_takes_10_s_holds_up_no_other_and_is_soon_made_elsewhere() {
        for slow in [Slow::Flush, Slow::Write] {
            goes_elsewhere(slow);
        }
    }

    fn open(dir: &Path, (journals, disk): (Vec<PathBuf>, &SlowDisk)) -> (CallDb, mpsc::Receiver<Ack>) {
        let setup = Setup {
            paths: Paths {
                journals,
                ..Paths::under(dir)
            },
            limits: Limits::default(),
            now: entry(0).stamp,
        };
        let (tell, acks) = mpsc::channel();
        let notify = move |notice| {
            if let Notice::Acked(ack) = notice {
                let _ = tell.send(ack);
            }
        };
        let (call_db, _) = CallDb::open_on(Arc::new(disk.clone()), &setup, Box::new(notify)).unwrap();
        (call_db, acks)
    }

    #[test]
    fn a_start_does_not_wait_for_disks_that_hang_and_what_is_met_meanwhile_is_kept() {
        for slow in [Slow::Flush, Slow::Everything] {
            for slow_homes in [1, 2] {
                let dir = tempfile::tempdir().unwrap();
                let journals = vec![dir.path().join("spool"), dir.path().join("journal")];
                let disk = SlowDisk {
                    homes: journals[..slow_homes].to_vec(),
                    slow: Arc::new(Mutex::new(Some(slow))),
                };
                let began = clock();
                let (mut call_db, acks) = open(dir.path(), (journals, &disk));
                let took = clock() - began;
                assert!(took < Duration::from_secs(8), "{slow:?} in {slow_homes}: {took:?}");
                call_db.append(vec![entry(call_db.next_seq())]).unwrap();
                let kept = acks.recv_timeout(Duration::from_secs(8)).expect("an ack").kept;
                assert_eq!(
                    kept == Kept::MemoryOnly,
                    slow_homes == 2,
                    "{slow:?} in {slow_homes}: {kept:?}"
                );
                *disk.slow.lock().unwrap() = None;
                call_db.close();
            }
        }
    }

    fn goes_elsewhere(slow: Slow) {
        let dir = tempfile::tempdir().unwrap();
        let journals = vec![dir.path().join("spool"), dir.path().join("journal")];
        let disk = SlowDisk {
            homes: vec![journals[0].clone()],
            slow: Arc::default(),
        };
        let (mut call_db, acks) = open(dir.path(), (journals, &disk));
        let synced = |up_to_seq: u64| loop {
            let ack = acks
                .recv_timeout(Duration::from_secs(8))
                .expect("an ack before the slow flush ends");
            if ack.up_to_seq >= up_to_seq && ack.kept == Kept::Synced {
                return;
            }
        };
        call_db.append(vec![entry(1)]).unwrap();
        synced(1);
        *disk.slow.lock().unwrap() = Some(slow);
        for seq in 2..10 {
            call_db.append(vec![entry(seq)]).unwrap();
        }
        synced(9);
        let homes = call_db.status().homes;
        assert!(homes[1].in_use && homes[0].fault.is_some(), "{homes:?}");
        call_db.append(vec![entry(10)]).unwrap();
        synced(10);
        call_db.close();
    }
}

//! Where entries go: the homes of the journal in order of preference, memory when all of them fail, and what is not
//! known to be on a disk yet. No threads.

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use branchline_journal::{Entry, Event, FrameError, encode};
use tracing::{error, info, warn};

use crate::actor::Kept;
use crate::breaker::{Breaker, BreakerSettings};
use crate::disk::DiskFile;
use crate::hand::SyncJob;
use crate::journal_file::{FileReport, JournalFile, Limits};
use crate::segment::Homes;

/// The journal being written.
#[derive(Debug)]
pub(crate) struct Spool {
    places: Homes,
    limits: Limits,
    homes: Vec<Home>,
    /// Where entries go now; `None` while no home takes them.
    current: Option<usize>,
    /// Frames that are not known to be on the disk; written again elsewhere when a disk fails.
    unsynced: VecDeque<Frame>,
    unsynced_bytes: usize,
    released: Released,
    last_seq: u64,
    written_seq: u64,
    lost: u64,
    /// All up to here is wherever it has to be besides the journal.
    settled_seq: u64,
}

#[derive(Debug)]
struct Home {
    dir: PathBuf,
    /// `None` until it could be opened.
    file: Option<JournalFile>,
    breaker: Breaker,
    fault: Option<String>,
    /// While nothing is written there, only this tells whether it could be.
    next_look: Instant,
}

/// Frames that are written, not known to be on the disk, and too many to keep for writing again.
#[derive(Debug, Default)]
struct Released {
    up_to_seq: u64,
    frames: u64,
}

#[derive(Debug)]
struct Frame {
    seq: u64,
    bytes: Vec<u8>,
}

/// How a home does, for people to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HomeStatus {
    /// The directory.
    pub dir: PathBuf,
    /// Why it is not used; `None` while it can be.
    pub fault: Option<String>,
    /// Whether entries go there now.
    pub in_use: bool,
}

/// Frames kept for writing again, some 10,000 calls. Beyond it the oldest are lost, and counted: at once if no disk has
/// taken them, or when the disk that hangs on to them fails in the end.
const UNSYNCED_BYTES_MAX: usize = 16 << 20;
/// A home that is not in use is tried this often.
const LOOK_EVERY: Duration = Duration::from_secs(60);
const REWRITE_PART_BYTES_MAX: usize = 256 << 10;

pub(crate) const HOME_BREAKER: BreakerSettings = BreakerSettings {
    good_needed: 2,
    pause_min: Duration::from_millis(500),
    pause_max: Duration::from_secs(30),
    trusted_after: Duration::from_secs(60),
};

impl Spool {
    /// Opens the homes, the most preferred first; one that cannot be opened is tried again later.
    pub(crate) fn open(now: Instant, places: &Homes, limits: Limits) -> (Spool, FileReport) {
        let mut spool = Spool {
            places: places.clone(),
            limits,
            homes: Vec::new(),
            current: None,
            unsynced: VecDeque::new(),
            unsynced_bytes: 0,
            released: Released::default(),
            last_seq: 0,
            written_seq: 0,
            lost: 0,
            settled_seq: 0,
        };
        let mut report = FileReport::default();
        for (at, dir) in places.dirs.iter().enumerate() {
            let mut home = Home {
                dir: dir.clone(),
                file: None,
                breaker: Breaker::new(now, HOME_BREAKER),
                fault: None,
                next_look: now + LOOK_EVERY,
            };
            match JournalFile::open(places, dir, limits) {
                Ok((file, met)) => {
                    report.add(met);
                    home.file = Some(file);
                    spool.current.get_or_insert(at);
                }
                Err(fault) => {
                    error!(home = %dir.display(), error = %fault, "a home of the journal cannot be opened");
                    report.homes_missed += 1;
                    home.fault(now, &fault);
                }
            }
            spool.homes.push(home);
        }
        (spool, report)
    }

    /// The last entry.
    pub(crate) fn last_seq(&self) -> u64 {
        self.last_seq
    }

    /// The last entry that is written to a disk.
    pub(crate) fn written_seq(&self) -> u64 {
        self.written_seq
    }

    /// Entries lost because all disks failed for longer than memory lasts.
    pub(crate) fn lost(&self) -> u64 {
        self.lost
    }

    /// Bytes that a power cut would take.
    pub(crate) fn unsynced_bytes(&self) -> usize {
        self.unsynced_bytes
    }

    /// The home in use.
    pub(crate) fn current(&self) -> Option<usize> {
        self.current
    }

    /// Writes entries where they are taken; says what they survive.
    pub(crate) fn write(&mut self, now: Instant, entries: &[Entry]) -> Kept {
        let fresh_from = self.unsynced.len();
        for entry in entries {
            let bytes = frame(entry);
            self.unsynced_bytes += bytes.len();
            self.last_seq = entry.seq;
            self.unsynced.push_back(Frame { seq: entry.seq, bytes });
        }
        let Some(at) = self.current else {
            self.lost += self.make_room();
            return Kept::MemoryOnly;
        };
        match self.append(at, fresh_from) {
            Ok(()) => {
                let released = self.make_room();
                if released > 0 {
                    self.released.up_to_seq = self.unsynced.front().map_or(self.last_seq, |frame| frame.seq - 1);
                    self.released.frames += released;
                }
                Kept::Written
            }
            Err(fault) => self.handle_fault(now, at, &fault),
        }
    }

    /// What a sync has to make durable; `None` when nothing waits, or nowhere.
    pub(crate) fn sync_job(&self) -> Option<(usize, SyncJob)> {
        let at = self.current.filter(|_| !self.unsynced.is_empty())?;
        let file = self.homes[at].file.as_ref()?;
        Some((at, file.sync_job(self.written_seq)))
    }

    /// A sync went well: entries up to `seq` are durable.
    pub(crate) fn handle_synced(&mut self, seq: u64) {
        while self.unsynced.front().is_some_and(|frame| frame.seq <= seq) {
            if let Some(frame) = self.unsynced.pop_front() {
                self.unsynced_bytes -= frame.bytes.len();
            }
        }
        if seq >= self.released.up_to_seq {
            self.released = Released::default();
        }
        for file in self.homes.iter_mut().filter_map(|home| home.file.as_mut()) {
            file.handle_synced(seq);
        }
    }

    /// A sync failed; what counts is only the file being written.
    pub(crate) fn handle_sync_failed(
        &mut self,
        now: Instant,
        (at, mark): (usize, u64),
        fault: &io::Error,
    ) -> Option<Kept> {
        let of_now = self.current == Some(at) && self.homes[at].file.as_ref().is_some_and(|file| file.mark() == mark);
        of_now.then(|| self.handle_fault(now, at, fault))
    }

    /// The home in use takes too long; entries go on elsewhere if there is another. Alone it is used all the same: slow
    /// is better than memory.
    pub(crate) fn handle_slow(&mut self, now: Instant) -> Option<Kept> {
        let at = self.current?;
        let others = |(other, home): (usize, &Home)| other != at && home.breaker.is_closed();
        if !self.homes.iter().enumerate().any(others) {
            return None;
        }
        let slow = io::Error::new(io::ErrorKind::TimedOut, "the disk takes too long");
        Some(self.handle_fault(now, at, &slow))
    }

    /// A probe of a failed home came back; the home is taken into use again once enough went well.
    pub(crate) fn handle_probe(&mut self, now: Instant, at: usize, result: io::Result<()>) -> Option<Kept> {
        let home = &mut self.homes[at];
        home.next_look = now + LOOK_EVERY;
        match result {
            Ok(()) => home.breaker.handle_good(now),
            Err(fault) => home.fault(now, &fault),
        }
        if !home.breaker.is_closed() {
            return None;
        }
        let is_preferred = self.current.is_none_or(|current| at < current);
        let taken = if is_preferred {
            self.move_to(at).map(|()| Some(Kept::Synced))
        } else {
            home.opened(&self.places, self.limits).map(|_| None)
        };
        match taken {
            Ok(kept) => {
                self.homes[at].fault = None;
                kept
            }
            Err(fault) => {
                self.homes[at].fault(now, &fault);
                None
            }
        }
    }

    /// The homes to probe, as far as it is time: those that failed, and now and then the one that only stands by.
    pub(crate) fn poll_probes(&mut self, now: Instant) -> Vec<(usize, PathBuf)> {
        let current = self.current;
        let homes = self.homes.iter_mut().enumerate();
        homes
            .filter_map(|(at, home)| {
                home.breaker.handle_timeout(now);
                let stands_by = home.breaker.is_closed() && current != Some(at);
                let is_due = home.breaker.wants_probe() || stands_by && now >= home.next_look;
                is_due.then(|| (at, home.dir.clone()))
            })
            .collect()
    }

    /// When a probe is due.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.homes.iter().filter_map(|home| home.breaker.poll_timeout()).min()
    }

    /// Deletes what is needed no longer.
    pub(crate) fn prune(&mut self, settled_seq: u64) {
        self.settled_seq = settled_seq;
        for file in self.homes.iter_mut().filter_map(|home| home.file.as_mut()) {
            file.prune(settled_seq);
        }
    }

    /// Bytes of the home in use that may not be deleted yet.
    pub(crate) fn held_bytes(&self) -> u64 {
        let file = self.current.and_then(|at| self.homes[at].file.as_ref());
        file.map_or(0, |file| file.held_bytes(self.settled_seq))
    }

    pub(crate) fn statuses(&self) -> Vec<HomeStatus> {
        let homes = self.homes.iter().enumerate();
        homes
            .map(|(at, home)| HomeStatus {
                dir: home.dir.clone(),
                fault: home.fault.clone(),
                in_use: self.current == Some(at),
            })
            .collect()
    }

    fn append(&mut self, at: usize, fresh_from: usize) -> io::Result<()> {
        let (Some(first), Some(last)) = (self.unsynced.get(fresh_from), self.unsynced.back()) else {
            return Ok(());
        };
        let seqs = first.seq..=last.seq;
        let frames: Vec<u8> = self
            .unsynced
            .range(fresh_from..)
            .flat_map(|frame| &frame.bytes)
            .copied()
            .collect();
        let last_seq = *seqs.end();
        self.homes[at]
            .opened(&self.places, self.limits)?
            .append(&frames, seqs)?;
        self.written_seq = last_seq;
        Ok(())
    }

    /// Leaves a home that failed for the next one that takes all that is not known to be on a disk.
    fn handle_fault(&mut self, now: Instant, at: usize, fault: &io::Error) -> Kept {
        self.homes[at].fault(now, fault);
        self.current = None;
        self.lost += std::mem::take(&mut self.released).frames;
        for next in 0..self.homes.len() {
            if !self.homes[next].breaker.is_closed() {
                continue;
            }
            match self.move_to(next) {
                Ok(()) => return Kept::Synced,
                Err(fault) => self.homes[next].fault(now, &fault),
            }
        }
        error!("no disk takes the journal; entries are kept in memory");
        self.lost += self.make_room();
        Kept::MemoryOnly
    }

    /// Writes and syncs all that is not known to be on a disk to a home, part by part: each that succeeds makes room.
    fn move_to(&mut self, at: usize) -> io::Result<()> {
        let dir = self.homes[at].dir.clone();
        self.places.disk.make_dirs(&dir)?;
        self.homes[at].opened(&self.places, self.limits)?.start_afresh()?;
        while !self.unsynced.is_empty() {
            self.write_oldest(at)?;
        }
        self.current = Some(at);
        info!(home = %dir.display(), "the journal is written here now");
        Ok(())
    }

    fn write_oldest(&mut self, at: usize) -> io::Result<()> {
        let Some(first_seq) = self.unsynced.front().map(|frame| frame.seq) else {
            return Ok(());
        };
        let settled_seq = self.settled_seq;
        let file = self.homes[at].opened(&self.places, self.limits)?;
        // Pruning makes room for two segments, so a part of one always fits in the end.
        let part_bytes_max = REWRITE_PART_BYTES_MAX.min(file.segment_bytes_max());
        let (mut part, mut last_seq) = (Vec::new(), first_seq);
        for frame in &self.unsynced {
            if !part.is_empty() && part.len() + frame.bytes.len() > part_bytes_max {
                break;
            }
            part.extend_from_slice(&frame.bytes);
            last_seq = frame.seq;
        }
        file.append(&part, first_seq..=last_seq)?;
        file.sync()?;
        file.prune(settled_seq);
        self.written_seq = self.written_seq.max(last_seq);
        self.handle_synced(last_seq);
        Ok(())
    }

    /// Lets go of the oldest frames beyond what is kept for writing again; returns how many.
    fn make_room(&mut self) -> u64 {
        let mut let_go = 0;
        while self.unsynced_bytes > UNSYNCED_BYTES_MAX {
            let Some(oldest) = self.unsynced.pop_front() else { break };
            self.unsynced_bytes -= oldest.bytes.len();
            let_go += 1;
        }
        let_go
    }

    /// Syncs at once and in this way, in another home if it must.
    pub(crate) fn sync_now(&mut self, now: Instant, sync: fn(&dyn DiskFile) -> io::Result<()>) -> Kept {
        let Some((at, file)) = self.current.and_then(|at| Some((at, self.homes[at].file.as_ref()?))) else {
            return Kept::MemoryOnly;
        };
        match crate::hand::sync_all(&file.sync_job(self.written_seq), sync) {
            Ok(()) => {
                self.handle_synced(self.written_seq);
                Kept::Synced
            }
            Err(fault) => self.handle_fault(now, at, &fault),
        }
    }

    /// At the end: syncs, waits for the disk, and tries every home once more if it must; returns how many entries no disk took.
    pub(crate) fn close(&mut self, now: Instant) -> u64 {
        let kept = self.sync_now(now, |file| file.sync());
        if kept == Kept::MemoryOnly && !self.unsynced.is_empty() {
            let moved = (0..self.homes.len()).any(|at| self.move_to(at).is_ok());
            warn!(moved, "the journal closes after its disks failed");
        }
        self.unsynced.len() as u64
    }
}

impl Home {
    fn opened(&mut self, places: &Homes, limits: Limits) -> io::Result<&mut JournalFile> {
        let file = match self.file.take() {
            Some(file) => file,
            None => JournalFile::open(places, &self.dir, limits)?.0,
        };
        Ok(self.file.insert(file))
    }

    fn fault(&mut self, now: Instant, fault: &io::Error) {
        if self.fault.is_none() {
            error!(home = %self.dir.display(), error = %fault, "a home of the journal fails");
        }
        self.fault = Some(fault.to_string());
        self.breaker.handle_fault(now);
    }
}

/// The frame of an entry; of one that is too long, the shortened one; failing that, a note that it was left out.
pub(crate) fn frame(entry: &Entry) -> Vec<u8> {
    let mut bytes = Vec::new();
    let Err(refused) = encode(entry, &mut bytes) else {
        return bytes;
    };
    let mut short = entry.clone();
    short.event.shorten();
    if encode(&short, &mut bytes).is_ok() {
        return bytes;
    }
    error!(seq = entry.seq, kind = entry.event.kind(), error = %refused, "an entry is left out of the journal");
    let size = match refused {
        FrameError::TooLarge { bytes } => bytes as u64,
        FrameError::Json(_) => 0,
    };
    let kind = entry.event.kind().chars().take(64).collect();
    let note = Entry {
        event: Event::Omitted { kind, bytes: size },
        ..short
    };
    if let Err(error) = encode(&note, &mut bytes) {
        error!(seq = entry.seq, %error, "an entry has no frame at all");
    }
    bytes
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use branchline_journal::{BootId, Stamp, Uuid};

    use super::*;
    use crate::clock;
    use crate::faulty_disk::FaultyDisk;
    use crate::hand::probe;

    fn spool(disk: &FaultyDisk, homes: &[&str]) -> Spool {
        let dirs: Vec<PathBuf> = homes.iter().map(PathBuf::from).collect();
        let homes = Homes::new(Arc::new(disk.clone()), &dirs, Uuid::nil());
        Spool::open(clock(), &homes, Limits::default()).0
    }

    fn long(seq: u64) -> Entry {
        Entry {
            id: Uuid::nil(),
            seq,
            stamp: Stamp {
                utc_ms: 0,
                clock_trusted: false,
                mono_ms: seq,
                boot: BootId(Uuid::nil()),
            },
            event: Event::ConfigLoaded {
                digest: "x".repeat(50_000),
            },
        }
    }

    #[test]
    fn a_disk_that_hangs_in_its_flush_costs_bounded_memory_and_what_it_loses_in_the_end_is_counted() {
        const ENTRIES: u64 = 400;
        for is_flushed in [true, false] {
            let disk = FaultyDisk::default();
            let mut spool = spool(&disk, &["/only"]);
            for seq in 1..=ENTRIES {
                assert_eq!(spool.write(clock(), &[long(seq)]), Kept::Written);
                assert!(spool.unsynced_bytes() <= UNSYNCED_BYTES_MAX);
            }
            let (home, job) = spool.sync_job().unwrap();
            if is_flushed {
                spool.handle_synced(job.up_to_seq);
            }
            disk.fail(Path::new("/only"), io::ErrorKind::Other);
            let failed = io::Error::other("the flush failed");
            spool.handle_sync_failed(clock(), (home, job.mark), &failed);
            let kept = spool.unsynced.len() as u64;
            let lost = if is_flushed { 0 } else { ENTRIES - kept };
            assert_eq!(spool.lost(), lost, "flushed: {is_flushed}, {kept} kept");
        }
    }

    #[test]
    fn a_home_that_stands_by_is_looked_at_and_is_well_once_it_can_be_opened() {
        let disk = FaultyDisk::default();
        let mut spool = spool(&disk, &["/first", "/second"]);
        let mut now = clock();
        let fault = |spool: &Spool| spool.statuses()[1].fault.clone();
        let mut look = |spool: &mut Spool, after: Duration| {
            now += after;
            for (at, dir) in spool.poll_probes(now) {
                let probed = probe(&disk, &dir);
                assert_eq!((at, spool.handle_probe(now, at, probed)), (1, None));
            }
        };
        look(&mut spool, Duration::from_secs(1));
        disk.fail(Path::new("/second"), io::ErrorKind::Other);
        assert_eq!(fault(&spool), None, "nobody looked");
        look(&mut spool, LOOK_EVERY);
        assert!(fault(&spool).is_some());
        look(&mut spool, LOOK_EVERY);
        assert!(fault(&spool).is_some());
        disk.mend(Path::new("/second"));
        for _ in 0..=HOME_BREAKER.good_needed {
            look(&mut spool, HOME_BREAKER.pause_max);
        }
        assert_eq!(fault(&spool), None);
    }
}

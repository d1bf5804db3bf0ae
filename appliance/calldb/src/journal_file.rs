//! The journal in one directory: appended in segments, repaired at open, bounded in size.

use std::io;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use branchline_journal::Decoder;
use tracing::warn;

use crate::disk::{Disk, DiskFile};
use crate::hand::SyncJob;
use crate::segment::{self, Homes, Segment, path_of};

/// Sizes that the database keeps within.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// A segment is closed once it is this long, bytes.
    pub segment_bytes_max: u64,
    /// All segments together, bytes; beyond it the oldest go once SQLite holds them, and if none may go, appends fail.
    pub journal_bytes_max: u64,
    /// Entries waiting for the journal; beyond it an append is handed back.
    pub queue_entries_max: usize,
    /// Call records in SQLite; beyond it the oldest go.
    pub records_max: u64,
    /// Between two checks of all pages and rows of SQLite.
    pub check_every: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            segment_bytes_max: 8 << 20,
            // About 100,000 calls: what SQLite can be rebuilt from.
            journal_bytes_max: 128 << 20,
            queue_entries_max: 8192,
            records_max: 200_000,
            check_every: Duration::from_secs(6 * 3600),
        }
    }
}

/// What opening the journal met.
#[derive(Clone, Debug, Default)]
pub(crate) struct FileReport {
    pub(crate) last_seq: u64,
    pub(crate) torn_bytes: u64,
    pub(crate) damaged: Option<PathBuf>,
    pub(crate) homes_missed: u32,
}

impl FileReport {
    /// Takes in what another home said.
    pub(crate) fn add(&mut self, other: FileReport) {
        self.last_seq = self.last_seq.max(other.last_seq);
        self.torn_bytes += other.torn_bytes;
        self.damaged = self.damaged.take().or(other.damaged);
        self.homes_missed += other.homes_missed;
    }
}

/// The open journal.
#[derive(Debug)]
pub(crate) struct JournalFile {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    limits: Limits,
    /// All but the one being written.
    closed: Vec<Segment>,
    current: Segment,
    file: Arc<dyn DiskFile>,
    /// Closed files that are not known to be durable, each with the last `seq` in it.
    unsynced: Vec<(u64, Arc<dyn DiskFile>)>,
    /// The highest written, or attempted.
    last_seq: u64,
}

/// Damaged tails kept aside.
const DAMAGED_FILES_MAX: usize = 16;

impl JournalFile {
    /// Opens the journal in `dir`; a torn tail is copied to `damaged/` and cut off.
    pub(crate) fn open(homes: &Homes, dir: &Path, limits: Limits) -> io::Result<(JournalFile, FileReport)> {
        let disk = Arc::clone(&homes.disk);
        disk.make_dirs(&dir.join("damaged"))?;
        homes.claim(dir)?;
        let mut closed = segment::list(&*disk, dir)?;
        let mut report = FileReport::default();
        let (current, file) = match closed.pop() {
            Some(mut last) => {
                let file = disk.append_to(&last.path)?;
                repair(&*disk, (&mut last, &*file), &mut report)?;
                (last, file)
            }
            None => create(&*disk, dir, 1)?,
        };
        // A crash while a failed write was repeated leaves fewer entries in the last segment than in the one before.
        if let Some(before) = closed.iter().rev().find(|segment| segment.first_seq.is_some()) {
            report.last_seq = report.last_seq.max(last_seq(&*disk, &before.path)?);
        }
        disk.sync_dir(dir)?;
        let last_seq = report.last_seq;
        let dir = dir.to_owned();
        Ok((
            JournalFile {
                disk,
                dir,
                limits,
                closed,
                current,
                file,
                unsynced: Vec::new(),
                last_seq,
            },
            report,
        ))
    }

    pub(crate) fn segment_bytes_max(&self) -> usize {
        usize::try_from(self.limits.segment_bytes_max).unwrap_or(usize::MAX)
    }

    /// Number of the file being written.
    pub(crate) fn mark(&self) -> u64 {
        self.current.number
    }

    /// Writes the whole frames of the entries `seqs` in one write. They are durable after a sync.
    pub(crate) fn append(&mut self, frames: &[u8], seqs: RangeInclusive<u64>) -> io::Result<()> {
        let frames_bytes = frames.len() as u64;
        if self.total_bytes().saturating_add(frames_bytes) > self.limits.journal_bytes_max {
            return Err(io::Error::new(
                io::ErrorKind::StorageFull,
                "the journal is as large as it may become",
            ));
        }
        if self.current.bytes > 0 && self.current.bytes + frames_bytes > self.limits.segment_bytes_max {
            self.unsynced.push((self.last_seq, Arc::clone(&self.file)));
            self.advance()?;
        }
        self.last_seq = self.last_seq.max(*seqs.end());
        self.file.append(frames)?;
        self.current.bytes += frames_bytes;
        self.current.first_seq.get_or_insert(*seqs.start());
        Ok(())
    }

    /// What makes everything appended durable; entries up to `up_to_seq` are in it or were durable before.
    pub(crate) fn sync_job(&self, up_to_seq: u64) -> SyncJob {
        let closed = self.unsynced.iter().map(|(_, file)| file);
        SyncJob {
            mark: self.mark(),
            files: closed.chain([&self.file]).map(Arc::clone).collect(),
            bytes: self.current.bytes,
            up_to_seq,
        }
    }

    /// Entries up to `seq` are durable.
    pub(crate) fn handle_synced(&mut self, seq: u64) {
        self.unsynced.retain(|(last_seq, _)| *last_seq > seq);
    }

    /// Makes what was appended last durable, at once.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.sync_in_time()
    }

    /// After a failed write or sync: what is at the end of the file is not known, so writing goes on in a fresh one.
    pub(crate) fn start_afresh(&mut self) -> io::Result<()> {
        self.unsynced.clear();
        self.advance()
    }

    /// Deletes the oldest segments that hold nothing after `settled_seq`, until two more fit.
    pub(crate) fn prune(&mut self, settled_seq: u64) {
        let room_bytes = self.limits.segment_bytes_max.saturating_mul(2);
        while self.total_bytes() > self.limits.journal_bytes_max.saturating_sub(room_bytes) {
            let Some((oldest, later)) = self.closed.split_first() else {
                return;
            };
            let next_first = later.iter().chain([&self.current]).find_map(|next| next.first_seq);
            if next_first.map_or(self.last_seq, |first| first.saturating_sub(1)) > settled_seq {
                return;
            }
            match self.disk.remove(&oldest.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    warn!(path = %oldest.path.display(), %error, "an old journal segment cannot be deleted");
                    return;
                }
                Ok(()) | Err(_) => {}
            }
            self.closed.remove(0);
        }
    }

    /// Bytes that may not be deleted, as they hold entries after `settled_seq`.
    pub(crate) fn held_bytes(&self, settled_seq: u64) -> u64 {
        let later = self.closed.iter().skip(1).chain([&self.current]);
        let settled = self.closed.iter().zip(later).take_while(|(_, next)| {
            next.first_seq
                .is_some_and(|first| first <= settled_seq.saturating_add(1))
        });
        let settled_bytes: u64 = settled.map(|(segment, _)| segment.bytes).sum();
        let is_settled = self.last_seq <= settled_seq;
        if is_settled {
            0
        } else {
            self.total_bytes() - settled_bytes
        }
    }

    fn total_bytes(&self) -> u64 {
        self.closed.iter().map(|segment| segment.bytes).sum::<u64>() + self.current.bytes
    }

    fn advance(&mut self) -> io::Result<()> {
        let (next, file) = create(&*self.disk, &self.dir, self.current.number + 1)?;
        self.file = file;
        let before = std::mem::replace(&mut self.current, next);
        if before.bytes > 0 {
            self.closed.push(before);
        } else if let Err(error) = self.disk.remove(&before.path) {
            warn!(path = %before.path.display(), %error, "an empty journal segment stays");
        }
        Ok(())
    }
}

fn create(disk: &dyn Disk, dir: &Path, number: u64) -> io::Result<(Segment, Arc<dyn DiskFile>)> {
    let path = path_of(dir, number);
    // A leftover of a failed attempt may stand in the way; it holds nothing that was acknowledged.
    let file = disk.create(&path)?;
    disk.sync_dir(dir)?;
    let segment = Segment {
        number,
        path,
        bytes: 0,
        first_seq: None,
    };
    Ok((segment, file))
}

fn repair(disk: &dyn Disk, (last, file): (&mut Segment, &dyn DiskFile), report: &mut FileReport) -> io::Result<()> {
    let bytes = disk.read(&last.path, u64::MAX)?;
    let mut decoder = Decoder::new(&bytes);
    for framed in decoder.by_ref() {
        report.last_seq = report.last_seq.max(framed.entry.seq);
    }
    let good_end = decoder.report().good_end;
    if good_end < bytes.len() {
        report.torn_bytes = (bytes.len() - good_end) as u64;
        report.damaged = keep_aside(disk, last, &bytes[good_end..])?;
        file.cut(good_end as u64)?;
        file.sync_in_time()?;
        last.bytes = good_end as u64;
    }
    Ok(())
}

fn keep_aside(disk: &dyn Disk, segment: &Segment, tail: &[u8]) -> io::Result<Option<PathBuf>> {
    let damaged = segment.path.with_file_name("damaged");
    let kept = disk.list(&damaged)?.len();
    if kept >= DAMAGED_FILES_MAX {
        warn!(kept, "a torn journal tail is not kept: enough are");
        return Ok(None);
    }
    let path = damaged.join(format!("{:08}-{kept}.tail", segment.number));
    let file = disk.create(&path)?;
    file.append(tail)?;
    file.sync_in_time()?;
    disk.sync_dir(&damaged)?;
    Ok(Some(path))
}

fn last_seq(disk: &dyn Disk, path: &Path) -> io::Result<u64> {
    let bytes = disk.read(path, u64::MAX)?;
    Ok(Decoder::new(&bytes).map(|framed| framed.entry.seq).max().unwrap_or(0))
}

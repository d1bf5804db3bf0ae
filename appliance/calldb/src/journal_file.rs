//! The journal on disk: appended in segments, repaired at open, bounded in size.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use branchline_journal::Decoder;
use tracing::warn;

use crate::segment::{self, Segment, path_of, sync_dir};

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
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            segment_bytes_max: 8 << 20,
            // About 100,000 calls: what SQLite can be rebuilt from.
            journal_bytes_max: 128 << 20,
            queue_entries_max: 8192,
            records_max: 200_000,
        }
    }
}

/// What opening the journal met.
#[derive(Clone, Debug, Default)]
pub(crate) struct FileReport {
    pub(crate) last_seq: u64,
    pub(crate) torn_bytes: u64,
    pub(crate) damaged: Option<PathBuf>,
}

/// The open journal.
#[derive(Debug)]
pub(crate) struct JournalFile {
    dir: PathBuf,
    limits: Limits,
    /// All but the one being written.
    closed: Vec<Segment>,
    current: Segment,
    file: File,
    /// The highest written, or attempted.
    last_seq: u64,
}

/// Damaged tails kept aside.
const DAMAGED_FILES_MAX: usize = 16;

impl JournalFile {
    /// Opens the journal in `dir`; a torn tail is copied to `damaged/` and cut off.
    pub(crate) fn open(dir: &Path, limits: Limits) -> io::Result<(JournalFile, FileReport)> {
        fs::create_dir_all(dir.join("damaged"))?;
        let mut closed = segment::list(dir)?;
        let mut report = FileReport::default();
        let current = match closed.pop() {
            Some(mut last) => {
                repair(dir, &mut last, &mut report)?;
                last
            }
            None => create(dir, 1)?,
        };
        // A crash while a failed write was repeated leaves fewer entries in the last segment than in the one before.
        if let Some(before) = closed.iter().rev().find(|segment| segment.first_seq.is_some()) {
            report.last_seq = report.last_seq.max(last_seq(&before.path)?);
        }
        let mut file = OpenOptions::new().write(true).open(&current.path)?;
        file.seek(SeekFrom::Start(current.bytes))?;
        sync_dir(dir)?;
        let last_seq = report.last_seq;
        let dir = dir.to_owned();
        Ok((
            JournalFile {
                dir,
                limits,
                closed,
                current,
                file,
                last_seq,
            },
            report,
        ))
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn segment_bytes_max(&self) -> usize {
        usize::try_from(self.limits.segment_bytes_max).unwrap_or(usize::MAX)
    }

    /// Writes the whole frames of the entries `seqs` in one write. They are durable after [`Self::sync`].
    pub(crate) fn append(&mut self, frames: &[u8], seqs: RangeInclusive<u64>) -> io::Result<()> {
        self.last_seq = self.last_seq.max(*seqs.end());
        let frames_bytes = frames.len() as u64;
        if self.total_bytes().saturating_add(frames_bytes) > self.limits.journal_bytes_max {
            return Err(io::Error::new(
                io::ErrorKind::StorageFull,
                "the journal is as large as it may become",
            ));
        }
        if self.current.bytes > 0 && self.current.bytes + frames_bytes > self.limits.segment_bytes_max {
            self.rotate()?;
        }
        self.file.write_all(frames)?;
        self.current.bytes += frames_bytes;
        self.current.first_seq.get_or_insert(*seqs.start());
        Ok(())
    }

    /// Makes everything appended durable.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// After a failed write or sync: what is at the end of the file is not known, so writing goes on in a fresh one.
    pub(crate) fn start_afresh(&mut self) -> io::Result<()> {
        if self.current.bytes > 0 {
            return self.advance();
        }
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        Ok(())
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
            if let Err(error) = fs::remove_file(&oldest.path) {
                warn!(path = %oldest.path.display(), %error, "an old journal segment cannot be deleted");
                return;
            }
            self.closed.remove(0);
        }
    }

    fn total_bytes(&self) -> u64 {
        self.closed.iter().map(|segment| segment.bytes).sum::<u64>() + self.current.bytes
    }

    fn rotate(&mut self) -> io::Result<()> {
        self.file.sync_data()?;
        self.advance()
    }

    fn advance(&mut self) -> io::Result<()> {
        let next = create(&self.dir, self.current.number + 1)?;
        self.file = OpenOptions::new().write(true).open(&next.path)?;
        self.closed.push(std::mem::replace(&mut self.current, next));
        Ok(())
    }
}

fn create(dir: &Path, number: u64) -> io::Result<Segment> {
    let path = path_of(dir, number);
    // A leftover of a failed attempt may stand in the way; it holds nothing that was acknowledged.
    File::create(&path)?;
    sync_dir(dir)?;
    Ok(Segment {
        number,
        path,
        bytes: 0,
        first_seq: None,
    })
}

fn repair(dir: &Path, last: &mut Segment, report: &mut FileReport) -> io::Result<()> {
    let bytes = fs::read(&last.path)?;
    let mut decoder = Decoder::new(&bytes);
    for framed in decoder.by_ref() {
        report.last_seq = report.last_seq.max(framed.entry.seq);
    }
    let good_end = decoder.report().good_end;
    if good_end < bytes.len() {
        report.torn_bytes = (bytes.len() - good_end) as u64;
        report.damaged = keep_aside(dir, last, &bytes[good_end..])?;
        let file = OpenOptions::new().write(true).open(&last.path)?;
        file.set_len(good_end as u64)?;
        file.sync_all()?;
        last.bytes = good_end as u64;
    }
    Ok(())
}

fn keep_aside(dir: &Path, segment: &Segment, tail: &[u8]) -> io::Result<Option<PathBuf>> {
    let damaged = dir.join("damaged");
    let kept = fs::read_dir(&damaged)?.count();
    if kept >= DAMAGED_FILES_MAX {
        warn!(kept, "a torn journal tail is not kept: enough are");
        return Ok(None);
    }
    let path = damaged.join(format!("{:08}-{kept}.tail", segment.number));
    let mut file = File::create(&path)?;
    file.write_all(tail)?;
    file.sync_all()?;
    sync_dir(&damaged)?;
    Ok(Some(path))
}

fn last_seq(path: &Path) -> io::Result<u64> {
    let bytes = fs::read(path)?;
    Ok(Decoder::new(&bytes).map(|framed| framed.entry.seq).max().unwrap_or(0))
}

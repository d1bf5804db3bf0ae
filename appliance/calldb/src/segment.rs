//! The segments of the journal on disk: their names, their order, and reading them back.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use branchline_journal::{Decoder, Entry, FRAME_BYTES_MAX, HEADER_BYTES};

/// One file of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) number: u64,
    pub(crate) path: PathBuf,
    pub(crate) bytes: u64,
    /// `None` while it holds no entry.
    pub(crate) first_seq: Option<u64>,
}

/// What reading back met.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Replayed {
    pub(crate) entries: u64,
    pub(crate) corrupt_regions: u64,
    pub(crate) unreadable: u64,
}

/// Entries that are wanted: `after < seq <= up_to`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    pub(crate) after: u64,
    pub(crate) up_to: u64,
}

/// Entries handed on at once.
const CHUNK_ENTRIES: usize = 512;

pub(crate) fn path_of(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:08}.log"))
}

/// The segments in `dir`, oldest first.
pub(crate) fn list(dir: &Path) -> io::Result<Vec<Segment>> {
    let mut segments = Vec::new();
    for item in fs::read_dir(dir)? {
        let path = item?.path();
        let Some(number) = number_of(&path) else { continue };
        let bytes = fs::metadata(&path)?.len();
        let first_seq = first_seq(&path)?;
        segments.push(Segment {
            number,
            path,
            bytes,
            first_seq,
        });
    }
    segments.sort_by_key(|segment| segment.number);
    Ok(segments)
}

/// Hands the wanted entries to `visit` in order, each `seq` once, in chunks; stops at the first error of `visit`.
pub(crate) fn replay<E: From<io::Error>>(
    dir: &Path,
    wanted: Wanted,
    mut visit: impl FnMut(&[Entry]) -> Result<(), E>,
) -> Result<Replayed, E> {
    let segments = list(dir)?;
    let mut replayed = Replayed::default();
    let mut last_seq = wanted.after;
    let mut chunk = Vec::with_capacity(CHUNK_ENTRIES);
    for (at, segment) in segments.iter().enumerate() {
        let next_first = segments[at + 1..].iter().find_map(|next| next.first_seq);
        // After a failed write the same entries stand at the head of the next segment as well.
        if next_first.is_some_and(|first| first <= wanted.after.saturating_add(1)) {
            continue;
        }
        let Some(bytes) = unless_gone(fs::read(&segment.path))? else {
            continue;
        };
        let mut decoder = Decoder::new(&bytes);
        for framed in decoder.by_ref() {
            let seq = framed.entry.seq;
            if seq <= last_seq || seq > wanted.up_to {
                continue;
            }
            last_seq = seq;
            replayed.entries += 1;
            chunk.push(framed.entry);
            if chunk.len() == CHUNK_ENTRIES {
                visit(&chunk)?;
                chunk.clear();
            }
        }
        replayed.corrupt_regions += decoder.report().corrupt_regions;
        replayed.unreadable += decoder.report().unreadable;
    }
    if !chunk.is_empty() {
        visit(&chunk)?;
    }
    Ok(replayed)
}

/// Makes names created or removed in `dir` durable.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// A segment may be deleted while it is looked at; all it held is in SQLite then.
fn unless_gone<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn number_of(path: &Path) -> Option<u64> {
    let name = path.file_name()?.to_str()?;
    let digits = name.strip_suffix(".log")?;
    if digits.len() >= 8 && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        digits.parse().ok()
    } else {
        None
    }
}

fn first_seq(path: &Path) -> io::Result<Option<u64>> {
    let mut head = Vec::new();
    File::open(path)?
        .take((HEADER_BYTES + FRAME_BYTES_MAX) as u64)
        .read_to_end(&mut head)?;
    if let Some(framed) = Decoder::new(&head).next() {
        return Ok(Some(framed.entry.seq));
    }
    let whole = fs::read(path)?;
    Ok(Decoder::new(&whole).next().map(|framed| framed.entry.seq))
}

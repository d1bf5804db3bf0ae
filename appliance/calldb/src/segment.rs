//! The segments of the journal: their names, their order, and reading the entries of all homes back as one.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::vec;

use branchline_journal::{Decoder, Entry, FRAME_BYTES_MAX, HEADER_BYTES, Uuid};
use tracing::warn;

use crate::disk::Disk;

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
    /// Homes that could not be read to the end.
    pub(crate) homes_missed: u32,
    /// The first `seq` that any home holds.
    pub(crate) from_seq: Option<u64>,
}

/// Entries that are wanted: `after < seq <= up_to`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    pub(crate) after: u64,
    pub(crate) up_to: u64,
}

/// The homes of the journal: all are read, one is written.
#[derive(Clone, Debug)]
pub(crate) struct Homes {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) dirs: Vec<PathBuf>,
    /// The box that they belong to: entries of another box have the same numbers and tell of other calls. The first
    /// that can be read says it.
    owner: Arc<OnceLock<Uuid>>,
    fresh: Uuid,
}

const OWNER_BYTES_MAX: u64 = 64;

impl Homes {
    /// The last home says whose they are, for it lies beside the database; a new box takes over what it finds, or is
    /// `fresh`.
    pub(crate) fn new(disk: Arc<dyn Disk>, dirs: &[PathBuf], fresh: Uuid) -> Homes {
        let homes = Homes {
            disk,
            dirs: dirs.to_vec(),
            owner: Arc::default(),
            fresh,
        };
        let mut told = dirs.iter().rev().filter_map(|dir| homes.owner_of(dir).ok().flatten());
        if let Some(owner) = told.next() {
            homes.is_ours(owner);
        }
        homes
    }

    /// The same by way of another disk.
    pub(crate) fn on(&self, disk: Arc<dyn Disk>) -> Homes {
        Homes { disk, ..self.clone() }
    }

    /// Whether what belongs to `owner` is ours; as long as nothing has said whose the box is, this does.
    pub(crate) fn is_ours(&self, owner: Uuid) -> bool {
        *self.owner.get_or_init(|| owner) == owner
    }

    pub(crate) fn owner(&self) -> Uuid {
        *self.owner.get_or_init(|| self.fresh)
    }

    /// Fails for the journal of another box.
    fn check_owner(&self, dir: &Path) -> io::Result<()> {
        match self.owner_of(dir)? {
            Some(owner) if !self.is_ours(owner) => Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                "it is the journal of another box; empty the directory to use it here",
            )),
            Some(_) | None => Ok(()),
        }
    }

    /// Notes whose journal is begun in `dir`; fails for that of another box.
    pub(crate) fn claim(&self, dir: &Path) -> io::Result<()> {
        self.check_owner(dir)?;
        if self.owner_of(dir)?.is_none() {
            let file = self.disk.create(&dir.join("owner"))?;
            file.append(self.owner().to_string().as_bytes())?;
            file.sync_in_time()?;
        }
        Ok(())
    }

    fn owner_of(&self, dir: &Path) -> io::Result<Option<Uuid>> {
        let text = unless_gone(self.disk.read(&dir.join("owner"), OWNER_BYTES_MAX))?;
        let text = text.as_deref().and_then(|text| std::str::from_utf8(text).ok());
        // What a power cut left of it says nothing.
        Ok(text.and_then(|text| Uuid::parse_str(text.trim()).ok()))
    }
}

/// Entries handed on at once.
const CHUNK_ENTRIES: usize = 512;

pub(crate) fn path_of(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:08}.log"))
}

/// The segments in `dir`, oldest first.
pub(crate) fn list(disk: &dyn Disk, dir: &Path) -> io::Result<Vec<Segment>> {
    let mut segments = Vec::new();
    for (path, bytes) in disk.list(dir)? {
        let Some(number) = number_of(&path) else { continue };
        let Some(first_seq) = unless_gone(first_seq(disk, &path))? else {
            continue;
        };
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

/// Hands the wanted entries of all homes to `visit` in order, each `seq` once, in chunks; stops at the first error of
/// `visit`. A home that cannot be read is left out, and counted.
pub(crate) fn replay<E>(
    homes: &Homes,
    wanted: Wanted,
    mut visit: impl FnMut(&[Entry]) -> Result<(), E>,
) -> Result<Replayed, E> {
    let mut replayed = Replayed::default();
    let mut readers: Vec<HomeReader<'_>> = Vec::new();
    for dir in &homes.dirs {
        match HomeReader::open(homes, dir, wanted) {
            Ok(reader) => readers.push(reader),
            Err(error) => replayed.miss(dir, &error),
        }
    }
    replayed.from_seq = readers.iter().filter_map(|reader| reader.from_seq).min();
    let mut last_seq = wanted.after;
    let mut chunk = Vec::with_capacity(CHUNK_ENTRIES);
    loop {
        for reader in &mut readers {
            reader.pass_over(last_seq, &mut replayed);
        }
        let seq_of = |reader: &HomeReader<'_>| reader.next.as_ref().map(|entry| entry.seq);
        let first = readers
            .iter_mut()
            .filter(|reader| reader.next.is_some())
            .min_by_key(|reader| seq_of(reader));
        let Some(entry) = first.and_then(|reader| reader.next.take()) else {
            break;
        };
        last_seq = entry.seq;
        replayed.entries += 1;
        chunk.push(entry);
        if chunk.len() == CHUNK_ENTRIES {
            visit(&chunk)?;
            chunk.clear();
        }
    }
    if !chunk.is_empty() {
        visit(&chunk)?;
    }
    Ok(replayed)
}

/// One home, entry by entry. After a failed write the same entries stand at the head of the next segment as well.
struct HomeReader<'a> {
    disk: &'a dyn Disk,
    dir: &'a Path,
    up_to: u64,
    from_seq: Option<u64>,
    segments: vec::IntoIter<Segment>,
    bytes: Vec<u8>,
    at: usize,
    next: Option<Entry>,
}

impl<'a> HomeReader<'a> {
    fn open(homes: &'a Homes, dir: &'a Path, wanted: Wanted) -> io::Result<HomeReader<'a>> {
        homes.check_owner(dir)?;
        let disk = &*homes.disk;
        let mut segments = list(disk, dir)?;
        let from_seq = segments.iter().find_map(|segment| segment.first_seq);
        let first_wanted = wanted.after.saturating_add(1);
        let needless = (0..segments.len()).take_while(|at| {
            let next_first = segments[at + 1..].iter().find_map(|next| next.first_seq);
            next_first.is_some_and(|first| first <= first_wanted)
        });
        segments.drain(..needless.count());
        Ok(HomeReader {
            disk,
            dir,
            up_to: wanted.up_to,
            from_seq,
            segments: segments.into_iter(),
            bytes: Vec::new(),
            at: 0,
            next: None,
        })
    }

    /// Makes `next` the first entry after `last_seq`, if there is one.
    fn pass_over(&mut self, last_seq: u64, replayed: &mut Replayed) {
        let wanted = |entry: &Entry, up_to: u64| entry.seq > last_seq && entry.seq <= up_to;
        if self.next.as_ref().is_some_and(|entry| wanted(entry, self.up_to)) {
            return;
        }
        self.next = None;
        loop {
            let mut decoder = Decoder::new(&self.bytes[self.at..]);
            let found = decoder.by_ref().find(|framed| wanted(&framed.entry, self.up_to));
            replayed.corrupt_regions += decoder.report().corrupt_regions;
            replayed.unreadable += decoder.report().unreadable;
            if let Some(framed) = found {
                self.at += framed.end;
                self.next = Some(framed.entry);
                return;
            }
            self.at = self.bytes.len();
            let Some(segment) = self.segments.next() else { return };
            (self.bytes, self.at) = (Vec::new(), 0);
            match unless_gone(self.disk.read(&segment.path, u64::MAX)) {
                Ok(bytes) => self.bytes = bytes.unwrap_or_default(),
                Err(error) => replayed.miss(self.dir, &error),
            }
        }
    }
}

impl Replayed {
    fn miss(&mut self, dir: &Path, error: &io::Error) {
        warn!(home = %dir.display(), %error, "part of the journal cannot be read");
        self.homes_missed += 1;
    }
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

fn first_seq(disk: &dyn Disk, path: &Path) -> io::Result<Option<u64>> {
    let head = disk.read(path, (HEADER_BYTES + FRAME_BYTES_MAX) as u64)?;
    if let Some(framed) = Decoder::new(&head).next() {
        return Ok(Some(framed.entry.seq));
    }
    let whole = disk.read(path, u64::MAX)?;
    Ok(Decoder::new(&whole).next().map(|framed| framed.entry.seq))
}

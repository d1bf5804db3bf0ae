//! A disk in memory for the tests: it fails on command, stops at any operation, and forgets what was not synced.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::disk::{Disk, DiskFile};

#[derive(Clone, Debug, Default)]
pub(crate) struct FaultyDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Clone, Debug, Default)]
struct State {
    files: BTreeMap<PathBuf, Contents>,
    durable_names: BTreeMap<PathBuf, u64>,
    next_inode: u64,
    operations: u64,
    killed_at: Option<u64>,
    /// Directories whose files fail, and how.
    failing: BTreeMap<PathBuf, io::ErrorKind>,
}

#[derive(Clone, Debug)]
struct Contents {
    inode: u64,
    bytes: Vec<u8>,
    durable_bytes: usize,
}

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// What was written stays.
    Kill,
    /// What was not synced goes: all of it, part of it, or it reads as zeros, by this number.
    PowerCut(u64),
}

impl FaultyDisk {
    /// Stops in the middle of the operation with this number.
    pub(crate) fn killed_at(operation: u64) -> FaultyDisk {
        let disk = FaultyDisk::default();
        disk.lock().killed_at = Some(operation);
        disk
    }

    pub(crate) fn is_killed(&self) -> bool {
        let state = self.lock();
        state.killed_at.is_some_and(|at| state.operations >= at)
    }

    pub(crate) fn operations(&self) -> u64 {
        self.lock().operations
    }

    pub(crate) fn fail(&self, dir: &Path, kind: io::ErrorKind) {
        self.lock().failing.insert(dir.to_owned(), kind);
    }

    pub(crate) fn mend(&self, dir: &Path) {
        self.lock().failing.remove(dir);
    }

    /// Somebody removes a file.
    pub(crate) fn unlink(&self, path: &Path) {
        self.lock().files.remove(path);
    }

    pub(crate) fn paths(&self) -> BTreeSet<PathBuf> {
        self.lock().files.keys().cloned().collect()
    }

    /// The disk as the next start finds it.
    pub(crate) fn after(&self, end: End) -> FaultyDisk {
        let mut state = self.lock().clone();
        state.killed_at = None;
        state.failing.clear();
        if let End::PowerCut(luck) = end {
            let durable = std::mem::take(&mut state.durable_names);
            state
                .files
                .retain(|path, contents| durable.get(path) == Some(&contents.inode));
            for contents in state.files.values_mut() {
                let unsynced = contents.bytes.len() - contents.durable_bytes;
                let kept = usize::try_from(luck).unwrap_or(0) % (unsynced + 1);
                contents.bytes.truncate(contents.durable_bytes + kept);
                if luck % 3 == 0 {
                    contents.bytes[contents.durable_bytes..].fill(0);
                }
            }
        }
        FaultyDisk {
            state: Arc::new(Mutex::new(state)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Counts an operation; says whether it happens.
    fn operation(&self, path: &Path) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.lock();
        state.operations += 1;
        if state.killed_at.is_some_and(|at| state.operations >= at) {
            return Err(io::Error::other("killed"));
        }
        if let Some((_, kind)) = state.failing.iter().find(|(dir, _)| path.starts_with(dir)) {
            return Err((*kind).into());
        }
        Ok(state)
    }
}

impl Disk for FaultyDisk {
    fn make_dirs(&self, dir: &Path) -> io::Result<()> {
        self.operation(dir).map(drop)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<(PathBuf, u64)>> {
        let state = self.operation(dir)?;
        let here = state.files.iter().filter(|(path, _)| path.parent() == Some(dir));
        Ok(here
            .map(|(path, contents)| (path.clone(), contents.bytes.len() as u64))
            .collect())
    }

    fn read(&self, path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
        let state = self.operation(path)?;
        let contents = state.files.get(path).ok_or(io::ErrorKind::NotFound)?;
        let count = contents
            .bytes
            .len()
            .min(usize::try_from(bytes_max).unwrap_or(usize::MAX));
        Ok(contents.bytes[..count].to_vec())
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.operation(path)?;
        state.next_inode += 1;
        let inode = state.next_inode;
        let old = state.files.get(path).map(|contents| contents.inode);
        let contents = Contents {
            inode: old.unwrap_or(inode),
            bytes: Vec::new(),
            durable_bytes: 0,
        };
        state.files.insert(path.to_owned(), contents);
        drop(state);
        self.append_to(path)
    }

    fn append_to(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let state = self.operation(path)?;
        let inode = state.files.get(path).ok_or(io::ErrorKind::NotFound)?.inode;
        Ok(Arc::new(FaultyFile {
            disk: self.clone(),
            path: path.to_owned(),
            inode,
        }))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.operation(path)?;
        state.files.remove(path).map(drop).ok_or(io::ErrorKind::NotFound.into())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.operation(dir)?;
        let here: BTreeMap<PathBuf, u64> = state
            .files
            .iter()
            .filter(|(path, _)| path.parent() == Some(dir))
            .map(|(path, contents)| (path.clone(), contents.inode))
            .collect();
        state.durable_names.retain(|path, _| path.parent() != Some(dir));
        state.durable_names.extend(here);
        Ok(())
    }
}

#[derive(Debug)]
struct FaultyFile {
    disk: FaultyDisk,
    path: PathBuf,
    inode: u64,
}

impl FaultyFile {
    fn with(&self, act: impl FnOnce(&mut Contents)) -> io::Result<()> {
        let mut state = self.disk.operation(&self.path)?;
        // An unlinked file takes everything and keeps nothing.
        if let Some(contents) = state.files.get_mut(&self.path)
            && contents.inode == self.inode
        {
            act(contents);
        }
        Ok(())
    }
}

impl DiskFile for FaultyFile {
    fn append(&self, bytes: &[u8]) -> io::Result<()> {
        let written = self.with(|contents| contents.bytes.extend_from_slice(bytes));
        if written.is_err() {
            // Part of it is there all the same.
            let mut state = self.disk.lock();
            if let Some(contents) = state.files.get_mut(&self.path) {
                contents.bytes.extend_from_slice(&bytes[..bytes.len() / 2]);
            }
        }
        written
    }

    fn cut(&self, bytes: u64) -> io::Result<()> {
        self.with(|contents| {
            contents.bytes.truncate(usize::try_from(bytes).unwrap_or(usize::MAX));
            contents.durable_bytes = contents.durable_bytes.min(contents.bytes.len());
        })
    }

    fn sync(&self) -> io::Result<()> {
        self.with(|contents| contents.durable_bytes = contents.bytes.len())
    }

    fn bytes(&self) -> io::Result<u64> {
        let state = self.disk.operation(&self.path)?;
        let contents = state
            .files
            .get(&self.path)
            .filter(|contents| contents.inode == self.inode);
        contents
            .map(|contents| contents.bytes.len() as u64)
            .ok_or(io::ErrorKind::NotFound.into())
    }
}

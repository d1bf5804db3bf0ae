//! Opening: repair the journal, check SQLite, bring it up to date, and close the calls that the last run left open.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};
use std::thread;

use branchline_journal::{Binding, CallRecord, Entry, Event, Stamp, uuid_v7};
use thiserror::Error;
use tracing::{error, warn};

use crate::actor::{CallDb, DatabaseState, Notice, Shared};
use crate::applier::{Applier, Retry};
use crate::journal_file::{JournalFile, Limits};
use crate::primary::{Found, Primary};
use crate::segment::{Replayed, Wanted, replay};
use crate::writer::{Writer, frame};
use crate::{Fold, Reason};

/// Where the files are; both on the data partition.
#[derive(Clone, Debug)]
pub struct Paths {
    /// Directory of the journal segments.
    pub journal: PathBuf,
    /// The SQLite file.
    pub database: PathBuf,
}

impl Paths {
    /// `journal/` and `calls.db` in `dir`.
    pub fn under(dir: &Path) -> Paths {
        Paths {
            journal: dir.join("journal"),
            database: dir.join("calls.db"),
        }
    }
}

/// What opening needs to know.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Where the files are.
    pub paths: Paths,
    /// Sizes to keep within.
    pub limits: Limits,
    /// The time of opening.
    pub now: Stamp,
}

/// What the last run left behind.
#[derive(Clone, Debug)]
pub struct OpenReport {
    /// Last `seq` in use, that of the interrupted calls included; the next entry is one more.
    pub last_seq: u64,
    /// Bindings that stand.
    pub bindings: Vec<Binding>,
    /// Records now written for the calls that the last run left open.
    pub interrupted: Vec<CallRecord>,
    /// Bytes cut off the end of the journal, an append that a crash cut short.
    pub torn_bytes: u64,
    /// Where those bytes are kept.
    pub torn_kept: Option<PathBuf>,
    /// Damaged stretches met and skipped while reading the journal.
    pub corrupt_regions: u64,
    /// Frames that hold no entry this version can read.
    pub unreadable: u64,
    /// Set when the database was damaged or gone and has been made again from the journal.
    pub rebuilt: Option<Rebuilt>,
    /// State of SQLite.
    pub database: DatabaseState,
}

/// How the database was made again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rebuilt {
    /// Where the damaged file is; `None` when there was no file.
    pub moved_to: Option<PathBuf>,
    /// What was wrong.
    pub why: String,
    /// Rows carried over from the damaged file.
    pub salvaged: u64,
    /// Entries applied from the journal.
    pub replayed: u64,
    /// First `seq` in the journal: records before it exist only as far as they were salvaged.
    pub journal_from_seq: Option<u64>,
}

/// Why there is no journal to write to.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Another process has it.
    #[error("{path} is in use by another process")]
    InUse {
        /// The lock file.
        path: PathBuf,
    },
    /// The disk or the operating system refused.
    #[error("the journal in {path} cannot be opened")]
    Journal {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Batches on their way to SQLite's thread; what does not fit is read from the journal later.
const APPLIER_BATCHES_MAX: usize = 64;

impl CallDb {
    /// Opens the database and starts its threads. A journal that cannot be written is an error; a SQLite file that
    /// cannot be used is not: see [`OpenReport::database`].
    pub fn open(
        setup: &Setup,
        notify: impl Fn(Notice) + Send + Sync + 'static,
    ) -> Result<(CallDb, OpenReport), OpenError> {
        let journal = |source| OpenError::Journal {
            path: setup.paths.journal.clone(),
            source,
        };
        fs::create_dir_all(&setup.paths.journal).map_err(journal)?;
        let lock = lock(&setup.paths.journal)?;
        let (mut file, met) = JournalFile::open(&setup.paths.journal, setup.limits).map_err(journal)?;
        let mut recovered = recover(setup, met.last_seq).map_err(journal)?;
        let interrupted = recovered.fold.interrupted();
        let first_seq = recovered.last_seq + 1;
        let entries = end_entries(&interrupted, first_seq, setup.now);
        write_now(&mut file, &entries).map_err(journal)?;
        recovered.apply(&entries);

        let report = OpenReport {
            last_seq: recovered.last_seq,
            bindings: recovered.fold.bindings(&setup.now),
            interrupted,
            torn_bytes: met.torn_bytes,
            torn_kept: met.damaged,
            corrupt_regions: recovered.replayed.corrupt_regions,
            unreadable: recovered.replayed.unreadable,
            rebuilt: recovered.rebuilt.take(),
            database: recovered.state.clone(),
        };
        let running = Running { file, recovered, lock };
        let call_db = start(setup, running, Box::new(notify)).map_err(journal)?;
        Ok((call_db, report))
    }
}

struct Running {
    file: JournalFile,
    recovered: Recovered,
    lock: File,
}

struct Recovered {
    primary: Option<Primary>,
    state: DatabaseState,
    fold: Fold,
    last_seq: u64,
    replayed: Replayed,
    rebuilt: Option<Rebuilt>,
}

impl Recovered {
    fn apply(&mut self, entries: &[Entry]) {
        entries.iter().for_each(|entry| self.fold.apply(entry));
        self.last_seq = entries.last().map_or(self.last_seq, |entry| entry.seq);
        self.store(entries);
    }

    fn store(&mut self, entries: &[Entry]) {
        let Some(primary) = &mut self.primary else { return };
        if let Err(reason) = primary.apply(entries) {
            warn!(%reason, "the call database cannot be brought up to date");
            self.state = DatabaseState::Degraded(reason);
            self.primary = None;
        }
    }
}

fn lock(dir: &Path) -> Result<File, OpenError> {
    let path = dir.join("lock");
    let file = File::create(&path).map_err(|source| OpenError::Journal {
        path: path.clone(),
        source,
    })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse { path }),
        Err(TryLockError::Error(source)) => Err(OpenError::Journal { path, source }),
    }
}

fn recover(setup: &Setup, journal_last_seq: u64) -> io::Result<Recovered> {
    let before = if setup.paths.database.exists() {
        Before::Present
    } else {
        Before::Absent
    };
    let opened = Primary::open(&setup.paths.database, setup.limits.records_max)
        .and_then(|(primary, found)| Ok((primary.fold(&setup.now)?, primary, found)));
    let mut recovered = Recovered {
        primary: None,
        state: DatabaseState::Normal,
        fold: Fold::default(),
        last_seq: journal_last_seq,
        replayed: Replayed::default(),
        rebuilt: None,
    };
    let mut after = 0;
    match opened {
        Ok((fold, primary, found)) => {
            after = primary.applied_seq();
            let begun = after == 0 && journal_last_seq > 0;
            recovered.rebuilt = rebuilt(setup, found, before)?.filter(|rebuilt| begun || rebuilt.moved_to.is_some());
            recovered.fold = fold;
            recovered.last_seq = journal_last_seq.max(after);
            recovered.primary = Some(primary);
        }
        Err(reason) => {
            error!(%reason, "the call database cannot be used; the journal keeps the records");
            recovered.state = DatabaseState::Degraded(reason);
        }
    }
    let wanted = Wanted { after, up_to: u64::MAX };
    let mut replayed = Replayed::default();
    let met = replay::<io::Error>(&setup.paths.journal, wanted, |entries| {
        replayed.entries += entries.len() as u64;
        entries.iter().for_each(|entry| recovered.fold.apply(entry));
        recovered.store(entries);
        Ok(())
    })?;
    recovered.replayed = met;
    if let Some(rebuilt) = &mut recovered.rebuilt {
        rebuilt.replayed = replayed.entries;
    }
    Ok(recovered)
}

fn rebuilt(setup: &Setup, found: Found, before: Before) -> io::Result<Option<Rebuilt>> {
    let segments = crate::segment::list(&setup.paths.journal)?;
    let journal_from_seq = segments.iter().find_map(|segment| segment.first_seq);
    Ok(match found {
        Found::Damaged {
            moved_to,
            why,
            salvaged,
        } => {
            error!(moved_to = %moved_to.display(), why, salvaged, "the call database was damaged and is made again");
            Some(Rebuilt {
                moved_to: Some(moved_to),
                why,
                salvaged,
                replayed: 0,
                journal_from_seq,
            })
        }
        Found::Sound => {
            let why = match before {
                Before::Absent => Reason::Missing.to_string(),
                Before::Present => "the call database was empty".to_owned(),
            };
            Some(Rebuilt {
                moved_to: None,
                why,
                salvaged: 0,
                replayed: 0,
                journal_from_seq,
            })
        }
    })
}

#[derive(Clone, Copy)]
enum Before {
    Present,
    Absent,
}

fn end_entries(interrupted: &[CallRecord], first_seq: u64, now: Stamp) -> Vec<Entry> {
    let with_seq = interrupted.iter().zip(first_seq..);
    with_seq
        .map(|(record, seq)| {
            // The random part of the call's own id serves again: the pair of time and call is as unique as the call.
            let mut random = [0; 10];
            random.copy_from_slice(&record.id.as_bytes()[6..]);
            let id = uuid_v7(now.utc_ms, &random);
            Entry {
                id,
                seq,
                stamp: now,
                event: Event::CallEnded(Box::new(record.clone())),
            }
        })
        .collect()
}

fn write_now(file: &mut JournalFile, entries: &[Entry]) -> io::Result<()> {
    // What a killed process had only written is acted on from here, so it must not vanish with the power.
    file.sync()?;
    for chunk in entries.chunks(256) {
        let frames: Vec<u8> = chunk.iter().flat_map(frame).collect();
        file.append(&frames, chunk[0].seq..=chunk[chunk.len() - 1].seq)?;
    }
    file.sync()
}

fn start(setup: &Setup, running: Running, notify: Box<dyn Fn(Notice) + Send + Sync>) -> io::Result<CallDb> {
    let Running { file, recovered, lock } = running;
    let shared = Arc::new(Shared::new(recovered.last_seq, notify));
    shared.applied_seq.store(
        recovered.primary.as_ref().map_or(0, Primary::applied_seq),
        Ordering::Release,
    );
    shared.set_database(recovered.state);
    let (queue, waiting) = mpsc::sync_channel(setup.limits.queue_entries_max.max(1));
    let (to_applier, handed_on) = mpsc::sync_channel(APPLIER_BATCHES_MAX);
    let applier = Applier {
        opened_without_at_seq: recovered.primary.is_none().then_some(recovered.last_seq),
        primary: recovered.primary,
        journal_dir: file.dir().to_owned(),
        database: setup.paths.database.clone(),
        records_max: setup.limits.records_max,
        shared: Arc::clone(&shared),
        looked_up_to_seq: 0,
        retry: Retry::default(),
    };
    let writer = Writer::new(file, Arc::clone(&shared));
    let threads = vec![
        thread::Builder::new().name("journal".into()).spawn(move || {
            writer.run(&waiting, &to_applier);
            drop(lock);
        })?,
        thread::Builder::new()
            .name("calldb".into())
            .spawn(move || applier.run(&handed_on))?,
    ];
    let next_seq = recovered.last_seq + 1;
    Ok(CallDb {
        queue,
        queue_entries_max: setup.limits.queue_entries_max,
        next_seq,
        shared,
        threads,
    })
}

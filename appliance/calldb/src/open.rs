//! Opening: repair the journal, check SQLite, bring it up to date, and close the calls that the last run left open.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Instant;

use branchline_journal::{Binding, CallRecord, EmergencyCall, Entry, Event, Stamp, uuid_v7};
use thiserror::Error;

use crate::actor::{CallDb, DatabaseState, Kept, Notice, Shared};
use crate::applier::{Applier, Failing};
use crate::disk::{Disk, RealDisk};
use crate::hand::{self, Hand, SLOW};
use crate::inbox::Inbox;
use crate::journal_file::Limits;
use crate::patient::{PatientDisk, Worker};
use crate::primary::Primary;
use crate::recover::{Recovered, recover};
use crate::segment::Homes;
use crate::spool::{HomeStatus, Spool};
use crate::writer::Writer;
use crate::{clock, schema};

/// Where the files are.
#[derive(Clone, Debug)]
pub struct Paths {
    /// Homes of the journal, the most preferred first; best on different disks. All are read, one is written.
    pub journals: Vec<PathBuf>,
    /// The SQLite file.
    pub database: PathBuf,
}

impl Paths {
    /// `journal/` and `calls.db` in `dir`.
    pub fn under(dir: &Path) -> Paths {
        Paths {
            journals: vec![dir.join("journal")],
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
    /// Calls for help, the latest last: operators may call back.
    pub emergencies: Vec<EmergencyCall>,
    /// When the last entry was made; the time is not before that.
    pub newest: Option<Stamp>,
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
    /// State of the homes of the journal.
    pub homes: Vec<HomeStatus>,
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

/// Why there is no database at all.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Another process has it.
    #[error("{path} is in use by another process")]
    InUse {
        /// The lock file.
        path: PathBuf,
    },
    /// The operating system gives no threads.
    #[error("the threads of the journal cannot be started")]
    Threads(#[source] io::Error),
}

/// Batches on their way to SQLite's thread; what does not fit is read from the journal later.
const APPLIER_BATCHES_MAX: usize = 64;

impl CallDb {
    /// Opens the database and starts its threads. Neither a journal that cannot be written nor a SQLite file that cannot
    /// be used is an error: calls go on, and [`Status`](crate::Status) tells.
    pub fn open(
        setup: &Setup,
        notify: impl Fn(Notice) + Send + Sync + 'static,
    ) -> Result<(CallDb, OpenReport), OpenError> {
        CallDb::open_on(Arc::new(RealDisk), setup, Box::new(notify))
    }

    /// Opens it with the journal on `disk`.
    pub(crate) fn open_on(
        disk: Arc<dyn Disk>,
        setup: &Setup,
        notify: Box<dyn Fn(Notice) + Send + Sync>,
    ) -> Result<(CallDb, OpenReport), OpenError> {
        let locks = lock_all(&setup.paths.journals)?;
        let patient = PatientDisk::new(Arc::clone(&disk), &setup.paths.journals).map_err(OpenError::Threads)?;
        let opener = Worker::start("calldb-open").map_err(OpenError::Threads)?;
        // Whoever writes must not be held up by a disk, nor must the start; whoever flushes and probes has the time.
        let homes = Homes::new(Arc::new(patient), &setup.paths.journals, setup.now.boot.0);
        let database = setup.paths.database.clone();
        if let Ok(Some(owner)) = opener.ask(SLOW, move || schema::owner_of(&database)) {
            homes.is_ours(owner);
        }
        let (mut spool, met) = Spool::open(clock(), &homes, setup.limits);
        let mut recovered = recover(setup, &homes, (&met, opener));
        let interrupted = recovered.fold.interrupted();
        let newest = recovered.fold.newest();
        // Before entries of this start: without a clock, these are older than the last of before.
        let bindings = recovered.fold.bindings(&setup.now);
        let first_seq = recovered.last_seq + 1;
        let entries = end_entries(&interrupted, first_seq, setup.now);
        write_now(&mut spool, &entries);
        recovered.apply(&entries);

        let report = OpenReport {
            last_seq: recovered.last_seq,
            bindings,
            emergencies: recovered.fold.emergencies().cloned().collect(),
            newest,
            interrupted,
            torn_bytes: met.torn_bytes,
            torn_kept: met.damaged,
            corrupt_regions: recovered.replayed.corrupt_regions,
            unreadable: recovered.replayed.unreadable,
            rebuilt: recovered.rebuilt.take(),
            database: recovered.state.clone(),
            homes: spool.statuses(),
        };
        let running = Running {
            homes: homes.on(disk),
            spool,
            recovered,
            locks,
        };
        let call_db = start(setup, running, notify).map_err(OpenError::Threads)?;
        Ok((call_db, report))
    }
}

struct Running {
    homes: Homes,
    spool: Spool,
    recovered: Recovered,
    locks: Vec<File>,
}

/// One process writes a home; a home that cannot even be locked is left to [`Spool`] to find out about.
fn lock_all(dirs: &[PathBuf]) -> Result<Vec<File>, OpenError> {
    let mut locks = Vec::new();
    for dir in dirs {
        let path = dir.join("lock");
        let (dir, lock) = (dir.clone(), path.clone());
        let opener = Worker::start("journal-lock").map_err(OpenError::Threads)?;
        let made = opener.ask(SLOW, move || fs::create_dir_all(dir).and_then(|()| File::create(lock)));
        let Ok(Ok(file)) = made else {
            continue;
        };
        if let Err(TryLockError::WouldBlock) = file.try_lock() {
            return Err(OpenError::InUse { path });
        }
        locks.push(file);
    }
    Ok(locks)
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

fn write_now(spool: &mut Spool, entries: &[Entry]) {
    // What a killed process had only written is acted on from here, so it must not vanish with the power.
    let synced = spool.sync_now(clock(), |file| file.sync_in_time());
    for chunk in entries.chunks(256) {
        spool.write(clock(), chunk);
    }
    if synced == Kept::Synced && !entries.is_empty() {
        spool.sync_now(clock(), |file| file.sync_in_time());
    }
}

fn start(setup: &Setup, running: Running, notify: Box<dyn Fn(Notice) + Send + Sync>) -> io::Result<CallDb> {
    let Running {
        homes,
        spool,
        recovered,
        locks,
    } = running;
    let shared = Arc::new(Shared::new(recovered.last_seq, notify));
    shared.applied_seq.store(
        recovered.primary.as_ref().map_or(0, Primary::applied_seq),
        Ordering::Release,
    );
    let inbox = Arc::new(Inbox::new(setup.limits.queue_entries_max));
    let (to_applier, handed_on) = mpsc::sync_channel(APPLIER_BATCHES_MAX);
    let now = clock();
    if let DatabaseState::Degraded(_) = &recovered.state {
        shared.guard.handle_fault(now);
    }
    // What was too large to be read before the first phone is answered is read now.
    let next_check = match &recovered.primary {
        Some(primary) if !primary.is_checked() => now,
        Some(_) | None => now + setup.limits.check_every,
    };
    let applier = Applier {
        opened_without_at_seq: recovered.primary.is_none().then_some(recovered.last_seq),
        failing: failing(&recovered, now),
        primary: recovered.primary,
        opener: recovered.opener,
        homes: homes.clone(),
        database: setup.paths.database.clone(),
        limits: setup.limits,
        shared: Arc::clone(&shared),
        looked_up_to_seq: 0,
        next_check,
        homes_failed: 0,
        next_canary: now,
        next_fill: now,
    };
    shared.set_database(recovered.state);
    shared.set_homes(spool.statuses());
    let hands = (0..setup.paths.journals.len()).map(|home| {
        Hand::start(hand::Place {
            home,
            disk: Arc::clone(&homes.disk),
            shared: Arc::clone(&shared),
            inbox: Arc::clone(&inbox),
        })
    });
    let writer = Writer {
        spool,
        shared: Arc::clone(&shared),
        inbox: Arc::clone(&inbox),
        hands: hands.collect::<io::Result<_>>()?,
        unsynced_since: None,
        probing: vec![false; setup.paths.journals.len()],
    };
    let threads = vec![
        thread::Builder::new().name("journal".into()).spawn(move || {
            writer.run(&to_applier);
            drop(locks);
        })?,
        thread::Builder::new()
            .name("calldb".into())
            .spawn(move || applier.run(&handed_on))?,
    ];
    Ok(CallDb {
        inbox,
        next_seq: recovered.last_seq + 1,
        journal_bytes_max: setup.limits.journal_bytes_max,
        shared,
        threads,
    })
}

fn failing(recovered: &Recovered, now: Instant) -> Option<Failing> {
    match &recovered.state {
        DatabaseState::Degraded(reason) => Some(Failing {
            why: reason.to_string(),
            since: now,
            after_seq: 0,
            used_since: None,
        }),
        DatabaseState::Recovering => Some(Failing {
            why: "many entries to catch up with at the start".to_owned(),
            since: now,
            after_seq: recovered.primary.as_ref().map_or(0, Primary::applied_seq),
            used_since: Some(now),
        }),
        DatabaseState::Normal => None,
    }
}

//! The thread of one home: it syncs and probes, both of which a bad disk may hold up for as long as it likes.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::actor::{Ack, Kept, Notice, Shared};
use crate::clock;
use crate::disk::{Disk, DiskFile};
use crate::inbox::{Inbox, Report};

/// Files to make durable.
#[derive(Clone, Debug)]
pub(crate) struct SyncJob {
    /// Number of the file being written; a failed sync of an earlier one is old news.
    pub(crate) mark: u64,
    /// Oldest first.
    pub(crate) files: Vec<Arc<dyn DiskFile>>,
    /// Bytes written to the last of them.
    pub(crate) bytes: u64,
    /// All entries up to here are in them, or were durable before.
    pub(crate) up_to_seq: u64,
}

#[derive(Debug)]
pub(crate) enum Task {
    Sync(SyncJob),
    Probe(PathBuf),
}

/// The journal thread's end.
#[derive(Debug)]
pub(crate) struct Hand {
    desk: Arc<Desk>,
}

#[derive(Debug, Default)]
struct Desk {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    next: Option<Task>,
    /// Since when the task in hand has taken.
    begun: Option<Instant>,
    ended: bool,
}

/// What the thread needs.
pub(crate) struct Place {
    pub(crate) home: usize,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) inbox: Arc<Inbox>,
}

/// A home that takes longer for a few bytes is not used for new entries.
pub(crate) const SLOW: Duration = Duration::from_secs(2);

impl Hand {
    pub(crate) fn start(place: Place) -> io::Result<Hand> {
        let desk = Arc::new(Desk::default());
        let theirs = Arc::clone(&desk);
        thread::Builder::new()
            .name(format!("journal-disk-{}", place.home))
            .spawn(move || theirs.work(&place))?;
        Ok(Hand { desk })
    }

    /// Asks for a task; a newer sync does the work of one that still waits.
    pub(crate) fn ask(&self, task: Task) {
        self.desk.lock().next = Some(task);
        self.desk.changed.notify_one();
    }

    /// The task in hand has taken too long.
    pub(crate) fn is_stuck(&self, now: Instant) -> bool {
        let begun = self.desk.lock().begun;
        begun.is_some_and(|begun| now.saturating_duration_since(begun) > SLOW)
    }
}

impl Drop for Hand {
    fn drop(&mut self) {
        self.desk.lock().ended = true;
        self.desk.changed.notify_one();
    }
}

impl Desk {
    fn work(&self, place: &Place) {
        while let Some(task) = self.next() {
            match task {
                Task::Sync(job) => sync(place, &job),
                Task::Probe(dir) => {
                    let started = clock();
                    let probed = probe(&*place.disk, &dir).and_then(|()| in_time(started));
                    place.inbox.report(Report::Probed {
                        home: place.home,
                        result: probed,
                    });
                }
            }
            self.lock().begun = None;
        }
    }

    fn next(&self) -> Option<Task> {
        let state = self.lock();
        let idle = |state: &mut State| state.next.is_none() && !state.ended;
        let mut state = self
            .changed
            .wait_while(state, idle)
            .unwrap_or_else(PoisonError::into_inner);
        if state.ended {
            return None;
        }
        state.begun = Some(clock());
        state.next.take()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn sync(place: &Place, job: &SyncJob) {
    match sync_all(job, |file| file.sync()) {
        Ok(()) => {
            place.shared.note_synced(job.up_to_seq);
            place.shared.notify(Notice::Acked(Ack {
                up_to_seq: job.up_to_seq,
                kept: Kept::Synced,
            }));
        }
        Err(fault) => place.inbox.report(Report::SyncFailed {
            home: place.home,
            mark: job.mark,
            fault,
        }),
    }
}

/// Syncs the files in this way.
pub(crate) fn sync_all(job: &SyncJob, sync: fn(&dyn DiskFile) -> io::Result<()>) -> io::Result<()> {
    for file in &job.files {
        sync(&**file)?;
    }
    let Some(last) = job.files.last() else { return Ok(()) };
    if last.bytes()? < job.bytes {
        return Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "the file was cut from outside",
        ));
    }
    Ok(())
}

/// Writes a little, syncs it and reads it back.
pub(crate) fn probe(disk: &dyn Disk, dir: &Path) -> io::Result<()> {
    let path = dir.join("probe");
    disk.make_dirs(dir)?;
    let file = disk.create(&path)?;
    file.append(PROBE)?;
    file.sync()?;
    let read = disk.read(&path, PROBE.len() as u64)?;
    disk.remove(&path)?;
    if read == PROBE {
        Ok(())
    } else {
        Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "it reads back other bytes than were written",
        ))
    }
}

fn in_time(started: Instant) -> io::Result<()> {
    let took = clock().saturating_duration_since(started);
    if took <= SLOW {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::TimedOut,
        format!("a few bytes took {:.1} s", took.as_secs_f64()),
    ))
}

/// More than a sector, so that a disk without room says so.
const PROBE: &[u8] = &[0x5a; 4096];

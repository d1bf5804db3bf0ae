//! SQLite's thread: applies what the journal thread hands on, reads from the journal what it missed, leaves a database
//! that fails alone, and brings it back when it has proved itself.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use branchline_journal::Entry;
use tracing::{debug, info, warn};

use crate::actor::{DatabaseState, Notice, Shared};
use crate::guard::{Access, CHECK_WITHIN, STEP_WITHIN};
use crate::journal_file::Limits;
use crate::patient::Worker;
use crate::primary::{Extent, Place, Primary};
use crate::reconcile::{Outage, reconcile};
use crate::schema::Depth;
use crate::segment::{Homes, Wanted, replay};
use crate::{Reason, clock};

pub(crate) struct Applier {
    pub(crate) primary: Option<Primary>,
    /// May still be at work on what the start did not wait for.
    pub(crate) opener: Worker,
    pub(crate) homes: Homes,
    pub(crate) database: PathBuf,
    pub(crate) limits: Limits,
    pub(crate) shared: Arc<Shared>,
    /// Set when the run began without the database: the `seq` that the journal ended with.
    pub(crate) opened_without_at_seq: Option<u64>,
    /// Searched in vain up to here: what is missing below is damaged.
    pub(crate) looked_up_to_seq: u64,
    pub(crate) failing: Option<Failing>,
    pub(crate) next_check: Instant,
    /// When they were last looked at.
    pub(crate) homes_failed: usize,
    pub(crate) next_canary: Instant,
    pub(crate) next_fill: Instant,
}

/// The database is not used, or has not caught up since.
#[derive(Clone, Debug)]
pub(crate) struct Failing {
    pub(crate) why: String,
    pub(crate) since: Instant,
    pub(crate) after_seq: u64,
    /// When it was used again.
    pub(crate) used_since: Option<Instant>,
}

/// How fast the journal is read back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pace {
    /// Calls first: as much rest as work.
    Throttled,
    /// The program ends.
    Flat,
}

/// Every page is read then, and of a damaged file every row written anew.
const OPENED_WITHIN: Duration = Duration::from_secs(600);
const TICK: Duration = Duration::from_millis(500);
const GROUP_ENTRIES_MAX: usize = 4096;
/// A home that is back and cannot be read to its end is read again this often.
const FILL_EVERY: Duration = Duration::from_secs(60);
/// How long entries gather for one transaction: they are safe in the journal, and nobody reads sooner.
const GATHER: Duration = Duration::from_millis(100);
/// Reading and writing a few bytes takes a sound database no longer; asked only before it is used again.
const PROBE_WITHIN: Duration = Duration::from_millis(300);
/// A database that nobody writes to is tried this often; more often would wear out a flash disk.
const CANARY_EVERY: Duration = Duration::from_secs(60);

impl Applier {
    /// Runs until the journal thread has ended, then catches up one last time.
    pub(crate) fn run(mut self, queue: &Receiver<Vec<Entry>>) {
        loop {
            match queue.recv_timeout(TICK) {
                Ok(first) => self.step(&gather(first, queue), Pace::Throttled),
                Err(RecvTimeoutError::Timeout) => self.step(&[], Pace::Throttled),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        if !self.shared.guard.is_bypassed() {
            let stepped = self.bring_forward(&[], Pace::Flat);
            self.conclude(stepped);
        }
    }

    fn step(&mut self, group: &[Entry], pace: Pace) {
        let now = clock();
        match self.shared.guard.access(now) {
            Access::Use => {
                self.shared.guard.begin(now, STEP_WITHIN);
                let stepped = self.bring_forward(group, pace).and_then(|()| self.look_after(now));
                let in_time = self.shared.guard.end(clock());
                self.conclude(stepped.and(in_time));
            }
            Access::Probe => {
                self.note_outage(now);
                self.shared.guard.begin(now, STEP_WITHIN);
                let probed = self.probe();
                let in_time = self.shared.guard.end(clock());
                match probed.and(in_time) {
                    Ok(()) if self.shared.guard.handle_good(now) => {
                        info!("the call database answers again");
                        if let Some(failing) = &mut self.failing {
                            failing.used_since = Some(clock());
                        }
                        self.shared.set_database(DatabaseState::Recovering);
                    }
                    Ok(()) => {}
                    Err(reason) => self.fail(now, &reason),
                }
            }
            Access::Leave => {
                self.note_outage(now);
                if self.shared.guard.is_bypassed() {
                    // The operator may put another file in its place.
                    self.primary = None;
                }
            }
        }
    }

    fn probe(&mut self) -> Result<(), Reason> {
        if self.primary.is_none() {
            self.reopen()?;
        }
        let Some(primary) = &mut self.primary else {
            return Ok(());
        };
        let started = clock();
        primary.probe()?;
        if clock().saturating_duration_since(started) > PROBE_WITHIN {
            return Err(Reason::Deadline);
        }
        Ok(())
    }

    fn bring_forward(&mut self, group: &[Entry], pace: Pace) -> Result<(), Reason> {
        if self.primary.is_none() {
            self.reopen()?;
        }
        let Some(primary) = &mut self.primary else {
            return Ok(());
        };
        primary.is_in_place()?;
        let applied_seq = primary.applied_seq();
        let written_seq = self.shared.written_seq.load(Ordering::Acquire);
        match group.first() {
            Some(first) if first.seq <= applied_seq.saturating_add(1) => {
                self.next_canary = clock() + CANARY_EVERY;
                primary.apply(group)
            }
            // What lies between may be in memory only as yet; all comes from the journal, in order.
            Some(_) | None if written_seq > applied_seq.max(self.looked_up_to_seq) => self.catch_up(written_seq, pace),
            Some(_) | None => Ok(()),
        }
    }

    /// Tries what nobody uses, and looks for damage that nobody has met.
    fn look_after(&mut self, now: Instant) -> Result<(), Reason> {
        let Some(primary) = &mut self.primary else {
            return Ok(());
        };
        let homes_failed = self.shared.homes().iter().filter(|home| home.fault.is_some()).count();
        // What a lost home held is in the database alone, and not in the system's memory only.
        let has_lost_one = homes_failed > self.homes_failed;
        self.homes_failed = homes_failed;
        if has_lost_one || now >= self.next_canary {
            self.next_canary = now + CANARY_EVERY;
            primary.probe()?;
        }
        if now >= self.next_check && self.failing.is_none() {
            self.next_check = now + self.limits.check_every;
            let mut pause = Pause::begin(&self.shared, CHECK_WITHIN);
            primary.check(&mut || pause.rest())?;
            info!("the call database was checked and is sound");
        }
        let is_due = primary.is_incomplete() && now >= self.next_fill;
        if is_due && self.shared.homes().iter().all(|home| home.fault.is_none()) {
            self.next_fill = now + FILL_EVERY;
            self.fill_in()?;
        }
        Ok(())
    }

    fn reopen(&mut self) -> Result<(), Reason> {
        let (path, homes, records_max) = (self.database.clone(), self.homes.clone(), self.limits.records_max);
        self.shared.guard.begin(clock(), OPENED_WITHIN);
        let opened = self.opener.ask(OPENED_WITHIN, move || {
            let place = Place {
                path: &path,
                homes: &homes,
                records_max,
            };
            Primary::open(place, Depth::Whole)
        });
        self.shared.guard.begin(clock(), STEP_WITHIN);
        let (mut primary, _) = opened.unwrap_or(Err(Reason::Deadline))?;
        let written_seq = self.shared.written_seq.load(Ordering::Acquire);
        if primary.applied_seq() > written_seq {
            let applied_seq = primary.applied_seq();
            warn!(
                applied_seq,
                written_seq, "the call database is ahead of the journal, which is taken in from its start"
            );
            primary.rewind_to(0);
        }
        if let Some(seq) = self.opened_without_at_seq.take() {
            // The journal went on from its own end, which a database out of reach may have been ahead of.
            primary.rewind_to(seq);
        }
        if let Some(failing) = &mut self.failing {
            failing.after_seq = failing.after_seq.min(primary.applied_seq());
        }
        self.looked_up_to_seq = 0;
        self.primary = Some(primary);
        Ok(())
    }

    /// Applies what the journal holds up to `written_seq`.
    fn catch_up(&mut self, written_seq: u64, pace: Pace) -> Result<(), Reason> {
        let Some(primary) = &mut self.primary else {
            return Ok(());
        };
        let wanted = Wanted {
            after: primary.applied_seq(),
            up_to: written_seq,
        };
        let shared = &self.shared;
        let mut pause = Pause::begin(shared, STEP_WITHIN);
        let replayed = replay(&self.homes, wanted, |entries| {
            primary.apply(entries)?;
            shared.applied_seq.store(primary.applied_seq(), Ordering::Release);
            match pace {
                Pace::Throttled => pause.rest(),
                Pace::Flat => pause.go_on(),
            }
        })?;
        debug!(
            entries = replayed.entries,
            "the call database caught up with the journal"
        );
        if replayed.homes_missed > 0 {
            primary.mark(Extent::Incomplete)?;
        }
        self.looked_up_to_seq = written_seq;
        Ok(())
    }

    /// Takes in the calls of homes that could not be read when their entries were due.
    fn fill_in(&mut self) -> Result<(), Reason> {
        let Some(primary) = &mut self.primary else {
            return Ok(());
        };
        let wanted = Wanted {
            after: 0,
            up_to: primary.applied_seq(),
        };
        let mut filled = 0;
        let mut pause = Pause::begin(&self.shared, STEP_WITHIN);
        let replayed = replay(&self.homes, wanted, |entries| {
            filled += primary.fill_in(entries)?;
            pause.rest()
        })?;
        if replayed.homes_missed == 0 {
            primary.mark(Extent::Whole)?;
            info!(
                calls = filled,
                "calls of a home of the journal that was away are filled in"
            );
        }
        Ok(())
    }

    fn conclude(&mut self, stepped: Result<(), Reason>) {
        let now = clock();
        if let Err(reason) = stepped {
            return self.fail(now, &reason);
        }
        let Some(primary) = &self.primary else { return };
        let applied_seq = primary.applied_seq();
        self.shared.applied_seq.store(applied_seq, Ordering::Release);
        if applied_seq.max(self.looked_up_to_seq) >= self.shared.written_seq.load(Ordering::Acquire) {
            self.recovered(now);
            self.shared.set_database(DatabaseState::Normal);
        }
    }

    fn recovered(&mut self, now: Instant) {
        let (Some(failing), Some(primary)) = (self.failing.take(), &self.primary) else {
            return;
        };
        let used_since = failing.used_since.unwrap_or(now);
        let outage = Outage {
            why: failing.why,
            after_seq: failing.after_seq,
            degraded: used_since.saturating_duration_since(failing.since),
            recovering: now.saturating_duration_since(used_since),
        };
        match reconcile(&outage, &self.homes, primary) {
            Ok(recovery) => self.shared.notify(Notice::Recovered(Box::new(recovery))),
            Err(reason) => warn!(%reason, "the recovered call database cannot be compared with the journal"),
        }
    }

    fn fail(&mut self, now: Instant, reason: &Reason) {
        warn!(%reason, "the call database is not used; the journal keeps the records");
        self.shared.guard.handle_fault(now);
        self.shared.set_database(DatabaseState::Degraded(reason.clone()));
        self.note_outage(now);
        // Busy passes by itself; anything else is looked at from the file up, with its check.
        if *reason != Reason::Busy {
            if let (Reason::Missing, Some(primary)) = (reason, self.primary.take()) {
                primary.restore_to(&self.database);
            }
            self.primary = None;
        }
    }

    /// The database is not used, whoever said so.
    fn note_outage(&mut self, now: Instant) {
        let why = match self.shared.database() {
            DatabaseState::Degraded(reason) => reason.to_string(),
            DatabaseState::Normal | DatabaseState::Recovering => String::new(),
        };
        let after_seq = self.shared.applied_seq.load(Ordering::Acquire);
        let failing = self.failing.get_or_insert(Failing {
            why,
            since: now,
            after_seq,
            used_since: None,
        });
        failing.used_since = None;
    }
}

/// Long work on the database in short parts.
struct Pause<'a> {
    shared: &'a Shared,
    within: Duration,
    began: Instant,
}

impl<'a> Pause<'a> {
    /// Each part should not take longer than `within`.
    fn begin(shared: &'a Shared, within: Duration) -> Pause<'a> {
        let began = clock();
        shared.guard.begin(began, within);
        Pause { shared, within, began }
    }

    /// Ends a part, rests as long as it took, for calls go first, and begins the next.
    fn rest(&mut self) -> Result<(), Reason> {
        let now = clock();
        self.shared.guard.end(now)?;
        std::thread::park_timeout(now.saturating_duration_since(self.began));
        self.go_on()
    }

    /// The same at once. An error when it took too long, or when somebody ordered to leave the database alone.
    fn go_on(&mut self) -> Result<(), Reason> {
        self.shared.guard.end(clock())?;
        if self.shared.guard.is_bypassed() {
            return Err(Reason::Bypassed);
        }
        self.began = clock();
        self.shared.guard.begin(self.began, self.within);
        Ok(())
    }
}

/// Lets more come, asleep: a thread that wakes for each of them costs more than SQLite does.
fn gather(first: Vec<Entry>, queue: &Receiver<Vec<Entry>>) -> Vec<Entry> {
    std::thread::park_timeout(GATHER);
    let mut group = first;
    while group.len() < GROUP_ENTRIES_MAX {
        let Ok(more) = queue.try_recv() else { break };
        group.extend(more);
    }
    group
}

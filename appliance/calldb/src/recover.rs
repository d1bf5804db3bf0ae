//! What the last run left behind, from SQLite and the journal together.

use std::convert::Infallible;
use std::time::Duration;

use branchline_journal::Entry;
use tracing::{error, warn};

use crate::actor::DatabaseState;
use crate::journal_file::FileReport;
use crate::open::{Rebuilt, Setup};
use crate::patient::Worker;
use crate::primary::{Extent, Found, Place, Primary};
use crate::schema::Depth;
use crate::segment::{Homes, Replayed, Wanted, replay};
use crate::{Fold, Reason};

/// SQLite and the fold of all entries, brought up to the journal's end.
pub(crate) struct Recovered {
    /// All that is done with SQLite until phones are answered, so that a disk that hangs does not keep them waiting.
    pub(crate) opener: Worker,
    pub(crate) primary: Option<Primary>,
    pub(crate) state: DatabaseState,
    pub(crate) fold: Fold,
    pub(crate) last_seq: u64,
    pub(crate) replayed: Replayed,
    pub(crate) rebuilt: Option<Rebuilt>,
}

impl Recovered {
    pub(crate) fn apply(&mut self, entries: &[Entry]) {
        entries.iter().for_each(|entry| self.fold.apply(entry));
        self.last_seq = entries.last().map_or(self.last_seq, |entry| entry.seq);
        if self.state == DatabaseState::Normal {
            self.store(entries);
        }
    }

    fn store(&mut self, entries: &[Entry]) {
        let entries = entries.to_vec();
        self.bring_forward(move |primary| primary.apply(&entries));
    }

    fn bring_forward(&mut self, act: impl FnOnce(&mut Primary) -> Result<(), Reason> + Send + 'static) {
        let Some(mut primary) = self.primary.take() else { return };
        let acted = self.opener.ask(STORED_WITHIN, move || {
            let acted = act(&mut primary);
            (primary, acted)
        });
        let reason = match acted {
            Ok((primary, Ok(()))) => {
                self.primary = Some(primary);
                return;
            }
            Ok((_, Err(reason))) => reason,
            Err(_) => Reason::Deadline,
        };
        warn!(%reason, "the call database cannot be brought up to date");
        self.state = DatabaseState::Degraded(reason);
    }
}

/// Waits for the database of `setup`, and what it leaves behind, no longer than phones may wait.
fn open_in_time(setup: &Setup, homes: &Homes, opener: &Worker) -> Result<(Fold, Primary, Found), Reason> {
    let (path, homes) = (setup.paths.database.clone(), homes.clone());
    let (records_max, now) = (setup.limits.records_max, setup.now);
    let opened = opener.ask(OPENED_WITHIN, move || {
        let place = Place {
            path: &path,
            homes: &homes,
            records_max,
        };
        let (primary, found) = Primary::open(place, Depth::Quick)?;
        Ok((primary.fold(&now)?, primary, found))
    });
    opened.unwrap_or(Err(Reason::Deadline))
}

pub(crate) fn recover(setup: &Setup, homes: &Homes, (met, opener): (&FileReport, Worker)) -> Recovered {
    let before = if setup.paths.database.exists() {
        Before::Present
    } else {
        Before::Absent
    };
    let opened = open_in_time(setup, homes, &opener);
    let mut recovered = Recovered {
        opener,
        primary: None,
        state: DatabaseState::Normal,
        fold: Fold::default(),
        last_seq: met.last_seq,
        replayed: Replayed::default(),
        rebuilt: None,
    };
    let mut after = 0;
    match opened {
        Ok((fold, primary, found)) => {
            after = primary.applied_seq();
            let begun = after == 0 && met.last_seq > 0;
            recovered.rebuilt = Some(rebuilt(found, before)).filter(|rebuilt| begun || rebuilt.moved_to.is_some());
            recovered.fold = fold;
            recovered.last_seq = met.last_seq.max(after);
            recovered.primary = Some(primary);
        }
        Err(reason) => {
            error!(%reason, "the call database cannot be used; the journal keeps the records");
            recovered.state = DatabaseState::Degraded(reason);
        }
    }
    let wanted = Wanted { after, up_to: u64::MAX };
    let mut met_entries = 0;
    let Ok(replayed) = replay::<Infallible>(homes, wanted, |entries| {
        entries.iter().for_each(|entry| recovered.fold.apply(entry));
        met_entries += entries.len();
        if met_entries <= APPLIED_AT_OPEN_MAX {
            recovered.store(entries);
        } else if recovered.state == DatabaseState::Normal {
            recovered.state = DatabaseState::Recovering;
        }
        Ok(())
    });
    if let Some(rebuilt) = &mut recovered.rebuilt {
        rebuilt.replayed = replayed.entries;
        rebuilt.journal_from_seq = replayed.from_seq;
    }
    if met.homes_missed + replayed.homes_missed > 0 {
        // What the missing part holds is numbered already; it must not meet other entries of the same numbers.
        recovered.last_seq += SEQS_LEFT_OUT;
        recovered.bring_forward(|primary| primary.mark(Extent::Incomplete));
    }
    recovered.replayed = replayed;
    recovered
}

fn rebuilt(found: Found, before: Before) -> Rebuilt {
    match found {
        Found::Replaced {
            moved_to,
            why,
            salvaged,
        } => Rebuilt {
            moved_to: Some(moved_to),
            why,
            salvaged,
            replayed: 0,
            journal_from_seq: None,
        },
        Found::Sound => Rebuilt {
            moved_to: None,
            why: match before {
                Before::Absent => Reason::Missing.to_string(),
                Before::Present => "the call database was empty".to_owned(),
            },
            salvaged: 0,
            replayed: 0,
            journal_from_seq: None,
        },
    }
}

#[derive(Clone, Copy)]
enum Before {
    Present,
    Absent,
}

/// How long phones wait for the call database to open; what takes longer is done while they are answered.
const OPENED_WITHIN: Duration = Duration::from_secs(10);
/// The same for some entries.
const STORED_WITHIN: Duration = Duration::from_secs(2);
/// Entries put into SQLite before phones are answered; the rest follows while they are.
const APPLIED_AT_OPEN_MAX: usize = 5_000;
/// More than any home can hold: a number given after a start without a home is given once.
const SEQS_LEFT_OUT: u64 = 1 << 32;

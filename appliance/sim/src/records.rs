//! The records of the box against the calls as the telephones counted them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use branchline_journal::{CallRecord, Event, Uuid};
use branchline_ladder::{CRASHED, Call, Role, Side, Stage, UNHEARD};

use crate::check::tells_of;
use crate::world::World;

/// A call as its caller counted it; times since the world began, in milliseconds.
struct Counted {
    trouble: Trouble,
    from: String,
    to: String,
    began_ms: i64,
    answered_ms: Option<i64>,
    over_ms: i64,
    status: u16,
    moved: bool,
}

/// What befell a call besides what its parties did.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Trouble {
    None,
    /// Its caller was out of reach, or the box was off: neither knows when the other thought it over.
    Blind,
    /// The box stopped while the INVITE was on its way: what is sent again may be a second call to it.
    Restarted,
}

/// Caller and what was dialled.
type Pair = (String, String);
/// Calls of a pair, and its records.
#[derive(Default)]
struct Both<'a> {
    calls: Vec<&'a Counted>,
    records: Vec<&'a CallRecord>,
}

/// A caller's INVITE reaches the box within this, or never.
/// A request without an answer is sent again for so long.
const SENT_AGAIN: Duration = Duration::from_secs(32);
const LATEST_START_MS: i64 = 40_000;

/// What does not agree.
pub fn compare(world: &World) -> Vec<String> {
    let mut faults = Vec::new();
    let entries = world.disk().safe();
    let mut ended: BTreeMap<Uuid, &CallRecord> = BTreeMap::new();
    let mut started = BTreeSet::new();
    for entry in entries {
        match &entry.event {
            Event::CallEnded(record) => {
                let is_dated_anew = |known: &&CallRecord| known.dated_by(&record.ended).as_ref() == Some(&**record);
                if ended.get(&record.id).is_some_and(|known| !is_dated_anew(known)) {
                    faults.push(format!(
                        "two records of the call {} -> {}",
                        record.from.dialled, record.to.dialled
                    ));
                }
                // A call that is refused at once is told by its record alone.
                if !started.contains(&record.id) && record.answered.is_some() {
                    faults.push(format!("a record without a start: {}", record.id));
                }
                ended.insert(record.id, record);
            }
            Event::CallStarted(call) => {
                started.insert(call.call);
            }
            _other => {}
        }
    }
    for open in started.iter().filter(|id| !ended.contains_key(*id)) {
        faults.push(format!("a call without a record: {open}"));
    }
    let ended: Vec<&CallRecord> = ended.into_values().collect();
    match_up(world, &count(world), &ended, &mut faults);
    faults
}

fn match_up(world: &World, counted: &[Counted], ended: &[&CallRecord], faults: &mut Vec<String>) {
    let lost = lost_pairs(world);
    let mut pairs: BTreeMap<Pair, Both<'_>> = BTreeMap::new();
    for call in counted {
        let pair = (call.from.clone(), call.to.clone());
        pairs.entry(pair).or_default().calls.push(call);
    }
    for record in ended {
        let pair = (record.from.dialled.clone(), record.to.dialled.clone());
        pairs.entry(pair).or_default().records.push(record);
    }
    for (pair, both) in pairs {
        let name = format!("{} -> {}", pair.0, pair.1);
        let found = if lost.contains(&pair) {
            both.too_many().into_iter().collect()
        } else {
            both.differences(world)
        };
        faults.extend(found.into_iter().map(|fault| format!("{name}: {fault}")));
    }
}

impl Both<'_> {
    fn too_many(&self) -> Option<String> {
        let twice = self
            .calls
            .iter()
            .filter(|call| call.trouble == Trouble::Restarted)
            .count();
        let (records, calls) = (self.records.len(), self.calls.len());
        (records > calls + twice).then(|| format!("{records} records of {calls} calls"))
    }

    fn differences(&self, world: &World) -> Vec<String> {
        let certain = self.calls.iter().filter(|call| call.answered_ms.is_some()).count();
        let unsure = self.calls.iter().filter(|call| is_unsure(world, call)).count();
        let answered = self.records.iter().filter(|record| record.answered.is_some()).count();
        let mut faults: Vec<String> = self.too_many().into_iter().collect();
        if answered < certain || answered > certain + unsure {
            faults.push(format!(
                "the caller counted {certain} answered calls (and {unsure} it cannot know of), the records say {answered}"
            ));
        } else {
            faults.extend(self.records.iter().filter_map(|record| self.duration(world, record)));
        }
        faults
    }

    /// A record's talk time is what the caller counted, as far as the caller stayed to the end.
    fn duration(&self, world: &World, record: &CallRecord) -> Option<String> {
        if record.answered.is_none() || !record.transfers.is_empty() {
            return None;
        }
        let start_ms = started_ms(world, record)?;
        let began = |call: &&&Counted| (call.began_ms..=call.began_ms + LATEST_START_MS).contains(&start_ms);
        let mut fitting = self.calls.iter().filter(began);
        let (Some(call), None) = (fitting.next(), fitting.next()) else {
            return None;
        };
        if call.moved || call.status == CRASHED || call.trouble != Trouble::None {
            return None;
        }
        let talked_ms = call.over_ms - call.answered_ms?;
        let difference_ms = talked_ms - i64::try_from(record.talk_ms).unwrap_or(i64::MAX);
        // A lost 200 or BYE is sent again.
        let slack_ms = if world.was_lossy() { 16_000 } else { 1000 };
        (difference_ms.abs() > slack_ms).then(|| format!("{talked_ms} ms talked, {} ms in the record", record.talk_ms))
    }
}

/// Since the world began; the stamp counts from when the box started.
fn started_ms(world: &World, record: &CallRecord) -> Option<i64> {
    let boot_ms = since(world, world.started(record.started.boot)?);
    Some(boot_ms + i64::try_from(record.started.mono_ms).ok()?)
}

/// The caller cannot know whether the box counted this call as answered: it crashed, heard nothing, or has left the ringing
/// to somebody that it transferred. Or it was refused before its first INVITE, late on the way, came in as a new call.
fn is_unsure(world: &World, call: &Counted) -> bool {
    let overtaken = world.was_lossy() && call.status == 403;
    call.answered_ms.is_none() && (overtaken || matches!(call.status, 0 | CRASHED | UNHEARD | 487))
}

fn lost_pairs(world: &World) -> BTreeSet<Pair> {
    let lost: BTreeSet<Uuid> = world
        .disk()
        .lost()
        .iter()
        .filter_map(|entry| tells_of(&entry.event))
        .collect();
    let all = world.disk().lost().iter().chain(world.disk().safe());
    let mut pairs = BTreeSet::new();
    for entry in all {
        let (id, from, to) = match &entry.event {
            Event::CallStarted(call) => (call.call, &call.from, &call.to),
            Event::CallEnded(record) => (record.id, &record.from, &record.to),
            _other => continue,
        };
        if lost.contains(&id) {
            pairs.insert((from.dialled.clone(), to.dialled.clone()));
        }
    }
    // Whoever was being answered when the box stopped cannot know either.
    for call in count(world) {
        let near = world.stops.iter().any(|stop| {
            let stop_ms = since(world, *stop);
            call.answered_ms.is_some_and(|at| (at - stop_ms).abs() < 1000) || call.status == UNHEARD
        });
        if near {
            pairs.insert((call.from, call.to));
        }
    }
    pairs
}

fn since(world: &World, at: Instant) -> i64 {
    let begin = world.now() - world.offset();
    i64::try_from(at.saturating_duration_since(begin).as_millis()).unwrap_or(i64::MAX)
}

fn count(world: &World) -> Vec<Counted> {
    let mut counted = Vec::new();
    for (at, member) in world.members.iter().enumerate() {
        let setup = member.actor.setup();
        let callers = member
            .actor
            .calls()
            .iter()
            .filter(|call| call.side == Side::Caller && !call.is_replacing());
        for call in callers {
            let (over, status) = match call.stage {
                Stage::Over { status, at } => (at, status),
                Stage::Inviting | Stage::Ringing | Stage::Up => (world.now(), 0),
            };
            counted.push(Counted {
                trouble: trouble(world, at, (call.began, over)),
                from: shown(call, setup.role, &setup.number),
                to: call.peer.clone(),
                began_ms: since(world, call.began),
                answered_ms: call.answered.map(|at| since(world, at)),
                over_ms: since(world, over),
                status,
                moved: call.moved,
            });
        }
    }
    counted
}

fn trouble(world: &World, member: usize, (began, over): (Instant, Instant)) -> Trouble {
    let stopped = |until: Instant| world.stops.iter().any(|stop| (began..=until).contains(stop));
    if stopped(began + SENT_AGAIN) {
        Trouble::Restarted
    } else if stopped(over + SENT_AGAIN) || world.cuts.within(member, began, over + SENT_AGAIN) {
        Trouble::Blind
    } else {
        Trouble::None
    }
}

fn shown(call: &Call, role: Role, number: &str) -> String {
    match role {
        Role::Phone => number.to_owned(),
        Role::Trunk | Role::Beyond => call.shown_as(),
    }
}

//! The records of the box against the calls as the telephones counted them.

use std::collections::{BTreeMap, BTreeSet};

use branchline_journal::{CallRecord, Event, Uuid};
use branchline_ladder::{CRASHED, Call, Role, Side, Stage, UNHEARD};

use crate::check::tells_of;
use crate::world::{Rough, World};

/// A call as its caller counted it; times since the world began, in milliseconds.
struct Counted {
    from: String,
    to: String,
    began_ms: i64,
    answered_ms: Option<i64>,
    over_ms: i64,
    status: u16,
    moved: bool,
}

/// Caller and what was dialled.
type Pair = (String, String);
/// Calls of a pair by their place, and its records.
type Both<'a> = (Vec<usize>, Vec<&'a CallRecord>);

/// A caller's INVITE reaches the box within this, or never.
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
    let mut counted = count(world);
    match_up(world, &mut counted, &ended, &mut faults);
    faults
}

fn match_up(world: &World, counted: &mut [Counted], ended: &[&CallRecord], faults: &mut Vec<String>) {
    let lost = lost_pairs(world);
    // A lost 200 or BYE is sent again; behind a pulled cable or a broken stream nobody knows when the other hung up.
    let slack_ms = match world.rough() {
        _ if !world.stops.is_empty() => None,
        Rough::No => Some(1000),
        Rough::Lossy => Some(16_000),
        Rough::Cut => None,
    };
    let mut pairs: BTreeMap<Pair, Both<'_>> = BTreeMap::new();
    for (at, call) in counted.iter().enumerate() {
        pairs
            .entry((call.from.clone(), call.to.clone()))
            .or_default()
            .0
            .push(at);
    }
    for record in ended {
        let pair = (record.from.dialled.clone(), record.to.dialled.clone());
        pairs.entry(pair).or_default().1.push(record);
    }
    for (pair, (calls, records)) in pairs {
        let name = format!("{} -> {}", pair.0, pair.1);
        let certain = calls.iter().filter(|at| counted[**at].answered_ms.is_some()).count();
        let unsure = calls.iter().filter(|at| is_unsure(&counted[**at])).count();
        let answered = records.iter().filter(|record| record.answered.is_some()).count();
        // An INVITE sent again to a box that forgot it in a restart is a second call.
        if records.len() > calls.len() && world.stops.is_empty() {
            faults.push(format!("{name}: {} records of {} calls", records.len(), calls.len()));
        }
        if lost.contains(&pair) {
            continue;
        }
        if answered < certain || answered > certain + unsure {
            faults.push(format!(
                "{name}: the caller counted {certain} answered calls (and {unsure} it cannot know of), \
                 the records say {answered}"
            ));
        } else if let Some(slack_ms) = slack_ms {
            faults.extend(durations((&name, slack_ms), (counted, &calls), &records));
        }
    }
}

/// The caller cannot know whether the box counted this call as answered: it crashed, heard nothing, or has left the ringing
/// to somebody that it transferred.
fn is_unsure(call: &Counted) -> bool {
    call.answered_ms.is_none() && matches!(call.status, 0 | CRASHED | UNHEARD | 487)
}

/// Each record's talk time is what the caller counted, as far as the caller stayed to the end.
fn durations(
    (name, slack_ms): (&str, i64),
    (counted, calls): (&[Counted], &[usize]),
    records: &[&CallRecord],
) -> Vec<String> {
    let mut faults = Vec::new();
    for record in records
        .iter()
        .filter(|record| record.answered.is_some() && record.transfers.is_empty())
    {
        let Ok(start_ms) = i64::try_from(record.started.mono_ms) else {
            continue;
        };
        let fitting: Vec<&Counted> = calls
            .iter()
            .map(|at| &counted[*at])
            .filter(|call| start_ms >= call.began_ms && start_ms <= call.began_ms + LATEST_START_MS)
            .collect();
        let [call] = fitting.as_slice() else { continue };
        let Some(answered_ms) = call.answered_ms else { continue };
        if call.moved || call.status == CRASHED {
            continue;
        }
        let talked_ms = call.over_ms - answered_ms;
        let difference_ms = talked_ms - i64::try_from(record.talk_ms).unwrap_or(i64::MAX);
        if difference_ms.abs() > slack_ms {
            faults.push(format!(
                "{name}: {talked_ms} ms talked, {} ms in the record",
                record.talk_ms
            ));
        }
    }
    faults
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

fn since(world: &World, at: std::time::Instant) -> i64 {
    let begin = world.now() - world.offset();
    i64::try_from(at.saturating_duration_since(begin).as_millis()).unwrap_or(i64::MAX)
}

fn count(world: &World) -> Vec<Counted> {
    let mut counted = Vec::new();
    for member in &world.members {
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

fn shown(call: &Call, role: Role, number: &str) -> String {
    match role {
        Role::Phone => number.to_owned(),
        Role::Trunk | Role::Beyond => call.shown_as(),
    }
}

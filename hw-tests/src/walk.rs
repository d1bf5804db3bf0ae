//! WAN, call database and hosted PBX are lost and come back in every combination, each under calls of baresip and PJSIP in
//! every state.
//!
//! One tour walks all 24 edges of the cube. On each, the telephones bring five calls into their states, the edge is walked,
//! and each call has to do what it was to do next, with its sound. At the end the records are compared with what the
//! telephones counted.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use branchline_ladder::cube::{Condition, Corner, Edge, Part};
use rusqlite::Connection;
use serde_json::Value;

use crate::conversation::{Conversation, Counted, Heard};
use crate::report::{Figure, Report};
use crate::rig::{BARESIPS, PJSIPS, Plan, RealPhones, Rig};
use crate::wan::wait_online;
use crate::{Fault, clock};

const LINES: u8 = BARESIPS + PJSIPS;
/// What must show nothing is watched for so long.
const WATCHED: Duration = Duration::from_secs(2);
const SURVIVAL_WITHIN: Duration = Duration::from_secs(10);
/// The box waits twice as long after each return that did not last.
const RETURN_WITHIN: Duration = Duration::from_secs(60);
const DATABASE_WITHIN: Duration = Duration::from_secs(20);
const RECORDS_WITHIN: Duration = Duration::from_secs(20);
const SILENCE_MAX: Duration = Duration::from_millis(500);
const TALK_DIFFERS_MS_MAX: u64 = 1000;

/// Walks so many edges of the tour.
///
/// # Errors
/// The rig could not be stood up, or a part did not come into its condition.
pub fn cube(report: &mut Report, edges: usize, tell: &mut impl FnMut(&str)) -> Result<(), Fault> {
    let mut rig = Rig::new(Plan {
        telephones: 0,
        further: LINES,
        ..Plan::TWO
    })?;
    let mut phones = rig.real_phones()?;
    wait_online(&mut rig, u64::from(LINES))?;
    let (mut counted, mut lock) = (Vec::new(), None);
    for edge in Edge::tour().into_iter().take(edges) {
        let outcome = walk(&mut rig, &mut phones, (edge, &mut lock))?;
        let words = outcome.words();
        tell(&format!("{edge} {words}"));
        let is_met = outcome.is_good();
        counted.extend(outcome.into_counted());
        report.add(Figure {
            what: format!("{edge}(WAN, database, hosted)"),
            value: words,
            target: "all five, < 500 ms",
            is_met,
        });
    }
    report.add(compare(&mut rig, &counted)?);
    Ok(())
}

/// How five calls took it.
enum Outcome {
    Told(Heard, Vec<Counted>),
    /// A telephone did not come to what it was to do.
    Broken(String),
}

impl Outcome {
    fn is_good(&self) -> bool {
        match self {
            Outcome::Told(heard, _) => heard.silent.is_empty() && heard.longest_silence < SILENCE_MAX,
            Outcome::Broken(_) => false,
        }
    }

    fn words(&self) -> String {
        match self {
            Outcome::Told(heard, counted) if heard.silent.is_empty() => format!(
                "{} calls went on, longest silence {} ms",
                counted.len(),
                heard.longest_silence.as_millis()
            ),
            Outcome::Told(heard, _) => format!("not heard: {}", heard.silent.join(", ")),
            Outcome::Broken(why) => why.lines().next().unwrap_or_default().to_owned(),
        }
    }

    fn into_counted(self) -> Vec<Counted> {
        match self {
            Outcome::Told(_, counted) => counted,
            Outcome::Broken(_) => Vec::new(),
        }
    }
}

/// One edge under calls. The lock holds the call database while it is lost.
fn walk(
    rig: &mut Rig,
    phones: &mut RealPhones,
    (edge, lock): (Edge, &mut Option<Connection>),
) -> Result<Outcome, Fault> {
    let begun = told(|| Conversation::begin(phones));
    go(rig, edge, lock)?;
    let outcome = begun.and_then(|begun| told(|| begun.carry_on(phones)));
    Ok(match outcome {
        Ok((heard, counted)) => Outcome::Told(heard, counted),
        Err(why) => {
            told(|| phones.rest()).map_err(Fault::Late)?;
            Outcome::Broken(why)
        }
    })
}

/// A telephone that does not do what it is told panics with the reason.
fn told<T>(act: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(act)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        text.unwrap_or("a telephone fell over").to_owned()
    })
}

/// Changes the part, and waits until the box has seen it, where there is something to see.
fn go(rig: &mut Rig, edge: Edge, lock: &mut Option<Connection>) -> Result<(), Fault> {
    match (edge.part(), edge.to().condition(edge.part())) {
        (Part::Wan, Condition::Down) => rig.line.cut(),
        (Part::Wan, Condition::Up) => rig.line.mend(),
        (Part::Hosted, Condition::Down) => rig.upstream.stop(),
        (Part::Hosted, Condition::Up) => rig.upstream.start_again()?,
        (Part::Database, Condition::Down) => *lock = Some(rig.daemon.hold_database()?),
        (Part::Database, Condition::Up) => {
            *lock = None;
            rig.daemon.order(r#"{"op":"database","order":"restore"}"#)?;
        }
    }
    match edge.part() {
        Part::Database => {
            let mode = match edge.to().condition(Part::Database) {
                Condition::Down => "degraded",
                Condition::Up => "normal",
            };
            let is_there = |view: Value| (view["health"]["database"] == mode).then_some(());
            clock::try_for(DATABASE_WITHIN, || rig.daemon.view().and_then(is_there))
                .ok_or_else(|| Fault::Late(format!("the call database is not {mode}")))
        }
        Part::Wan | Part::Hosted if is_in_reach(edge.from()) == is_in_reach(edge.to()) => {
            clock::pause(WATCHED);
            Ok(())
        }
        Part::Wan | Part::Hosted => wait_mode(rig, edge.to()),
    }
}

/// Whether anything of the hosted PBX can reach the box.
fn is_in_reach(corner: Corner) -> bool {
    [Part::Wan, Part::Hosted].map(|part| corner.condition(part)) == [Condition::Up; 2]
}

fn wait_mode(rig: &Rig, corner: Corner) -> Result<(), Fault> {
    let is_online = is_in_reach(corner);
    let (mode, within) = if is_online {
        ("online", RETURN_WITHIN)
    } else {
        ("survival", SURVIVAL_WITHIN)
    };
    let is_there = |(now, lines, _): (String, u64, u64)| {
        let is_whole = !is_online || lines == u64::from(LINES);
        (now == mode && is_whole).then_some(())
    };
    clock::try_for(within, || rig.daemon.hosted().and_then(is_there))
        .ok_or_else(|| Fault::Late(format!("not {mode}: {:?}", rig.daemon.hosted())))
}

/// The telephones' own count beside the records, pair by pair in order.
fn compare(rig: &mut Rig, counted: &[Counted]) -> Result<Figure, Fault> {
    let mut records = Vec::new();
    let _ = clock::try_for(RECORDS_WITHIN, || {
        records = rig.daemon.records().unwrap_or_default();
        (records.len() >= counted.len()).then_some(())
    });
    records.sort_by_key(|record| record["started"]["utc_ms"].as_i64());
    let mut left: Vec<&Value> = records.iter().collect();
    let (mut missing, mut wrong) = (0, Vec::new());
    for call in counted {
        let is_its = |record: &&Value| record["from"]["dialled"] == call.from && record["to"]["dialled"] == call.to;
        let Some(at) = left.iter().position(is_its) else {
            missing += 1;
            continue;
        };
        let record = left.remove(at);
        let talk_ms = u64::try_from(call.talked.as_millis()).unwrap_or(u64::MAX);
        let differs = record["talk_ms"].as_u64().map(|ms| ms.abs_diff(talk_ms));
        if record["outcome"] != "answered" || differs.is_none_or(|ms| ms > TALK_DIFFERS_MS_MAX) {
            wrong.push(format!("{} to {} by {differs:?} ms", call.from, call.to));
        }
    }
    Ok(Figure {
        what: "records beside the count of baresip and PJSIP".to_owned(),
        value: format!(
            "{} of {}, {missing} missing, {} too many, {} more than 1 s off{}",
            records.len(),
            counted.len(),
            left.len(),
            wrong.len(),
            if wrong.is_empty() {
                String::new()
            } else {
                format!(": {}", wrong.join(", "))
            }
        ),
        target: "equal",
        is_met: missing == 0 && left.is_empty() && wrong.is_empty(),
    })
}

//! The line is cut under calls in every state, and under calls by SIPp: all come through, and each has its one record.

use std::time::Duration;

use branchline_ladder::{CallHandle, Reaction, Way};
use serde_json::Value;

use crate::report::{Figure, Report};
use crate::rig::{Load, Office, Plan, Rig};
use crate::wan::{PATIENCE, wait_online};
use crate::{Fault, clock};

/// Telephones 0 to 10, by what they do when the line is cut.
const UP: (usize, usize) = (0, 1);
const HELD: (usize, usize) = (2, 3);
const RINGING: (usize, usize) = (4, 5);
const EARLY: (usize, usize) = (6, 7);
const TRANSFERRED: (usize, usize) = (8, 9);
const TRANSFER_TO: usize = 10;
const CALLS: usize = 5;
/// SIPp takes the extensions from here on.
const SIPP_FROM: u8 = 12;
const SIPP_PAIRS: u8 = 10;
const TALK: Duration = Duration::from_millis(1500);
const SURVIVAL_WITHIN: Duration = Duration::from_secs(10);
const RECORDS_WITHIN: Duration = Duration::from_secs(20);
/// As SIPp and the box count.
const TALK_DIFFERS_MS_MAX: u64 = 1000;

/// Holds it.
///
/// # Errors
/// The rig could not be stood up, or a call did not come into its state before the cut.
pub fn cut_in_every_state(report: &mut Report, calls: u32) -> Result<(), Fault> {
    let mut rig = Rig::new(Plan {
        telephones: SIPP_FROM,
        further: SIPP_PAIRS * 2,
        ..Plan::TWO
    })?;
    wait_online(&mut rig, u64::from(SIPP_FROM))?;
    prepare(&mut rig)?;
    let numbers = (0..SIPP_PAIRS * 2).map(|at| format!("{}", 201 + u16::from(SIPP_FROM) + u16::from(at)));
    let mut sipp = rig.sipp(&Load {
        numbers: numbers.collect(),
        calls,
        per_second: 5,
        talk: TALK,
    })?;
    rig.office.run(Duration::from_secs(3), |_| false);
    rig.line.cut();
    let lost = || Fault::Late("the box does not see the cut".to_owned());
    let end = clock::now() + SURVIVAL_WITHIN;
    while rig.daemon.hosted().is_none_or(|(mode, ..)| mode != "survival") {
        rig.office.run(Duration::from_millis(50), |_| false);
        (clock::now() < end).then_some(()).ok_or_else(lost)?;
    }
    rig.office.run(Duration::from_secs(1), |_| false);
    let outcomes = carry_on(&mut rig.office);
    let sipp_end = clock::now() + sipp.within();
    while !sipp.is_over() && clock::now() < sipp_end {
        rig.office.run(Duration::from_millis(50), |_| false);
    }
    let counted = sipp.counted();
    let good = outcomes.iter().filter(|(_, is_good)| *is_good).count();
    let bad: Vec<&str> = outcomes
        .iter()
        .filter(|(_, is_good)| !is_good)
        .map(|(what, _)| *what)
        .collect();
    report.add(Figure {
        what: "WAN cut under calls ringing, early, up, held, transferring".to_owned(),
        value: format!("{good} of {} came through{}", outcomes.len(), listed(&bad)),
        target: "all",
        is_met: bad.is_empty(),
    });
    report.add(Figure {
        what: format!("WAN cut under {calls} calls of SIPp, 5 a second"),
        value: format!(
            "{} completed, {} failed{}",
            counted.successful,
            counted.failed,
            sipp.errors()
        ),
        target: "none failed",
        is_met: counted.failed == 0 && counted.successful == u64::from(calls),
    });
    let wanted = CALLS + usize::try_from(counted.successful + counted.failed).unwrap_or(usize::MAX);
    report.add(compare(&mut rig, wanted)?);
    Ok(())
}

/// Brings a call into each state.
fn prepare(rig: &mut Rig) -> Result<(), Fault> {
    let office = &mut rig.office;
    let waits = |status| Reaction {
        provisional: Some((Duration::ZERO, status)),
        finally: None,
    };
    for (who, status) in [(RINGING.1, 180), (EARLY.1, 183), (TRANSFER_TO, 180)] {
        office.telephones[who].actor.set_reaction(waits(status));
    }
    for (from, to) in [UP, HELD, TRANSFERRED] {
        let answered = office.call(from, to, PATIENCE);
        answered.ok_or_else(|| Fault::Late("a call before the cut is not answered".to_owned()))?;
    }
    let held = live(office, HELD.0)?;
    office.telephones[HELD.0]
        .actor
        .reoffer(clock::now(), held, Way::SendOnly);
    for (from, to) in [RINGING, EARLY] {
        office.ring(from, to);
    }
    let transferred = live(office, TRANSFERRED.0)?;
    let number = office.telephones[TRANSFER_TO].actor.setup().number.clone();
    let referrer = &mut office.telephones[TRANSFERRED.0].actor;
    referrer.transfer_blind(clock::now(), transferred, &number);
    let all_ring = |office: &Office| {
        let rings = |who: usize| office.telephones[who].actor.live_call().is_some();
        [RINGING.1, EARLY.1, TRANSFER_TO].into_iter().all(rings)
    };
    if office.run(PATIENCE, all_ring) {
        Ok(())
    } else {
        Err(Fault::Late("a telephone does not ring before the cut".to_owned()))
    }
}

/// What each call was to do next, and whether it could; then everybody hangs up.
fn carry_on(office: &mut Office) -> Vec<(&'static str, bool)> {
    let mut outcomes = vec![("up", is_up(office, UP))];
    for (what, (from, to)) in [
        ("ringing", RINGING),
        ("early", EARLY),
        ("transferring", (TRANSFERRED.1, TRANSFER_TO)),
    ] {
        if let Ok(call) = live(office, to) {
            office.telephones[to].actor.answer(clock::now(), call);
        }
        outcomes.push((what, office.run(PATIENCE, |office| is_up(office, (from, to)))));
    }
    if let Ok(held) = live(office, HELD.0) {
        office.telephones[HELD.0]
            .actor
            .reoffer(clock::now(), held, Way::SendRecv);
    }
    office.run(Duration::from_secs(3), |_| false);
    office.listen_anew();
    office.run(Duration::from_secs(1), |_| false);
    let hears = |who: usize| office.longest_gap(who) < Duration::from_millis(500);
    let is_resumed = is_up(office, HELD) && hears(HELD.0) && hears(HELD.1);
    outcomes.push(("held", is_resumed));
    for (what, who) in [("up: sound", UP), ("transferring: sound", (TRANSFERRED.1, TRANSFER_TO))] {
        let hears = |who: usize| office.longest_gap(who) < Duration::from_millis(500);
        outcomes.push((what, hears(who.0) && hears(who.1)));
    }
    for (who, _) in [UP, HELD, RINGING, EARLY, (TRANSFERRED.1, TRANSFER_TO)] {
        office.hang_up(who);
    }
    let over = office.run(PATIENCE, |office| {
        office.telephones.iter().all(|it| it.actor.live_call().is_none())
    });
    outcomes.push(("goodbyes", over));
    outcomes
}

fn is_up(office: &Office, (one, other): (usize, usize)) -> bool {
    office.telephones[one].is_up() && office.telephones[other].is_up()
}

fn live(office: &Office, who: usize) -> Result<CallHandle, Fault> {
    let call = office.telephones[who].actor.live_call().map(|call| call.handle);
    call.ok_or_else(|| Fault::Late(format!("telephone {who} has no call")))
}

/// The callers' own count beside the records of the box.
fn compare(rig: &mut Rig, wanted: usize) -> Result<Figure, Fault> {
    let end = clock::now() + RECORDS_WITHIN;
    let records = loop {
        let records = rig.daemon.records()?;
        if records.len() >= wanted || clock::now() >= end {
            break records;
        }
        rig.office.run(Duration::from_millis(200), |_| false);
    };
    let mut ids: Vec<&str> = records.iter().filter_map(|record| record["id"].as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    let talk_ms = u64::try_from(TALK.as_millis()).unwrap_or(u64::MAX);
    let is_of_sipp = |record: &&Value| {
        let number = record["from"]["dialled"]
            .as_str()
            .and_then(|number| number.parse::<u16>().ok());
        number.is_some_and(|number| number >= 201 + u16::from(SIPP_FROM))
    };
    let exact = |record: &Value| {
        record["talk_ms"]
            .as_u64()
            .is_some_and(|ms| ms.abs_diff(talk_ms) <= TALK_DIFFERS_MS_MAX)
    };
    let wrong = records
        .iter()
        .filter(is_of_sipp)
        .filter(|record| !exact(record))
        .count();
    let unanswered = records.iter().filter(|record| record["outcome"] != "answered").count();
    Ok(Figure {
        what: "records of these calls beside the callers' own count".to_owned(),
        value: format!(
            "{} of {wanted}, {} twice, {unanswered} not as answered, {wrong} more than 1 s off",
            records.len(),
            records.len() - ids.len()
        ),
        target: "equal, none twice",
        is_met: records.len() == wanted && ids.len() == wanted && unanswered == 0 && wrong == 0,
    })
}

fn listed(bad: &[&str]) -> String {
    if bad.is_empty() {
        return String::new();
    }
    format!("; not: {}", bad.join(", "))
}

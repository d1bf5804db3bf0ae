//! The call database fails under calls: what its failure adds to the set-up of a call, and whether a record is missing
//! afterwards.

use std::time::Duration;

use serde_json::Value;

use crate::broken::{Broken, Disk, Kind};
use crate::report::{Figure, Report, percentile};
use crate::rig::{Daemon, Plan, Rig};
use crate::{Fault, clock};

const PATIENCE: Duration = Duration::from_secs(5);
const MODE_WITHIN: Duration = Duration::from_secs(20);
/// A home of the journal that failed often is tried each half minute.
const RECOVERED_WITHIN: Duration = Duration::from_secs(90);
const ENOUGH_FOR_P99: usize = 100;
/// Calls before each failure and after the one that meets it.
const CALLS_BETWEEN: u32 = 5;
/// What the call that meets the failure may take longer, at p99.
const FIRST_ADDED_MAX: Duration = Duration::from_millis(50);
/// What those after it may, at p50 and p99, beside what usual calls differ among themselves.
const LATER_ADDED_MAX: [Duration; 2] = [Duration::from_micros(500), Duration::from_millis(5)];

#[derive(Default)]
struct Times {
    quiet: Vec<Duration>,
    first: Vec<Duration>,
    later: Vec<Duration>,
    not_completed: u32,
}

/// Calls alternate with failures: the call right after each is the one that discovers it.
///
/// # Errors
/// The rig could not be stood up, or the database did not come back.
pub fn failures(report: &mut Report, runs: u32) -> Result<(), Fault> {
    let mut rig = Rig::new(Plan::TWO)?;
    // Calls between telephones, without the way through the hosted PBX.
    rig.line.cut();
    wait(&mut rig, MODE_WITHIN, |view| view["hosted"]["mode"] == "survival")?;
    let disk = Disk::under(&mut rig.daemon)?;
    wait(&mut rig, MODE_WITHIN, |view| {
        view["hosted"]["mode"] == "survival" && view["health"]["database"] == "normal"
    })?;
    let mut times = Times::default();
    let (mut recovered_calls, mut equal) = (0, 0);
    for run in 0..runs {
        for _ in 0..CALLS_BETWEEN {
            times.not_completed += call(&mut rig, &mut times.quiet);
        }
        let before_utc_ms = view(&rig.daemon)?["utc_ms"].as_i64().unwrap_or(0);
        let broken = Broken::new(&rig.daemon, (&disk, Kind::of(run)))?;
        times.not_completed += call(&mut rig, &mut times.first);
        wait(&mut rig, MODE_WITHIN, |view| view["health"]["database"] == "degraded")?;
        for _ in 0..CALLS_BETWEEN {
            times.not_completed += call(&mut rig, &mut times.later);
        }
        broken.mend()?;
        // The pause before the next try grows with each failure; an order ends it.
        rig.daemon
            .order(r#"{"op":"database","order":"fail","at_most_s":600}"#)?;
        rig.daemon.order(r#"{"op":"database","order":"restore"}"#)?;
        let over = wait(&mut rig, RECOVERED_WITHIN, |view| {
            let ended_utc_ms = view["storage"]["recovery"]["ended_utc_ms"].as_i64();
            view["health"]["database"] == "normal" && ended_utc_ms.is_some_and(|ended| ended >= before_utc_ms)
        })?;
        let recovery = &over["storage"]["recovery"];
        if recovery["equal"] == true {
            equal += 1;
            recovered_calls += recovery["database_calls"].as_u64().unwrap_or(0);
        }
    }
    report_first(report, &times);
    report_later(report, &times);
    let made = u64::from(runs) * u64::from(2 * CALLS_BETWEEN + 1);
    let listed = counted(&mut rig, made)?;
    report.add(Figure {
        what: "records of the outages".to_owned(),
        value: format!(
            "{made} calls made, {} not completed, {listed} recorded; {recovered_calls} taken over after outages; journal and \
             database equal {equal} times",
            times.not_completed
        ),
        target: "equal each time, none missing",
        is_met: times.not_completed == 0 && equal == runs && listed == made,
    });
    Ok(())
}

fn report_first(report: &mut Report, times: &Times) {
    // The worst of a few tells of the machine, not of the box.
    let judged = if times.first.len() >= ENOUGH_FOR_P99 { 99 } else { 50 };
    let worst = added(&times.quiet, &times.first, judged);
    report.add(Figure {
        what: format!(
            "call database breaks {} times: the call that meets it",
            times.first.len()
        ),
        value: format!(
            "{}: adds {} at p50, {} at p99",
            shown_both(&times.first),
            shown(added(&times.quiet, &times.first, 50)),
            shown(added(&times.quiet, &times.first, 99))
        ),
        target: "adds at most 50 ms at p99, of less than 100 calls at p50",
        is_met: times.not_completed == 0 && worst.is_some_and(|added| added <= FIRST_ADDED_MAX),
    });
}

fn report_later(report: &mut Report, times: &Times) {
    let halves = |parity: usize| -> Vec<Duration> { times.quiet.iter().skip(parity).step_by(2).copied().collect() };
    let (even, odd) = (halves(0), halves(1));
    let noise = |percent| added(&even, &odd, percent).max(added(&odd, &even, percent));
    let is_within = |(percent, most): (usize, Duration)| {
        let (added, noise) = (added(&times.quiet, &times.later, percent), noise(percent));
        added.zip(noise).is_some_and(|(added, noise)| added <= noise + most)
    };
    report.add(Figure {
        what: "the calls after it".to_owned(),
        value: format!(
            "{}: adds {} at p50, {} at p99; usually {}, whose halves differ by {} and {}",
            shown_both(&times.later),
            shown(added(&times.quiet, &times.later, 50)),
            shown(added(&times.quiet, &times.later, 99)),
            shown_both(&times.quiet),
            shown(noise(50)),
            shown(noise(99))
        ),
        target: "adds nothing: 0.5 ms at p50 and 5 ms at p99 above that difference at most",
        is_met: times.not_completed == 0 && [50, 99].into_iter().zip(LATER_ADDED_MAX).all(is_within),
    });
}

/// How much longer some calls take than usual ones.
fn added(usual: &[Duration], times: &[Duration], percent: usize) -> Option<Duration> {
    let both = percentile(usual, percent).zip(percentile(times, percent));
    both.map(|(usual, found)| found.saturating_sub(usual))
}

/// Times one call; 1 if it was not completed.
fn call(rig: &mut Rig, times: &mut Vec<Duration>) -> u32 {
    let time = rig.office.call(0, 1, PATIENCE);
    rig.office.hang_up(0);
    times.extend(time);
    u32::from(time.is_none())
}

/// The records in the database, waiting for as many as there should be.
fn counted(rig: &mut Rig, expected: u64) -> Result<u64, Fault> {
    let end = clock::now() + PATIENCE;
    loop {
        rig.office.run(Duration::from_millis(50), |_| false);
        let counted = rig.daemon.records_counted()?;
        if counted >= expected || clock::now() >= end {
            return Ok(counted);
        }
    }
}

fn view(daemon: &Daemon) -> Result<Value, Fault> {
    daemon
        .view()
        .ok_or_else(|| Fault::Late("the box does not show itself".to_owned()))
}

/// Waits for a view, while the telephones live on.
fn wait(rig: &mut Rig, within: Duration, look: impl Fn(&Value) -> bool) -> Result<Value, Fault> {
    let end = clock::now() + within;
    loop {
        rig.office.run(Duration::from_millis(50), |_| false);
        let view = view(&rig.daemon)?;
        if look(&view) {
            return Ok(view);
        }
        if clock::now() >= end {
            return Err(Fault::Late(format!("not there in time: {}", view["storage"])));
        }
    }
}

fn shown_both(times: &[Duration]) -> String {
    format!(
        "p50 {}, p99 {}",
        shown(percentile(times, 50)),
        shown(percentile(times, 99))
    )
}

fn shown(time: Option<Duration>) -> String {
    time.map_or("none".to_owned(), |time| {
        format!("{:.1} ms", time.as_secs_f64() * 1000.0)
    })
}

//! The call database fails under calls: what its failure adds to the set-up of a call, and whether a record is missing
//! afterwards.

use std::time::Duration;

use serde_json::Value;

use crate::report::{Figure, Report, percentile};
use crate::rig::{Daemon, Plan, Rig};
use crate::{Fault, clock};

const PATIENCE: Duration = Duration::from_secs(5);
const MODE_WITHIN: Duration = Duration::from_secs(20);
const RECOVERED_WITHIN: Duration = Duration::from_secs(60);
const ADDED_MAX: Duration = Duration::from_millis(50);
const ENOUGH_FOR_P99: usize = 100;
/// Calls before each failure; the next one meets it.
const CALLS_BETWEEN: u32 = 5;

/// Calls alternate with failures: the call right after each is the one that discovers it.
///
/// # Errors
/// The rig could not be stood up, or the database did not come back.
pub fn failures(report: &mut Report, runs: u32) -> Result<(), Fault> {
    let mut rig = Rig::new(Plan::TWO)?;
    // Calls between telephones, without the way through the hosted PBX.
    rig.line.cut();
    wait(&mut rig, MODE_WITHIN, |view| view["hosted"]["mode"] == "survival")?;
    let (mut quiet, mut first, mut later, mut lost) = (Vec::new(), Vec::new(), Vec::new(), 0);
    let (mut recovered_calls, mut equal) = (0, 0);
    for _ in 0..runs {
        for _ in 0..CALLS_BETWEEN {
            lost += call(&mut rig, &mut quiet);
        }
        let before_utc_ms = view(&rig.daemon)?["utc_ms"].as_i64().unwrap_or(0);
        rig.daemon
            .order(r#"{"op":"database","order":"fail","at_most_s":600}"#)?;
        lost += call(&mut rig, &mut first);
        for _ in 0..CALLS_BETWEEN {
            lost += call(&mut rig, &mut later);
        }
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
    let calls_in_outages = u64::from(runs) * u64::from(CALLS_BETWEEN + 1);
    for (who, times) in [("the call that meets it", &first), ("the calls after it", &later)] {
        let (usual, found) = (percentile(&quiet, 99), percentile(times, 99));
        // The worst of a few tells of the machine, not of the box.
        let judged = if times.len() >= ENOUGH_FOR_P99 { 99 } else { 50 };
        let added = percentile(&quiet, judged)
            .zip(percentile(times, judged))
            .map(|(usual, found)| found.saturating_sub(usual));
        report.add(Figure {
            what: format!("call database fails, {runs} times: set-up of {who}"),
            value: format!(
                "p50 {}, p99 {} (usually p50 {}, p99 {})",
                shown(percentile(times, 50)),
                shown(found),
                shown(percentile(&quiet, 50)),
                shown(usual)
            ),
            target: "at most 50 ms more at p99, of less than 100 calls at p50",
            is_met: lost == 0 && added.is_some_and(|added| added <= ADDED_MAX),
        });
    }
    report.add(Figure {
        what: "records of the outages".to_owned(),
        // The records of the last calls before an outage are taken over with it.
        value: format!(
            "{calls_in_outages} calls made, {lost} not completed; {recovered_calls} records taken over; journal and database \
             equal {equal} times"
        ),
        target: "equal each time, none missing",
        is_met: lost == 0 && equal == runs && recovered_calls >= calls_in_outages,
    });
    Ok(())
}

/// Times one call; 1 if it was not completed.
fn call(rig: &mut Rig, times: &mut Vec<Duration>) -> u32 {
    let time = rig.office.call(0, 1, PATIENCE);
    rig.office.hang_up(0);
    times.extend(time);
    u32::from(time.is_none())
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

fn shown(time: Option<Duration>) -> String {
    time.map_or("none".to_owned(), |time| {
        format!("{:.1} ms", time.as_secs_f64() * 1000.0)
    })
}

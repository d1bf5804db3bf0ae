//! `branchline drill wan` on a box with calls: for everybody, and for one extension.

use std::io::Read;
use std::process::Child;
use std::time::Duration;

use serde_json::Value;

use crate::report::{Figure, Report};
use crate::rig::{Plan, Rig};
use crate::wan::{PATIENCE, wait_online};
use crate::{Fault, clock};

const LASTS: &str = "8s";
const OVER_WITHIN: Duration = Duration::from_secs(60);
/// The slowest verdict on a clean line, with `probe_s = 1`.
const DETECTED_WITHIN_MS: u64 = 4000;
const RANG_WITHIN_MS: u64 = 1000;

/// Holds both.
///
/// # Errors
/// The rig could not be stood up, or a drill did not end.
pub fn drills(report: &mut Report) -> Result<(), Fault> {
    for (who, canary) in [("everybody", None), ("201 alone", Some("201"))] {
        let figure = drill(who, canary)?;
        report.add(figure);
    }
    Ok(())
}

/// One call is up through the hosted PBX; telephone 201 makes another one at once, and one when the outage is known.
fn drill(who: &str, canary: Option<&str>) -> Result<Figure, Fault> {
    let mut rig = Rig::new(Plan {
        telephones: 4,
        settle_s: 2,
        ..Plan::TWO
    })?;
    wait_online(&mut rig, 4)?;
    rig.office
        .call(2, 3, PATIENCE)
        .ok_or_else(|| Fault::Late("a call through the hosted PBX is not answered".to_owned()))?;
    let mut words = vec!["drill", "wan", LASTS];
    words.extend(canary.iter().flat_map(|line| ["--canary", line]));
    let mut program = rig.daemon.command(&words)?;
    let seen = clock::now() + PATIENCE;
    while clock::now() < seen && drill_of(&rig)["stage"] != "away" {
        rig.office.run(Duration::from_millis(10), |_| false);
    }
    let completed = rig.office.call(0, 1, PATIENCE).is_some();
    rig.office.run(Duration::from_secs(4), |_| false);
    let mode = rig.daemon.hosted().map_or("none".to_owned(), |(mode, ..)| mode);
    rig.office.hang_up(0);
    rig.office.run(Duration::from_millis(500), |_| false);
    // Begun after the verdict, so that its record is of an outage.
    let completed = completed && rig.office.call(0, 1, PATIENCE).is_some();
    rig.office.hang_up(0);
    let (is_passed, printed) = finish(&mut rig, &mut program)?;
    let stays = rig.office.telephones[2].is_up() && rig.office.telephones[3].is_up();
    let card = drill_of(&rig);
    let joined = card["joined"].as_u64().unwrap_or(0);
    let records = rig.daemon.records()?;
    // The newest first.
    let own = records.iter().find(|record| record["from"]["dialled"] == "201");
    let recorded = own.map_or(Value::Null, |record| record["mode"]["wan"].clone());
    let within = |value: &Value, ms_max: u64| value.as_u64().is_some_and(|ms| ms <= ms_max);
    let is_as_meant = match canary {
        None => mode == "survival" && joined == 1,
        Some(_) => mode == "online" && joined == 0,
    };
    Ok(Figure {
        what: format!("branchline drill wan {LASTS}, {who}"),
        value: format!(
            "detected after {} ms, first call rang in {} ms, back {} ms after, others see it {mode}, its record says {}, call up stays {stays}{}",
            card["detected_after_ms"],
            card["first_call"]["rang_ms"],
            card["registered_ms"],
            recorded.as_str().unwrap_or("nothing"),
            if is_passed {
                String::new()
            } else {
                format!("; it says: {printed}")
            }
        ),
        target: "passed, first call within 1 s, the call up untouched",
        is_met: is_passed
            && completed
            && stays
            && is_as_meant
            && recorded == "survival"
            && within(&card["detected_after_ms"], DETECTED_WITHIN_MS)
            && within(&card["first_call"]["rang_ms"], RANG_WITHIN_MS),
    })
}

fn drill_of(rig: &Rig) -> Value {
    rig.daemon
        .view()
        .map_or(Value::Null, |mut view| view["hosted"]["drill"].take())
}

/// Waits for the command, while the telephones live on: whether it succeeded, and what it printed.
fn finish(rig: &mut Rig, program: &mut Child) -> Result<(bool, String), Fault> {
    let end = clock::now() + OVER_WITHIN;
    let status = loop {
        rig.office.run(Duration::from_millis(50), |_| false);
        let done = program.try_wait().map_err(Fault::system("branchline drill"))?;
        if let Some(status) = done {
            break status;
        }
        if clock::now() >= end {
            let _ = program.kill();
            let _ = program.wait();
            return Err(Fault::Late("branchline drill wan does not end".to_owned()));
        }
    };
    let mut printed = String::new();
    if let Some(out) = &mut program.stdout {
        out.read_to_string(&mut printed).map_err(Fault::system("its output"))?;
    }
    if let Some(errors) = &mut program.stderr {
        errors
            .read_to_string(&mut printed)
            .map_err(Fault::system("its output"))?;
    }
    Ok((status.success(), printed))
}

//! What happens to the line to the hosted PBX, and what the branch makes of it.

use std::time::Duration;

use crate::report::{Figure, Report, percentile};
use crate::rig::{Media, Plan, Quality, Rig};
use crate::{Fault, clock, database, ordered, states, walk};

/// One part of the drill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The line is cut, and a call follows at once.
    Cuts,
    /// The line is cut under a call.
    Sound,
    /// The line is cut under calls in every state.
    States,
    /// The line loses or delays.
    BadLines,
    /// The line breaks every 10 s.
    Flaps,
    /// The line comes back.
    Failback,
    /// The call database fails.
    Database,
    /// Everything is lost in every combination, under calls of baresip and PJSIP.
    Walk,
    /// The box drills itself, by order.
    Ordered,
}

impl Part {
    /// All, in order.
    pub const ALL: [Part; 9] = [
        Part::Cuts,
        Part::Sound,
        Part::States,
        Part::BadLines,
        Part::Flaps,
        Part::Failback,
        Part::Database,
        Part::Walk,
        Part::Ordered,
    ];
}

/// How much is drilled.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    /// Cuts with a call right after.
    pub cuts: u32,
    /// Calls by SIPp around a cut.
    pub calls: u32,
    /// How long each bad line is suffered.
    pub bad_line: Duration,
    /// Lines in the failback.
    pub lines: u8,
    /// Failures of the call database.
    pub failures: u32,
    /// Edges of the cube of what can be lost, of 24.
    pub edges: usize,
}

impl Extent {
    /// For `make test`.
    pub const SHORT: Extent = Extent {
        cuts: 3,
        calls: 50,
        bad_line: Duration::from_secs(12),
        lines: 6,
        failures: 1,
        edges: 2,
    };
}

pub(crate) const PATIENCE: Duration = Duration::from_secs(5);
const ONLINE_WITHIN: Duration = Duration::from_secs(20);

/// Holds the parts, in order.
///
/// # Errors
/// The rig could not be stood up, or did not come back between two runs.
pub fn drill(parts: &[Part], extent: Extent, mut tell: impl FnMut(&str)) -> Result<Report, Fault> {
    let mut report = Report::default();
    for part in parts {
        match part {
            Part::Cuts => {
                tell("the line is cut, and a call follows at once");
                cuts(&mut report, extent.cuts)?;
            }
            Part::Sound => {
                tell("the line is cut under a call");
                sound(&mut report, Media::Passed)?;
                if crate::rig::is_installed("rtpengine") {
                    sound(&mut report, Media::Held)?;
                }
            }
            Part::States => {
                tell("the line is cut under calls in every state");
                states::cut_in_every_state(&mut report, extent.calls)?;
            }
            Part::BadLines => {
                for bad in BAD_LINES {
                    tell(bad.name);
                    bad_line(&mut report, (bad, extent.bad_line))?;
                }
            }
            Part::Flaps => {
                tell("the line breaks every 10 s");
                flaps(&mut report, extent.bad_line)?;
            }
            Part::Failback => {
                tell("the line comes back");
                failback(&mut report, extent.lines)?;
            }
            Part::Database => {
                tell("the call database fails");
                database::failures(&mut report, extent.failures)?;
            }
            Part::Walk => {
                tell("everything is lost and comes back under calls of baresip and PJSIP");
                walk::cube(&mut report, extent.edges, &mut tell)?;
            }
            Part::Ordered => {
                tell("branchline drill wan");
                ordered::drills(&mut report)?;
            }
        }
    }
    Ok(report)
}

pub(crate) fn wait_online(rig: &mut Rig, lines: u64) -> Result<(), Fault> {
    let end = clock::now() + ONLINE_WITHIN;
    loop {
        // The telephones live on meanwhile.
        rig.office.run(Duration::from_millis(50), |_| false);
        let hosted = rig.daemon.hosted();
        if hosted
            .as_ref()
            .is_some_and(|(mode, known, _)| mode == "online" && *known == lines)
        {
            return Ok(());
        }
        if clock::now() >= end {
            return Err(Fault::Late(format!("not online with {lines} lines: {hosted:?}")));
        }
    }
}

/// From the cut to the answer of the next call between two telephones.
fn cuts(report: &mut Report, runs: u32) -> Result<(), Fault> {
    let mut rig = Rig::new(Plan::TWO)?;
    let mut times = Vec::new();
    let mut lost = 0;
    for run in 0..runs {
        rig.line.mend();
        rig.daemon.restart()?;
        wait_online(&mut rig, 2)?;
        // The cut comes at any moment between two probes.
        let pause_ms = 200 + u64::from(run) * 97 % 1000;
        rig.office.run(Duration::from_millis(pause_ms), |_| false);
        rig.line.cut();
        match rig.office.call(0, 1, PATIENCE) {
            Some(time) => times.push(time),
            None => lost += 1,
        }
        rig.office.hang_up(0);
    }
    let shown =
        |percent| percentile(&times, percent).map_or("none".to_owned(), |time| format!("{} ms", time.as_millis()));
    report.outage = Some(format!("{} (p50), {} (p99)", shown(50), shown(99)));
    report.add(Figure {
        what: format!("WAN cut to the next completed local call, {runs} cuts"),
        value: format!(
            "p50 {}, p99 {}, worst {}, not completed {lost}",
            shown(50),
            shown(99),
            shown(100)
        ),
        target: "p99 < 1000 ms, all completed",
        is_met: lost == 0 && percentile(&times, 99).is_some_and(|time| time < Duration::from_secs(1)),
    });
    Ok(())
}

/// A call through the hosted PBX keeps its sound.
fn sound(report: &mut Report, media: Media) -> Result<(), Fault> {
    let mut rig = Rig::new(Plan { media, ..Plan::TWO })?;
    wait_online(&mut rig, 2)?;
    let (who, limit) = match media {
        Media::Passed => ("passed on by the hosted PBX", Duration::from_millis(200)),
        Media::Held => ("held by the hosted PBX", Duration::from_millis(1500)),
    };
    rig.office
        .call(0, 1, PATIENCE)
        .ok_or_else(|| Fault::Late("a call through the hosted PBX is not answered".to_owned()))?;
    rig.office.run(Duration::from_secs(2), |_| false);
    rig.office.listen_anew();
    rig.office.run(Duration::from_secs(1), |_| false);
    let before = rig.office.longest_gap(0).max(rig.office.longest_gap(1));
    rig.line.cut();
    rig.office.run(Duration::from_secs(10), |_| false);
    let gap = rig.office.longest_gap(0).max(rig.office.longest_gap(1));
    let is_up = rig.office.telephones.iter().all(crate::rig::Telephone::is_up);
    let ends = rig.office.hang_up(1) && rig.office.run(PATIENCE, |office| !office.telephones[0].is_up());
    report.add(Figure {
        what: format!("longest silence of a call whose sound is {who}"),
        value: format!(
            "{} ms (before the cut {} ms), still up {is_up}, one hangs up for both {ends}",
            gap.as_millis(),
            before.as_millis()
        ),
        target: match media {
            Media::Passed => "< 200 ms",
            Media::Held => "< 1500 ms",
        },
        is_met: gap < limit && is_up && ends,
    });
    Ok(())
}

/// A line that is bad, not broken.
#[derive(Clone, Copy)]
struct BadLine {
    name: &'static str,
    quality: Quality,
}

const BAD_LINES: [BadLine; 3] = [
    BadLine {
        name: "20 % loss each way",
        quality: Quality {
            is_cut: false,
            loss_percent: 20,
            delay: Duration::ZERO,
        },
    },
    BadLine {
        name: "400 ms delay, at once",
        quality: Quality {
            is_cut: false,
            loss_percent: 0,
            delay: Duration::from_millis(200),
        },
    },
    BadLine {
        name: "400 ms delay each way, at once",
        quality: Quality {
            is_cut: false,
            loss_percent: 0,
            delay: Duration::from_millis(400),
        },
    },
];

fn bad_line(report: &mut Report, (bad, time): (BadLine, Duration)) -> Result<(), Fault> {
    let mut rig = Rig::new(Plan::TWO)?;
    wait_online(&mut rig, 2)?;
    rig.office.run(Duration::from_secs(2), |_| false);
    rig.line.set(bad.quality);
    let (made, failed) = calls_for(&mut rig, time);
    let trips = rig.daemon.hosted().map_or(u64::MAX, |(_, _, lost)| lost);
    report.add(Figure {
        what: format!("{}, {} s: false trips", bad.name, time.as_secs()),
        value: format!("{trips}; {made} calls, {failed} not completed"),
        target: "0",
        is_met: trips == 0 && failed == 0,
    });
    Ok(())
}

/// Calls one after the other for a while: made, and not completed.
fn calls_for(rig: &mut Rig, time: Duration) -> (u32, u32) {
    let end = clock::now() + time;
    let (mut made, mut failed) = (0, 0);
    while clock::now() < end {
        made += 1;
        failed += u32::from(rig.office.call(0, 1, Duration::from_secs(10)).is_none());
        rig.office.run(Duration::from_millis(300), |_| false);
        rig.office.hang_up(0);
        rig.office.run(Duration::from_millis(1500), |_| false);
    }
    (made, failed)
}

/// A line that breaks and comes back every 10 s, with the settings a site has.
fn flaps(report: &mut Report, time: Duration) -> Result<(), Fault> {
    let mut rig = Rig::new(Plan {
        settle_s: 15,
        ..Plan::TWO
    })?;
    wait_online(&mut rig, 2)?;
    let end = clock::now() + time.max(Duration::from_secs(20));
    let (mut made, mut failed) = (0, 0);
    while clock::now() < end {
        for is_cut in [true, false] {
            rig.line.set(Quality {
                is_cut,
                ..Quality::default()
            });
            let (more, lost) = calls_for(&mut rig, Duration::from_secs(10));
            (made, failed) = (made + more, failed + lost);
        }
    }
    let trips = rig.daemon.hosted().map_or(u64::MAX, |(_, _, lost)| lost);
    report.add(Figure {
        what: "flaps of 10 s: changes to survival".to_owned(),
        value: format!("{trips}; {made} calls, {failed} not completed"),
        target: "1, and no way back in between",
        is_met: trips == 1 && failed == 0,
    });
    Ok(())
}

/// The way back: nothing is dropped, nothing blocked, and the registrations come at their pace.
fn failback(report: &mut Report, lines: u8) -> Result<(), Fault> {
    const PER_SECOND: u32 = 10;
    let mut rig = Rig::new(Plan {
        telephones: lines,
        settle_s: 3,
        registers_per_second: PER_SECOND,
        ..Plan::TWO
    })?;
    wait_online(&mut rig, u64::from(lines))?;
    rig.line.cut();
    rig.office
        .call(2, 3, PATIENCE)
        .ok_or_else(|| Fault::Late("a call in the outage is not answered".to_owned()))?;
    rig.office.run(Duration::from_secs(3), |_| false);
    let known = rig.upstream.registers().len();
    rig.line.mend();
    let mended = clock::now();
    let (mut made, mut blocked) = (0, 0);
    let mut back = None;
    while back.is_none() && mended.elapsed() < Duration::from_secs(60) {
        made += 1;
        blocked += u32::from(rig.office.call(0, 1, PATIENCE).is_none());
        rig.office.hang_up(0);
        // Below the rate at which the box sheds calls.
        rig.office.run(Duration::from_millis(100), |_| false);
        let hosted = rig.daemon.hosted();
        back = hosted
            .is_some_and(|(mode, known, _)| mode == "online" && known == u64::from(lines))
            .then(|| mended.elapsed());
    }
    let dropped = u32::from(!rig.office.telephones[2].is_up());
    let times = rig.upstream.registers();
    let fastest = most_per_second(times.get(known..).unwrap_or_default());
    report.add(Figure {
        what: format!("failback of {lines} lines"),
        value: format!(
            "{}; dropped {dropped}, blocked {blocked} of {made}{}, at most {fastest} REGISTER/s",
            back.map_or("not back".to_owned(), |time| format!(
                "back after {:.1} s",
                time.as_secs_f32()
            )),
            told(&rig.office.refusals),
        ),
        target: "dropped 0, blocked 0, at most 10/s",
        is_met: back.is_some() && dropped == 0 && blocked == 0 && fastest <= PER_SECOND as usize + 1,
    });
    Ok(())
}

const REASONS_SHOWN: usize = 4;

/// Why calls failed, in brackets; nothing where none did.
fn told(refusals: &[String]) -> String {
    match refusals {
        [] => String::new(),
        some => format!(" ({})", some[..some.len().min(REASONS_SHOWN)].join(", ")),
    }
}

/// The most of them within any second.
fn most_per_second(times: &[f64]) -> usize {
    let within = |from: &f64| times.iter().filter(|time| (*from..*from + 1.0).contains(*time)).count();
    times.iter().map(within).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_busiest_second_is_found_wherever_it_begins() {
        assert_eq!(most_per_second(&[0.0, 0.9, 1.1, 1.2, 1.85, 3.0]), 4);
        assert_eq!(most_per_second(&[]), 0);
    }
}

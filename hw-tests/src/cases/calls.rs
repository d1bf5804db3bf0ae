//! Two telephones call each other through the box.

use std::time::Duration;

use super::Plan;
use crate::Fault;
use crate::board::Board;
use crate::report::Figure;
use crate::rig::Office;

const ANSWERED_WITHIN: Duration = Duration::from_secs(20);
const TALK: Duration = Duration::from_secs(4);
const GAP_MAX: Duration = Duration::from_millis(400);
/// What A-law leaves of a tone that arrives without a gap is more than 0.99.
const SHARE_MIN: f64 = 0.9;

pub(super) fn call(board: &mut Board, _plan: &Plan) -> Result<Vec<Figure>, Fault> {
    let mut office = board.office()?;
    office.register_all()?;
    let figures = talk(&mut office);
    office.hang_up(0);
    Ok(figures)
}

/// A call in which both hear the other's tone; it is left standing.
pub(super) fn talk(office: &mut Office) -> Vec<Figure> {
    let answered = office.call(0, 1, ANSWERED_WITHIN);
    let answered = answered.map(|took| format!("answered after {} ms", took.as_millis()));
    let call = Figure::outcome(
        "a call between two telephones",
        answered.ok_or_else(|| office.refusals.join("; ")),
    );
    // The first packets cross while both sides are still found.
    office.run(Duration::from_secs(1), |_| false);
    office.listen_anew();
    office.run(TALK, |_| false);
    let gap = office.longest_gap(0).max(office.longest_gap(1));
    let share = office.share_heard(0, 1).min(office.share_heard(1, 0));
    let gap_text = match gap {
        Duration::MAX => "nothing heard".to_owned(),
        gap => format!("{} ms", gap.as_millis()),
    };
    vec![
        call,
        Figure {
            what: "longest gap in the sound of both".to_owned(),
            value: gap_text,
            target: "400 ms",
            is_met: gap <= GAP_MAX,
        },
        Figure {
            what: "share of the other's tone in what each hears".to_owned(),
            value: format!("{share:.3}"),
            target: "0.9",
            is_met: share >= SHARE_MIN,
        },
    ]
}

//! From power to the first answer.

use std::time::Duration;

use super::Plan;
use crate::Fault;
use crate::board::Board;
use crate::report::Figure;

/// A start is at most so many times as long as that of the same kernel with nothing to do.
const RATIO_MAX: f64 = 12.0;
const MEMORY_KB_MAX: u64 = 32 << 10;

pub(super) fn first_start(board: &mut Board, _plan: &Plan) -> Result<Vec<Figure>, Fault> {
    board.as_new()?;
    let accounts = board.with_accounts()?;
    let mut office = board.office()?;
    let registered = office.register_all();
    Ok(vec![
        Figure::outcome(
            "the first screen shows accounts",
            Ok(format!("{} of them", accounts.len())),
        ),
        Figure::outcome(
            "telephones register with what it shows",
            registered
                .map(|()| "both".to_owned())
                .map_err(|fault| fault.to_string()),
        ),
    ])
}

pub(super) fn boot_time(board: &mut Board, _plan: &Plan) -> Result<Vec<Figure>, Fault> {
    board.with_accounts()?;
    board.power_on()?;
    let first = board.first_register_answered()?;
    board.in_service()?;
    let mut figures = vec![Figure::outcome(
        "power to the first REGISTER answered",
        Ok(seconds(first)),
    )];
    board.power_cut()?;
    if let Some(nothing) = board.start_of_nothing()? {
        let ratio = first.as_secs_f64() / nothing.as_secs_f64();
        figures.push(Figure {
            what: "the same by starts of its kernel with an empty init".to_owned(),
            value: format!("{ratio:.1} of {}", seconds(nothing)),
            target: "12",
            is_met: ratio <= RATIO_MAX,
        });
    }
    Ok(figures)
}

/// What the daemon holds in memory once telephones are registered.
pub(super) fn memory(board: &mut Board, _plan: &Plan) -> Result<Vec<Figure>, Fault> {
    let mut office = board.office()?;
    office.register_all()?;
    let said = board.ask("usage")?;
    let kb = said
        .lines()
        .find_map(|line| line.trim().strip_prefix("memory ")?.strip_suffix(" kB")?.parse().ok());
    let kb: u64 = kb.ok_or_else(|| Fault::Late(format!("usage says {said}")))?;
    Ok(vec![Figure {
        what: "memory of the daemon with two telephones".to_owned(),
        value: format!("{:.1} MB", f64::from(u32::try_from(kb).unwrap_or(u32::MAX)) / 1024.0),
        target: "32 MB",
        is_met: kb <= MEMORY_KB_MAX,
    }])
}

/// Whoever has the serial line has the boot loader: it stops, and goes on.
pub(super) fn boot_loader(board: &mut Board, _plan: &Plan) -> Result<Vec<Figure>, Fault> {
    board.in_boot_loader()?;
    let mark = board.mark()?;
    board.say("boot")?;
    let within = board.start_within();
    board.await_restart(mark, "branchline: slot", within)?;
    let what = "a board stopped in its boot loader goes on into service";
    Ok(vec![Figure::outcome(what, Ok("by the word boot".to_owned()))])
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

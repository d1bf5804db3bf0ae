//! What breaks in a board, and a reset to how it left the factory.

use std::collections::VecDeque;
use std::time::Duration;

use super::{Plan, calls};
use crate::board::{Board, Done, Pins};
use crate::report::Figure;
use crate::rig::Account;
use crate::{Fault, clock};

/// Longer than the ten seconds for which the button is held, on a busy machine.
const HELD_MAX: Duration = Duration::from_secs(60);
const FLICKER_WINDOW: Duration = Duration::from_secs(1);
/// In this window; the patterns of an ordinary state change less often.
const FLICKER_CHANGES: usize = 12;

/// The processors hang: the hardware watchdog starts the board again.
pub(super) fn watchdog(board: &mut Board, _plan: &Plan) -> Result<Vec<Figure>, Fault> {
    const WHAT: &str = "a board that hangs starts again by itself";
    board.with_accounts()?;
    let mark = board.mark()?;
    let began = clock::now();
    if board.hang()? == Done::NotHere {
        return Ok(vec![not_here(WHAT)]);
    }
    let within = board.start_within() * 2;
    board.await_restart(mark, "U-Boot ", within)?;
    let took = (clock::now() - began).as_secs();
    Ok(vec![Figure::outcome(WHAT, Ok(format!("in service after {took} s")))])
}

/// The partition with the call database and the configuration is written over while the box runs, and power is cut.
pub(super) fn data_lost(board: &mut Board, _plan: &Plan) -> Result<Vec<Figure>, Fault> {
    let mut office = board.office()?;
    office.register_all()?;
    let mut figures = Vec::new();
    let before = calls::talk(&mut office);
    figures.extend(before.into_iter().map(|figure| figure.of("before")));
    if board.ruin("data")? == Done::NotHere {
        return Ok(vec![not_here("calls go on without the data partition")]);
    }
    // The call stands: its sound, and the next call, want nothing from the disk.
    office.hang_up(0);
    let during = calls::talk(&mut office);
    figures.extend(during.into_iter().map(|figure| figure.of("ruined")));
    board.power_cut()?;
    drop(office);
    board.in_service()?;
    let mut office = board.office()?;
    office.register_all()?;
    let after = calls::talk(&mut office);
    office.hang_up(0);
    figures.extend(after.into_iter().map(|figure| figure.of("started without it")));
    let said = board.ask("doctor")?;
    let fault = said
        .lines()
        .find(|line| line.contains("atabase") || line.contains("state directory"));
    let fault = fault.map(|line| line.trim().to_owned());
    figures.push(Figure::outcome("doctor names what is lost", fault.ok_or(said)));
    Ok(figures)
}

/// By its words on the serial line: new passwords, and nothing of before.
pub(super) fn factory_reset(board: &mut Board, _plan: &Plan) -> Result<Vec<Figure>, Fault> {
    let before = board.with_accounts()?;
    board.factory_reset()?;
    as_new(board, &before)
}

/// By its button, held until the light flickers.
pub(super) fn reset_button(board: &mut Board, _plan: &Plan) -> Result<Vec<Figure>, Fault> {
    const WHAT: &str = "the status light flickers when the button has been held";
    let before = board.with_accounts()?;
    let mark = board.mark()?;
    let Some(mut pins) = board.pins()? else {
        return Ok(vec![not_here(WHAT)]);
    };
    pins.drive("reset", 1)?;
    let held = clock::now();
    let flickered = flickers(&mut pins)?;
    let took = (clock::now() - held).as_secs_f64();
    pins.drive("reset", 0)?;
    drop(pins);
    if !flickered {
        return Ok(vec![Figure::outcome(WHAT, Err(format!("not within {took:.1} s")))]);
    }
    board.await_first_start(mark)?;
    let mut figures = vec![Figure::outcome(WHAT, Ok(format!("after {took:.1} s")))];
    figures.extend(as_new(board, &before)?);
    Ok(figures)
}

/// Changes of the status light come as fast as ten times a second.
fn flickers(pins: &mut Pins) -> Result<bool, Fault> {
    let end = clock::now() + HELD_MAX;
    let (mut last, mut changes) = (None, VecDeque::new());
    while clock::now() < end {
        let level = pins.output("status")?;
        if level != last {
            last = level;
            changes.push_back(clock::now());
        }
        while changes.front().is_some_and(|at| *at + FLICKER_WINDOW < clock::now()) {
            changes.pop_front();
        }
        if changes.len() >= FLICKER_CHANGES {
            return Ok(true);
        }
        clock::pause(Duration::from_millis(10));
    }
    Ok(false)
}

fn as_new(board: &mut Board, before: &[Account]) -> Result<Vec<Figure>, Fault> {
    let after = board.with_accounts()?;
    let is_new = before.iter().zip(&after).all(|(old, new)| old.password != new.password);
    let outcome = match is_new && !after.is_empty() {
        true => Ok("new ones".to_owned()),
        false => Err("as before".to_owned()),
    };
    let records = board.ask("calls --past --json")?;
    let mut office = board.office()?;
    let registered = office.register_all();
    Ok(vec![
        Figure::outcome("passwords after a factory reset", outcome),
        Figure::outcome(
            "records after it",
            if records.contains('{') {
                Err(records)
            } else {
                Ok("none".to_owned())
            },
        ),
        Figure::outcome(
            "telephones register with the new passwords",
            registered
                .map(|()| "both".to_owned())
                .map_err(|fault| fault.to_string()),
        ),
    ])
}

pub(super) fn not_here(what: &str) -> Figure {
    Figure::outcome(what, Ok("not on this rig".to_owned()))
}

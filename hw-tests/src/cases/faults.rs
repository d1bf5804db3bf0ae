//! What breaks in a board, and a reset to how it left the factory.

use super::{Plan, calls};
use crate::board::{Board, Done};
use crate::report::Figure;
use crate::{Fault, clock};

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

/// New passwords, and nothing of before.
pub(super) fn factory_reset(board: &mut Board, _plan: &Plan) -> Result<Vec<Figure>, Fault> {
    let before = board.with_accounts()?;
    board.factory_reset()?;
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

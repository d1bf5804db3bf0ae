//! The cases that a board is held to, in an order in which each finds what it needs. None knows which rig it runs on.

mod calls;
mod faults;
mod lan;
mod power;
mod start;
mod updates;

use std::path::PathBuf;

use crate::Fault;
use crate::board::Board;
use crate::report::{Figure, Report};

/// One thing that a board should do.
pub struct Case {
    /// On the command line and in the table.
    pub name: &'static str,
    /// Whether the short set has it.
    pub set: Set,
    hold: fn(&mut Board, &Plan) -> Result<Vec<Figure>, Fault>,
}

/// Which set a case is part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Set {
    /// Both.
    Short,
    /// What takes its time.
    Whole,
}

/// How far the cases go.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Power cuts under load.
    pub cuts: u32,
    /// Where updates of the system lie, good and bad.
    pub bundles: PathBuf,
    /// Where progress is told.
    pub tell: fn(&str),
}

/// All of them.
pub const CASES: [Case; 22] = [
    Case::short("first-start", start::first_start),
    Case::short("call", calls::call),
    Case::short("ports", lan::ports),
    Case::short("enumeration", lan::enumeration),
    Case::short("memory", start::memory),
    Case::short("boot-time", start::boot_time),
    Case::short("power-cuts", power::cuts),
    Case::whole("boot-loader", start::boot_loader),
    Case::whole("watchdog", faults::watchdog),
    Case::whole("update-wrong-key", updates::wrong_key),
    Case::whole("update-truncated", updates::truncated),
    Case::whole("update-flipped", updates::flipped),
    Case::whole("update-older", updates::older),
    Case::whole("update-wrong-board", updates::wrong_board),
    Case::whole("update-kernel-corrupt", updates::kernel_corrupt),
    Case::whole("update-init-dead", updates::init_dead),
    Case::whole("update-init-hangs", updates::init_hangs),
    Case::whole("update-unhealthy", updates::unhealthy),
    Case::whole("update-good", updates::good),
    Case::whole("data-lost", faults::data_lost),
    Case::whole("factory-reset", faults::factory_reset),
    Case::whole("reset-button", faults::reset_button),
];

impl Case {
    const fn short(name: &'static str, hold: fn(&mut Board, &Plan) -> Result<Vec<Figure>, Fault>) -> Case {
        let set = Set::Short;
        Case { name, set, hold }
    }

    const fn whole(name: &'static str, hold: fn(&mut Board, &Plan) -> Result<Vec<Figure>, Fault>) -> Case {
        let set = Set::Whole;
        Case { name, set, hold }
    }
}

/// Holds a board to these cases; a case that cannot be held is a missed figure, and the next begins with a power cut.
pub fn hold(board: &mut Board, cases: &[&Case], plan: &Plan) -> Report {
    let say = plan.tell;
    let mut report = Report::default();
    for (place, case) in (1..).zip(cases) {
        say(&format!("{place}/{} {}", cases.len(), case.name));
        match (case.hold)(board, plan) {
            Ok(figures) => {
                for figure in figures {
                    say(&format!("  {figure}"));
                    report.add(figure.of(case.name));
                }
            }
            Err(fault) => {
                say(&format!("  {fault}"));
                let first = fault.to_string().lines().next().unwrap_or_default().to_owned();
                report.add(Figure::outcome("could not be held", Err(first)).of(case.name));
                // What the next case finds is a board that starts; when even that fails, it says so itself.
                let _ = board.power_cut();
            }
        }
    }
    report
}

//! `make drill`: takes the hosted PBX away from a branch and measures what that costs.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a report for people")]

use std::process::ExitCode;
use std::time::Duration;

use branchline_hw_tests::report::published;
use branchline_hw_tests::rig;
use branchline_hw_tests::wan::{Extent, Part, drill};
use clap::{Parser, ValueEnum};

/// A part by its name.
#[derive(Clone, Copy, ValueEnum)]
enum Named {
    Cuts,
    Sound,
    States,
    BadLines,
    Flaps,
    Failback,
    Database,
    Walk,
    Ordered,
}

impl Named {
    fn part(self) -> Part {
        match self {
            Named::Cuts => Part::Cuts,
            Named::Sound => Part::Sound,
            Named::States => Part::States,
            Named::BadLines => Part::BadLines,
            Named::Flaps => Part::Flaps,
            Named::Failback => Part::Failback,
            Named::Database => Part::Database,
            Named::Walk => Part::Walk,
            Named::Ordered => Part::Ordered,
        }
    }
}

/// Takes the hosted PBX away from a branch and measures what that costs.
#[derive(Parser)]
struct Command {
    /// Cuts with a call right after.
    #[arg(long, default_value_t = 200)]
    cuts: u32,
    /// Calls by SIPp around a cut; the command line lists 500 records at most.
    #[arg(long, default_value_t = 100)]
    calls: u32,
    /// Seconds on each bad line.
    #[arg(long, default_value_t = 30)]
    bad_line_s: u64,
    /// Lines that come back.
    #[arg(long, default_value_t = 40)]
    lines: u8,
    /// Failures of the call database.
    #[arg(long, default_value_t = 100)]
    failures: u32,
    /// Changes of what is there and what is lost, under calls of real telephones; 24 are all.
    #[arg(long, default_value_t = 24)]
    edges: usize,
    /// These parts alone.
    #[arg(long, value_enum)]
    only: Vec<Named>,
}

/// What else the machine has to do decides about the figures.
fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split_whitespace().next().unwrap_or("unknown");
    format!("Machine: {cores} cores, load {load} before the drill")
}

fn main() -> ExitCode {
    let command = Command::parse();
    if let Some(obstacle) = rig::obstacle() {
        eprintln!("no drill: {obstacle}");
        return ExitCode::FAILURE;
    }
    let extent = Extent {
        cuts: command.cuts,
        calls: command.calls.min(400),
        bad_line: Duration::from_secs(command.bad_line_s),
        lines: command.lines.clamp(4, 180),
        failures: command.failures,
        edges: command.edges,
    };
    let parts: Vec<Part> = match command.only.as_slice() {
        [] => Part::ALL.to_vec(),
        some => some.iter().map(|named| named.part()).collect(),
    };
    println!("{}", machine());
    match drill(&parts, extent, |step| eprintln!("drill: {step}")) {
        Ok(report) => {
            println!("{report}\n{}", published(report.outage.as_deref()));
            if report.is_met() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(fault) => {
            eprintln!("the drill could not be held: {fault}");
            ExitCode::FAILURE
        }
    }
}

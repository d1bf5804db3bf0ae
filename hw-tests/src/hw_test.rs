//! `make hw-test`: holds a board with the image on it to the cases, and prints what came of them.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a report for people")]

use std::path::PathBuf;
use std::process::ExitCode;

use branchline_hw_tests::Fault;
use branchline_hw_tests::board::{Board, RigFile, obstacle};
use branchline_hw_tests::cases::{CASES, Case, Plan, Set, hold};
use branchline_hw_tests::report::Report;
use clap::Parser;

/// Boots the image on a board and holds it to the cases.
#[derive(Parser)]
struct Command {
    /// What `make image` leaves: the image and updates for it.
    image: PathBuf,
    /// Which board, and how it is reached.
    #[arg(long, default_value = "hw-tests/rigs/qemu.toml")]
    rig: PathBuf,
    /// These cases alone.
    #[arg(long)]
    only: Vec<String>,
    /// The short set.
    #[arg(long, conflicts_with = "only")]
    short: bool,
    /// Power cuts under load; 3 in the short set unless told otherwise.
    #[arg(long)]
    cuts: Option<u32>,
}

const CUTS: u32 = 100;
const CUTS_SHORT: u32 = 3;

fn main() -> ExitCode {
    match held(&Command::parse()) {
        Ok(report) => {
            println!("\n{report}");
            if report.is_met() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(fault) => {
            eprintln!("no board: {fault}");
            ExitCode::FAILURE
        }
    }
}

fn held(command: &Command) -> Result<Report, Fault> {
    let rig = RigFile::read(&command.rig)?;
    if let Some(obstacle) = obstacle(&rig) {
        return Err(Fault::Late(obstacle));
    }
    let cases = chosen(command)?;
    let plan = Plan {
        cuts: command.cuts.unwrap_or(if command.short { CUTS_SHORT } else { CUTS }),
        bundles: command.image.join("updates"),
        tell: |line| eprintln!("  {line}"),
    };
    let mut board = Board::new(rig, &command.image.join("branchline.img"))?;
    eprintln!("board: {}", board.name());
    Ok(hold(&mut board, &cases, &plan))
}

fn chosen(command: &Command) -> Result<Vec<&'static Case>, Fault> {
    let named = |name: &str| CASES.iter().find(|case| case.name == name);
    if let Some(unknown) = command.only.iter().find(|name| named(name).is_none()) {
        let names: Vec<&str> = CASES.iter().map(|case| case.name).collect();
        return Err(Fault::Late(format!(
            "there is no case {unknown}, but {}",
            names.join(", ")
        )));
    }
    let is_chosen = |case: &&Case| {
        let by_name = command.only.is_empty() || command.only.iter().any(|name| name == case.name);
        by_name && (!command.short || case.set == Set::Short)
    };
    Ok(CASES.iter().filter(is_chosen).collect())
}

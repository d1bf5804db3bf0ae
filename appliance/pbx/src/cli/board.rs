//! `branchline board`

use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;

use branchline_gpio::Gpiochip;
use branchline_sound::AlsaCards;
use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use super::{Done, Fault};
use crate::board::{self, Setup, Stop};
use crate::log;
use crate::place::Place;
use crate::run::{RunFault, read_at_start};

/// Serves what is wired to the box: lights, buttons, analog telephones and lines.
#[derive(Debug, Args)]
pub(crate) struct Board {
    /// Board of a configuration without [board]
    #[arg(long, value_name = "NAME", env = "BRANCHLINE_BOARD", default_value = "generic")]
    board: String,
    /// File that is made when a button has been held for 10 s
    #[arg(long, value_name = "FILE", env = "BRANCHLINE_RESET")]
    reset: Option<PathBuf>,
}

pub(crate) fn run(place: &Place, command: Board) -> Done {
    let read = read_at_start(place).map_err(RunFault::from)?;
    log::start(read.config().log);
    let stop = Stop::default();
    heed_signals(stop.clone())?;
    let setup = Setup {
        place: place.clone(),
        otherwise: command.board,
        reset: command.reset,
    };
    let open = || Ok((Gpiochip::new()?, AlsaCards));
    board::run(&setup, open, &stop).map_err(|fault| Fault::Other(fault.to_string()))?;
    Ok(ExitCode::SUCCESS)
}

/// Outputs are left inactive: a pin that nobody holds may keep its level.
fn heed_signals(stop: Stop) -> Result<(), Fault> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let (mut terminate, mut interrupt) = runtime.block_on(async {
        let terminate = signal(SignalKind::terminate())?;
        Ok::<_, std::io::Error>((terminate, signal(SignalKind::interrupt())?))
    })?;
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        });
        stop.stop();
    })?;
    Ok(())
}

//! `branchline run`

use std::io::Write;
use std::process::ExitCode;

use super::{Done, printable};
use crate::front::{self, Front, Told};
use crate::place::Place;
use crate::run::{Daemon, RunFault, read_at_start};
use crate::screen::Start;
use crate::{clock, first_start, log, screen};

pub(crate) fn run(place: &Place) -> Done {
    let identity = first_start::identity(clock::utc_ms());
    let (start, unusable) = first_start::set_up_or_do_without(place, &identity)?;
    let start = match start {
        Start::First { .. } if log::goes_to_the_journal(std::io::stdout()) => Start::FirstUnseen,
        start @ (Start::First { .. } | Start::FirstUnseen | Start::Later) => start,
    };
    let read = read_at_start(place).map_err(RunFault::from)?;
    log::start(read.config().log);
    let told = Told {
        place,
        config: read.config(),
        identity: &identity,
    };
    let bound = Front::bind(told);
    let page = bound.as_ref().ok().and_then(|(front, _)| front.page_address());
    // Before anything can fail: the passwords are shown now or never.
    let screen = screen::render(&front::screen(told, page, start));
    let mut out = std::io::stdout().lock();
    out.write_all(screen.as_bytes())?;
    for fault in [read.fault(), &unusable].into_iter().filter(|fault| !fault.is_empty()) {
        writeln!(out, "\n  ATTENTION: {}\n", printable(fault))?;
    }
    drop(out);
    let (front, feed) = bound?;
    let daemon = Daemon::bind(place, read)?;
    daemon.note_state_directory(unusable);
    let serving = front.serve()?;
    let ended = daemon.run(feed);
    drop(serving);
    ended?;
    Ok(ExitCode::SUCCESS)
}

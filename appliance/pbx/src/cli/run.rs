//! `branchline run`

use std::io::Write;
use std::process::ExitCode;

use super::{Done, read_config};
use crate::front::{self, Front, Told};
use crate::place::Place;
use crate::run::Daemon;
use crate::screen::Start;
use crate::{clock, first_start, log, screen};

pub(crate) fn run(place: &Place) -> Done {
    let identity = first_start::identity(clock::utc_ms());
    let start = match first_start::set_up(place, &identity)? {
        Start::First { .. } if log::goes_to_the_journal(std::io::stdout()) => Start::FirstUnseen,
        start @ (Start::First { .. } | Start::FirstUnseen | Start::Later) => start,
    };
    let config = read_config(place)?;
    log::start(config.log);
    let told = Told {
        place,
        config: &config,
        identity: &identity,
    };
    let bound = Front::bind(told);
    let page = bound.as_ref().ok().and_then(|(front, _)| front.page_address());
    // Before anything can fail: the passwords are shown now or never.
    let screen = screen::render(&front::screen(told, page, start));
    std::io::stdout().lock().write_all(screen.as_bytes())?;
    let (front, feed) = bound?;
    let daemon = Daemon::bind(place)?;
    let serving = front.serve()?;
    let ended = daemon.run(feed);
    drop(serving);
    ended?;
    Ok(ExitCode::SUCCESS)
}

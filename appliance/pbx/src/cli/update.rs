//! `branchline update`

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use branchline_config::UpdateSource;
use branchline_update::{Examined, Rule, Rules, Stage, State, Version, Window};
use clap::{Args, Subcommand};
use serde::Serialize;

use super::{Done, Fault, printable, read_config};
use crate::invocation::Invocation;
use crate::place::Place;
use crate::run::clock::Clock;
use crate::update::{self, Held, Job, UpdateFault, Wish};
use crate::version;

/// `update`
#[derive(Debug, Subcommand)]
pub(crate) enum Update {
    /// Which version is current, which others are here, and what became of the last update
    Status {
        /// For programs
        #[arg(long)]
        json: bool,
    },
    /// Look what the source offers this box
    Check(Source),
    /// Install what the source offers as soon as no call is up; the old version comes back by itself if the new one is worse
    Install(Install),
    /// Go back to the version before, as soon as no call is up
    Rollback,
    /// What the timer runs: finish what was interrupted, then check, and install where the configuration says so
    Auto,
    /// What runs before each start of the daemon: count the tries of a version on trial
    #[command(hide = true)]
    Settle,
}

impl Default for Update {
    fn default() -> Update {
        Update::Status { json: false }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Source {
    /// Folder or https address instead of update.source, such as that of a USB stick
    #[arg(long, value_name = "SOURCE", value_parser = source)]
    from: Option<UpdateSource>,
}

#[derive(Debug, Args)]
pub(crate) struct Install {
    #[command(flatten)]
    source: Source,
    /// Also a version below the highest that ran well here
    #[arg(long)]
    allow_older: bool,
    /// Also a version that was taken back here
    #[arg(long)]
    again: bool,
    /// Although nobody has set the clock, so that the expiry cannot be judged
    #[arg(long)]
    without_clock: bool,
}

#[derive(Serialize)]
struct Status<'a> {
    current: Option<&'a Version>,
    versions: &'a [Version],
    highest: Option<&'a Version>,
    trial: String,
    last: String,
    fault: String,
}

impl Status<'_> {
    fn of(state: &State) -> Status<'_> {
        let shown = update::shown(state);
        Status {
            current: state.current.as_ref(),
            versions: &state.versions,
            highest: state.record.highest.as_ref(),
            trial: shown.trial,
            last: shown.last,
            fault: shown.fault,
        }
    }
}

/// A clock that has come on by so much is worth a write.
const NOTE_TIME_EVERY_MS: i64 = 24 * 3600 * 1000;

pub(crate) fn run(place: &Place, command: &Update, out: &mut dyn Write) -> Done {
    match command {
        Update::Status { json: true } => status_json(place, out),
        Update::Status { json: false } => status(place, out),
        Update::Check(source) => check(place, source, out),
        Update::Install(install) => by_hand(place, install, out),
        Update::Rollback => rollback(place, out),
        Update::Auto => auto(place, out),
        Update::Settle => {
            let settled = update::settle(place)?;
            tracing::debug!(?settled, "versions");
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn status_json(place: &Place, out: &mut dyn Write) -> Done {
    let state = update::look(place).state().map_err(UpdateFault::from)?;
    let status = Status::of(&state);
    writeln!(out, "{}", serde_json::to_string(&status).map_err(io::Error::from)?)?;
    Ok(ExitCode::SUCCESS)
}

fn status(place: &Place, out: &mut dyn Write) -> Done {
    let state = update::look(place).state().map_err(UpdateFault::from)?;
    let status = Status::of(&state);
    match status.current {
        Some(current) => writeln!(out, "Version {current} is current.")?,
        None => writeln!(out, "Version {}, as the system brought it.", version::own())?,
    }
    let others: Vec<String> = state
        .versions
        .iter()
        .filter(|it| Some(*it) != status.current)
        .map(Version::to_string)
        .collect();
    if !others.is_empty() {
        writeln!(out, "  also here: {}", others.join(", "))?;
    }
    if !status.trial.is_empty() {
        writeln!(
            out,
            "  {} is on trial: without a verdict the old version comes back",
            status.trial
        )?;
    }
    if !status.last.is_empty() {
        writeln!(out, "  {}", status.last)?;
    }
    if !status.fault.is_empty() {
        writeln!(out, "  {}", printable(&Invocation::of(place).spell(&status.fault)))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn check(place: &Place, source: &Source, out: &mut dyn Write) -> Done {
    let config = read_config(place)?;
    let state = update::look(place).state().map_err(UpdateFault::from)?;
    let wish = Wish {
        from: source.from.clone(),
        rules: Rules::default(),
    };
    let now = Clock::new().now();
    let found = update::examine(&config.update, &wish, (&state.record, state.current.as_ref()), now)?;
    match found.examined {
        Examined::UpToDate => writeln!(out, "This is the newest version.")?,
        Examined::Offer(offer) => {
            writeln!(out, "Version {} is offered: branchline update install", offer.version)?;
            for line in offer.notes.lines() {
                writeln!(out, "  {}", printable(line))?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn by_hand(place: &Place, install: &Install, out: &mut dyn Write) -> Done {
    let config = read_config(place)?;
    let waived = |is_waived| match is_waived {
        true => Rule::Waived,
        false => Rule::Enforced,
    };
    let wish = Wish {
        from: install.source.from.clone(),
        rules: Rules {
            rollback: waived(install.allow_older),
            failed: waived(install.again),
            clock: waived(install.without_clock),
        },
    };
    let mut held = update::hold(place)?;
    let mut job = Job {
        place,
        config: &config,
        held: &mut held,
        window: None,
        out,
    };
    finish_trial(&mut job)?;
    let stage = match offered(&mut job, &wish) {
        Ok(stage) => stage,
        Err(fault) => {
            refuse(&mut job, &fault)?;
            return Err(fault.into());
        }
    };
    Ok(match stage {
        None | Some(Stage::Good) => ExitCode::SUCCESS,
        Some(_) => ExitCode::FAILURE,
    })
}

fn auto(place: &Place, out: &mut dyn Write) -> Done {
    let config = read_config(place)?;
    let mut held = update::hold(place)?;
    let hours = config.update.window;
    let mut job = Job {
        place,
        config: &config,
        held: &mut held,
        window: hours.map(|hours| Window {
            from_minute: hours.from_minute,
            to_minute: hours.to_minute,
        }),
        out,
    };
    finish_trial(&mut job)?;
    if config.update.source.is_none() {
        return Ok(ExitCode::SUCCESS);
    }
    let stage = match config.update.automatic {
        true => offered(&mut job, &Wish::default()),
        false => announce(&mut job).map(|()| None),
    };
    match stage {
        Ok(Some(Stage::TakenBack(_))) => Ok(ExitCode::FAILURE),
        Ok(_) => Ok(ExitCode::SUCCESS),
        Err(fault) => {
            refuse(&mut job, &fault)?;
            Err(fault.into())
        }
    }
}

/// A trial that a power cut left without a judge.
fn finish_trial(job: &mut Job<'_>) -> Result<(), UpdateFault> {
    if let Some(pending) = job.held.shelf.state()?.pending {
        update::go_on(job, &pending)?;
    }
    let now = Clock::new().now();
    let floor_utc_ms = job.held.shelf.state()?.record.floor_utc_ms;
    if now.clock_trusted && now.utc_ms > floor_utc_ms + NOTE_TIME_EVERY_MS {
        job.held.shelf.change(|record| record.note_time(now.utc_ms))?;
    }
    update::take_up_system(&mut job.held.shelf)
}

/// Installs what the source offers; `None` where that is the current version.
fn offered(job: &mut Job<'_>, wish: &Wish) -> Result<Option<Stage>, UpdateFault> {
    let state = job.held.shelf.state()?;
    let now = Clock::new().now();
    let found = update::examine(&job.config.update, wish, (&state.record, state.current.as_ref()), now)?;
    match (found.examined, state.current) {
        (Examined::Offer(offer), Some(current)) => update::install(job, (&found.source, &offer), &current).map(Some),
        (Examined::Offer(_), None) => Err(UpdateFault::Source("no version is current".to_owned())),
        (Examined::UpToDate, _) => {
            job.held.shelf.change(|record| record.refused.clear())?;
            print(job, "This is the newest version.")?;
            Ok(None)
        }
    }
}

/// Shows what could be installed.
fn announce(job: &mut Job<'_>) -> Result<(), UpdateFault> {
    let state = job.held.shelf.state()?;
    let now = Clock::new().now();
    let current = state.current.as_ref();
    let found = update::examine(&job.config.update, &Wish::default(), (&state.record, current), now)?;
    let text = match found.examined {
        Examined::Offer(offer) => format!("{} is offered; to install it: branchline update install", offer.version),
        Examined::UpToDate => String::new(),
    };
    job.held.shelf.change(|record| record.refused = text)?;
    update::tell_daemon(job.place, &job.held.shelf);
    Ok(())
}

/// Remembers and shows why an offer was not taken.
fn refuse(job: &mut Job<'_>, fault: &UpdateFault) -> Result<(), UpdateFault> {
    let text = fault.to_string();
    job.held.shelf.change(|record| record.refused = text)?;
    update::tell_daemon(job.place, &job.held.shelf);
    Ok(())
}

fn rollback(place: &Place, out: &mut dyn Write) -> Done {
    let mut held = update::hold(place)?;
    let Held { shelf, .. } = &mut held;
    let state = shelf.state().map_err(UpdateFault::from)?;
    let utc_ms = crate::clock::utc_ms();
    let to = match &state.pending {
        Some(pending) => {
            shelf.take_back(BY_HAND, utc_ms).map_err(UpdateFault::from)?;
            pending.from.clone()
        }
        None => {
            let to =
                update::before(&state).ok_or_else(|| Fault::Other("there is no version to go back to".to_owned()))?;
            shelf.go_back(&to, (BY_HAND, utc_ms)).map_err(UpdateFault::from)?;
            to
        }
    };
    writeln!(
        out,
        "Version {to} is current again; it is started as soon as no call is up."
    )?;
    out.flush()?;
    update::stop_when_idle(place)?;
    update::tell_daemon(place, &held.shelf);
    Ok(ExitCode::SUCCESS)
}

const BY_HAND: &str = "taken back by hand";

fn print(job: &mut Job<'_>, text: &str) -> Result<(), UpdateFault> {
    writeln!(job.out, "{text}").map_err(|source| UpdateFault::Io {
        what: "cannot print".to_owned(),
        source,
    })
}

fn source(text: &str) -> Result<UpdateSource, String> {
    if text.starts_with("https://") {
        return text.parse();
    }
    let path = std::path::absolute(Path::new(text)).map_err(|error| error.to_string())?;
    Ok(UpdateSource::Folder(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_on_the_command_line_is_an_https_address_or_any_folder() {
        let here = std::env::current_dir().unwrap();
        let cases = [
            (
                "https://up.example.net/b",
                UpdateSource::Web("https://up.example.net/b/".into()),
            ),
            ("/media/usb", UpdateSource::Folder("/media/usb".into())),
            ("stick", UpdateSource::Folder(here.join("stick"))),
        ];
        for (text, expected) in cases {
            assert_eq!(source(text), Ok(expected));
        }
        assert!(source("https://").is_err());
    }
}

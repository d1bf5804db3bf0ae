//! `branchline run`

use std::io::Write;
use std::process::ExitCode;

use branchline_branch::view::{HealthView, PhoneView, View};
use branchline_config::Config;
use tokio::signal::unix::{SignalKind, signal};

use super::{Done, read_config};
use crate::front::{self, Front, Told};
use crate::hub::{Command, Feed};
use crate::place::Place;
use crate::screen::Start;
use crate::{clock, first_start, log, notify, screen};

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
    let serving = front.serve()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ended = runtime.block_on(until_told_to_stop(place, &config, feed));
    notify::stopping();
    drop(serving);
    ended?;
    Ok(ExitCode::SUCCESS)
}

async fn until_told_to_stop(place: &Place, config: &Config, mut feed: Feed) -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    feed.publish(idle_view(config));
    notify::ready("running");
    let mut alive = notify::alive_every().map(tokio::time::interval);
    loop {
        let beat = async {
            match &mut alive {
                Some(every) => every.tick().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
            _ = beat => notify::alive(),
            request = feed.command() => {
                let Some(request) = request else { return Ok(()) };
                let (outcome, stop) = match request.command {
                    Command::Reload => (reload(place, &feed), false),
                    Command::HangUp { call } => (Err(format!("there is no call {call}")), false),
                    Command::Shutdown => (Ok("stopping".to_owned()), true),
                };
                // The one who asked may have gone.
                let _ = request.reply.send(outcome);
                if stop {
                    return Ok(());
                }
            }
        }
    }
}

fn reload(place: &Place, feed: &Feed) -> Result<String, String> {
    let config = read_config(place).map_err(|fault| fault.to_string())?;
    feed.publish(idle_view(&config));
    Ok("the configuration is in force".to_owned())
}

fn idle_view(config: &Config) -> View {
    let phone = |entry: &branchline_config::ExtensionEntry| PhoneView {
        extension: entry.number.as_str().to_owned(),
        name: entry.name.clone(),
        ..PhoneView::default()
    };
    View {
        version: 1,
        site: config.site.name.clone(),
        utc_ms: clock::utc_ms(),
        phones: config.extensions.iter().map(phone).collect(),
        health: HealthView {
            database: "normal".into(),
            clock_trusted: true,
            ..HealthView::default()
        },
        ..View::default()
    }
}

//! Logs: one line a fact on standard error, as text or JSON. The journal adds the time, so text has none under systemd.

use std::io;
use std::os::fd::AsFd;

use branchline_config::{Log, LogFormat};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::Subscriber;

/// Starts logging as the configuration says; `RUST_LOG` overrides the level. Only the first call of a process counts.
pub fn start(log: Log) {
    let level = log.level.as_str();
    // Libraries speak up only about faults: their debug lines may quote whole messages.
    let default = format!("warn,branchline={level},branchline_pbx={level},{}", crates(level));
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let builder = Subscriber::builder()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_target(false);
    let under_systemd = goes_to_the_journal(io::stderr());
    // An error says that a test has started it already.
    let _ = match (log.format, under_systemd) {
        (LogFormat::Json, true | false) => {
            tracing::subscriber::set_global_default(builder.json().flatten_event(true).finish())
        }
        (LogFormat::Text, true) => {
            tracing::subscriber::set_global_default(builder.with_ansi(false).without_time().finish())
        }
        (LogFormat::Text, false) => tracing::subscriber::set_global_default(builder.with_ansi(false).finish()),
    };
}

/// Whether a stream ends in the journal of systemd; the variable alone is inherited by shells too (systemd.exec(5)).
pub fn goes_to_the_journal(stream: impl AsFd) -> bool {
    let Ok(named) = std::env::var("JOURNAL_STREAM") else {
        return false;
    };
    nix::sys::stat::fstat(stream).is_ok_and(|file| named == format!("{}:{}", file.st_dev, file.st_ino))
}

fn crates(level: &str) -> String {
    [
        "sip", "call", "route", "media", "branch", "net", "calldb", "board", "gpio",
    ]
    .map(|name| format!("branchline_{name}={level}"))
    .join(",")
}

//! Logs: one line a fact on standard error, as text or JSON. The journal adds the time, so text has none under systemd.

use std::io;

use branchline_config::{Level, Log, LogFormat};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::Subscriber;

/// Starts logging as the configuration says; `RUST_LOG` overrides the level. Only the first call of a process counts.
pub fn start(log: Log) {
    let level = log.level.as_str();
    // Libraries speak up only about faults: their debug lines may quote whole messages.
    let default = format!("warn,branchline={level},branchline_pbx={level},{}", crates(level));
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let builder = Subscriber::builder().with_env_filter(filter).with_writer(io::stderr).with_target(false);
    let under_systemd = std::env::var_os("JOURNAL_STREAM").is_some();
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

/// Before the configuration is read.
pub const UNTIL_CONFIGURED: Log = Log { level: Level::Info, format: LogFormat::Text };

fn crates(level: &str) -> String {
    ["sip", "call", "route", "media", "branch", "net", "calldb"]
        .map(|name| format!("branchline_{name}={level}"))
        .join(",")
}

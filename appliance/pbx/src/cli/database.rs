//! `branchline database`

use std::io::{self, Write};
use std::process::ExitCode;

use branchline_branch::view::{RecoveryView, View};
use clap::Subcommand;

use super::table::Table;
use super::{Done, printable};
use crate::clock;
use crate::control::client::Client;
use crate::control::protocol::Request;
use crate::hub::DatabaseOrder;
use crate::invocation::Invocation;
use crate::place::Place;

/// `database`
#[derive(Debug, Subcommand)]
pub(crate) enum Database {
    /// How the call database and the homes of the journal are
    Status {
        /// For programs
        #[arg(long)]
        json: bool,
    },
    /// Bypass the call database: calls go on, the journal keeps their records
    Fail {
        /// For so many seconds [default: until `database restore`]
        #[arg(long, value_name = "SECONDS")]
        seconds: Option<u64>,
    },
    /// Use the call database again
    Restore,
}

impl Default for Database {
    fn default() -> Database {
        Database::Status { json: false }
    }
}

pub(crate) fn run(place: &Place, command: &Database, out: &mut dyn Write) -> Done {
    let mut client = Client::connect(&place.control_socket())?;
    let order = match command {
        Database::Status { json } => {
            let view = client.view()?;
            match json {
                true => writeln!(
                    out,
                    "{}",
                    serde_json::to_string(&view.storage).map_err(io::Error::from)?
                )?,
                false => write_status(&view, out)?,
            }
            return Ok(match view.health.database.as_str() {
                "normal" => ExitCode::SUCCESS,
                _ => ExitCode::FAILURE,
            });
        }
        Database::Fail { seconds } => DatabaseOrder::Fail { at_most_s: *seconds },
        Database::Restore => DatabaseOrder::Restore,
    };
    let outcome = client.command(&Request::Database(order))?;
    writeln!(out, "{}", Invocation::of(place).spell(&outcome))?;
    Ok(ExitCode::SUCCESS)
}

fn write_status(view: &View, out: &mut dyn Write) -> io::Result<()> {
    let storage = &view.storage;
    let lasts_ms = view.utc_ms.saturating_sub(storage.since_utc_ms).max(0).unsigned_abs();
    writeln!(
        out,
        "Call database: {} for {}",
        view.health.database,
        clock::duration_text(lasts_ms)
    )?;
    if !storage.reason.is_empty() {
        writeln!(out, "  why: {}", printable(&storage.reason))?;
    }
    let behind = storage.written_seq.saturating_sub(storage.applied_seq);
    let megabytes = |bytes: u64| bytes.div_ceil(1_000_000);
    writeln!(
        out,
        "  {behind} entries to catch up with; {} of {} MB of the journal wait for it",
        megabytes(storage.held_bytes),
        megabytes(storage.held_bytes_max)
    )?;
    if storage.lost_entries > 0 {
        writeln!(
            out,
            "  {} entries are lost: every disk failed for too long",
            storage.lost_entries
        )?;
    }
    if !storage.configuration.is_empty() {
        writeln!(out, "Configuration: {}", printable(&storage.configuration))?;
    }
    writeln!(out)?;
    let mut table = Table::new(&["home of the journal", "state"]);
    for home in &storage.homes {
        let state = match (home.fault.as_str(), home.in_use) {
            ("", true) => "in use".to_owned(),
            ("", false) => "ready".to_owned(),
            (fault, _) => printable(fault),
        };
        table.row(&[printable(&home.directory), state]);
    }
    table.write(out)?;
    match &storage.recovery {
        Some(recovery) => write_recovery(recovery, out),
        None => Ok(()),
    }
}

/// What came of an outage.
pub(super) fn write_recovery(recovery: &RecoveryView, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\nLast outage: {}", printable(&recovery.why))?;
    writeln!(
        out,
        "  not used for {}, caught up in {}",
        clock::duration_text(recovery.degraded_ms),
        clock::duration_text(recovery.recovering_ms)
    )?;
    writeln!(
        out,
        "  calls: {} in the journal, {} in the database, {} refused: {}",
        recovery.journal_calls,
        recovery.database_calls,
        recovery.quarantined,
        if recovery.equal { "equal" } else { "NOT EQUAL" }
    )?;
    if !recovery.report.is_empty() {
        writeln!(out, "  report: {}", recovery.report)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use branchline_branch::view::{HealthView, HomeView, StorageView};

    use super::*;

    #[test]
    fn the_status_names_what_fails_and_what_came_of_the_last_outage() {
        let home = |directory: &str, fault: &str| HomeView {
            directory: directory.into(),
            fault: fault.into(),
            in_use: fault.is_empty(),
        };
        let view = View {
            utc_ms: 65_000,
            health: HealthView {
                database: "degraded".into(),
                ..HealthView::default()
            },
            storage: StorageView {
                reason: "held by another process".into(),
                since_utc_ms: 5_000,
                written_seq: 12,
                applied_seq: 5,
                homes: vec![home("/spool", "No space left"), home("/state", "")],
                recovery: Some(RecoveryView {
                    why: "bypassed by order".into(),
                    journal_calls: 9,
                    database_calls: 8,
                    ..RecoveryView::default()
                }),
                ..StorageView::default()
            },
            ..View::default()
        };
        let mut text = Vec::new();
        write_status(&view, &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        for part in [
            "degraded for",
            "held by another process",
            "7 entries to catch up",
            "No space left",
            "in use",
            "9 in the journal, 8 in the database, 0 refused: NOT EQUAL",
        ] {
            assert!(text.contains(part), "{part:?} in\n{text}");
        }
    }
}

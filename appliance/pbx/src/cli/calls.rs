//! `branchline calls`

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use branchline_branch::view::CallView;
use branchline_calldb::{Filter, Lookup, Page, Reason, Records};
use branchline_journal::{CallRecord, Outcome, RecordedParty};
use clap::Args;

use super::table::Table;
use super::{Done, Fault};
use crate::clock;
use crate::control::client::Client;
use crate::control::protocol::Request;
use crate::place::Place;

const RECORDS_WITHIN: Duration = Duration::from_secs(10);

/// `calls`
#[derive(Debug, Args)]
pub(crate) struct Calls {
    /// Finished calls, the latest first
    #[arg(long)]
    past: bool,
    /// Only calls of this number or extension
    #[arg(long, value_name = "NUMBER")]
    number: Option<String>,
    /// Past calls from this day on (UTC), as 2026-01-31
    #[arg(long, value_name = "DAY", requires = "past")]
    since: Option<String>,
    /// Past calls up to this day, which counts (UTC)
    #[arg(long, value_name = "DAY", requires = "past")]
    until: Option<String>,
    /// Past calls at most
    #[arg(long, value_name = "N", default_value_t = 50, requires = "past")]
    limit: usize,
    /// End the call with this id
    #[arg(long, value_name = "ID", conflicts_with = "past")]
    hang_up: Option<String>,
    /// For programs
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(place: &Place, command: &Calls, out: &mut dyn Write) -> Done {
    if command.past {
        return past(place, command, out);
    }
    let mut client = Client::connect(&place.control_socket())?;
    if let Some(call) = &command.hang_up {
        let text = client.command(&Request::HangUp { call: call.clone() })?;
        writeln!(out, "{text}")?;
        return Ok(ExitCode::SUCCESS);
    }
    let view = client.view()?;
    let touches = |call: &&CallView| match &command.number {
        Some(number) => [&call.from, &call.to, &call.connected_to]
            .iter()
            .any(|party| party.contains(number.as_str())),
        None => true,
    };
    let calls: Vec<&CallView> = view.calls.iter().filter(touches).collect();
    if command.json {
        writeln!(out, "{}", serde_json::to_string(&calls).map_err(std::io::Error::from)?)?;
    } else {
        write_live(&calls, clock::utc_ms(), out)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn write_live(calls: &[&CallView], utc_ms: i64, out: &mut dyn Write) -> std::io::Result<()> {
    if calls.is_empty() {
        return writeln!(out, "No calls.");
    }
    let mut table = Table::new(&["from", "to", "connected to", "state", "time", "codec", "MOS", "id"]);
    for call in calls {
        let waiting_ms = utc_ms.saturating_sub(call.started_utc_ms).max(0).unsigned_abs();
        let state = if call.emergency {
            format!("{}, emergency", call.state)
        } else {
            call.state.clone()
        };
        table.row(&[
            call.from.clone(),
            call.to.clone(),
            call.connected_to.clone(),
            state,
            clock::duration_text(call.talk_ms.unwrap_or(waiting_ms)),
            call.codec.clone().unwrap_or_default(),
            call.mos.map(|mos| format!("{mos:.1}")).unwrap_or_default(),
            call.id.clone(),
        ]);
    }
    table.write(out)
}

/// Whether there were calls or anything else before: then a missing database is a fault and no new box.
fn has_journal(place: &Place) -> bool {
    let homes = place.journals(None).into_iter();
    homes
        .filter_map(|home| std::fs::read_dir(home).ok())
        .flatten()
        .filter_map(Result::ok)
        .any(|file| {
            file.metadata()
                .is_ok_and(|metadata| metadata.is_file() && metadata.len() > 0)
        })
}

fn past(place: &Place, command: &Calls, out: &mut dyn Write) -> Done {
    let filter = Filter {
        number: command.number.clone(),
        since_utc_ms: command.since.as_deref().map(day).transpose()?,
        until_utc_ms: command
            .until
            .as_deref()
            .map(day)
            .transpose()?
            .map(|midnight| midnight + DAY_MS),
        limit: command.limit,
        after: None,
    };
    let page = match Records::open_read_only(&place.records()).query(filter, RECORDS_WITHIN) {
        Lookup::Found(page) => page,
        Lookup::NotFound => Page::default(),
        Lookup::Unavailable(Reason::Missing) if !command.json && !has_journal(place) => {
            writeln!(
                out,
                "No calls yet: there is no call database at {}.",
                place.records().display()
            )?;
            return Ok(ExitCode::SUCCESS);
        }
        Lookup::Unavailable(reason) => return Err(Fault::Other(reason.to_string())),
    };
    let records: Vec<&CallRecord> = page.records.iter().map(|listed| &listed.record).collect();
    if command.json {
        writeln!(
            out,
            "{}",
            serde_json::to_string(&records).map_err(std::io::Error::from)?
        )?;
        return Ok(ExitCode::SUCCESS);
    }
    write_past(&records, out)?;
    if page.next.is_some() {
        writeln!(
            out,
            "\nThere are older calls: --limit {} or --until shows them.",
            command.limit.saturating_mul(2)
        )?;
    }
    Ok(ExitCode::SUCCESS)
}

const DAY_MS: i64 = 86_400_000;

fn day(text: &str) -> Result<i64, Fault> {
    let wrong = || {
        Fault::Other(format!(
            "\"{}\" is not a day; write it as 2026-01-31",
            super::printable(text)
        ))
    };
    clock::parse_date(text).ok_or_else(wrong)
}

fn write_past(records: &[&CallRecord], out: &mut dyn Write) -> std::io::Result<()> {
    if records.is_empty() {
        return writeln!(out, "No call fits.");
    }
    let mut table = Table::new(&["started (UTC)", "from", "to", "outcome", "talk", "MOS", "trunk"]);
    for record in records {
        let doubt = if record.started.clock_trusted { "" } else { " ?" };
        let emergency = if record.emergency { ", emergency" } else { "" };
        let mos = record.legs.iter().filter_map(|leg| leg.mos).reduce(f32::min);
        table.row(&[
            format!("{}{doubt}", clock::date_time_text(record.started.utc_ms)),
            party(&record.from),
            party(&record.to),
            format!("{}{emergency}", outcome(record)),
            if record.talk_ms == 0 {
                String::new()
            } else {
                clock::duration_text(record.talk_ms)
            },
            mos.map(|mos| format!("{mos:.1}")).unwrap_or_default(),
            record.trunks.join(", "),
        ]);
    }
    table.write(out)
}

fn party(party: &RecordedParty) -> String {
    party.normalised.clone().unwrap_or_else(|| party.dialled.clone())
}

/// ITU-T Q.850.
const PREEMPTED: u8 = 8;

fn outcome(record: &CallRecord) -> String {
    let word = match record.outcome {
        Outcome::Answered if record.q850_cause == PREEMPTED => {
            return "answered, gave way to an emergency call".to_owned();
        }
        Outcome::Answered => return "answered".to_owned(),
        Outcome::Failed if record.q850_cause == PREEMPTED => return "gave way to an emergency call".to_owned(),
        Outcome::Busy => "busy",
        Outcome::NoAnswer => "no answer",
        Outcome::Cancelled => "cancelled",
        Outcome::Refused => "refused",
        Outcome::Failed => "failed",
        Outcome::Interrupted => "interrupted",
    };
    if record.sip_status == 0 {
        word.to_owned()
    } else {
        format!("{word} ({})", record.sip_status)
    }
}

//! `branchline drill`: makes a part fail on the running box, watches what becomes of its calls, and says so.

mod database;
mod wan;

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use branchline_branch::view::View;
use clap::Subcommand;
use serde::Serialize;

use super::{Done, Fault};
use crate::clock;
use crate::control::client::{Client, Unreachable};
use crate::file;
use crate::place::Place;

/// `drill`
#[derive(Debug, Subcommand)]
pub(crate) enum Drill {
    /// Bypass the call database for a while and compare its records with the journal afterwards
    Database {
        /// How long, such as 60s
        #[arg(default_value = "60s", value_parser = span)]
        lasts: Duration,
    },
    /// Treat the hosted PBX as gone for a while, and see which calls and telephones come through
    Wan {
        /// How long, such as 60s
        #[arg(default_value = "60s", value_parser = span)]
        lasts: Duration,
        /// Only for these extensions and classes of service, such as 201,202
        #[arg(long, value_name = "GROUP", value_delimiter = ',')]
        canary: Vec<String>,
    },
    /// End a drill of the hosted PBX before its time
    End,
}

const LOOK_EVERY: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(24 * 3600);

pub(crate) fn run(place: &Place, command: &Drill, out: &mut dyn Write) -> Done {
    let mut client = Client::connect(&place.control_socket())?;
    let is_passed = match command {
        Drill::Database { lasts } => {
            let card = database::run(&mut client, *lasts, out)?;
            keep(place, ("drill-database-", card.began_utc_ms, &card), out)?;
            card.is_passed()
        }
        Drill::Wan { lasts, canary } => {
            let card = wan::run(&mut client, &place.records(), (*lasts, canary), out)?;
            keep(place, ("drill-wan-", card.drill.began_utc_ms, &card), out)?;
            card.is_passed()
        }
        Drill::End => {
            writeln!(out, "{}", wan::end(&mut client)?)?;
            true
        }
    };
    Ok(match is_passed {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// Scorecards kept of each kind of drill, the latest.
const SCORECARDS_MAX: usize = 50;

/// Writes a scorecard among the reports.
fn keep(
    place: &Place,
    (kind, began_utc_ms, card): (&str, i64, &impl Serialize),
    out: &mut dyn Write,
) -> Result<(), Fault> {
    let path = place.reports().join(format!("{kind}{began_utc_ms}.json"));
    file::create_private_directory(&place.reports())?;
    let text = serde_json::to_vec_pretty(card).map_err(io::Error::from)?;
    file::replace_private(&path, &text)?;
    file::keep_latest(&place.reports(), (kind, SCORECARDS_MAX))?;
    writeln!(out, "  scorecard: {}", path.display())?;
    Ok(())
}

/// The first view that `look` likes.
fn wait(client: &mut Client, within: Duration, look: impl Fn(&View) -> bool) -> Result<Option<View>, Unreachable> {
    let began = clock::now();
    loop {
        let view = client.view()?;
        if look(&view) {
            return Ok(Some(view));
        }
        if began.elapsed() >= within {
            return Ok(None);
        }
        pause(LOOK_EVERY);
    }
}

/// `60s`, `2m`, or seconds alone.
fn span(text: &str) -> Result<Duration, String> {
    let (digits, unit_s) = match (text.strip_suffix('s'), text.strip_suffix('m')) {
        (Some(digits), _) => (digits, 1),
        (None, Some(digits)) => (digits, 60),
        (None, None) => (text, 1),
    };
    let seconds: u64 = digits.parse().map_err(|_| "write it as 60s or 2m".to_owned())?;
    let lasts = Duration::from_secs(seconds.saturating_mul(unit_s));
    if lasts.is_zero() || lasts > LONGEST {
        return Err("between 1s and a day".to_owned());
    }
    Ok(lasts)
}

fn pause(span: Duration) {
    std::thread::park_timeout(span);
}

fn ms(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_read_in_seconds_or_minutes() {
        for (text, seconds) in [
            ("60s", Some(60)),
            ("2m", Some(120)),
            ("5", Some(5)),
            ("0s", None),
            ("x", None),
        ] {
            assert_eq!(span(text).ok(), seconds.map(Duration::from_secs), "{text}");
        }
    }
}

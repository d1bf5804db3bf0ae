//! `branchline drill database`: bypasses the call database of the running box, and compares both sides afterwards.

use std::io::{self, Write};
use std::time::Duration;

use branchline_branch::view::{RecoveryView, View};
use serde::Serialize;

use super::{LOOK_EVERY, ms, pause, wait};
use crate::cli::Fault;
use crate::cli::database::write_recovery;
use crate::clock;
use crate::control::client::Client;
use crate::control::protocol::Request;
use crate::hub::DatabaseOrder;

/// What came of a drill of the call database.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Scorecard {
    pub(super) began_utc_ms: i64,
    lasted_ms: u64,
    /// From the order to the box saying that it lives without the database.
    degraded_after_ms: Option<u64>,
    /// From the end to the box saying that all is as before; absent if it did not.
    recovered_after_ms: Option<u64>,
    calls_started: u64,
    calls_answered: u64,
    calls_shed: u64,
    entries_lost: u64,
    recovery: Option<RecoveryView>,
}

impl Scorecard {
    pub(super) fn is_passed(&self) -> bool {
        let equal = self.recovery.as_ref().is_some_and(|recovery| recovery.equal);
        equal
            && self.degraded_after_ms.is_some()
            && self.recovered_after_ms.is_some()
            && self.entries_lost == 0
            && self.calls_shed == 0
    }

    /// Without a call the drill shows that the database comes back, and nothing of calls.
    fn verdict(&self) -> &'static str {
        match (self.is_passed(), self.calls_started) {
            (false, _) => "FAILED",
            (true, 0) => "PASSED; no call was made meanwhile",
            (true, _) => "PASSED",
        }
    }
}

const DEGRADED_WITHIN: Duration = Duration::from_secs(5);
const RECOVERED_WITHIN: Duration = Duration::from_secs(120);

pub(super) fn run(client: &mut Client, lasts: Duration, out: &mut dyn Write) -> Result<Scorecard, Fault> {
    let before = client.view()?;
    if before.health.database != "normal" {
        return Err(Fault::Other(format!(
            "the call database is {} already; see branchline database status",
            before.health.database
        )));
    }
    let scorecard = hold(client, (&before, lasts), out)?;
    write_scorecard(&scorecard, out)?;
    Ok(scorecard)
}

fn hold(client: &mut Client, (before, lasts): (&View, Duration), out: &mut dyn Write) -> Result<Scorecard, Fault> {
    let began = clock::now();
    // The box ends the drill itself, should this program be stopped.
    let order = DatabaseOrder::Fail {
        at_most_s: Some(lasts.as_secs()),
    };
    client.command(&Request::Database(order))?;
    writeln!(
        out,
        "The call database is bypassed for {} s; calls go on.",
        lasts.as_secs()
    )?;
    out.flush()?;
    let degraded = wait(client, DEGRADED_WITHIN.min(lasts), |view| {
        view.health.database == "degraded"
    })?;
    let degraded_after_ms = degraded.map(|_| ms(began.elapsed()));
    while began.elapsed() < lasts {
        pause(LOOK_EVERY.min(lasts.saturating_sub(began.elapsed())));
    }
    let lasted_ms = ms(began.elapsed());
    client.command(&Request::Database(DatabaseOrder::Restore))?;
    let ended = clock::now();
    let is_over = |view: &View| {
        let recovery = view.storage.recovery.as_ref();
        view.health.database == "normal" && recovery.is_some_and(|recovery| recovery.ended_utc_ms >= before.utc_ms)
    };
    let over = wait(client, RECOVERED_WITHIN, is_over)?;
    let recovered_after_ms = over.as_ref().map(|_| ms(ended.elapsed()));
    let after = match over {
        Some(view) => view,
        None => client.view()?,
    };
    let counted = |count: fn(&View) -> u64| count(&after).saturating_sub(count(before));
    Ok(Scorecard {
        began_utc_ms: before.utc_ms,
        lasted_ms,
        degraded_after_ms,
        recovered_after_ms,
        calls_started: counted(|view| view.counters.calls_started),
        calls_answered: counted(|view| view.counters.calls_answered),
        calls_shed: counted(|view| view.counters.calls_shed),
        entries_lost: counted(|view| view.storage.lost_entries),
        recovery: recovered_after_ms.and(after.storage.recovery.clone()),
    })
}

fn write_scorecard(card: &Scorecard, out: &mut dyn Write) -> io::Result<()> {
    let after = |ms: Option<u64>| ms.map_or("never".to_owned(), |ms| format!("after {ms} ms"));
    writeln!(out, "\nDrill: call database, {:.1} s", card.lasted_ms as f64 / 1000.0)?;
    writeln!(out, "  degraded   {}", after(card.degraded_after_ms))?;
    writeln!(out, "  normal     {}", after(card.recovered_after_ms))?;
    writeln!(
        out,
        "  calls      {} started, {} answered, {} shed; {} entries lost",
        card.calls_started, card.calls_answered, card.calls_shed, card.entries_lost
    )?;
    if let Some(recovery) = &card.recovery {
        write_recovery(recovery, out)?;
    }
    writeln!(out, "  {}", card.verdict())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drill_passes_only_if_it_was_seen_and_both_sides_are_equal() {
        let passed = Scorecard {
            began_utc_ms: 0,
            lasted_ms: 60_000,
            degraded_after_ms: Some(10),
            recovered_after_ms: Some(2_000),
            calls_started: 5,
            calls_answered: 5,
            calls_shed: 0,
            entries_lost: 0,
            recovery: Some(RecoveryView {
                equal: true,
                ..RecoveryView::default()
            }),
        };
        assert!(passed.is_passed());
        let failed = [
            Scorecard {
                calls_shed: 1,
                ..passed.clone()
            },
            Scorecard {
                recovery: None,
                ..passed.clone()
            },
            Scorecard {
                recovery: Some(RecoveryView::default()),
                ..passed.clone()
            },
            Scorecard {
                degraded_after_ms: None,
                ..passed.clone()
            },
            Scorecard {
                recovered_after_ms: None,
                ..passed.clone()
            },
            Scorecard {
                entries_lost: 1,
                ..passed.clone()
            },
        ];
        for card in failed {
            assert!(!card.is_passed(), "{card:?}");
        }
    }
}

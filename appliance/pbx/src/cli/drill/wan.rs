//! `branchline drill wan`: treats the hosted PBX as gone, for all or for a few, and says what became of their calls.

use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use branchline_branch::view::{DrillView, View};
use branchline_calldb::{Filter, Lookup, Records};
use serde::Serialize;

use super::wait;
use crate::cli::{Fault, printable};
use crate::control::client::{Client, Unreachable};
use crate::control::protocol::Request;
use crate::hub::HostedOrder;

/// What came of a drill of the hosted PBX.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Scorecard {
    pub(super) drill: DrillView,
    /// Records that the box made meanwhile.
    records_made: u64,
    /// Of these, in the call database; absent when it could not be read.
    records_kept: Option<u64>,
}

/// A hosted PBX that comes and goes has to prove itself for five minutes and a quarter, then the lines register.
const OVER_WITHIN: Duration = Duration::from_secs(900);
const KEPT_WITHIN: Duration = Duration::from_secs(10);

impl Scorecard {
    pub(super) fn is_passed(&self) -> bool {
        let drill = &self.drill;
        drill.called_off.is_empty()
            && drill.detected_after_ms.is_some()
            && drill.registered_ms.is_some()
            && drill.missing.is_empty()
            && drill.cut_off == 0
            && self.records_kept == Some(self.records_made)
            && (drill.calls_made == 0 || drill.first_call.is_some())
    }

    /// Without a call the drill shows that the lines come back, and nothing of calls.
    fn verdict(&self) -> &'static str {
        match (self.is_passed(), self.drill.calls_made) {
            (false, _) => "FAILED",
            (true, 0) => "PASSED; nobody called meanwhile",
            (true, _) => "PASSED",
        }
    }
}

pub(super) fn run(
    client: &mut Client,
    records: &Path,
    (lasts, canary): (Duration, &[String]),
    out: &mut dyn Write,
) -> Result<Scorecard, Fault> {
    let before = settled(client)?;
    // The box ends the drill itself, should this program be stopped.
    let order = HostedOrder::Away {
        lasts_s: lasts.as_secs(),
        canary: canary.to_vec(),
    };
    writeln!(out, "{}", client.command(&Request::Hosted(order))?)?;
    out.flush()?;
    // A view may be a little older than the order.
    let this = |view: &View| {
        drill_of(view)
            .cloned()
            .filter(|drill| drill.began_utc_ms >= before.utc_ms)
    };
    let is_over = |view: &View| this(view).is_some_and(|drill| drill.stage == "over") || view.up_ms < before.up_ms;
    wait(client, lasts + OVER_WITHIN, is_over)?;
    let after = settled(client)?;
    let drill = this(&after);
    let drill = drill.ok_or_else(|| Fault::Other("the box was restarted or has another hosted PBX".to_owned()))?;
    let card = Scorecard {
        drill,
        records_made: after.counters.records_made.saturating_sub(before.counters.records_made),
        records_kept: kept(records, before.storage.written_seq..=after.storage.written_seq),
    };
    write(&card, out)?;
    Ok(card)
}

pub(super) fn end(client: &mut Client) -> Result<String, Unreachable> {
    client.command(&Request::Hosted(HostedOrder::Return))
}

fn drill_of(view: &View) -> Option<&DrillView> {
    view.hosted.as_ref()?.drill.as_ref()
}

/// A view in which every record is in the database, if that comes about.
fn settled(client: &mut Client) -> Result<View, Unreachable> {
    let is_settled =
        |view: &View| view.health.journal_pending == 0 && view.storage.applied_seq == view.storage.written_seq;
    match wait(client, KEPT_WITHIN, is_settled)? {
        Some(view) => Ok(view),
        None => client.view(),
    }
}

/// Records in the database whose entries came after the first and up to the last of a range.
fn kept(path: &Path, entries: std::ops::RangeInclusive<u64>) -> Option<u64> {
    let records = Records::open_read_only(path);
    let (mut found, mut after) = (0, None);
    loop {
        let filter = Filter {
            after,
            ..Filter::default()
        };
        let page = match records.query(filter, KEPT_WITHIN) {
            Lookup::Found(page) => page,
            Lookup::NotFound | Lookup::Unavailable(_) => return None,
        };
        let theirs = |seq: u64| seq > *entries.start() && seq <= *entries.end();
        found += page.records.iter().filter(|listed| theirs(listed.seq)).count() as u64;
        let is_older = page.records.last().is_none_or(|listed| listed.seq <= *entries.start());
        after = page.next;
        if is_older || after.is_none() {
            return Some(found);
        }
    }
}

fn write(card: &Scorecard, out: &mut dyn Write) -> io::Result<()> {
    let drill = &card.drill;
    let after = |ms: Option<u64>| ms.map_or("never".to_owned(), |ms| format!("after {ms} ms"));
    let who = match drill.whole_branch {
        true => format!("all {} lines", drill.extensions.len()),
        false => format!("lines {}", drill.extensions.join(", ")),
    };
    let lasted = drill
        .let_go_after_ms
        .map_or("ended early".to_owned(), |ms| format!("{:.1} s", ms as f64 / 1000.0));
    writeln!(out, "\nDrill: hosted PBX, {who}, {lasted}")?;
    if !drill.called_off.is_empty() {
        writeln!(out, "  called off {}", printable(&drill.called_off))?;
    }
    writeln!(out, "  doubted    {}", after(drill.doubted_after_ms))?;
    writeln!(out, "  detected   {}", after(drill.detected_after_ms))?;
    match &drill.first_call {
        Some(call) => writeln!(
            out,
            "  first call {} to {}, made {} ms after the cut, rang in {} ms{}",
            printable(&call.from),
            printable(&call.to),
            call.placed_after_ms,
            call.rang_ms,
            call.answered_ms
                .map_or(String::new(), |ms| format!(", answered in {ms} ms"))
        )?,
        None => writeln!(out, "  first call nobody called within the branch")?,
    }
    writeln!(
        out,
        "  calls      {} made, {} answered",
        drill.calls_made, drill.calls_answered
    )?;
    let left = drill
        .through
        .saturating_sub(drill.joined + drill.hung_up + drill.cut_off);
    writeln!(
        out,
        "  calls up   {} went through it: {} go on in the box, {} ended by a party, {left} left alone, {} cut off",
        drill.through, drill.joined, drill.hung_up, drill.cut_off
    )?;
    writeln!(out, "  online     {} (since it was let go)", after(drill.online_ms))?;
    writeln!(out, "  registered {}", after(drill.registered_ms))?;
    for line in &drill.missing {
        writeln!(out, "  did not return: {}", printable(line))?;
    }
    let kept = card
        .records_kept
        .map_or("none can be read".to_owned(), |kept| format!("{kept} in the database"));
    writeln!(out, "  records    {} made, {kept}", card.records_made)?;
    writeln!(out, "  {}", card.verdict())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drill_passes_only_if_it_was_seen_and_nothing_was_lost() {
        let passed = Scorecard {
            drill: DrillView {
                detected_after_ms: Some(900),
                online_ms: Some(4000),
                registered_ms: Some(4500),
                through: 1,
                joined: 1,
                ..DrillView::default()
            },
            records_made: 2,
            records_kept: Some(2),
        };
        assert!(passed.is_passed());
        let drill = |change: fn(&mut DrillView)| {
            let mut card = passed.clone();
            change(&mut card.drill);
            card
        };
        let failed = [
            drill(|drill| drill.called_off = "a call for help".into()),
            drill(|drill| drill.detected_after_ms = None),
            drill(|drill| drill.registered_ms = None),
            drill(|drill| drill.missing = vec!["201".into()]),
            drill(|drill| drill.cut_off = 1),
            // Somebody called, and nothing rang.
            drill(|drill| drill.calls_made = 1),
            Scorecard {
                records_kept: Some(1),
                ..passed.clone()
            },
            Scorecard {
                records_kept: None,
                ..passed.clone()
            },
        ];
        for card in failed {
            assert!(!card.is_passed(), "{card:?}");
        }
    }
}

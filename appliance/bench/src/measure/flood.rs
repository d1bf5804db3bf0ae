//! (f) Memory under INVITEs that are never acknowledged, with the bounds the box is shipped with.

use std::time::Duration;

use super::{Bench, register_all};
use crate::Done;
use crate::accounts::{callees, callers};
use crate::load::flood::{Flood, Flooding, Sender};
use crate::report::{Row, Target};
use crate::servers::{Bounds, Branchline, Server};

pub(super) fn measure(bench: &Bench) -> Done<Vec<Row>> {
    let strangers = measure_from(bench, Sender::Stranger)?;
    let phones = measure_from(bench, Sender::Phone)?;
    Ok([strangers, phones].concat())
}

fn measure_from(bench: &Bench, sender: Sender) -> Done<Vec<Row>> {
    let (callers, callees) = (callers(PAIRS), callees(PAIRS));
    let users = [callers.clone(), callees.clone()].concat();
    let mut server = Branchline::start(&bench.site("branchline", users), Bounds::Shipped)?;
    let mut wire = bench.wire(&server)?;
    register_all(&mut wire, &callees, 50.0)?;
    let before = server.memory_bytes()?;
    let mut samples = vec![before];
    let mut flooding = Flooding::new(Flood {
        sender,
        callers,
        callees,
        per_s: PER_S,
        lasts: LASTS,
    });
    flooding.run(&mut wire, WATCHED, |_| {
        server.check()?;
        samples.push(server.memory_bytes()?);
        Ok(())
    })?;
    let mb_over = |bytes: u64, base: u64| bytes.saturating_sub(base) as f64 / 1e6;
    let most = samples.iter().copied().max().unwrap_or(before);
    let at_32_s = samples[..FLAT_AFTER_S.min(samples.len())]
        .iter()
        .copied()
        .max()
        .unwrap_or(before);
    let who = match sender {
        Sender::Stranger => "without a password",
        Sender::Phone => "with passwords",
    };
    let answers: Vec<String> = flooding
        .answers()
        .iter()
        .map(|(status, count)| format!("{count} x {status}"))
        .collect();
    let row = |what: String, mb: f64, bound: f64| Row {
        what,
        unit: "MB of memory",
        ours: format!("{mb:.1}"),
        peers: format!("answers: {}", answers.join(", ")),
        target: Target::bound(mb, bound, "MB"),
    };
    Ok(vec![
        row(format!("(f) growth in a flood {who}"), mb_over(most, before), 40.0),
        row(
            format!("(f) of that after {FLAT_AFTER_S} s"),
            mb_over(most, at_32_s),
            FLAT_MB,
        ),
    ])
}

const PAIRS: usize = 200;
const PER_S: f64 = 1000.0;
const LASTS: Duration = Duration::from_secs(40);
const WATCHED: Duration = Duration::from_secs(75);
/// 64*T1: from then on as much is forgotten as comes in.
const FLAT_AFTER_S: usize = 32;
/// Pages of an allocator at work.
const FLAT_MB: f64 = 2.0;

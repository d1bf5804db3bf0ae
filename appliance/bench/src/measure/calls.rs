//! (b) Calls: set-up, audio anchored, tear-down.

use std::time::Duration;

use super::{Bench, Bout, register_all};
use crate::Done;
use crate::accounts::{callees, callers};
use crate::load::calls::{CallLoad, Calls, Sides};
use crate::report::{Row, Spread, Target};
use crate::servers::{Bounds, Branchline, Kamailio, Server};

pub(super) fn measure(bench: &Bench) -> Done<Vec<Row>> {
    let (callers, callees) = (callers(PAIRS), callees(PAIRS));
    let users = [callers.clone(), callees.clone()].concat();
    let ours: Box<dyn Server> = Box::new(Branchline::start(
        &bench.site("branchline", users.clone()),
        Bounds::Wide,
    )?);
    let peer: Box<dyn Server> = Box::new(Kamailio::start(&bench.site("kamailio", users))?);
    let mut bouts = Vec::new();
    for server in [ours, peer] {
        let media = |n| (bench.loopback.host(n), 40_000).into();
        let sides = Sides {
            callers: callers.clone(),
            callees: callees.clone(),
            media: (media(10), media(11)),
        };
        let mut bout = Bout::new(bench, server, Calls::new(sides))?;
        register_all(&mut bout.wire, &callees, 500.0)?;
        bouts.push(bout);
    }
    let mut rows = Vec::new();
    for per_s in RATES {
        let load = CallLoad {
            calls: (per_s * RUN_S) as u64,
            per_s,
            talk: TALK,
        };
        for bout in &mut bouts {
            // Warms both up, and tells every caller the nonce.
            bout.load.run(&mut bout.wire, load)?.check("calls")?;
            bout.per_unit_us.clear();
        }
        for _ in 0..bench.runs {
            for bout in &mut bouts {
                bout.measure(|calls, wire| {
                    let outcome = calls.run(wire, load)?;
                    outcome
                        .check("calls")
                        .map_err(|error| format!("{error}; answers {:?}", calls.refusals()).into())
                })?;
            }
        }
        let spreads: Vec<Spread> = bouts.iter().map(|bout| Spread::of(bout.per_unit_us.clone())).collect();
        rows.push(Row {
            what: format!("(b) call at {per_s} a second"),
            unit: "us of CPU",
            ours: spreads[0].text(),
            peers: format!("Kamailio + rtpengine {}", spreads[1].text()),
            target: Target::ratio(spreads[0].median, ("Kamailio + rtpengine", spreads[1].median), 1.0),
        });
    }
    Ok(rows)
}

const PAIRS: usize = 400;
const RATES: [f64; 2] = [50.0, 150.0];
const RUN_S: f64 = 4.0;
const TALK: Duration = Duration::from_millis(1000);

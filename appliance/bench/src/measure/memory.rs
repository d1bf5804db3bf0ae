//! (d) Memory for a registration and for a call, from a fresh start.

use std::time::Duration;

use super::{Bench, register_all};
use crate::accounts::{callees, callers, registrants};
use crate::load::calls::{Calls, Sides};
use crate::load::rtp::Phones;
use crate::report::{Row, Target};
use crate::servers::{Bounds, Branchline, Kamailio, Server};
use crate::{Done, clock};

pub(super) fn measure(bench: &Bench) -> Done<Vec<Row>> {
    let row = |what: String, [ours, peer]: [f64; 2], bound: f64| Row {
        what,
        unit: "kB of memory",
        ours: format!("{ours:.2}"),
        peers: format!("Kamailio + rtpengine {peer:.2}"),
        target: Target::bound(ours, bound, "kB"),
    };
    let registration = both(bench, registration_kb)?;
    let call = both(bench, call_kb)?;
    Ok(vec![
        row(format!("(d) registration, of {REGISTRATIONS}"), registration, 2.0),
        row(format!("(d) call, of {CALLS}"), call, 30.0),
    ])
}

fn both(bench: &Bench, kb: impl Fn(&Bench, Peer) -> Done<f64>) -> Done<[f64; 2]> {
    Ok([kb(bench, Peer::Branchline)?, kb(bench, Peer::Kamailio)?])
}

#[derive(Clone, Copy)]
enum Peer {
    Branchline,
    Kamailio,
}

impl Peer {
    fn start(self, bench: &Bench, users: Vec<crate::accounts::User>) -> Done<Box<dyn Server>> {
        Ok(match self {
            Peer::Branchline => Box::new(Branchline::start(&bench.site("branchline", users), Bounds::Wide)?),
            Peer::Kamailio => Box::new(Kamailio::start(&bench.site("kamailio", users))?),
        })
    }
}

fn registration_kb(bench: &Bench, peer: Peer) -> Done<f64> {
    let users = registrants(REGISTRATIONS);
    let mut server = peer.start(bench, users.clone())?;
    let mut wire = bench.wire(server.as_ref())?;
    let before = server.memory_bytes()?;
    register_all(&mut wire, &users, 1500.0)?;
    growth_kb(server.as_mut(), before, REGISTRATIONS)
}

fn call_kb(bench: &Bench, peer: Peer) -> Done<f64> {
    let (callers, callees) = (callers(CALLS), callees(CALLS));
    let mut server = peer.start(bench, [callers.clone(), callees.clone()].concat())?;
    let mut wire = bench.wire(server.as_ref())?;
    register_all(&mut wire, &callees, 500.0)?;
    let mut phones = Phones::open(bench.loopback.host(10), bench.loopback.host(11))?;
    let mut calls = Calls::new(Sides {
        callers,
        callees,
        media: phones.addresses(),
    });
    let before = server.memory_bytes()?;
    let anchored = calls.hold(&mut wire, CALLS)?;
    phones.speak_in(&anchored);
    phones.talk(Duration::from_secs(2));
    growth_kb(server.as_mut(), before, CALLS)
}

fn growth_kb(server: &mut dyn Server, before: u64, count: usize) -> Done<f64> {
    clock::pass(SETTLE);
    server.check()?;
    let growth = server.memory_bytes()?.saturating_sub(before);
    Ok(growth as f64 / 1000.0 / count as f64)
}

const REGISTRATIONS: usize = 10_000;
const CALLS: usize = 400;
const SETTLE: Duration = Duration::from_secs(1);

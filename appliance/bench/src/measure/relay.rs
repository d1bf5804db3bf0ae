//! (c) Relayed RTP packets.

use std::time::Duration;

use super::{Bench, register_all};
use crate::Done;
use crate::accounts::{callees, callers};
use crate::load::calls::{Calls, Sides};
use crate::load::rtp::{Phones, Relayed};
use crate::report::{Row, Spread, Target};
use crate::servers::{Bounds, Branchline, Floor, Kamailio, Server};

pub(super) fn measure(bench: &Bench) -> Done<Vec<Row>> {
    let rows: Vec<Vec<Row>> = COUNTS
        .iter()
        .map(|count| measure_at(bench, *count))
        .collect::<Done<_>>()?;
    Ok(rows.concat())
}

fn measure_at(bench: &Bench, count: usize) -> Done<Vec<Row>> {
    let (callers, callees) = (callers(count), callees(count));
    let users = [callers.clone(), callees.clone()].concat();
    let mut ours = Branchline::start(&bench.site("branchline", users.clone()), Bounds::Wide)?;
    let mut peer = Kamailio::start(&bench.site("kamailio", users))?;
    let floor = Floor::start(&bench.site("floor", Vec::new()), u16::try_from(count)?)?;
    let up = |server: &mut dyn Server| {
        let mut phones = Phones::open(bench.loopback.host(10), bench.loopback.host(11))?;
        let mut wire = bench.wire(server)?;
        register_all(&mut wire, &callees, 500.0)?;
        let sides = Sides {
            callers: callers.clone(),
            callees: callees.clone(),
            media: phones.addresses(),
        };
        let mut calls = Calls::new(sides);
        let anchored = calls
            .hold(&mut wire, count)
            .map_err(|error| format!("{}: {error}", server.name()))?;
        phones.speak_in(&anchored);
        Ok::<_, Box<dyn std::error::Error>>((phones, wire, calls))
    };
    let (mut our_phones, mut our_wire, mut our_calls) = up(&mut ours)?;
    let (mut peer_phones, mut peer_wire, mut peer_calls) = up(&mut peer)?;
    let mut floor_phones = Phones::open(bench.loopback.host(12), bench.loopback.host(13))?;
    floor_phones.speak_in(floor.calls());
    // Sources are learned.
    for phones in [&mut our_phones, &mut peer_phones, &mut floor_phones] {
        phones.talk(LEARN);
    }

    let mut figures: [Vec<f64>; 3] = Default::default();
    for _ in 0..bench.runs {
        figures[0].push(per_packet("Branchline", &mut our_phones, || ours.cpu_ns())?);
        figures[1].push(per_packet("rtpengine", &mut peer_phones, || peer.relay_cpu_ns())?);
        figures[2].push(per_packet("the floor", &mut floor_phones, || floor.program.cpu_ns())?);
    }
    ours.check()?;
    our_calls.end_all(&mut our_wire)?;
    peer_calls.end_all(&mut peer_wire)?;
    Ok(rows(count, figures.map(Spread::of)))
}

/// CPU microseconds per packet that came through; a run in which packets were lost is repeated.
fn per_packet(name: &str, phones: &mut Phones, cpu_ns: impl Fn() -> Done<u64>) -> Done<f64> {
    let mut last = (0, 0);
    for _ in 0..TRIES {
        let before = cpu_ns()?;
        let Relayed { sent, received } = phones.talk(RUN);
        let spent_ns = cpu_ns()?.saturating_sub(before);
        if received * 100 >= sent * 99 {
            return Ok(spent_ns as f64 / 1000.0 / received as f64);
        }
        last = (received, sent);
    }
    Err(format!("{name} relayed {} of {} packets", last.0, last.1).into())
}

fn rows(count: usize, [ours, rtpengine, floor]: [Spread; 3]) -> Vec<Row> {
    let beside = |name: &str, peer: Spread, bound: f64| Row {
        what: format!("(c) RTP packet, {count} calls"),
        unit: "us of CPU",
        ours: ours.text(),
        peers: format!("{name} {}", peer.text()),
        target: Target::ratio(ours.median, (name, peer.median), bound),
    };
    vec![beside("rtpengine", rtpengine, 0.7), beside("floor", floor, 1.3)]
}

const TRIES: usize = 3;
const COUNTS: [usize; 3] = [10, 100, 400];
const LEARN: Duration = Duration::from_millis(500);
const RUN: Duration = Duration::from_secs(3);

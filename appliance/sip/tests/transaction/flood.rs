//! Forty thousand callers that never acknowledge.

use branchline_sip::Method;
use branchline_sip::transaction::{Event, Limits, Reason};

use crate::bench::{Ask, Bench, ask};

fn nth(n: usize) -> Ask {
    Ask {
        call_id: format!("call-{n}"),
        ..ask(Method::Invite)
    }
    .branch(&format!("z9hG4bK{n}"))
}

#[test]
fn un_acked_invites_are_all_gone_after_timer_h() {
    let mut bench = Bench::new();
    for n in 0..40_000 {
        let key = bench.begin(nth(n).message());
        // Half refused, half answered and then left alone.
        bench.answer(key, if n % 2 == 0 { 486 } else { 200 });
        if n % 40 == 39 {
            let ms = n as u64 / 40;
            bench.until(ms);
            bench.sent_count();
        }
    }
    assert_eq!(bench.endpoint.len(), 40_000);
    let mut retransmissions = 0;
    for ms in (1_000..=33_000).step_by(100) {
        bench.until(ms);
        retransmissions += bench.sent_count();
    }
    assert_eq!(bench.endpoint.poll_timeout(), None);
    assert!(bench.endpoint.is_empty());
    let unacknowledged = bench
        .events()
        .iter()
        .filter(|event| matches!(event, Event::Unacknowledged { .. }))
        .count();
    assert_eq!(unacknowledged, 20_000);
    assert!(retransmissions <= 20_000 * 10, "{retransmissions} retransmissions");
}

#[test]
fn a_flood_beyond_the_bound_costs_no_entry() {
    let mut bench = Bench::with(Limits {
        server: 100,
        ..Limits::default()
    });
    for n in 0..1_000 {
        bench.take(nth(n).message());
    }
    assert_eq!(bench.endpoint.len(), 90);
    assert_eq!(bench.endpoint.counters().overloaded, 910);
}

#[test]
fn many_timers_due_at_once_are_fired_in_slices() {
    let mut bench = Bench::new();
    for n in 0..3_000 {
        bench.begin(nth(n).message());
    }
    let (at, reason) = bench.endpoint.poll_timeout().unwrap();
    assert_eq!(reason, Reason::Trying);
    bench.endpoint.handle_timeout(at);
    let first = bench.sent_count();
    assert!((1..3_000).contains(&first), "{first} in one call");
    assert_eq!(bench.endpoint.poll_timeout().map(|(at, _)| at), Some(at));
    while bench.endpoint.poll_timeout().is_some() {
        bench.endpoint.handle_timeout(at);
    }
    assert_eq!(first + bench.sent_count(), 3_000);
}

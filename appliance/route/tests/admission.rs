//! Overload control seen from outside.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::IpAddr;
use std::time::{Duration, Instant};

use branchline_route::{Admission, AdmissionLimits, Arrival, ArrivalKind, Load, Verdict};

// The clock itself is of no interest; any start will do.
#[expect(clippy::disallowed_methods, reason = "an Instant can only be made from the clock")]
fn start() -> Instant {
    Instant::now()
}

fn arrival(kind: ArrivalKind, last: u8) -> Arrival {
    Arrival {
        kind,
        source: IpAddr::from([192, 0, 2, last]),
        load: Load::default(),
    }
}

fn limits() -> AdmissionLimits {
    AdmissionLimits {
        calls_per_second: 10,
        registers_per_second: 5,
        source_per_second: 100,
        ..Default::default()
    }
}

fn admitted(admission: &mut Admission, now: Instant, arrivals: impl Iterator<Item = Arrival>) -> usize {
    arrivals
        .filter(|arrival| admission.handle_arrival(now, *arrival) == Verdict::Admit)
        .count()
}

#[test]
fn calls_beyond_the_rate_are_shed_and_the_rate_comes_back() {
    let now = start();
    let mut admission = Admission::new(limits(), now);
    let calls = || std::iter::repeat_n(arrival(ArrivalKind::Call, 1), 100);
    assert_eq!(admitted(&mut admission, now, calls()), 20);
    assert_eq!(admitted(&mut admission, now + Duration::from_secs(1), calls()), 10);
    assert_eq!(admitted(&mut admission, now + Duration::from_secs(60), calls()), 20);
    assert_eq!(admission.shed_total(), 250);
}

#[test]
fn registrations_are_shed_apart_from_calls() {
    let now = start();
    let mut admission = Admission::new(limits(), now);
    let registers = std::iter::repeat_n(arrival(ArrivalKind::Register, 1), 50);
    assert_eq!(admitted(&mut admission, now, registers), 10);
    assert_eq!(
        admitted(&mut admission, now, std::iter::once(arrival(ArrivalKind::Call, 2))),
        1
    );
}

#[test]
fn one_source_cannot_use_up_what_others_need() {
    let now = start();
    let limits = AdmissionLimits {
        source_per_second: 1,
        ..limits()
    };
    let mut admission = Admission::new(limits, now);
    assert_eq!(
        admitted(
            &mut admission,
            now,
            std::iter::repeat_n(arrival(ArrivalKind::Call, 1), 500)
        ),
        10
    );
    assert_eq!(
        admitted(
            &mut admission,
            now,
            std::iter::repeat_n(arrival(ArrivalKind::Call, 2), 5)
        ),
        5
    );
}

#[test]
fn one_source_may_bring_all_that_the_configuration_lets_in() {
    let text = |keys: &str| format!("[site]\ncountry = \"US\"\n[sip]\n{keys}");
    let cases = [
        ("", 200),
        ("max_registers_per_second = 10\nmax_calls_per_second = 10\n", 100),
        ("max_registers_per_second = 1000\n", 1000),
        ("max_calls_per_second = 400\n", 800),
    ];
    for (keys, expected) in cases {
        let config = branchline_config::Config::parse("f", &text(keys)).unwrap();
        let limits = AdmissionLimits::from(&config.sip);
        assert_eq!(limits.source_per_second, expected, "{keys}");
        let now = start();
        let mut admission = Admission::new(limits, now);
        let all = config.sip.max_registers_per_second as usize * 2;
        let registers = std::iter::repeat_n(arrival(ArrivalKind::Register, 1), all + 1);
        assert_eq!(admitted(&mut admission, now, registers), all, "{keys}");
    }
}

#[test]
fn a_lasting_queue_sheds_and_a_short_one_does_not() {
    let now = start();
    let mut admission = Admission::new(AdmissionLimits::default(), now);
    let late = |ms: u64| Arrival {
        load: Load {
            live_calls: 0,
            queue_delay: Duration::from_millis(ms),
        },
        ..arrival(ArrivalKind::Call, 1)
    };
    let at = |ms: u64| now + Duration::from_millis(ms);
    assert_eq!(admission.handle_arrival(at(0), late(300)), Verdict::Admit);
    assert_eq!(admission.handle_arrival(at(499), late(300)), Verdict::Admit);
    assert!(matches!(
        admission.handle_arrival(at(500), late(300)),
        Verdict::Shed { .. }
    ));
    assert_eq!(admission.handle_arrival(at(501), late(10)), Verdict::Admit);
    assert_eq!(admission.handle_arrival(at(502), late(300)), Verdict::Admit);
    // Another burst, with nothing in between.
    assert_eq!(admission.handle_arrival(at(10_000), late(300)), Verdict::Admit);
}

#[test]
fn an_emergency_call_is_admitted_whatever_the_load() {
    let now = start();
    let mut admission = Admission::new(limits(), now);
    let load = Load {
        live_calls: u32::MAX,
        queue_delay: Duration::from_secs(60),
    };
    for second in 0..100 {
        let now = now + Duration::from_secs(second);
        let call = Arrival {
            load,
            ..arrival(ArrivalKind::Call, 1)
        };
        assert!(matches!(admission.handle_arrival(now, call), Verdict::Shed { .. }));
        let emergency = Arrival {
            load,
            ..arrival(ArrivalKind::EmergencyCall, 1)
        };
        assert_eq!(admission.handle_arrival(now, emergency), Verdict::Admit);
    }
}

#[test]
fn those_shed_are_told_to_come_back_at_different_times() {
    let now = start();
    let mut admission = Admission::new(
        AdmissionLimits {
            calls_max: 0,
            ..limits()
        },
        now,
    );
    let waits: std::collections::BTreeSet<u32> = (0..100)
        .filter_map(|_| match admission.handle_arrival(now, arrival(ArrivalKind::Call, 1)) {
            Verdict::Shed { retry_after_s } => Some(retry_after_s),
            Verdict::Admit => None,
        })
        .collect();
    assert_eq!(waits.into_iter().collect::<Vec<_>>(), (1..=8).collect::<Vec<_>>());
}

#[test]
fn sources_are_bounded_and_time_may_step_back() {
    let now = start() + Duration::from_secs(1000);
    let mut admission = Admission::new(
        AdmissionLimits {
            sources_max: 16,
            ..limits()
        },
        now,
    );
    for n in 0..10_000_u32 {
        let source = IpAddr::from((n + 1).to_be_bytes());
        admission.handle_arrival(
            now - Duration::from_millis(u64::from(n % 7)),
            Arrival {
                source,
                ..arrival(ArrivalKind::Other, 1)
            },
        );
    }
    assert_eq!(admission.sources(), 16);
}

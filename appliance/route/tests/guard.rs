//! Who is shut out, seen from outside.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::IpAddr;
use std::time::{Duration, Instant};

use branchline_route::{Carrier, FailureKind, Guard, GuardLimits, Peer};

#[expect(clippy::disallowed_methods, reason = "an Instant can only be made from the clock")]
fn start() -> Instant {
    Instant::now()
}

fn limits() -> GuardLimits {
    GuardLimits {
        failures: 10,
        within: Duration::from_secs(60),
        ban: Duration::from_secs(1800),
        never: vec!["10.0.0.0/8".parse().unwrap()],
        sources_max: 8,
    }
}

fn connected(text: &str) -> Peer {
    Peer {
        address: text.parse().unwrap(),
        carrier: Carrier::Connection,
    }
}

fn datagram(text: &str) -> Peer {
    Peer {
        carrier: Carrier::Datagram,
        ..connected(text)
    }
}

/// Failures until the ban, and how long it lasts in seconds.
fn failures_to_ban(guard: &mut Guard, now: Instant, (from, kind): (Peer, FailureKind)) -> Option<(u32, u64)> {
    (1..=1000).find_map(|count| {
        let ban = guard.handle_failure(now, from, kind)?;
        Some((count, ban.until.duration_since(now).as_secs()))
    })
}

#[test]
fn each_kind_of_failure_has_its_weight_and_only_a_proven_source_is_banned_for_long() {
    let cases = [
        (FailureKind::WrongPassword, 10, 1800),
        (FailureKind::ForeignNonce, 10, 60),
        (FailureKind::Malformed, 10, 60),
        (FailureKind::Scanner, 1, 60),
    ];
    for (kind, count, datagram_s) in cases {
        for (peer, lasts_s) in [(connected("203.0.113.1"), 1800), (datagram("203.0.113.1"), datagram_s)] {
            let mut guard = Guard::new(limits());
            let found = failures_to_ban(&mut guard, start(), (peer, kind));
            assert_eq!(found, Some((count, lasts_s)), "{kind:?} {peer:?}");
        }
    }
}

#[test]
fn a_ban_holds_for_its_time_and_for_its_source_only() {
    let now = start();
    let mut guard = Guard::new(limits());
    let ban = guard
        .handle_failure(now, connected("203.0.113.1"), FailureKind::Scanner)
        .unwrap();
    assert_eq!(ban.until, now + Duration::from_secs(1800));
    assert!(guard.is_banned(now + Duration::from_secs(1799), datagram("::ffff:203.0.113.1")));
    assert!(!guard.is_banned(ban.until, connected("203.0.113.1")));
    assert!(!guard.is_banned(now, connected("203.0.113.2")));
    assert_eq!((guard.bans(now).len(), guard.bans(ban.until).len()), (1, 0));
    guard.handle_unban(ban.source);
    assert!(!guard.is_banned(now, connected("203.0.113.1")));
}

#[test]
fn forged_datagrams_stop_only_datagrams_for_a_minute_and_never_those_of_a_registered_phone() {
    let now = start();
    let phone = datagram("203.0.113.1");
    let mut guard = Guard::new(limits());
    guard.handle_failure(now, phone, FailureKind::Scanner).unwrap();
    assert!(guard.is_banned(now, phone) && !guard.is_banned(now, connected("203.0.113.1")));
    assert!(!guard.is_banned(now + Duration::from_secs(60), phone));
    guard.handle_success(now, phone.address, Duration::from_secs(3600));
    assert!(!guard.is_banned(now, phone), "a password frees");
    for kind in [FailureKind::Scanner, FailureKind::Malformed, FailureKind::ForeignNonce] {
        assert_eq!(failures_to_ban(&mut guard, now, (phone, kind)), None, "{kind:?}");
    }
}

#[test]
fn forged_failures_do_not_add_to_proven_ones() {
    let now = start();
    let mut guard = Guard::new(limits());
    let from = datagram("203.0.113.1");
    for _ in 0..9 {
        assert_eq!(guard.handle_failure(now, from, FailureKind::Malformed), None);
    }
    assert_eq!(
        failures_to_ban(&mut guard, now, (from, FailureKind::WrongPassword)),
        Some((10, 1800))
    );
}

#[test]
fn slow_failures_never_add_up() {
    let now = start();
    let mut guard = Guard::new(limits());
    for n in 0..1000 {
        let now = now + Duration::from_secs(n * 10);
        assert_eq!(
            guard.handle_failure(now, datagram("203.0.113.1"), FailureKind::WrongPassword),
            None,
            "{n}"
        );
    }
}

#[test]
fn a_broken_phone_does_not_shut_out_its_branch_and_a_guesser_in_it_is_still_caught() {
    let now = start();
    let later = now + Duration::from_secs(61);
    for branch in [connected("198.51.100.7"), datagram("198.51.100.7")] {
        for (failing_at, failures) in [(now, 200), (later, 10)] {
            let mut guard = Guard::new(limits());
            guard.handle_success(now, branch.address, Duration::from_secs(60));
            let found = failures_to_ban(&mut guard, failing_at, (branch, FailureKind::WrongPassword));
            assert_eq!(found, Some((failures, 1800)), "{branch:?}");
        }
    }
}

#[test]
fn a_success_does_not_pay_for_failures() {
    let now = start();
    let mut guard = Guard::new(limits());
    let from = connected("203.0.113.1");
    let found = (1..=1000).find(|_| {
        guard.handle_success(now, from.address, Duration::from_secs(60));
        guard.handle_failure(now, from, FailureKind::WrongPassword).is_some()
    });
    assert_eq!(found, Some(200));
}

#[test]
fn exempt_networks_are_never_banned_also_after_a_reload() {
    let now = start();
    let mut guard = Guard::new(limits());
    assert_eq!(
        guard.handle_failure(now, connected("10.1.2.3"), FailureKind::Scanner),
        None
    );
    for peer in [connected("203.0.113.1"), datagram("203.0.113.2")] {
        guard.handle_failure(now, peer, FailureKind::Scanner).unwrap();
    }
    guard.handle_limits(GuardLimits {
        never: vec!["203.0.113.0/24".parse().unwrap()],
        ..limits()
    });
    assert_eq!(guard.bans(now), []);
}

#[test]
fn a_flood_of_sources_stays_within_the_bound_and_does_not_free_the_banned() {
    let now = start();
    for kind in [FailureKind::Malformed, FailureKind::Scanner] {
        let mut guard = Guard::new(limits());
        guard.handle_failure(now, connected("203.0.113.1"), FailureKind::Scanner);
        for n in 0..10_000_u32 {
            let forged = Peer {
                address: IpAddr::from((0x2000_0000 + n).to_be_bytes()),
                carrier: Carrier::Datagram,
            };
            guard.handle_failure(now, forged, kind);
        }
        assert!(guard.is_banned(now, connected("203.0.113.1")));
        assert_eq!(guard.forgotten_total(), 10_000 - 8, "{kind:?}");
    }
}

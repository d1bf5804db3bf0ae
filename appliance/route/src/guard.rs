//! Shuts out scanners and password guessers by source address.
//!
//! In: failures and successes as they are seen. Out: who is shut out. A datagram can carry anybody's address, so what it
//! does wrong is held against its source only while no phone is trusted there, and only for a moment and for datagrams.
//! What is proven to come from its source, by a connection or by an answer to a fresh challenge of ours to that source,
//! makes a lasting ban, over datagrams too; a source behind which a phone is validly registered may then fail many times
//! more, so that one phone with an old password does not shut out its branch.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use branchline_config::Network;

use crate::sources::{Source, Sources};

/// How many times more failures a source with a live registration may have.
const TRUSTED_FACTOR: u32 = 20;
/// Datagrams of a source that is not proven are dropped for this long: a scanner gives up, an address that was borrowed
/// for a forgery is soon free again.
const MUTED: Duration = Duration::from_secs(60);
/// Sources with a registered phone that are remembered: the most phones a box takes.
const TRUSTED_MAX: usize = 32_768;

/// When a source is banned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuardLimits {
    /// Points that ban, see [`FailureKind`].
    pub failures: u32,
    /// Time in which they count together.
    pub within: Duration,
    /// How long a ban lasts.
    pub ban: Duration,
    /// Never banned.
    pub never: Vec<Network>,
    /// Sources remembered; beyond, the one heard from longest ago is forgotten.
    pub sources_max: usize,
}

impl From<&branchline_config::Ban> for GuardLimits {
    fn from(ban: &branchline_config::Ban) -> GuardLimits {
        GuardLimits {
            failures: ban.failures,
            within: Duration::from_secs(u64::from(ban.within_s)),
            ban: Duration::from_secs(u64::from(ban.minutes) * 60),
            never: ban.never.clone(),
            sources_max: 4096,
        }
    }
}

/// Where something came from, and whether the address can be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The address it carries.
    pub address: IpAddr,
    /// What vouches for the address.
    pub carrier: Carrier,
}

/// What vouches for a source address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// Nothing: a datagram.
    Datagram,
    /// The handshake of TCP or TLS.
    Connection,
}

/// What a source did wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// A digest that does not verify, over a fresh nonce of ours to this source: 1 point. Whoever sends it has heard our
    /// challenge, so that it is proven to be there.
    WrongPassword,
    /// Wrong credentials over a nonce that is not ours, or was another source's, or is old: 1 point.
    ForeignNonce,
    /// A message that does not parse: 1 point.
    Malformed,
    /// What only scanners do: shut out at once.
    Scanner,
}

/// A source just shut out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ban {
    /// Who; for global IPv6 the /64.
    pub source: IpAddr,
    /// Until when.
    pub until: Instant,
}

/// The guard. `is_banned` before anything is parsed, `handle_failure` and `handle_success` after; it has no timers.
#[derive(Clone, Debug)]
pub struct Guard {
    limits: GuardLimits,
    suspects: Sources<Suspect>,
    banned: Sources<Instant>,
    /// Apart from the bans, so that a flood of forged sources cannot push those out.
    muted: Sources<Instant>,
    trusted: Sources<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Suspect {
    proven: u32,
    unproven: u32,
    since: Instant,
}

impl Guard {
    /// Nobody is banned.
    pub fn new(limits: GuardLimits) -> Guard {
        let max = limits.sources_max;
        Guard {
            limits,
            suspects: Sources::new(max),
            banned: Sources::new(max),
            muted: Sources::new(max),
            trusted: Sources::new(TRUSTED_MAX),
        }
    }

    /// New limits after a reload; bans stay, but not for those in the new `never`.
    pub fn handle_limits(&mut self, limits: GuardLimits) {
        self.limits = limits;
        let shut_out: Vec<Source> = self.shut_out().map(|(source, _)| source).collect();
        for source in shut_out {
            if self.is_exempt(source.address()) {
                self.handle_unban(source.address());
            }
        }
    }

    /// Counts a failure; `Some` when it shuts its source out.
    pub fn handle_failure(&mut self, now: Instant, peer: Peer, kind: FailureKind) -> Option<Ban> {
        let source = Source::new(peer.address);
        let is_trusted = self.is_trusted(now, source);
        let is_proven = peer.carrier == Carrier::Connection || kind == FailureKind::WrongPassword;
        if self.is_exempt(peer.address) || self.is_banned(now, peer) || (is_trusted && !is_proven) {
            return None;
        }
        let factor = if is_trusted { TRUSTED_FACTOR } else { 1 };
        let points_max = self.limits.failures.max(1).saturating_mul(factor);
        let fresh = || Suspect {
            proven: 0,
            unproven: 0,
            since: now,
        };
        let suspect = self.suspects.entry(source, fresh);
        if now.saturating_duration_since(suspect.since) > self.limits.within {
            *suspect = fresh();
        }
        let points = match kind {
            FailureKind::WrongPassword | FailureKind::ForeignNonce | FailureKind::Malformed => 1,
            FailureKind::Scanner => self.limits.failures.max(1),
        };
        let counter = if is_proven {
            &mut suspect.proven
        } else {
            &mut suspect.unproven
        };
        *counter = counter.saturating_add(points);
        if *counter < points_max {
            return None;
        }
        self.suspects.remove(source);
        let (table, lasts) = match is_proven {
            true => (&mut self.banned, self.limits.ban),
            false => (&mut self.muted, MUTED),
        };
        let until = now.checked_add(lasts).unwrap_or(now);
        *table.entry(source, || until) = until;
        Some(Ban {
            source: source.address(),
            until,
        })
    }

    /// A registration or call that authenticated: the source is trusted for as long as it `lasts`.
    ///
    /// Failures already counted stay: one good password must not pay for guessing others.
    pub fn handle_success(&mut self, now: Instant, address: IpAddr, lasts: Duration) {
        let Some(until) = now.checked_add(lasts) else { return };
        let source = Source::new(address);
        let trusted = self.trusted.entry(source, || until);
        *trusted = until.max(*trusted);
        self.muted.remove(source);
    }

    /// True while what comes from `peer` is to be dropped. The caller still lets an INVITE to an
    /// [`emergency_number`](crate::emergency_number) through: a ban must not cost a life.
    pub fn is_banned(&self, now: Instant, peer: Peer) -> bool {
        let source = Source::new(peer.address);
        let holds = |table: &Sources<Instant>| table.look(source).is_some_and(|until| now < *until);
        holds(&self.banned) || (peer.carrier == Carrier::Datagram && holds(&self.muted))
    }

    /// Lets an address in again.
    pub fn handle_unban(&mut self, address: IpAddr) {
        let source = Source::new(address);
        self.banned.remove(source);
        self.muted.remove(source);
        self.suspects.remove(source);
    }

    /// Who is shut out now, for the page.
    pub fn bans(&self, now: Instant) -> Vec<Ban> {
        let live = self.shut_out().filter(|(_, until)| now < **until);
        live.map(|(source, until)| Ban {
            source: source.address(),
            until: *until,
        })
        .collect()
    }

    /// Sources forgotten because a table was full.
    pub fn forgotten_total(&self) -> u64 {
        [
            self.suspects.forgotten(),
            self.banned.forgotten(),
            self.muted.forgotten(),
            self.trusted.forgotten(),
        ]
        .iter()
        .sum()
    }

    fn shut_out(&self) -> impl Iterator<Item = (Source, &Instant)> {
        self.banned.iter().chain(self.muted.iter())
    }

    fn is_trusted(&self, now: Instant, source: Source) -> bool {
        self.trusted.look(source).is_some_and(|until| now < *until)
    }

    fn is_exempt(&self, address: IpAddr) -> bool {
        self.limits.never.iter().any(|network| network.contains(address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            let remembered = guard.suspects.len() + guard.muted.len();
            assert_eq!((remembered, guard.forgotten_total()), (8, 10_000 - 8), "{kind:?}");
        }
    }
}

//! Shuts out scanners and password guessers by source address.
//!
//! In: failures and successes as they are seen. Out: who is banned. A source behind which a phone is validly registered
//! needs many more failures, so that one phone with an old password does not shut out its branch. UDP sources can be
//! forged: keep peers that must stay in `never`.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use branchline_config::Network;

use crate::sources::{Source, Sources};

/// How many times more failures a source with a live registration may have.
const TRUSTED_FACTOR: u32 = 20;

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

/// What a source did wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// A digest that does not verify, whether its user exists or not: 1 point. The first request without credentials is no failure.
    WrongPassword,
    /// A message that does not parse: 1 point.
    Malformed,
    /// A name that only scanners carry: banned at once.
    Scanner,
}

/// A ban just made.
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
    trusted: Sources<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Suspect {
    points: u32,
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
            trusted: Sources::new(max),
        }
    }

    /// New limits after a reload; bans stay, but not for those in the new `never`.
    pub fn handle_limits(&mut self, limits: GuardLimits) {
        self.limits = limits;
        let banned: Vec<Source> = self.banned.iter().map(|(source, _)| source).collect();
        let freed: Vec<Source> = banned
            .into_iter()
            .filter(|source| self.is_exempt(source.address()))
            .collect();
        for source in freed {
            self.banned.remove(source);
        }
    }

    /// Counts a failure; `Some` when it makes a ban.
    pub fn handle_failure(&mut self, now: Instant, address: IpAddr, kind: FailureKind) -> Option<Ban> {
        if self.is_exempt(address) || self.is_banned(now, address) {
            return None;
        }
        let source = Source::new(address);
        let is_trusted = self.trusted.look(source).is_some_and(|until| now < *until);
        let factor = if is_trusted { TRUSTED_FACTOR } else { 1 };
        let points_max = self.limits.failures.max(1).saturating_mul(factor);
        let suspect = self.suspects.entry(source, || Suspect { points: 0, since: now });
        if now.saturating_duration_since(suspect.since) > self.limits.within {
            *suspect = Suspect { points: 0, since: now };
        }
        suspect.points = suspect.points.saturating_add(match kind {
            FailureKind::WrongPassword | FailureKind::Malformed => 1,
            FailureKind::Scanner => self.limits.failures.max(1),
        });
        if suspect.points < points_max {
            return None;
        }
        self.suspects.remove(source);
        let until = now.checked_add(self.limits.ban).unwrap_or(now);
        *self.banned.entry(source, || until) = until;
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
        let trusted = self.trusted.entry(Source::new(address), || until);
        *trusted = until.max(*trusted);
    }

    /// True while what comes from `address` is to be dropped. The caller still lets an INVITE to an
    /// [`emergency_number`](crate::emergency_number) through: a ban must not cost a life.
    pub fn is_banned(&self, now: Instant, address: IpAddr) -> bool {
        self.banned.look(Source::new(address)).is_some_and(|until| now < *until)
    }

    /// The bans in force, for the page.
    pub fn bans(&self, now: Instant) -> Vec<Ban> {
        let live = self.banned.iter().filter(|(_, until)| now < **until);
        live.map(|(source, until)| Ban {
            source: source.address(),
            until: *until,
        })
        .collect()
    }

    /// Sources forgotten because a table was full.
    pub fn forgotten_total(&self) -> u64 {
        self.suspects
            .forgotten()
            .saturating_add(self.banned.forgotten())
            .saturating_add(self.trusted.forgotten())
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

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// Failures until the ban.
    fn failures_to_ban(guard: &mut Guard, now: Instant, (from, kind): (IpAddr, FailureKind)) -> Option<u32> {
        (1..=1000).find(|_| guard.handle_failure(now, from, kind).is_some())
    }

    #[test]
    fn each_kind_of_failure_has_its_weight() {
        let cases = [
            (FailureKind::WrongPassword, 10),
            (FailureKind::Malformed, 10),
            (FailureKind::Scanner, 1),
        ];
        for (kind, count) in cases {
            let mut guard = Guard::new(limits());
            let found = failures_to_ban(&mut guard, start(), (address("203.0.113.1"), kind));
            assert_eq!(found, Some(count), "{kind:?}");
        }
    }

    #[test]
    fn a_ban_holds_for_its_time_and_for_its_source_only() {
        let now = start();
        let mut guard = Guard::new(limits());
        let ban = guard
            .handle_failure(now, address("203.0.113.1"), FailureKind::Scanner)
            .unwrap();
        assert_eq!(ban.until, now + Duration::from_secs(1800));
        assert!(guard.is_banned(now + Duration::from_secs(1799), address("::ffff:203.0.113.1")));
        assert!(!guard.is_banned(ban.until, address("203.0.113.1")));
        assert!(!guard.is_banned(now, address("203.0.113.2")));
        assert_eq!((guard.bans(now).len(), guard.bans(ban.until).len()), (1, 0));
    }

    #[test]
    fn slow_failures_never_add_up() {
        let now = start();
        let mut guard = Guard::new(limits());
        for n in 0..1000 {
            let now = now + Duration::from_secs(n * 10);
            assert_eq!(
                guard.handle_failure(now, address("203.0.113.1"), FailureKind::WrongPassword),
                None,
                "{n}"
            );
        }
    }

    #[test]
    fn a_broken_phone_does_not_shut_out_its_branch_and_a_guesser_in_it_is_still_caught() {
        let now = start();
        let mut guard = Guard::new(limits());
        let branch = address("198.51.100.7");
        guard.handle_success(now, branch, Duration::from_secs(3600));
        let found = failures_to_ban(&mut guard, now, (branch, FailureKind::WrongPassword));
        assert_eq!(found, Some(200));
        let mut guard = Guard::new(limits());
        guard.handle_success(now, branch, Duration::from_secs(60));
        let later = now + Duration::from_secs(61);
        assert_eq!(
            failures_to_ban(&mut guard, later, (branch, FailureKind::WrongPassword)),
            Some(10)
        );
    }

    #[test]
    fn a_success_does_not_pay_for_failures() {
        let now = start();
        let mut guard = Guard::new(limits());
        let from = address("203.0.113.1");
        let found = (1..=1000).find(|_| {
            guard.handle_success(now, from, Duration::from_secs(60));
            guard.handle_failure(now, from, FailureKind::WrongPassword).is_some()
        });
        assert_eq!(found, Some(200));
    }

    #[test]
    fn exempt_networks_are_never_banned_also_after_a_reload() {
        let now = start();
        let mut guard = Guard::new(limits());
        assert_eq!(
            guard.handle_failure(now, address("10.1.2.3"), FailureKind::Scanner),
            None
        );
        guard.handle_failure(now, address("203.0.113.1"), FailureKind::Scanner);
        guard.handle_limits(GuardLimits {
            never: vec!["203.0.113.0/24".parse().unwrap()],
            ..limits()
        });
        assert!(!guard.is_banned(now, address("203.0.113.1")));
    }

    #[test]
    fn a_flood_of_sources_stays_within_the_bound_and_does_not_free_the_banned() {
        let now = start();
        let mut guard = Guard::new(limits());
        guard.handle_failure(now, address("203.0.113.1"), FailureKind::Scanner);
        for n in 0..10_000_u32 {
            guard.handle_failure(
                now,
                IpAddr::from((0x2000_0000 + n).to_be_bytes()),
                FailureKind::Malformed,
            );
        }
        assert!(guard.is_banned(now, address("203.0.113.1")));
        assert_eq!((guard.suspects.len(), guard.forgotten_total()), (8, 10_000 - 8));
    }
}

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

    /// Somebody there has authenticated, and that still counts.
    pub fn trusts(&self, now: Instant, address: IpAddr) -> bool {
        self.is_trusted(now, Source::new(address))
    }

    fn is_trusted(&self, now: Instant, source: Source) -> bool {
        self.trusted.look(source).is_some_and(|until| now < *until)
    }

    fn is_exempt(&self, address: IpAddr) -> bool {
        self.limits.never.iter().any(|network| network.contains(address))
    }
}

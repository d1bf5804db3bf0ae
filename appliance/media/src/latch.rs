//! Which source a leg listens to.
//!
//! A phone behind NAT sends from another address than it signalled, so the box has to learn it; a stranger must not be
//! able to teach it. The signalled source locks at once. Another source has to send several packets in a row with one
//! SSRC, inside a window after the plan changed. A lock gives way only to the signalled source, or after silence; its SSRC
//! only just after the plan changed, or after several packets in a row.

use crate::rtp::Rtp;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Limits of the learning of sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LatchConfig {
    /// Packets in a row from a source that was not signalled. Default 3: 60 ms of speech.
    pub confirm_packets: u8,
    /// How long after a change of the plan an unlocked leg learns a source with another IP address than signalled.
    pub window: Duration,
    /// Silence of the locked source after which another port of its address may take over: a NAT that forgot.
    pub silence_same_address: Duration,
    /// The same for another address, and only for a leg that should be sending.
    pub silence_other_address: Duration,
}

impl Default for LatchConfig {
    fn default() -> Self {
        Self {
            confirm_packets: 3,
            window: Duration::from_secs(10),
            silence_same_address: Duration::from_secs(2),
            silence_other_address: Duration::from_secs(10),
        }
    }
}

/// What became of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    Accepted { locked_now: bool, ssrc_changed: bool },
    Unconfirmed,
    Foreign,
}

#[derive(Debug, Clone)]
pub(crate) struct Latch {
    signalled: Option<SocketAddr>,
    window_until: Instant,
    lock: Option<Lock>,
    candidates: [Option<Candidate>; CANDIDATES],
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Lock {
    pub(crate) source: SocketAddr,
    pub(crate) ssrc: u32,
    last_at: Instant,
}

#[derive(Debug, Clone, Copy)]
struct Candidate {
    source: SocketAddr,
    ssrc: u32,
    next_sequence: u16,
    packets: u8,
    last_at: Instant,
}

/// What the latch has to know beside the packet.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrival<'a> {
    pub(crate) now: Instant,
    pub(crate) source: SocketAddr,
    pub(crate) rtp: &'a Rtp<'a>,
    pub(crate) should_send: bool,
}

impl Latch {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            signalled: None,
            window_until: now,
            lock: None,
            candidates: [None; CANDIDATES],
        }
    }

    /// The plan changed: learning is allowed again, and a new signalled address undoes the lock.
    pub(crate) fn handle_plan(&mut self, signalled: Option<SocketAddr>, window_until: Instant) {
        if self.signalled != signalled {
            self.signalled = signalled;
            self.lock = None;
            self.candidates = [None; CANDIDATES];
        }
        self.window_until = window_until;
    }

    pub(crate) fn lock(&self) -> Option<&Lock> {
        self.lock.as_ref()
    }

    /// Where to send: the locked source, else what was signalled.
    pub(crate) fn remote(&self) -> Option<SocketAddr> {
        self.lock.map(|lock| lock.source).or(self.signalled)
    }

    pub(crate) fn admit(&mut self, arrival: &Arrival<'_>, config: &LatchConfig) -> Admission {
        let ssrc = arrival.rtp.ssrc;
        match &mut self.lock {
            Some(lock) if lock.source == arrival.source && lock.ssrc == ssrc => {
                lock.last_at = arrival.now;
                self.forget_candidate(arrival.source);
                Admission::Accepted {
                    locked_now: false,
                    ssrc_changed: false,
                }
            }
            Some(lock) if lock.source == arrival.source => {
                let lock = *lock;
                self.consider_ssrc(arrival, lock, config)
            }
            None if self.signalled == Some(arrival.source) => self.lock_to(arrival),
            Some(_) | None => self.consider(arrival, config),
        }
    }

    /// Another SSRC from the locked source: a phone that begins anew, or somebody who forges its address. Just after a change
    /// of the plan it is the phone; otherwise it has to come in a row while the old one is silent.
    fn consider_ssrc(&mut self, arrival: &Arrival<'_>, lock: Lock, config: &LatchConfig) -> Admission {
        if arrival.now > self.window_until {
            let packets = self.count(arrival);
            let silence = arrival.now.saturating_duration_since(lock.last_at);
            if packets < config.confirm_packets || silence < SSRC_SILENCE {
                return Admission::Unconfirmed;
            }
        }
        self.forget_candidate(arrival.source);
        self.lock = Some(Lock {
            ssrc: arrival.rtp.ssrc,
            last_at: arrival.now,
            ..lock
        });
        Admission::Accepted {
            locked_now: false,
            ssrc_changed: true,
        }
    }

    fn forget_candidate(&mut self, source: SocketAddr) {
        for place in &mut self.candidates {
            if place.is_some_and(|candidate| candidate.source == source) {
                *place = None;
            }
        }
    }

    fn consider(&mut self, arrival: &Arrival<'_>, config: &LatchConfig) -> Admission {
        if !self.may_learn(arrival, config) {
            return Admission::Foreign;
        }
        let packets = self.count(arrival);
        let is_outranked = !self.is_preferred(arrival.source)
            && self
                .candidates
                .iter()
                .flatten()
                .any(|other| self.is_preferred(other.source) && other.is_fresh(arrival.now));
        if packets < config.confirm_packets || is_outranked {
            return Admission::Unconfirmed;
        }
        self.lock_to(arrival)
    }

    fn may_learn(&self, arrival: &Arrival<'_>, config: &LatchConfig) -> bool {
        let Some(lock) = self.lock else {
            return arrival.now <= self.window_until || self.is_preferred(arrival.source);
        };
        if self.signalled == Some(arrival.source) {
            // The phone has begun to send from where it said; the same SSRC is then no sign of theft.
            return true;
        }
        let silence = arrival.now.saturating_duration_since(lock.last_at);
        if lock.source.ip() == arrival.source.ip() || self.is_preferred(arrival.source) {
            silence >= config.silence_same_address
        } else {
            silence >= config.silence_other_address && arrival.should_send
        }
    }

    /// Packets in a row from this source with this SSRC.
    fn count(&mut self, arrival: &Arrival<'_>) -> u8 {
        let Arrival { now, source, rtp, .. } = *arrival;
        let next_sequence = rtp.sequence.wrapping_add(1);
        let known = self
            .candidates
            .iter_mut()
            .flatten()
            .find(|candidate| candidate.source == source);
        if let Some(candidate) = known {
            let continues = candidate.ssrc == rtp.ssrc && candidate.next_sequence == rtp.sequence;
            let packets = if continues {
                candidate.packets.saturating_add(1)
            } else {
                1
            };
            *candidate = Candidate {
                source,
                ssrc: rtp.ssrc,
                next_sequence,
                packets,
                last_at: now,
            };
            return packets;
        }
        if let Some(place) = self.place_for(now) {
            self.candidates[place] = Some(Candidate {
                source,
                ssrc: rtp.ssrc,
                next_sequence,
                packets: 1,
                last_at: now,
            });
        }
        1
    }

    /// A free place, else that of a candidate gone quiet; a flood of sources cannot push out a live one.
    fn place_for(&self, now: Instant) -> Option<usize> {
        self.candidates
            .iter()
            .position(|place| place.is_none_or(|candidate| !candidate.is_fresh(now)))
    }

    fn lock_to(&mut self, arrival: &Arrival<'_>) -> Admission {
        let ssrc = arrival.rtp.ssrc;
        let ssrc_changed = self.lock.is_some_and(|lock| lock.ssrc != ssrc);
        self.lock = Some(Lock {
            source: arrival.source,
            ssrc,
            last_at: arrival.now,
        });
        self.candidates = [None; CANDIDATES];
        Admission::Accepted {
            locked_now: true,
            ssrc_changed,
        }
    }

    fn is_preferred(&self, source: SocketAddr) -> bool {
        self.signalled.is_some_and(|signalled| signalled.ip() == source.ip())
    }
}

impl Candidate {
    fn is_fresh(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.last_at) < FRESH
    }
}

/// What a phone that begins anew leaves between its old SSRC and the third packet of the new one: two of its packets.
const SSRC_SILENCE: Duration = Duration::from_millis(40);
/// Sources watched at once before the lock.
const CANDIDATES: usize = 4;
/// A source that has not sent for this long is no candidate; phones send every 10 to 60 ms.
const FRESH: Duration = Duration::from_millis(500);

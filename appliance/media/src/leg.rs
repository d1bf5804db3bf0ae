//! One leg: its lock, its figures, its keys.

use crate::dtmf::{Dtmf, Key};
use crate::latch::{Admission, Arrival, Latch};
use crate::reception::Reception;
use crate::round_trip::RoundTrip;
use crate::rtp::Rtp;
use crate::{LatchConfig, LegPlan, LegQuality};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// A leg with everything learned about it; it can be handed from one relay to another.
#[derive(Debug)]
pub struct Leg {
    pub(crate) plan: LegPlan,
    pub(crate) latch: Latch,
    pub(crate) round_trip: RoundTrip,
    pub(crate) drops: Drops,
    rtcp: Option<(SocketAddr, Instant)>,
    reception: Reception,
    dtmf: Dtmf,
    /// Payload type and place in `plan.codecs` of the last speech packet.
    codec: Option<(u8, usize)>,
    codec_name: String,
    packets_out: u64,
    bytes_out: u64,
    ssrc_changes: u64,
    heard_at: Instant,
    is_silence_told: bool,
}

#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Drops {
    pub(crate) foreign: u64,
    pub(crate) garbage: u64,
    pub(crate) unsent: u64,
}

/// What an accepted packet brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) admission: Admission,
    pub(crate) key: Option<Key>,
}

impl Leg {
    pub(crate) fn new(now: Instant, plan: LegPlan) -> Self {
        Self {
            latch: Latch::new(now),
            round_trip: RoundTrip::default(),
            drops: Drops::default(),
            rtcp: None,
            reception: Reception::new(now),
            dtmf: Dtmf::default(),
            codec: None,
            codec_name: String::new(),
            packets_out: 0,
            bytes_out: 0,
            ssrc_changes: 0,
            heard_at: now,
            is_silence_told: false,
            plan,
        }
    }

    /// Takes a new plan; the window for learning a source opens again.
    pub(crate) fn handle_plan(&mut self, now: Instant, plan: LegPlan, window: Duration) {
        if self.plan.signalled != plan.signalled {
            self.rtcp = None;
        }
        let is_due_again = plan.direction.sends() && !self.plan.direction.sends();
        if is_due_again || self.plan.rtp_timeout != plan.rtp_timeout {
            (self.heard_at, self.is_silence_told) = (now, false);
        }
        if self.plan.codecs != plan.codecs {
            self.codec = None;
        }
        self.latch.handle_plan(plan.signalled, now + window);
        self.plan = plan;
    }

    /// Takes an RTP packet: locks, counts, and looks for keys.
    pub(crate) fn handle_rtp(&mut self, arrival: &Arrival<'_>, config: &LatchConfig) -> Heard {
        let admission = self.latch.admit(arrival, config);
        let (now, rtp) = (arrival.now, arrival.rtp);
        match admission {
            Admission::Accepted { ssrc_changed, .. } => self.ssrc_changes += u64::from(ssrc_changed),
            Admission::Foreign => {
                self.drops.foreign += 1;
                return Heard { admission, key: None };
            }
            Admission::Unconfirmed => return Heard { admission, key: None },
        }
        (self.heard_at, self.is_silence_told) = (now, false);
        let is_event = self.plan.telephone_event == Some(rtp.payload_type);
        let clock_hz = if is_event {
            None
        } else {
            Some(self.speech_clock_hz(rtp.payload_type))
        };
        self.reception.handle_packet(now, rtp, clock_hz);
        let key = if is_event && arrival.should_send {
            self.handle_event(now, rtp)
        } else {
            None
        };
        Heard { admission, key }
    }

    /// Whether an RTCP packet from `source` in the name of `ssrc` belongs to this leg.
    pub(crate) fn admit_rtcp(&mut self, now: Instant, source: SocketAddr, ssrc: u32) -> bool {
        let is_admitted = self.is_rtcp_source(now, source, ssrc);
        if !is_admitted {
            self.drops.foreign += 1;
        } else if self.latch.lock().is_some_and(|lock| lock.source != source) {
            self.rtcp = Some((source, now));
        }
        is_admitted
    }

    /// Where RTCP for the phone goes.
    pub(crate) fn rtcp_remote(&self) -> Option<SocketAddr> {
        if let Some((learned, _)) = self.rtcp {
            return Some(learned);
        }
        match self.latch.lock() {
            Some(lock) if self.plan.signalled != Some(lock.source) => next_port(lock.source),
            Some(lock) => self.plan.signalled_rtcp.or_else(|| next_port(lock.source)),
            None => self.plan.signalled_rtcp,
        }
    }

    pub(crate) fn handle_sent(&mut self, bytes: usize) {
        self.packets_out += 1;
        self.bytes_out += bytes as u64;
    }

    pub(crate) fn handle_key_timeout(&mut self, now: Instant) -> Option<Key> {
        self.dtmf.handle_timeout(now)
    }

    pub(crate) fn key_due(&self) -> Option<Instant> {
        self.dtmf.poll_timeout()
    }

    /// When the leg will have been silent for too long; `None` if it need not send or that was told.
    pub(crate) fn silence_due(&self) -> Option<Instant> {
        let timeout = self.plan.rtp_timeout?;
        (self.plan.direction.sends() && !self.is_silence_told).then(|| self.heard_at + timeout)
    }

    /// Marks the silence as told; gives back since when it lasts.
    pub(crate) fn tell_silence(&mut self) -> Instant {
        self.is_silence_told = true;
        self.heard_at
    }

    pub(crate) fn quality(&self) -> LegQuality {
        let counted = LegQuality {
            packets_out: self.packets_out,
            bytes_out: self.bytes_out,
            jitter_ms: self.reception.jitter_ms(),
            codec: self.codec_name.clone(),
            dropped_foreign: self.drops.foreign,
            dropped_garbage: self.drops.garbage,
            dropped_unsent: self.drops.unsent,
            ssrc_changes: self.ssrc_changes,
            ..LegQuality::default()
        };
        counted.rated(self.reception.totals(), self.round_trip.last())
    }

    fn handle_event(&mut self, now: Instant, rtp: &Rtp<'_>) -> Option<Key> {
        let event = self.plan.codecs.iter().find(|codec| codec.payload == rtp.payload_type);
        let clock_hz = event.map_or(CLOCK_HZ, |codec| codec.clock_hz);
        self.dtmf.handle_packet(now, rtp, clock_hz)
    }

    fn speech_clock_hz(&mut self, payload_type: u8) -> u32 {
        let place = match self.codec {
            Some((known, place)) if known == payload_type => Some(place),
            Some(_) | None => self.switch_codec(payload_type),
        };
        place
            .and_then(|place| self.plan.codecs.get(place))
            .map_or(CLOCK_HZ, |codec| codec.clock_hz)
    }

    fn switch_codec(&mut self, payload_type: u8) -> Option<usize> {
        let place = self
            .plan
            .codecs
            .iter()
            .position(|codec| codec.payload == payload_type)?;
        self.codec = Some((payload_type, place));
        let name = &self.plan.codecs[place].name;
        // Comfort noise comes between the packets of a codec, it is not one.
        if self.codec_name != *name && !name.eq_ignore_ascii_case("CN") {
            self.codec_name.clone_from(name);
        }
        Some(place)
    }

    fn is_rtcp_source(&self, now: Instant, source: SocketAddr, ssrc: u32) -> bool {
        let Some(lock) = self.latch.lock() else {
            return self.plan.signalled_rtcp == Some(source);
        };
        if lock.source == source {
            return true;
        }
        match self.rtcp {
            Some((known, _)) if known == source => true,
            Some((_, at)) if now.saturating_duration_since(at) < RTCP_SILENCE => false,
            Some(_) | None => {
                let is_expected = self.plan.signalled_rtcp == Some(source) || next_port(lock.source) == Some(source);
                is_expected || lock.source.ip() == source.ip() && lock.ssrc == ssrc
            }
        }
    }
}

fn next_port(address: SocketAddr) -> Option<SocketAddr> {
    address
        .port()
        .checked_add(1)
        .map(|port| SocketAddr::new(address.ip(), port))
}

/// Every audio codec that does not say otherwise.
const CLOCK_HZ: u32 = 8000;
/// Three of the usual 5 s intervals.
const RTCP_SILENCE: Duration = Duration::from_secs(15);

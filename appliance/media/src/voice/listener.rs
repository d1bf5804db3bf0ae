//! RTP from the far end: sound into the playout, keys (RFC 4733) as sound again, and how well it comes.

use std::time::{Duration, Instant};

use branchline_sdp::Direction;

use super::plan::{Law, Talk};
use super::playout::{Playout, Samples};
use super::{FRAME_SAMPLES, Frame, ReceptionFigures};
use crate::dtmf::Dtmf;
use crate::reception::Reception;
use crate::rtp::Rtp;
use crate::tone::{DtmfPlayer, RATE_HZ};

/// The receiver of one call.
#[derive(Clone, Debug)]
pub(super) struct Listener {
    reception: Reception,
    playout: Playout,
    events: Dtmf,
    keys: DtmfPlayer,
    /// When a packet came last, or was first to be expected.
    heard_at: Instant,
    is_silence_told: bool,
}

impl Listener {
    pub(super) fn new(now: Instant) -> Listener {
        Listener {
            reception: Reception::new(now),
            playout: Playout::new(now),
            events: Dtmf::default(),
            keys: DtmfPlayer::new(KEY_DBM0),
            heard_at: now,
            is_silence_told: false,
        }
    }

    /// The media changed; who was not to send until now has its time.
    pub(super) fn handle_change(&mut self, now: Instant, before: Direction) {
        if !before.receives() {
            (self.heard_at, self.is_silence_told) = (now, false);
        }
    }

    pub(super) fn handle_packet(&mut self, now: Instant, talk: &Talk, data: &[u8]) {
        let Some(rtp) = Rtp::parse(data).filter(|_| talk.direction.receives()) else {
            return;
        };
        let is_event = talk.telephone_event == Some(rtp.payload_type);
        self.reception.handle_packet(now, &rtp, (!is_event).then_some(RATE_HZ));
        (self.heard_at, self.is_silence_told) = (now, false);
        if is_event {
            if let Some(key) = self.events.handle_packet(now, &rtp, RATE_HZ) {
                self.keys.push(key.digit);
            }
        } else if let Some(law) = Law::from_payload_type(rtp.payload_type) {
            self.handle_sound(now, law, &rtp);
        }
    }

    /// The next 20 ms of the far end.
    pub(super) fn fill(&mut self, now: Instant, frame: &mut Frame) {
        if let Some(key) = self.events.handle_timeout(now) {
            self.keys.push(key.digit);
        }
        self.playout.fill(now, frame);
        if !self.keys.is_idle() {
            self.keys.fill(frame);
        }
    }

    /// Whether a key of the far end is being played.
    pub(super) fn is_key(&self) -> bool {
        !self.keys.is_idle()
    }

    /// Whether the far end has just been silent for too long.
    pub(super) fn falls_silent(&mut self, now: Instant, talk: &Talk) -> bool {
        let is_silent = talk.direction.receives() && now.saturating_duration_since(self.heard_at) >= SILENCE;
        is_silent && !std::mem::replace(&mut self.is_silence_told, true)
    }

    pub(super) fn figures(&self) -> ReceptionFigures {
        let (totals, counts) = (self.reception.totals(), self.playout.counts());
        ReceptionFigures {
            packets: totals.packets,
            lost: totals.lost,
            jitter_ms: self.reception.jitter_ms(),
            delay: self.playout.delay(),
            played: counts.played,
            concealed: counts.concealed,
            late: counts.late,
            spliced: counts.spliced,
            restarts: counts.restarts,
        }
    }

    fn handle_sound(&mut self, now: Instant, law: Law, rtp: &Rtp<'_>) {
        let mut decoded = [0; PACKET_SAMPLES_MAX];
        let length = rtp.payload.len().min(PACKET_SAMPLES_MAX);
        for (sample, code) in decoded.iter_mut().zip(rtp.payload) {
            *sample = law.decode(*code);
        }
        let packet = Samples {
            ssrc: rtp.ssrc,
            timestamp: rtp.timestamp,
            marker: rtp.marker,
            samples: &decoded[..length],
        };
        self.playout.handle_samples(now, packet);
    }
}

/// 120 ms; what a longer packet has beyond it is lost.
const PACKET_SAMPLES_MAX: usize = 6 * FRAME_SAMPLES;
const KEY_DBM0: f32 = -10.0;
const SILENCE: Duration = Duration::from_secs(10);

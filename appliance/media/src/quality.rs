//! How a leg did.

use crate::emodel::{self, Impairment};
use crate::reception::Totals;
use std::time::Duration;

/// Figures of one leg, live or final. `in` is from the phone to the box.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LegQuality {
    /// RTP packets accepted from the phone.
    pub packets_in: u64,
    /// RTP packets sent to the phone.
    pub packets_out: u64,
    /// Payload bytes accepted from the phone.
    pub bytes_in: u64,
    /// Bytes sent to the phone, headers included.
    pub bytes_out: u64,
    /// Packets missing by sequence number (RFC 3550 appendix A.3).
    pub lost: u64,
    /// Loss in percent of the packets expected.
    pub loss_percent: f32,
    /// Packets that came twice or far out of sequence.
    pub duplicates: u64,
    /// Packets that came after a later one.
    pub reordered: u64,
    /// Interarrival jitter in milliseconds (RFC 3550 appendix A.8).
    pub jitter_ms: f32,
    /// Round trip between box and phone in milliseconds, when RTCP told it.
    pub rtt_ms: Option<f32>,
    /// Estimated mean opinion score of what the phone sent, 1.0 to 4.5 (ITU-T G.107); 0 before the first packet.
    pub mos: f32,
    /// Codec of the last speech packet, as in SDP; empty before the first.
    pub codec: String,
    /// Packets dropped because they came from somewhere else.
    pub dropped_foreign: u64,
    /// Packets dropped because they were not RTP or RTCP.
    pub dropped_garbage: u64,
    /// Packets of this phone that could not go on: no other leg, its address unknown, or held.
    pub dropped_unsent: u64,
    /// Times the phone changed its SSRC.
    pub ssrc_changes: u64,
}

impl LegQuality {
    /// Fills the figures that follow from the counts.
    pub(crate) fn rated(mut self, totals: Totals, round_trip: Option<Duration>) -> Self {
        self.packets_in = totals.packets;
        self.bytes_in = totals.bytes;
        self.lost = totals.lost;
        self.duplicates = totals.duplicates;
        self.reordered = totals.reordered;
        self.loss_percent = match totals.expected {
            0 => 0.0,
            expected => (totals.lost as f64 * 100.0 / expected as f64) as f32,
        };
        self.rtt_ms = round_trip.map(|trip| (trip.as_secs_f64() * 1000.0) as f32);
        if totals.packets > 0 {
            // One way, a frame, and a jitter buffer of twice the jitter.
            let delay_ms = f64::from(self.rtt_ms.unwrap_or(0.0)) / 2.0 + FRAME_MS + 2.0 * f64::from(self.jitter_ms);
            let loss_percent = f64::from(self.loss_percent);
            let rating = emodel::rating(&Impairment {
                codec: &self.codec,
                loss_percent,
                delay_ms,
            });
            self.mos = emodel::mos(rating) as f32;
        }
        self
    }
}

const FRAME_MS: f64 = 20.0;

//! What a channel is, and the desired state that the rest of the box tells it.

use std::net::SocketAddr;

use branchline_config::country::{Analog, Tone};
use branchline_sdp::Direction;

use crate::tone::CallerId;

/// What a channel is for as long as it lives.
#[derive(Clone, Copy, Debug)]
pub struct ChannelConfig {
    /// The country's tones and its caller id.
    pub analog: &'static Analog,
    /// What hangs on it.
    pub device: Device,
    /// What the device needs to be as loud as others.
    pub gains: Gains,
    /// How long an echo may be under way, besides the card's buffers; at most 128. 0 leaves the echo alone.
    pub echo_tail_ms: u16,
    /// For what must not be guessed: SSRC, first sequence number and timestamp.
    pub seed: u64,
}

/// What hangs on a channel; it decides what is listened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// An analog telephone: keys.
    Telephone,
    /// A line of an exchange: keys, call-progress tones, caller id.
    Line,
    /// A USB handset or headset, whose keys make no sound: nothing.
    Handset,
}

/// Calibration of a device, in dB; 0 changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Gains {
    /// Of what comes from it.
    pub microphone_db: f32,
    /// Of what goes to it.
    pub speaker_db: f32,
}

/// The desired state of a channel; giving the same plan twice changes nothing.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct ChannelPlan {
    /// What the device hears.
    pub hear: Hear,
    /// The call it is in; none sends and takes no packet.
    pub talk: Option<Talk>,
}

/// What the device hears.
#[derive(Clone, Debug, PartialEq, Default)]
pub enum Hear {
    /// Nothing.
    #[default]
    Silence,
    /// The far end of the call.
    Far,
    /// The far end, and a tone over it: another call waits.
    FarAnd(Tone),
    /// A tone with its cadence, until the plan changes.
    Tone(Tone),
    /// These one after the other, at most [`super::SIGNALS_MAX`], then silence. [`super::ChannelEvent::Sent`] tells the end. To send the same again, let
    /// another plan come between.
    Send(Vec<Signal>),
}

/// A sound with an end.
#[derive(Clone, Debug, PartialEq)]
pub enum Signal {
    /// DTMF keys, at most 64; what is no key is left out.
    Keys(String),
    /// Who calls, in the manner of the country, with its alerting tone where the telephone has not rung.
    CallerId(CallerId),
    /// A tone for a time.
    Tone {
        /// Which
        tone: Tone,
        /// How long
        ms: u32,
    },
    /// Nothing for a time.
    Pause {
        /// How long
        ms: u32,
    },
}

/// The media of a call as its descriptions agreed on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Talk {
    /// Where packets go, and the only place they are taken from.
    pub remote: SocketAddr,
    /// The codec of both directions.
    pub law: Law,
    /// Payload type of keys as events (RFC 4733); none sends them as sound.
    pub telephone_event: Option<u8>,
    /// Which of both ways is open, as seen from here.
    pub direction: Direction,
}

/// G.711, with the payload type that is its own (RFC 3551).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Law {
    /// µ-law, payload type 0
    Pcmu,
    /// A-law, payload type 8
    Pcma,
}

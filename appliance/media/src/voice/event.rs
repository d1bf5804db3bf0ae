//! What a channel tells the rest of the box.

use std::time::Duration;

use super::EchoFigures;
use crate::tone::{CallerId, CallerIdError, Progress};

/// Something was heard or sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChannelEvent {
    /// A key of the device is down: `0` to `9`, `*`, `#`, `A` to `D`.
    Digit(char),
    /// All of [`super::Hear::Send`] is out.
    Sent,
    /// A call-progress tone began to be recognised on the line; busy is also what no country has, but comes again and again.
    Heard(Progress),
    /// The exchange told who calls, or tried to.
    CallerId(Result<CallerId, CallerIdError>),
    /// No packet of the far end for 10 s, though it may send; told once per silence.
    Silence,
}

/// Figures of a channel, up to now.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct ChannelFigures {
    /// Level of what came from the device in the last second, in dBm0.
    pub microphone_dbm0: f32,
    /// Level of what went to the device in the last second, in dBm0.
    pub speaker_dbm0: f32,
    /// How its echo is dealt with; none where it is left alone.
    pub echo: Option<EchoFigures>,
    /// How the far end is received; none without a call.
    pub reception: Option<ReceptionFigures>,
    /// Events that nobody polled in time.
    pub events_dropped: u64,
}

/// How the far end of a call is received.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct ReceptionFigures {
    /// Packets, duplicates included.
    pub packets: u64,
    /// Packets that never came.
    pub lost: u64,
    /// Interarrival jitter (RFC 3550 section 6.4.1).
    pub jitter_ms: f32,
    /// How long a sample waits, compared with one of the fastest packet.
    pub delay: Duration,
    /// Samples played as they came.
    pub played: u64,
    /// Samples made up for lost or late ones.
    pub concealed: u64,
    /// Samples that came after their turn.
    pub late: u64,
    /// Samples left out or put in, to follow jitter and the far clock.
    pub spliced: u64,
    /// How often the stream began anew: another source, or a jump in time.
    pub restarts: u64,
}

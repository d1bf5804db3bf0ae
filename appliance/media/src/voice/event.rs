//! What a channel tells the rest of the box.

use crate::tone::{CallerId, CallerIdError, Progress};

/// Something was heard or sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChannelEvent {
    /// A key of the device is down: `0` to `9`, `*`, `#`, `A` to `D`.
    Digit(char),
    /// All of [`super::Hear::Send`] is out.
    Sent,
    /// A call-progress tone began to be recognised on the line.
    Heard(Progress),
    /// The exchange told who calls, or tried to.
    CallerId(Result<CallerId, CallerIdError>),
    /// No packet of the far end for a while, though it may send; told once per silence.
    Silence,
}

/// Figures of a channel, up to now.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct ChannelFigures {
    /// Level of what came from the device in the last second, in dBm0.
    pub microphone_dbm0: f32,
    /// Level of what went to the device in the last second, in dBm0.
    pub speaker_dbm0: f32,
    /// Events that nobody polled in time.
    pub events_dropped: u64,
}

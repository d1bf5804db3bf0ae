//! What the engine counted and measured.

use std::time::Duration;

use branchline_media::voice::ChannelFigures;

/// Everything at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SoundFigures {
    /// One for each card.
    pub cards: Vec<CardFigures>,
    /// One for each device, in the order in which they were given.
    pub devices: Vec<ChannelFigures>,
    /// Frames that were more than 10 ms late.
    pub late_frames: u64,
    /// Events that nobody took in time.
    pub events_dropped: u64,
}

/// How a card does.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CardFigures {
    /// Its name.
    pub name: String,
    /// Whether it is there.
    pub is_open: bool,
    /// Why it is not.
    pub fault: Option<String>,
    /// How often it was opened.
    pub opened: u64,
    /// How often a buffer ran empty or over, since it was opened last.
    pub xruns: u64,
    /// How much faster than the system's clock it records, in millionths.
    pub capture_ppm: f64,
    /// How much faster than the system's clock it plays, in millionths.
    pub playback_ppm: f64,
    /// From microphone to packet and from packet to loudspeaker together, without what the far end's jitter asks.
    pub latency: Duration,
}

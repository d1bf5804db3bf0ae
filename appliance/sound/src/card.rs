//! What a sound card is to the engine: a clock of its own that fills one buffer and empties another.

use thiserror::Error;

/// A card that is open in both directions; nothing here waits.
pub trait Card: Send {
    /// What it was opened with.
    fn shapes(&self) -> Shapes;

    /// Samples recorded since the last call, channel by channel; how many values were written, 0 when there are none.
    fn read(&mut self, room: &mut [i16]) -> Result<usize, CardError>;

    /// Samples to be played, channel by channel; how many values were taken, fewer when its buffer is full.
    fn write(&mut self, samples: &[i16]) -> Result<usize, CardError>;

    /// How many samples of each channel wait to be played.
    fn queued(&mut self) -> Result<usize, CardError>;
}

/// Where cards come from; opening may take a while.
pub trait Cards: Send {
    /// Opens a card by its name.
    fn open(&mut self, name: &str) -> Result<Box<dyn Card>, CardError>;
}

/// Rate and channels of one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Samples a second
    pub rate_hz: u32,
    /// Samples that belong to one moment
    pub channels: usize,
}

/// Both directions of a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shapes {
    /// What it records.
    pub capture: Shape,
    /// What it plays.
    pub playback: Shape,
}

/// Why a card did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CardError {
    /// A buffer ran empty or over; the card has begun anew.
    #[error("a buffer ran empty or over")]
    Xrun,
    /// It is not there, or not usable: pulled, taken by another program, of another kind.
    #[error("{0}")]
    Gone(String),
}

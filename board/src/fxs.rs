//! What a line with a telephone on it does, whatever part is behind it.

use std::time::Instant;

use branchline_config::country::Ring;

use crate::Level;

/// What the telephone did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FxsEvent {
    /// Lifted; a ringing one stops by itself.
    OffHook,
    /// Put down.
    OnHook,
    /// Recall: a short break, asked for by the person.
    Flash,
    /// Dialled with pulses.
    Digit(char),
    /// Pulses that are no digit.
    Misdialled,
    /// A ring ended and silence began: the time to send a caller's number.
    RingPause {
        /// Rings so far
        rings: u32,
    },
}

/// Which wire of the loop is positive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Polarity {
    /// As wired
    Forward,
    /// The other way round
    Reverse,
}

/// Why a line did not do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError<E> {
    /// A telephone that is off hook does not ring.
    #[error("the telephone is off hook")]
    OffHook,
    /// Nobody can do that here.
    #[error("this line cannot do that")]
    Unable,
    /// The hardware.
    #[error("the pin does not answer")]
    Pin(E),
}

/// A line with a telephone on it.
pub trait FxsLine {
    /// Of the pins
    type Error;

    /// The hook contact changed; active is off hook.
    fn handle_edge(&mut self, at: Instant, level: Level) -> Result<(), LineError<Self::Error>>;

    /// Time passed.
    fn handle_timeout(&mut self, now: Instant) -> Result<(), LineError<Self::Error>>;

    /// Rings until it is lifted or told to stop.
    fn ring(&mut self, now: Instant, ring: Ring) -> Result<(), LineError<Self::Error>>;

    /// Stops ringing; nothing happens when it does not ring.
    fn stop_ringing(&mut self, now: Instant) -> Result<(), LineError<Self::Error>>;

    /// Turns the loop round, to say that the far end answered or that a caller's number follows.
    fn set_polarity(&mut self, polarity: Polarity) -> Result<(), LineError<Self::Error>>;

    /// Whether somebody holds the handset.
    fn is_off_hook(&self) -> bool;

    /// When [`handle_timeout`](Self::handle_timeout) has something to do.
    fn poll_timeout(&self) -> Option<Instant>;

    /// What happened, oldest first.
    fn poll_event(&mut self) -> Option<FxsEvent>;

    /// How many events nobody asked for in time.
    fn events_dropped(&self) -> u64;
}

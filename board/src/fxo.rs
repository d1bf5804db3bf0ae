//! What a line of an exchange does, whatever part is behind it.

use std::time::{Duration, Instant};

use crate::Level;
use crate::fxs::{LineError, Polarity};

/// What the exchange did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FxoEvent {
    /// Somebody calls.
    Ringing,
    /// A ring ended and silence began: the time to listen for the caller's number.
    RingPause {
        /// Rings so far
        rings: u32,
    },
    /// The caller gave up, or somebody else answered.
    RingStopped,
    /// No voltage while on hook: the cable is out.
    Lost,
    /// The voltage is back.
    Back,
    /// The exchange took the voltage away during a call: the far end hung up.
    Disconnected,
    /// The exchange turned the loop round: the far end answered or hung up, or a caller's number follows.
    Polarity(Polarity),
}

/// Which contact of a line changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FxoInput {
    /// Ring indication; pulses in time with the current.
    Ring,
    /// Active while there is a voltage.
    Voltage,
    /// Active while the loop is reversed.
    Reversed,
}

/// A line of an exchange.
pub trait FxoLine {
    /// Of the pins
    type Error;

    /// A contact changed.
    fn handle_edge(&mut self, at: Instant, edge: (FxoInput, Level)) -> Result<(), LineError<Self::Error>>;

    /// Time passed.
    fn handle_timeout(&mut self, now: Instant) -> Result<(), LineError<Self::Error>>;

    /// Closes the loop: answers, or asks for a dial tone.
    fn seize(&mut self, now: Instant) -> Result<(), LineError<Self::Error>>;

    /// Opens the loop: hangs up.
    fn release(&mut self, now: Instant) -> Result<(), LineError<Self::Error>>;

    /// Opens the loop for so long and closes it again: a recall to the exchange.
    fn flash(&mut self, now: Instant, lasting: Duration) -> Result<(), LineError<Self::Error>>;

    /// Whether there is an exchange at the other end; always true where the board cannot tell.
    fn is_present(&self) -> bool;

    /// When [`handle_timeout`](Self::handle_timeout) has something to do.
    fn poll_timeout(&self) -> Option<Instant>;

    /// What happened, oldest first.
    fn poll_event(&mut self) -> Option<FxoEvent>;

    /// How many events nobody asked for in time.
    fn events_dropped(&self) -> u64;
}

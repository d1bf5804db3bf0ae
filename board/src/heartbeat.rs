//! An output that says that the box lives: the lifeline's relay, a watchdog outside of the processor.

use std::time::{Duration, Instant};

use embedded_hal::digital::OutputPin;

use crate::Level;

/// How the output says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beat {
    /// Active as long as the box lives.
    Level,
    /// Changing so often, as long as the box lives.
    Pulse {
        /// Between two changes
        every: Duration,
    },
}

/// Drives one output for as long as somebody says that the box lives, and a little longer.
#[derive(Debug)]
pub struct Heartbeat<P> {
    pin: P,
    beat: Beat,
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Dead,
    Alive {
        until: Instant,
        level: Level,
        change_at: Option<Instant>,
    },
}

impl<P: OutputPin> Heartbeat<P> {
    /// Dead until the first sign of life; `pin` is low.
    pub fn new(pin: P, beat: Beat) -> Heartbeat<P> {
        Heartbeat {
            pin,
            beat,
            state: State::Dead,
        }
    }

    /// Whether the output says that the box lives.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        match self.state {
            State::Dead => false,
            State::Alive { .. } => true,
        }
    }

    /// Nobody will say any longer that the box lives.
    pub fn rest(&mut self) -> Result<(), P::Error> {
        self.state = State::Dead;
        self.pin.set_low()
    }

    /// The box lives.
    pub fn handle_alive(&mut self, now: Instant) -> Result<(), P::Error> {
        let until = now + GRACE;
        match &mut self.state {
            State::Alive { until: given, .. } => {
                *given = until;
                Ok(())
            }
            State::Dead => {
                let change_at = match self.beat {
                    Beat::Level => None,
                    Beat::Pulse { every } => Some(now + every),
                };
                self.state = State::Alive {
                    until,
                    level: Level::Active,
                    change_at,
                };
                self.pin.set_high()
            }
        }
    }

    /// Time passed.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), P::Error> {
        let State::Alive {
            until,
            level,
            change_at,
        } = self.state
        else {
            return Ok(());
        };
        if until <= now {
            self.state = State::Dead;
            return self.pin.set_low();
        }
        let (Some(due), Beat::Pulse { every }) = (change_at.filter(|due| *due <= now), self.beat) else {
            return Ok(());
        };
        let next = match now.duration_since(due) < every {
            true => due + every,
            false => now + every,
        };
        self.state = State::Alive {
            until,
            level: level.toggled(),
            change_at: Some(next),
        };
        match level.toggled() {
            Level::Active => self.pin.set_high(),
            Level::Inactive => self.pin.set_low(),
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Dead => None,
            State::Alive { until, change_at, .. } => Some(change_at.map_or(until, |change| change.min(until))),
        }
    }
}

/// The daemon gives a sign of life every second; a machine under full load may miss a few.
const GRACE: Duration = Duration::from_secs(5);

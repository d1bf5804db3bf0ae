//! A light, and what its rhythm says.

use std::time::Instant;

use embedded_hal::digital::OutputPin;

use crate::Level;
use crate::cadence::Cadence;

/// How the box is, for its light.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BoxState {
    /// Not yet in service.
    Starting,
    /// All is well.
    InService,
    /// Calls go on without the hosted PBX.
    Survival,
    /// Calls go on without the call database, or something else wants attention.
    Attention,
    /// The call database catches up.
    Recovering,
    /// No calls are possible.
    Failed,
    /// The button has been held long enough: let go, and the box is as new.
    ResetArmed,
}

/// A rhythm of light.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// Dark
    Off,
    /// Lit
    On,
    /// Once in two seconds
    Slow,
    /// Lit, with a short break
    Wink,
    /// Two flashes, then dark
    Double,
    /// Three flashes, then dark
    Triple,
    /// Four times a second
    Fast,
    /// Ten times a second
    Flicker,
}

impl BoxState {
    /// The rhythm that says it.
    #[must_use]
    pub fn pattern(self) -> Pattern {
        match self {
            BoxState::Starting => Pattern::Slow,
            BoxState::InService => Pattern::On,
            BoxState::Survival => Pattern::Double,
            BoxState::Attention => Pattern::Triple,
            BoxState::Recovering => Pattern::Wink,
            BoxState::Failed => Pattern::Fast,
            BoxState::ResetArmed => Pattern::Flicker,
        }
    }
}

impl Pattern {
    fn steps_ms(self) -> &'static [u16] {
        match self {
            Pattern::Off | Pattern::On => &[],
            Pattern::Slow => &[1000, 1000],
            Pattern::Wink => &[1800, 200],
            Pattern::Double => &[120, 120, 120, 1640],
            Pattern::Triple => &[120, 120, 120, 120, 120, 1400],
            Pattern::Fast => &[125, 125],
            Pattern::Flicker => &[50, 50],
        }
    }
}

/// One light, dark at first.
#[derive(Debug)]
pub struct Light<P> {
    pin: P,
    pattern: Pattern,
    cadence: Option<Cadence>,
}

impl<P: OutputPin> Light<P> {
    /// `pin` is low.
    pub fn new(pin: P) -> Light<P> {
        Light {
            pin,
            pattern: Pattern::Off,
            cadence: None,
        }
    }

    /// From now on. The same pattern again does not begin anew.
    pub fn show(&mut self, now: Instant, pattern: Pattern) -> Result<(), P::Error> {
        if pattern == self.pattern {
            return Ok(());
        }
        self.pattern = pattern;
        self.cadence = Cadence::start(now, pattern.steps_ms());
        self.drive(match pattern {
            Pattern::Off => Level::Inactive,
            Pattern::On
            | Pattern::Slow
            | Pattern::Wink
            | Pattern::Double
            | Pattern::Triple
            | Pattern::Fast
            | Pattern::Flicker => Level::Active,
        })
    }

    /// Time passed.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), P::Error> {
        let change = self.cadence.as_mut().and_then(|cadence| cadence.handle_timeout(now));
        change.map_or(Ok(()), |level| self.drive(level))
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.cadence.as_ref().map(Cadence::poll_timeout)
    }

    fn drive(&mut self, level: Level) -> Result<(), P::Error> {
        match level {
            Level::Active => self.pin.set_high(),
            Level::Inactive => self.pin.set_low(),
        }
    }
}

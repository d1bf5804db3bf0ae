//! On, off, on, off, … from the start again: rings and lights.

use std::time::{Duration, Instant};

use crate::Level;

/// Where a repeated pattern is.
#[derive(Clone, Debug)]
pub(crate) struct Cadence {
    /// Active, inactive, active, …; never empty.
    steps_ms: &'static [u16],
    at: usize,
    until: Instant,
}

impl Cadence {
    /// Begins with the first step; `None` for a pattern without length, which never changes.
    pub(crate) fn start(now: Instant, steps_ms: &'static [u16]) -> Option<Cadence> {
        let first = steps_ms.iter().find(|ms| **ms > 0).and(steps_ms.first())?;
        Some(Cadence {
            steps_ms,
            at: 0,
            until: now + Duration::from_millis(u64::from(*first)),
        })
    }

    pub(crate) fn level(&self) -> Level {
        match self.at % 2 {
            0 => Level::Active,
            _ => Level::Inactive,
        }
    }

    pub(crate) fn poll_timeout(&self) -> Instant {
        self.until
    }

    /// The step that began, if one did. After a long stall the pattern goes on from `now` instead of catching up.
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Option<Level> {
        if now < self.until {
            return None;
        }
        self.at = (self.at + 1) % self.steps_ms.len();
        let step = Duration::from_millis(u64::from(self.steps_ms[self.at]));
        self.until = match now.duration_since(self.until) < step {
            true => self.until + step,
            false => now + step,
        };
        Some(self.level())
    }
}

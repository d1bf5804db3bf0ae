//! Real time, read in one place.

use std::thread;
use std::time::{Duration, Instant};

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Lets a fixed time pass: that is what a sample per second is.
#[expect(
    clippy::disallowed_methods,
    reason = "a sample is taken at its time, not at an event"
)]
pub(crate) fn pass(span: Duration) {
    thread::sleep(span);
}

/// Asks until there is an answer, or the time is up.
pub(crate) fn try_for<T>(within: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let give_up = now() + within;
    loop {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        if now() >= give_up {
            return None;
        }
        pass(Duration::from_millis(20));
    }
}

/// Units that are due at a steady rate.
pub(crate) struct Pace {
    start: Instant,
    per_s: f64,
}

impl Pace {
    pub(crate) fn new(start: Instant, per_s: f64) -> Pace {
        Pace { start, per_s }
    }

    /// How many should have begun by `now`.
    pub(crate) fn due(&self, now: Instant) -> u64 {
        (now.saturating_duration_since(self.start).as_secs_f64() * self.per_s) as u64 + 1
    }
}

//! The kernel's time stamps as `Instant`s: both count on the monotonic clock, from another zero.

use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};

/// One moment by both counts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KernelTime {
    instant: Instant,
    monotonic: Duration,
}

impl KernelTime {
    pub(crate) fn now() -> KernelTime {
        let monotonic = clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(Duration::ZERO, Duration::from);
        #[expect(
            clippy::disallowed_methods,
            reason = "the one pair that makes the kernel's times into Instants"
        )]
        let instant = Instant::now();
        KernelTime { instant, monotonic }
    }

    /// The instant of a time stamp, before or after the pair was taken.
    pub(crate) fn instant(self, stamp: Duration) -> Instant {
        match stamp.checked_sub(self.monotonic) {
            Some(after) => self.instant + after,
            None => self.instant.checked_sub(self.monotonic - stamp).unwrap_or(self.instant),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_before_and_after_keep_their_distance() {
        let pair = KernelTime::now();
        let step = Duration::from_millis(7);
        assert_eq!(pair.instant(pair.monotonic), pair.instant);
        assert_eq!(pair.instant(pair.monotonic + step), pair.instant + step);
        assert_eq!(pair.instant(pair.monotonic - step), pair.instant - step);
        assert_eq!(pair.instant(Duration::ZERO) + pair.monotonic, pair.instant);
    }
}

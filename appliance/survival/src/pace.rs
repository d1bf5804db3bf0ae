//! So many a second and no more: what all want at once is spread.

use std::time::{Duration, Instant};

/// Lets through one thing per interval.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    interval: Duration,
    next: Option<Instant>,
}

impl Pace {
    /// So many a second; at least one.
    #[must_use]
    pub fn new(per_second: u32) -> Pace {
        Pace {
            interval: Duration::from_secs(1) / per_second.max(1),
            next: None,
        }
    }

    /// Takes a turn; false while it is too early.
    pub fn take(&mut self, now: Instant) -> bool {
        if self.next.is_some_and(|next| next > now) {
            return false;
        }
        self.next = Some(now + self.interval);
        true
    }

    /// When the next turn is; `None` when it is now.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "one reading to have an Instant at all")]
    fn a_storm_leaves_at_its_pace() {
        let start = Instant::now();
        let mut pace = Pace::new(10);
        let mut taken = 0;
        for ms in 0..2000 {
            taken += u32::from(pace.take(start + Duration::from_millis(ms)));
        }
        assert_eq!(taken, 20);
    }
}

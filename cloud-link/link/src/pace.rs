//! How fast a box catches up.

use std::time::{Duration, Instant};

/// Lets so many entries go in a second, and at most a second's worth at once.
#[derive(Clone, Debug)]
pub struct Pace {
    per_s: u32,
    /// In millionths of an entry.
    credit: u64,
    counted_to: Instant,
}

const PART: u64 = 1_000_000;

impl Pace {
    /// `per_s` entries in a second, at least one.
    #[must_use]
    pub fn new(now: Instant, per_s: u32) -> Self {
        let per_s = per_s.max(1);
        Pace {
            per_s,
            credit: u64::from(per_s) * PART,
            counted_to: now,
        }
    }

    /// How many may go now.
    pub fn allowed(&mut self, now: Instant) -> usize {
        let passed = now.saturating_duration_since(self.counted_to);
        let us = u64::try_from(passed.as_micros()).unwrap_or(u64::MAX);
        let full = u64::from(self.per_s) * PART;
        self.credit = self
            .credit
            .saturating_add(us.saturating_mul(u64::from(self.per_s)))
            .min(full);
        self.counted_to = self.counted_to.max(now);
        (self.credit / PART) as usize
    }

    /// So many went.
    pub fn spend(&mut self, entries: usize) {
        self.credit = self.credit.saturating_sub(entries as u64 * PART);
    }

    /// When one more may go.
    #[must_use]
    pub fn next_at(&self) -> Instant {
        let missing = PART.saturating_sub(self.credit);
        self.counted_to + Duration::from_micros(missing.div_ceil(u64::from(self.per_s)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_s_worth_goes_at_once_and_then_one_at_a_time() {
        #[expect(clippy::disallowed_methods, reason = "any instant will do")]
        let start = Instant::now();
        let mut pace = Pace::new(start, 100);
        assert_eq!(pace.allowed(start), 100);
        pace.spend(100);
        assert_eq!(pace.allowed(start), 0);
        assert_eq!(pace.next_at(), start + Duration::from_millis(10));
        assert_eq!(pace.allowed(start + Duration::from_millis(10)), 1);
        assert_eq!(pace.allowed(start + Duration::from_secs(3600)), 100);
    }
}

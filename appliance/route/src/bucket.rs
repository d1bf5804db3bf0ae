//! A token bucket: the rate that requests are let in at.

use std::time::Instant;

/// So many a second, and for a while more at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    per_second: u64,
    capacity: u64,
    level: u64,
    filled_at: Instant,
}

impl Bucket {
    pub(crate) fn new(per_second: u32, burst_s: u32, now: Instant) -> Bucket {
        let per_second = u64::from(per_second.max(1));
        let capacity = per_second * u64::from(burst_s) * TOKEN;
        Bucket {
            per_second,
            capacity,
            level: capacity,
            filled_at: now,
        }
    }

    /// Takes one token, or says in how many seconds there will be one.
    pub(crate) fn take(&mut self, now: Instant) -> Result<(), u32> {
        let elapsed_ms = u64::try_from(now.saturating_duration_since(self.filled_at).as_millis()).unwrap_or(u64::MAX);
        if elapsed_ms > 0 {
            let gained = elapsed_ms.saturating_mul(self.per_second);
            self.level = self.level.saturating_add(gained).min(self.capacity);
            self.filled_at = now;
        }
        if self.level < TOKEN {
            // A thousandth of a token comes per millisecond and unit of rate: one second always brings a token.
            return Err(1);
        }
        self.level -= TOKEN;
        Ok(())
    }
}

/// Thousandths of a token, so that slow rates refill without fractions.
const TOKEN: u64 = 1000;

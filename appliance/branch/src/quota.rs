//! A bound on how often something is done: so many times within a while, the rest not at all.

use std::time::{Duration, Instant};

/// Counts within the running while.
pub(crate) struct Quota {
    max: u32,
    within: Duration,
    since: Option<Instant>,
    done: u32,
}

impl Quota {
    pub(crate) fn per_second(max: u32) -> Quota {
        Quota::new(max, Duration::from_secs(1))
    }

    pub(crate) fn new(max: u32, within: Duration) -> Quota {
        Quota {
            max,
            within,
            since: None,
            done: 0,
        }
    }

    /// Whether it may be done once more now; if so, it counts.
    pub(crate) fn allows(&mut self, now: Instant) -> bool {
        let is_over = |since: Instant| now.saturating_duration_since(since) >= self.within;
        if self.since.is_none_or(is_over) {
            self.since = Some(now);
            self.done = 0;
        }
        let allowed = self.done < self.max;
        self.done += u32::from(allowed);
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "an Instant can only be made from the clock")]
    fn a_flood_is_cut_to_the_quota_and_the_next_second_begins_anew() {
        let now = Instant::now();
        let mut quota = Quota::per_second(3);
        let allowed = |quota: &mut Quota, ms: u64| {
            let now = now + Duration::from_millis(ms);
            (0..10).filter(|_| quota.allows(now)).count()
        };
        assert_eq!(
            [0, 500, 999, 1000, 2500].map(|ms| allowed(&mut quota, ms)),
            [3, 0, 0, 3, 3]
        );
    }
}

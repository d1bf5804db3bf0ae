//! When datagrams are so many that letting them gather pays: one wake-up for several of them.

use std::time::{Duration, Instant};

/// Counts datagrams over short spans of time.
#[derive(Debug)]
pub(crate) struct Tide {
    since: Instant,
    packets: usize,
    level: Level,
    gather: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    /// Each is handled at once.
    Low,
    /// They gather.
    High,
}

impl Tide {
    /// With the time that datagrams gather for while they are many.
    pub(crate) fn new(now: Instant, gather: Duration) -> Self {
        Self {
            since: now,
            packets: 0,
            level: Level::Low,
            gather,
        }
    }

    /// Notes a batch that was ready at `now`.
    pub(crate) fn handle_batch(&mut self, now: Instant, packets: usize) {
        self.packets += packets;
        let span = now.saturating_duration_since(self.since);
        if span < SPAN {
            return;
        }
        let per_s = self.packets as f64 / span.as_secs_f64();
        self.level = if per_s >= PACKETS_PER_S_HIGH {
            Level::High
        } else {
            Level::Low
        };
        (self.since, self.packets) = (now, 0);
    }

    /// How long to let datagrams gather before the next batch is taken.
    pub(crate) fn gather(&self) -> Option<Duration> {
        match self.level {
            Level::Low => None,
            Level::High => Some(self.gather),
        }
    }
}

const SPAN: Duration = Duration::from_millis(20);
/// Eight calls. Below, hardly two packets come within the time, and a sleep saves no wake-up.
const PACKETS_PER_S_HIGH: f64 = 800.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_gather_only_while_there_are_many() {
        let start = crate::clock::now();
        let mut tide = Tide::new(start, Duration::from_millis(2));
        let mut now = start;
        let mut pass = |tide: &mut Tide, packets: usize| {
            for _ in 0..10 {
                now += Duration::from_millis(5);
                tide.handle_batch(now, packets);
            }
            tide.gather()
        };
        assert_eq!(pass(&mut tide, 1), None);
        assert_eq!(pass(&mut tide, 10), Some(Duration::from_millis(2)));
        assert_eq!(pass(&mut tide, 1), None);
    }
}

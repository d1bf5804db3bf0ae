//! How long to wait before the next connection.

use std::time::Duration;

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::Rng;

/// Shortest bound of a pause.
pub const BACKOFF_MIN: Duration = Duration::from_secs(1);
/// Longest bound of a pause.
pub const BACKOFF_MAX: Duration = Duration::from_secs(300);

/// Pauses whose bound doubles, each drawn anew between a half of the bound and the whole: boxes that lost the same cloud
/// come back spread out.
#[derive(Clone, Debug)]
pub struct Backoff {
    bound: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Backoff { bound: BACKOFF_MIN }
    }
}

impl Backoff {
    /// A connection held: the next pause is short again.
    pub fn reset(&mut self) {
        self.bound = BACKOFF_MIN;
    }

    /// The next pause; `at_least` is what the cloud asked for.
    pub fn next(&mut self, rng: &mut ChaCha12Rng, at_least: Duration) -> Duration {
        let half = self.bound / 2;
        let share = half * (rng.next_u32() % 1001) / 1000;
        self.bound = (self.bound * 2).min(BACKOFF_MAX);
        // What the cloud asks for is spread as well: it asks all boxes at once.
        let asked = at_least + at_least * (rng.next_u32() % 251) / 1000;
        asked.max(half + share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::rand_core::SeedableRng;

    #[test]
    fn pauses_double_to_the_bound_and_are_short_again_after_a_connection_that_held() {
        let mut rng = ChaCha12Rng::from_seed([1; 32]);
        let mut backoff = Backoff::default();
        let mut bound = BACKOFF_MIN;
        for _ in 0..12 {
            let pause = backoff.next(&mut rng, Duration::ZERO);
            assert!(pause >= bound / 2 && pause <= bound, "{pause:?} for {bound:?}");
            bound = (bound * 2).min(BACKOFF_MAX);
        }
        backoff.reset();
        assert!(backoff.next(&mut rng, Duration::ZERO) <= BACKOFF_MIN);
    }

    #[test]
    fn a_cloud_that_asks_for_time_gets_it() {
        let mut rng = ChaCha12Rng::from_seed([2; 32]);
        let asked = Duration::from_secs(60);
        let pauses: Vec<_> = (0..50).map(|_| Backoff::default().next(&mut rng, asked)).collect();
        assert!(pauses.iter().all(|pause| *pause >= asked && *pause <= asked * 5 / 4));
        assert!(pauses.iter().any(|pause| *pause != pauses[0]), "spread out");
    }
}

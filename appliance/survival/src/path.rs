//! What is known of the way to the upstream: round trip and loss.

use std::time::Duration;

/// Smoothed figures (RFC 6298 section 2 for the round trip).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Path {
    rtt: Option<Rtt>,
    /// Thousandths of round trips that fail.
    loss: u64,
}

#[derive(Clone, Copy, Debug)]
struct Rtt {
    smooth: Duration,
    deviation: Duration,
}

impl Path {
    pub(crate) fn handle_round_trip(&mut self, sample: Duration) {
        self.rtt = Some(match self.rtt {
            None => Rtt {
                smooth: sample,
                deviation: sample / 2,
            },
            Some(Rtt { smooth, deviation }) => Rtt {
                smooth: (smooth * 7 + sample) / 8,
                deviation: (deviation * 3 + smooth.abs_diff(sample)) / 4,
            },
        });
        self.loss -= self.loss / LOSS_MEMORY;
    }

    pub(crate) fn handle_loss(&mut self) {
        self.loss += (1000 - self.loss) / LOSS_MEMORY;
    }

    pub(crate) fn rtt(&self) -> Option<Duration> {
        self.rtt.map(|rtt| rtt.smooth)
    }

    pub(crate) fn loss_percent(&self) -> u64 {
        self.loss / 10
    }

    /// By then an answer is due, unless it was lost.
    pub(crate) fn answer_within(&self) -> Duration {
        let expected = self.rtt.map_or(UNKNOWN, |rtt| rtt.smooth + rtt.deviation * 4 + MARGIN);
        expected.clamp(ANSWER_MIN, ANSWER_MAX)
    }

    /// Unanswered probes in a row that mean more than bad luck: the odds of them at this loss are below one in a million.
    pub(crate) fn proof(&self) -> u32 {
        // A path that was clean until now may have just become bad.
        let loss = self.loss.clamp(LOSS_ASSUMED, LOSS_MAX);
        let mut odds = 1_000_000_000_u64;
        let mut probes = 0;
        while odds > 1000 {
            odds = odds * loss / 1000;
            probes += 1;
        }
        probes
    }
}

/// The answering program's own time and the jitter of a quiet network.
const MARGIN: Duration = Duration::from_millis(50);
const ANSWER_MIN: Duration = Duration::from_millis(100);
const ANSWER_MAX: Duration = Duration::from_secs(3);
/// Before the first answer; a round trip over satellite is 600 ms.
const UNKNOWN: Duration = Duration::from_millis(400);
/// Samples that count, roughly.
const LOSS_MEMORY: u64 = 16;
const LOSS_ASSUMED: u64 = 250;
/// Beyond this no telephone call works either.
const LOSS_MAX: u64 = 800;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_follows_the_round_trip_and_a_sudden_delay_raises_it_at_once() {
        let mut path = Path::default();
        for _ in 0..50 {
            path.handle_round_trip(Duration::from_millis(20));
        }
        assert_eq!(path.answer_within(), ANSWER_MIN);
        path.handle_round_trip(Duration::from_millis(800));
        assert!(
            path.answer_within() > Duration::from_millis(800),
            "{:?}",
            path.answer_within()
        );
    }

    #[test]
    fn a_lossy_path_needs_more_proof() {
        let mut path = Path::default();
        assert_eq!(path.proof(), 10);
        for _ in 0..60 {
            path.handle_loss();
            path.handle_round_trip(Duration::from_millis(20));
        }
        assert!((45..=55).contains(&path.loss_percent()), "{}", path.loss_percent());
        assert!((18..=24).contains(&path.proof()), "{}", path.proof());
    }
}

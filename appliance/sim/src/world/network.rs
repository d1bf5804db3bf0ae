//! What carries messages between the box and everybody else: it delays, loses, doubles and reorders them.

use std::time::Duration;

use crate::dice::Dice;

/// How good the network is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quality {
    /// Time every message needs.
    pub latency: Duration,
    /// What comes on top, at most.
    pub jitter: Duration,
    /// Lost datagrams, percent.
    pub loss_percent: u64,
    /// Doubled datagrams, percent.
    pub doubled_percent: u64,
    /// Datagrams that come much later than those after them, percent.
    pub late_percent: u64,
}

impl Quality {
    /// A quiet local network.
    pub const CLEAN: Quality = Quality {
        latency: Duration::from_millis(1),
        jitter: Duration::ZERO,
        loss_percent: 0,
        doubled_percent: 0,
        late_percent: 0,
    };

    /// Nothing is lost, doubled or swapped.
    pub fn is_clean(&self) -> bool {
        self.loss_percent == 0 && self.doubled_percent == 0 && self.late_percent == 0 && self.jitter.is_zero()
    }

    /// A network by chance.
    pub fn by(dice: &mut Dice) -> Quality {
        if dice.percent(30) {
            return Quality::CLEAN;
        }
        Quality {
            latency: dice.ms(0..80),
            jitter: dice.ms(0..60),
            loss_percent: dice.within(0..12),
            doubled_percent: dice.within(0..8),
            late_percent: dice.within(0..8),
        }
    }

    /// When the copies of one datagram arrive, after it was sent.
    pub(super) fn arrivals(&self, dice: &mut Dice) -> Vec<Duration> {
        let copies = if dice.percent(self.doubled_percent) { 2 } else { 1 };
        (0..copies)
            .filter_map(|_| {
                if dice.percent(self.loss_percent) {
                    return None;
                }
                let late = if dice.percent(self.late_percent) {
                    dice.ms(50..700)
                } else {
                    Duration::ZERO
                };
                Some(self.delay(dice) + late)
            })
            .collect()
    }

    /// When something in a stream arrives.
    pub(super) fn delay(&self, dice: &mut Dice) -> Duration {
        let jitter_ms = u64::try_from(self.jitter.as_millis()).unwrap_or(0);
        self.latency + dice.ms(0..jitter_ms + 1)
    }
}

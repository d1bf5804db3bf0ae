//! Sequence, loss, order and jitter of one direction (RFC 3550 appendices A.1, A.3 and A.8).

use crate::rtp::Rtp;
use std::time::Instant;

/// Counts over all SSRCs that a leg has used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Totals {
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    pub(crate) expected: u64,
    pub(crate) lost: u64,
    pub(crate) duplicates: u64,
    pub(crate) reordered: u64,
}

#[derive(Debug, Clone)]
pub(crate) struct Reception {
    epoch: Instant,
    past: Totals,
    current: Option<Run>,
    jitter_us_x16: u64,
    has_jitter: bool,
}

/// Packets of one SSRC without a restart of its numbers.
#[derive(Debug, Clone, Copy)]
struct Run {
    ssrc: u32,
    first: u64,
    highest: u64,
    /// Bit n is set when `highest - n` arrived.
    seen: u64,
    restart_at: Option<u16>,
    transit: Option<Transit>,
    totals: Totals,
}

/// Arrival less timestamp of the packet before, in units of its clock.
#[derive(Debug, Clone, Copy)]
struct Transit {
    clock_hz: u32,
    units: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Next,
    Late,
    Duplicate,
    Restart,
}

impl Reception {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            epoch: now,
            past: Totals::default(),
            current: None,
            jitter_us_x16: 0,
            has_jitter: false,
        }
    }

    /// Counts a packet; `clock_hz` is `None` when its timestamps tell nothing about pace, as in DTMF events.
    pub(crate) fn handle_packet(&mut self, now: Instant, rtp: &Rtp<'_>, clock_hz: Option<u32>) {
        let mut run = match self.current {
            Some(run) if run.ssrc == rtp.ssrc => run,
            Some(_) | None => self.restart(rtp),
        };
        let order = match run.place(rtp.sequence) {
            Order::Restart => {
                run = self.restart(rtp);
                run.place(rtp.sequence)
            }
            order @ (Order::Next | Order::Late | Order::Duplicate) => order,
        };
        run.totals.packets += 1;
        run.totals.bytes += rtp.payload.len() as u64;
        match order {
            Order::Next | Order::Restart => {}
            Order::Late => run.totals.reordered += 1,
            Order::Duplicate => run.totals.duplicates += 1,
        }
        if let (Some(clock_hz), Order::Next | Order::Late) = (clock_hz, order) {
            self.update_jitter(&mut run, now, (rtp.timestamp, clock_hz));
        }
        self.current = Some(run);
    }

    pub(crate) fn totals(&self) -> Totals {
        match &self.current {
            Some(run) => sum(self.past, run.closed()),
            None => self.past,
        }
    }

    /// Interarrival jitter in milliseconds; 0 before two packets.
    pub(crate) fn jitter_ms(&self) -> f32 {
        (self.jitter_us_x16 as f64 / 16_000.0) as f32
    }

    fn restart(&mut self, rtp: &Rtp<'_>) -> Run {
        if let Some(run) = self.current.take() {
            self.past = sum(self.past, run.closed());
        }
        // One cycle up, so that a packet from before the first one still has a number.
        let first = CYCLE + u64::from(rtp.sequence);
        let (ssrc, totals) = (rtp.ssrc, Totals::default());
        Run {
            ssrc,
            first,
            highest: first - 1,
            seen: 0,
            restart_at: None,
            transit: None,
            totals,
        }
    }

    fn update_jitter(&mut self, run: &mut Run, now: Instant, (timestamp, clock_hz): (u32, u32)) {
        let arrival_us = now.saturating_duration_since(self.epoch).as_micros() as u64;
        let arrival = u128::from(arrival_us) * u128::from(clock_hz) / 1_000_000;
        let units = (arrival as u32).wrapping_sub(timestamp);
        let before = run.transit.replace(Transit { clock_hz, units });
        let Some(before) = before.filter(|before| before.clock_hz == clock_hz) else {
            return;
        };
        let change = u64::from(units.wrapping_sub(before.units).cast_signed().unsigned_abs());
        if change > u64::from(clock_hz) {
            // More than a second is a new start of the phone's clock, not jitter.
            return;
        }
        let change_us = change * 1_000_000 / u64::from(clock_hz);
        let decay = if self.has_jitter {
            (self.jitter_us_x16 + 8) >> 4
        } else {
            0
        };
        self.jitter_us_x16 = (self.jitter_us_x16 + change_us).saturating_sub(decay);
        self.has_jitter = true;
    }
}

impl Run {
    fn place(&mut self, sequence: u16) -> Order {
        let step = sequence.wrapping_sub(self.highest as u16);
        if step != 0 && step < DROPOUT_MAX {
            self.restart_at = None;
            self.highest += u64::from(step);
            self.seen = self.seen.checked_shl(u32::from(step)).unwrap_or(0) | 1;
            return Order::Next;
        }
        let back = u32::from(self.highest as u16).wrapping_sub(u32::from(sequence)) as u16;
        if back < MISORDER_MAX {
            let bit = 1u64.checked_shl(u32::from(back)).unwrap_or(0);
            if bit == 0 || self.seen & bit != 0 {
                return Order::Duplicate;
            }
            self.seen |= bit;
            self.first = self.first.min(self.highest.saturating_sub(u64::from(back)));
            return Order::Late;
        }
        // A jump counts as a restart once the packet after it follows (RFC 3550 appendix A.1).
        if self.restart_at == Some(sequence) {
            return Order::Restart;
        }
        self.restart_at = Some(sequence.wrapping_add(1));
        Order::Duplicate
    }

    fn closed(&self) -> Totals {
        let expected = (self.highest + 1).saturating_sub(self.first);
        let useful = self.totals.packets - self.totals.duplicates;
        Totals {
            expected,
            lost: expected.saturating_sub(useful),
            ..self.totals
        }
    }
}

fn sum(a: Totals, b: Totals) -> Totals {
    Totals {
        packets: a.packets + b.packets,
        bytes: a.bytes + b.bytes,
        expected: a.expected + b.expected,
        lost: a.lost + b.lost,
        duplicates: a.duplicates + b.duplicates,
        reordered: a.reordered + b.reordered,
    }
}

const CYCLE: u64 = 1 << 16;
/// RFC 3550 appendix A.1.
const DROPOUT_MAX: u16 = 3000;
const MISORDER_MAX: u16 = 100;

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "an Instant can only be made by reading the clock"
    )]
    fn loss_order_and_duplicates_are_counted_over_the_wrap() {
        let cases: [(&str, Vec<u16>, Totals); 7] = [
            ("in order", (0..10).collect(), totals([10, 10, 0, 0, 0])),
            ("over the wrap", vec![65_534, 65_535, 0, 1], totals([4, 4, 0, 0, 0])),
            ("one lost", vec![5, 6, 8, 9], totals([4, 5, 1, 0, 0])),
            ("two swapped", vec![5, 7, 6, 8], totals([4, 4, 0, 0, 1])),
            ("swapped over the wrap", vec![65_535, 1, 0, 2], totals([4, 4, 0, 0, 1])),
            ("one twice", vec![5, 6, 6, 7], totals([4, 3, 0, 1, 0])),
            // The packet at the jump cannot be told from a stray one and is not in the new run.
            ("restart", vec![5, 6, 30_000, 30_001, 30_002], totals([5, 4, 0, 1, 0])),
        ];
        let now = Instant::now();
        for (name, sequences, expected) in cases {
            let mut reception = Reception::new(now);
            for sequence in sequences {
                reception.handle_packet(now, &packet(sequence, 0), Some(8000));
            }
            assert_eq!(reception.totals(), expected, "{name}");
        }
    }

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "an Instant can only be made by reading the clock"
    )]
    fn jitter_follows_the_arrival_times() {
        let start = Instant::now();
        for (late_ms, expected_ms) in [(0, 0.0), (8, 8.0), (16, 16.0)] {
            let mut reception = Reception::new(start);
            for number in 0..400u16 {
                // Every second packet is late, so each difference is the same and the average converges to it.
                let late = if number % 2 == 1 { late_ms } else { 0 };
                let at = start + Duration::from_millis(u64::from(number) * 20 + late);
                reception.handle_packet(at, &packet(number, u32::from(number) * 160), Some(8000));
            }
            assert!(
                (reception.jitter_ms() - expected_ms).abs() < 0.1,
                "{late_ms}: {}",
                reception.jitter_ms()
            );
        }
    }

    fn packet(sequence: u16, timestamp: u32) -> Rtp<'static> {
        Rtp {
            marker: false,
            payload_type: 0,
            sequence,
            timestamp,
            ssrc: 1,
            payload: &[],
        }
    }

    fn totals([packets, expected, lost, duplicates, reordered]: [u64; 5]) -> Totals {
        Totals {
            packets,
            bytes: 0,
            expected,
            lost,
            duplicates,
            reordered,
        }
    }
}

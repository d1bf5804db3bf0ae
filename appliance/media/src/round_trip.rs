//! Round trip between the box and a phone, from RTCP that only passes through.
//!
//! A sender report forwarded to a phone comes back as `LSR` in the phone's next report, with the time it was held.

use std::time::{Duration, Instant};

#[derive(Debug, Clone, Default)]
pub(crate) struct RoundTrip {
    forwarded: [Option<(u32, Instant)>; REMEMBERED],
    next: usize,
    last: Option<Duration>,
}

impl RoundTrip {
    /// A sender report with this stamp was sent to the phone.
    pub(crate) fn handle_forwarded(&mut self, now: Instant, stamp: u32) {
        self.forwarded[self.next % REMEMBERED] = Some((stamp, now));
        self.next = (self.next + 1) % REMEMBERED;
    }

    /// The phone reports; `delay` is in 1/65536 s.
    pub(crate) fn handle_report(&mut self, now: Instant, stamp: u32, delay: u32) {
        let sent = self
            .forwarded
            .iter()
            .flatten()
            .find(|(known, _)| *known == stamp && stamp != 0);
        let Some((_, sent_at)) = sent else { return };
        let held = Duration::from_micros((u64::from(delay) * 1_000_000) >> 16);
        // A phone that claims to have held it longer than it was away has a wrong clock.
        if let Some(trip) = now.saturating_duration_since(*sent_at).checked_sub(held) {
            self.last = Some(trip);
        }
    }

    pub(crate) fn last(&self) -> Option<Duration> {
        self.last
    }
}

/// Reports are seconds apart and answered within one or two.
const REMEMBERED: usize = 4;

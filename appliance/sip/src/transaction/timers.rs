//! Timer lengths and names (RFC 3261 table 4, RFC 6026 section 7) and the doubling resend timer.

use std::time::{Duration, Instant};

use crate::flow::Transport;

/// The three values that all timers derive from (RFC 3261 section 17.1.1.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timing {
    /// Round-trip estimate.
    pub t1: Duration,
    /// Longest pause between two sendings of a non-INVITE request or of an INVITE response.
    pub t2: Duration,
    /// Longest time that a message stays in the network.
    pub t4: Duration,
    /// How long an INVITE may stay unanswered before the endpoint sends 100 by itself (RFC 3261 section 17.2.1).
    pub trying: Duration,
}

impl Default for Timing {
    fn default() -> Timing {
        Timing {
            t1: Duration::from_millis(500),
            t2: Duration::from_secs(4),
            t4: Duration::from_secs(5),
            trying: Duration::from_millis(200),
        }
    }
}

impl Timing {
    /// 64 times T1: how long anything is waited for.
    pub fn patience(&self) -> Duration {
        self.t1.saturating_mul(64)
    }
}

/// Why an endpoint wants to be woken: the timer's letter in RFC 3261 and RFC 6026, or one of our own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Reason {
    /// An INVITE is sent again.
    A,
    /// An INVITE was never answered.
    B,
    /// Repeated non-2xx finals of an INVITE need no further ACK.
    D,
    /// A non-INVITE request is sent again.
    E,
    /// A non-INVITE request was never answered.
    F,
    /// A non-2xx final to an INVITE is sent again.
    G,
    /// A non-2xx final to an INVITE was never acknowledged.
    H,
    /// Repeated ACKs need no further absorbing.
    I,
    /// Repeated non-INVITE requests need no further answer.
    J,
    /// Repeated non-INVITE finals need no further absorbing.
    K,
    /// Repeated INVITEs need no further absorbing after a 2xx (RFC 6026).
    L,
    /// No further 2xx of a forked INVITE is expected (RFC 6026).
    M,
    /// An INVITE is still unanswered after 200 ms: 100 is due.
    Trying,
    /// A cancelled INVITE got no final answer (RFC 3261 section 9.1).
    Abandon,
    /// A non-INVITE request was left unanswered by its user until the client gave up (RFC 4320 section 4.2).
    Unanswered,
}

/// What a machine must know about the moment of an input.
#[derive(Clone, Copy)]
pub(super) struct Clock<'a> {
    pub(super) now: Instant,
    pub(super) timing: &'a Timing,
    pub(super) transport: Transport,
}

impl Clock<'_> {
    pub(super) fn after(&self, wait: Duration) -> Instant {
        self.now + wait
    }

    pub(super) fn patience_ends(&self) -> Instant {
        self.after(self.timing.patience())
    }
}

/// A timer that doubles up to a cap: A, E and G.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Resend {
    pub(super) at: Instant,
    interval: Duration,
}

impl Resend {
    /// First fires after T1; `None` where the transport itself delivers.
    pub(super) fn start(clock: Clock<'_>) -> Option<Resend> {
        (!clock.transport.reliable()).then(|| Resend {
            at: clock.after(clock.timing.t1),
            interval: clock.timing.t1,
        })
    }

    /// Arms it again for twice the last interval, at most `cap`.
    pub(super) fn again(&mut self, clock: Clock<'_>, cap: Duration) {
        self.again_after(clock, self.interval.saturating_mul(2).min(cap));
    }

    pub(super) fn again_after(&mut self, clock: Clock<'_>, interval: Duration) {
        self.interval = interval;
        self.at = clock.after(interval);
    }
}

/// The earlier of an end and an optional resend.
pub(super) fn earlier(end: (Instant, Reason), resend: Option<&Resend>, reason: Reason) -> (Instant, Reason) {
    match resend {
        Some(resend) if resend.at < end.0 => (resend.at, reason),
        Some(_) | None => end,
    }
}

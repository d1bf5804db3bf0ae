//! Retransmission of what the user agent itself must repeat: 2xx to INVITE (RFC 3261 section 13.3.1.4) and reliable provisional
//! responses (RFC 3262 section 3). Both run on every transport, because a proxy on the way may change it.

use std::time::{Duration, Instant};

use crate::message::Message;

/// RFC 3261 section 17.1.1.1.
pub(crate) const T1: Duration = Duration::from_millis(500);
/// RFC 3261 section 17.1.2.2.
pub(crate) const T2: Duration = Duration::from_secs(4);
/// How long anything is tried.
pub(crate) const GIVE_UP: Duration = Duration::from_secs(32);

/// One response that is repeated until the peer confirms it.
#[derive(Debug)]
pub(crate) struct Resend {
    pub(crate) message: Message,
    interval: Duration,
    interval_max: Duration,
    due_at: Instant,
    give_up_at: Instant,
}

/// What to do with a response whose time has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fired {
    NotYet,
    Again,
    GaveUp,
}

impl Resend {
    /// For a 2xx: intervals double up to T2.
    pub(crate) fn success(now: Instant, message: Message) -> Resend {
        Resend {
            message,
            interval: T1,
            interval_max: T2,
            due_at: now + T1,
            give_up_at: now + GIVE_UP,
        }
    }

    /// For a reliable provisional: intervals double without a ceiling.
    pub(crate) fn provisional(now: Instant, message: Message) -> Resend {
        Resend {
            interval_max: GIVE_UP,
            ..Resend::success(now, message)
        }
    }

    pub(crate) fn due_at(&self) -> Instant {
        self.due_at.min(self.give_up_at)
    }

    pub(crate) fn fire(&mut self, now: Instant) -> Fired {
        if now >= self.give_up_at {
            return Fired::GaveUp;
        }
        if now < self.due_at {
            return Fired::NotYet;
        }
        self.interval = (self.interval * 2).min(self.interval_max);
        self.due_at = now + self.interval;
        Fired::Again
    }
}

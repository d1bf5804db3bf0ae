//! Pings on a connection that the box opened (RFC 5626 section 4.4.1). Many a peer ignores line ends: silence means something
//! only from one that has answered before.

use std::time::Duration;

use branchline_sip::frame::Side;
use tokio::time::Instant;

#[derive(Debug)]
pub(super) struct KeepAlive {
    every: Duration,
    /// `None` where the peer opened the connection: the pings are its own.
    next: Option<Instant>,
    answer_due: Option<Instant>,
    has_answered: bool,
}

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    Nothing,
    /// A ping.
    Ping,
    /// The peer, which answered before, is silent: the flow has failed.
    Silent,
}

impl KeepAlive {
    pub(super) fn new(now: Instant, side: Side, every: Duration) -> KeepAlive {
        KeepAlive {
            every,
            next: match side {
                Side::Opened => Some(now + every),
                Side::Accepted => None,
            },
            answer_due: None,
            has_answered: false,
        }
    }

    /// Anything came.
    pub(super) fn handle_bytes(&mut self, now: Instant) {
        self.answer_due = None;
        self.next = self.next.map(|_| now + self.every);
    }

    /// The answer to a ping came.
    pub(super) fn handle_pong(&mut self) {
        self.has_answered = true;
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.next.into_iter().chain(self.answer_due).min()
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) -> Due {
        if self.answer_due.is_some_and(|due| due <= now) {
            self.answer_due = None;
            if self.has_answered {
                return Due::Silent;
            }
        }
        if self.next.is_none_or(|next| next > now) {
            return Due::Nothing;
        }
        self.next = Some(now + self.every);
        self.answer_due = Some(now + self.every / ANSWER_PART);
        Due::Ping
    }
}

/// The answer is due within this part of the pause: ten seconds of thirty.
const ANSWER_PART: u32 = 3;

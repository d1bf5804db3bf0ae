//! What comes of our re-INVITEs and UPDATEs: glare (RFC 3261 section 14.1), refusals, and late answers in an ACK.

use std::time::Duration;

use crate::agent::SessionEvent;
use crate::message::{Message, Method, Name};
use crate::transaction::Failure;

use super::super::session_timer::SessionTimer;
use super::super::{Body, Turn};
use super::Direction;
use super::reoffer::{Attempt, Cause, Ours};
use super::usage::{Exchange, Usage};

/// What an outcome of ours means for the session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    GoesOn,
    PeerGone,
}

// Both sides draw new waits each time, so a tenth collision is not one.
const TRIES_MAX: u8 = 10;
const RETRY_AFTER_S_MAX: u32 = 32;

impl Usage {
    /// A response to our re-INVITE or UPDATE.
    pub(super) fn handle_offer_response(
        &mut self,
        turn: &mut Turn<'_>,
        response: &Message,
        direction: Direction,
    ) -> Verdict {
        if response.status() < 200 {
            return Verdict::GoesOn;
        }
        match std::mem::replace(&mut self.ours, Ours::Idle) {
            Ours::InFlight { attempt, cseq, .. } if response.status() < 300 => {
                self.accepted(turn, response, (attempt, cseq));
                Verdict::GoesOn
            }
            Ours::InFlight { attempt, .. } => self.refused(turn, response, (attempt, direction)),
            other @ (Ours::Waiting { .. } | Ours::AnswerOwed { .. } | Ours::Idle) => {
                self.ours = other;
                Verdict::GoesOn
            }
        }
    }

    fn accepted(&mut self, turn: &mut Turn<'_>, response: &Message, (attempt, cseq): (Attempt, u32)) {
        let before = self.remote_print;
        self.dialog.refresh_target(response);
        self.observe(response);
        self.timer = SessionTimer::granted(turn.now, response, &turn.core.settings);
        let body = Body::description(response);
        let is_invite = attempt.method == Method::Invite;
        let needs_answer = is_invite && attempt.body.is_none() && body.is_some();
        if needs_answer {
            self.owe_answer(turn.now, cseq);
        } else {
            self.exchange = Exchange::Quiet;
            if is_invite {
                self.acknowledge(turn, cseq, None);
            }
        }
        let changed = body.is_some() && self.remote_print != before;
        if attempt.body.is_some() {
            self.local_body = attempt.body;
        }
        match attempt.cause {
            Cause::Caller => turn.emit(SessionEvent::ReofferAnswered { body, needs_answer }),
            Cause::Refresh if changed => turn.emit(SessionEvent::ReofferAnswered { body, needs_answer }),
            Cause::Refresh => {}
        }
    }

    fn refused(
        &mut self,
        turn: &mut Turn<'_>,
        response: &Message,
        (mut attempt, direction): (Attempt, Direction),
    ) -> Verdict {
        self.exchange = Exchange::Quiet;
        attempt.tries = attempt.tries.saturating_add(1);
        let may_retry = attempt.tries < TRIES_MAX;
        let retry_after_s = response
            .number(Name::RetryAfter)
            .map(|wait_s| wait_s.min(RETRY_AFTER_S_MAX));
        let is_update_refresh = attempt.cause == Cause::Refresh && attempt.method == Method::Update;
        let wait = match response.status() {
            408 | 481 => return Verdict::PeerGone,
            491 if may_retry => glare_wait(turn, direction),
            422 if may_retry => {
                attempt.least_s = response.number(Name::MinSe).unwrap_or(0);
                Duration::ZERO
            }
            405 | 420 | 501 if is_update_refresh => {
                self.peer_updates = false;
                self.refresh_by_invite(turn);
                return Verdict::GoesOn;
            }
            500 if may_retry && retry_after_s.is_some() => Duration::from_secs(u64::from(retry_after_s.unwrap_or(0))),
            status if attempt.cause == Cause::Caller || !may_retry => {
                self.give_up(turn, &attempt, status);
                return Verdict::GoesOn;
            }
            _ => Duration::from_secs(u64::from(retry_after_s.unwrap_or(10).max(1))),
        };
        self.ours = Ours::Waiting {
            attempt,
            at: turn.now + wait,
        };
        self.pump(turn);
        Verdict::GoesOn
    }

    /// No final response to our re-INVITE or UPDATE.
    pub(super) fn handle_offer_failed(&mut self, turn: &mut Turn<'_>, why: Failure) -> Verdict {
        match std::mem::replace(&mut self.ours, Ours::Idle) {
            Ours::InFlight { attempt, .. } => match why {
                Failure::Timeout => Verdict::PeerGone,
                // The connection may come back with the peer's next request.
                Failure::Flow => {
                    self.give_up(turn, &attempt, 503);
                    Verdict::GoesOn
                }
            },
            other @ (Ours::Waiting { .. } | Ours::AnswerOwed { .. } | Ours::Idle) => {
                self.ours = other;
                Verdict::GoesOn
            }
        }
    }

    /// The answer that an ACK has to carry.
    pub(super) fn acknowledge_owed(&mut self, turn: &mut Turn<'_>, body: Option<Body>) {
        match std::mem::replace(&mut self.ours, Ours::Idle) {
            Ours::AnswerOwed { cseq, .. } => {
                self.acknowledge(turn, cseq, body.as_ref());
                self.exchange = Exchange::Quiet;
                self.local_body = body.or_else(|| self.local_body.take());
            }
            other @ (Ours::Waiting { .. } | Ours::InFlight { .. } | Ours::Idle) => self.ours = other,
        }
    }
}

// RFC 3261 section 14.1: the owner of the Call-ID waits 2.1 to 4 s, the other side up to 2 s, in steps of 10 ms.
fn glare_wait(turn: &mut Turn<'_>, direction: Direction) -> Duration {
    let steps = match direction {
        Direction::Outgoing => 210 + turn.core.below(191),
        Direction::Incoming => turn.core.below(201),
    };
    Duration::from_millis(u64::from(steps) * 10)
}

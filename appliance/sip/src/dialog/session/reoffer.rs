//! Our re-INVITEs and UPDATEs: glare (RFC 3261 section 14.1), refreshes (RFC 4028), and late answers in an ACK.

use std::time::{Duration, Instant};

use crate::agent::{ALLOW, SessionEvent};
use crate::message::{Message, Method, Name};
use crate::transaction::{ClientKey, Failure};

use super::super::session_timer::SessionTimer;
use super::super::turn::{Challenge, Reliability};
use super::super::{Body, Purpose, Turn, with_body};
use super::Direction;
use super::usage::{Exchange, Usage};

/// Where our own offer stands.
#[derive(Debug)]
pub(super) enum Ours {
    Idle,
    /// To be sent once `at` has come and nothing else is open.
    Waiting {
        attempt: Attempt,
        at: Instant,
    },
    InFlight {
        attempt: Attempt,
        key: ClientKey,
        cseq: u32,
        /// When a re-INVITE that got nothing but provisional responses is cancelled.
        cancel_at: Option<Instant>,
    },
    /// The 2xx brought an offer; the caller owes the answer that the ACK carries.
    AnswerOwed {
        cseq: u32,
        give_up_at: Instant,
    },
}

/// Why we send one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Cause {
    /// The caller asked for it.
    Caller,
    /// The session timer.
    Refresh,
}

#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) method: Method,
    pub(super) cause: Cause,
    body: Option<Body>,
    tries: u8,
    least_s: u32,
}

impl Attempt {
    pub(super) fn new(method: Method, cause: Cause, body: Option<Body>) -> Attempt {
        Attempt {
            method,
            cause,
            body,
            tries: 0,
            least_s: 0,
        }
    }
}

/// What an outcome of ours means for the session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    GoesOn,
    PeerGone,
}

// Both sides draw new waits each time, so a tenth collision is not one.
const TRIES_MAX: u8 = 10;
const RETRY_AFTER_S_MAX: u32 = 32;
// A person may have to agree to a re-INVITE, but not for longer than this.
const REINVITE_MAX: Duration = Duration::from_secs(60);

impl Ours {
    /// True from the request until its transaction is through.
    pub(super) fn is_open(&self) -> bool {
        match self {
            Ours::InFlight { .. } | Ours::AnswerOwed { .. } => true,
            Ours::Idle | Ours::Waiting { .. } => false,
        }
    }

    pub(super) fn is_in_flight(&self, wanted: ClientKey) -> bool {
        matches!(self, Ours::InFlight { key, .. } if *key == wanted)
    }

    /// True once nobody will answer the peer's offer any more.
    pub(super) fn has_given_up(&self, now: Instant) -> bool {
        matches!(self, Ours::AnswerOwed { give_up_at, .. } if now >= *give_up_at)
    }
}

impl Usage {
    /// Queues an offer of ours; refused at once while another one is open.
    pub(super) fn offer(&mut self, turn: &mut Turn<'_>, attempt: Attempt) {
        match (&self.ours, attempt.cause) {
            (Ours::Idle, _)
            | (
                Ours::Waiting {
                    attempt: Attempt {
                        cause: Cause::Refresh, ..
                    },
                    ..
                },
                Cause::Caller,
            ) => {
                self.ours = Ours::Waiting { attempt, at: turn.now };
                self.pump(turn);
            }
            (
                Ours::InFlight {
                    attempt: Attempt {
                        cause: Cause::Refresh, ..
                    },
                    ..
                },
                Cause::Caller,
            ) if self.queued.is_none() => {
                self.queued = Some(attempt);
            }
            (Ours::Waiting { .. } | Ours::InFlight { .. } | Ours::AnswerOwed { .. }, Cause::Caller) => {
                turn.emit(SessionEvent::ReofferRefused { status: 491 });
            }
            // Whatever is under way refreshes the session as well.
            (Ours::Waiting { .. } | Ours::InFlight { .. } | Ours::AnswerOwed { .. }, Cause::Refresh) => {}
        }
    }

    /// When an offer that waits may be sent, or a late answer is given up; `None` while something else blocks it.
    pub(super) fn ours_due_at(&self) -> Option<Instant> {
        match &self.ours {
            Ours::Waiting { at, .. } if self.is_quiet() => Some(*at),
            Ours::InFlight { cancel_at, .. } => *cancel_at,
            Ours::Waiting { .. } | Ours::Idle => None,
            Ours::AnswerOwed { give_up_at, .. } => Some(*give_up_at),
        }
    }

    /// Sends the offer that waits if its time has come and nothing else is open.
    pub(super) fn pump(&mut self, turn: &mut Turn<'_>) {
        if !self.is_quiet() {
            return;
        }
        match std::mem::replace(&mut self.ours, Ours::Idle) {
            Ours::Waiting { attempt, at } if at <= turn.now => self.send_offer(turn, attempt),
            Ours::Idle => {
                if let Some(attempt) = self.queued.take() {
                    self.send_offer(turn, attempt);
                }
            }
            other @ (Ours::Waiting { .. } | Ours::InFlight { .. } | Ours::AnswerOwed { .. }) => self.ours = other,
        }
    }

    /// Cancels a re-INVITE that the peer leaves open for too long.
    pub(super) fn fire_cancel(&mut self, turn: &mut Turn<'_>) {
        match &self.ours {
            Ours::InFlight {
                cancel_at: Some(at), ..
            } if *at <= turn.now => self.cancel_offer(turn),
            Ours::InFlight { .. } | Ours::Waiting { .. } | Ours::AnswerOwed { .. } | Ours::Idle => {}
        }
    }

    /// Cancels our re-INVITE if one is out, so that its transaction ends even if the peer is gone.
    pub(super) fn cancel_offer(&mut self, turn: &mut Turn<'_>) {
        match &mut self.ours {
            Ours::InFlight {
                key,
                cancel_at: cancel_at @ Some(_),
                ..
            } => {
                *cancel_at = None;
                turn.core.endpoint.cancel(turn.now, *key, None);
            }
            Ours::InFlight { .. } | Ours::Waiting { .. } | Ours::AnswerOwed { .. } | Ours::Idle => {}
        }
    }

    /// Forgets offers that were not sent yet.
    pub(super) fn drop_offers(&mut self) {
        self.queued = None;
        match &self.ours {
            Ours::Waiting { .. } => self.ours = Ours::Idle,
            Ours::InFlight { .. } | Ours::AnswerOwed { .. } | Ours::Idle => {}
        }
    }

    fn send_offer(&mut self, turn: &mut Turn<'_>, attempt: Attempt) {
        let settings = &turn.core.settings;
        let mut request = self
            .dialog
            .request(&attempt.method)
            .header(Name::Allow, ALLOW)
            .header(Name::Supported, turn.core.supported(Reliability::Withheld));
        request = match &self.timer {
            Some(timer) => timer.write_refresh(request, settings, attempt.least_s),
            None => SessionTimer::write_wish(request, settings, attempt.least_s),
        };
        let request = with_body(request, attempt.body.as_ref());
        match turn.send(&self.dialog, request, Purpose::Offer) {
            Some(key) => {
                if attempt.body.is_some() {
                    self.exchange = Exchange::OurOffer;
                }
                let cancel_at = (attempt.method == Method::Invite).then(|| turn.now + REINVITE_MAX);
                let cseq = self.dialog.local_cseq();
                if attempt.method == Method::Invite {
                    self.note_credentials(cseq, turn.credentials());
                }
                self.ours = Ours::InFlight {
                    attempt,
                    key,
                    cseq,
                    cancel_at,
                };
            }
            None => self.give_up(turn, &attempt, 503),
        }
    }

    /// Our challenged offer went out again as `again`.
    fn offer_again(&mut self, turn: &Turn<'_>, again: ClientKey) {
        let cseq_again = self.dialog.local_cseq();
        match &mut self.ours {
            Ours::InFlight {
                attempt,
                key,
                cseq,
                cancel_at,
            } => {
                (*key, *cseq) = (again, cseq_again);
                if attempt.method == Method::Invite {
                    *cancel_at = Some(turn.now + REINVITE_MAX);
                    self.note_credentials(cseq_again, turn.credentials());
                }
            }
            Ours::Idle | Ours::Waiting { .. } | Ours::AnswerOwed { .. } => {}
        }
    }

    /// True while the answer to our request is of use: an offer that was cancelled is not repeated.
    fn wants(&self, wanted: ClientKey) -> bool {
        match &self.ours {
            Ours::InFlight {
                attempt,
                key,
                cancel_at,
                ..
            } => *key == wanted && (attempt.method != Method::Invite || cancel_at.is_some()),
            Ours::Idle | Ours::Waiting { .. } | Ours::AnswerOwed { .. } => false,
        }
    }

    /// Sends what was challenged again, if there is an account; true if so.
    pub(super) fn answer_challenge(&mut self, turn: &mut Turn<'_>, challenge: Challenge<'_>) -> bool {
        let is_offer = challenge.purpose == Purpose::Offer;
        if is_offer && !self.wants(challenge.key) {
            return false;
        }
        match turn.send_again(&mut self.dialog, challenge) {
            Some(again) if is_offer => self.offer_again(turn, again),
            Some(_) => {}
            None => return false,
        }
        true
    }

    fn give_up(&mut self, turn: &mut Turn<'_>, attempt: &Attempt, status: u16) {
        self.exchange = Exchange::Quiet;
        self.ours = Ours::Idle;
        match attempt.cause {
            Cause::Caller => turn.emit(SessionEvent::ReofferRefused { status }),
            // The session timer runs on and ends the session if no refresh comes through.
            Cause::Refresh => {}
        }
    }

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
                return self.refresh_by_invite(turn);
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

    /// Refreshes the session without changing it: by UPDATE where the peer allows it (RFC 4028 section 7.4).
    pub(super) fn refresh(&mut self, turn: &mut Turn<'_>) {
        if self.peer_updates {
            self.offer(turn, Attempt::new(Method::Update, Cause::Refresh, None));
        } else {
            self.refresh_by_invite(turn);
        }
    }

    fn refresh_by_invite(&mut self, turn: &mut Turn<'_>) -> Verdict {
        // Without a description of ours a re-INVITE would ask the peer for an offer that nobody answers.
        if let Some(body) = self.local_body.clone() {
            self.offer(turn, Attempt::new(Method::Invite, Cause::Refresh, Some(body)));
        }
        Verdict::GoesOn
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

//! Our re-INVITEs and UPDATEs on their way out: one at a time, the next one waits; refreshes (RFC 4028).

use std::time::{Duration, Instant};

use crate::agent::{ALLOW, SessionEvent};
use crate::message::{Method, Name};
use crate::transaction::ClientKey;

use super::super::session_timer::SessionTimer;
use super::super::turn::{Challenge, Reliability};
use super::super::{Body, Purpose, Turn, with_body};
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
    pub(super) body: Option<Body>,
    pub(super) tries: u8,
    /// What a 422 asked for as the least interval of the session timer.
    pub(super) least_s: u32,
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

    pub(super) fn give_up(&mut self, turn: &mut Turn<'_>, attempt: &Attempt, status: u16) {
        self.exchange = Exchange::Quiet;
        self.ours = Ours::Idle;
        match attempt.cause {
            Cause::Caller => turn.emit(SessionEvent::ReofferRefused { status }),
            // The session timer runs on and ends the session if no refresh comes through.
            Cause::Refresh => {}
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

    pub(super) fn refresh_by_invite(&mut self, turn: &mut Turn<'_>) {
        // Without a description of ours a re-INVITE would ask the peer for an offer that nobody answers.
        if let Some(body) = self.local_body.clone() {
            self.offer(turn, Attempt::new(Method::Invite, Cause::Refresh, Some(body)));
        }
    }
}

//! One dialog with what runs in it: the offer/answer exchange, the peer's offer that we owe an answer, our 2xx until its ACK.

use std::time::{Duration, Instant};

use crate::agent::SessionEvent;
use crate::flow::Flow;
use crate::message::{Builder, Message, Method, Name};
use crate::transaction::ServerKey;

use super::super::resend::{Fired, Resend};
use super::super::session_timer::{SessionTimer, too_brief};
use super::super::{Body, Dialog, Headers, Turn, with_body};
use super::reoffer::{Attempt, Ours};

/// The offer/answer exchange (RFC 3264), counted by bodies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Exchange {
    /// Nothing open.
    Quiet,
    /// We offered.
    OurOffer,
    /// The peer offered.
    TheirOffer,
}

/// A request with an offer, or a re-INVITE without one, that the caller has to answer.
#[derive(Debug)]
pub(super) struct Owed {
    pub(super) key: ServerKey,
    request: Message,
    offers: bool,
}

/// Which INVITE a 2xx of ours answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Which {
    First,
    Again,
}

/// Our 2xx on its way to being acknowledged.
#[derive(Debug)]
pub(super) struct Unacked {
    key: ServerKey,
    cseq: u32,
    which: Which,
    resend: Resend,
}

/// The ACK that we sent last, for repetitions of the 2xx.
#[derive(Debug)]
pub(super) struct Acked {
    pub(super) cseq: u32,
    pub(super) message: Message,
}

#[derive(Debug)]
pub(super) struct Usage {
    pub(super) dialog: Dialog,
    pub(super) exchange: Exchange,
    pub(super) owed: Option<Owed>,
    pub(super) ours: Ours,
    /// What the caller asked for while a refresh was under way.
    pub(super) queued: Option<Attempt>,
    pub(super) unacked: Option<Unacked>,
    pub(super) acked: Option<Acked>,
    /// Credentials of our first INVITE and of the last one, for their ACKs (RFC 3261 section 13.2.2.4).
    credentials: Vec<(u32, Headers)>,
    pub(super) timer: Option<SessionTimer>,
    /// The peer allows UPDATE.
    pub(super) peer_updates: bool,
    /// What we described last; a refreshing re-INVITE repeats it.
    pub(super) local_body: Option<Body>,
    pub(super) remote_print: u64,
}

impl Usage {
    pub(super) fn new(dialog: Dialog, exchange: Exchange) -> Usage {
        Usage {
            dialog,
            exchange,
            owed: None,
            ours: Ours::Idle,
            queued: None,
            unacked: None,
            acked: None,
            credentials: Vec::new(),
            timer: None,
            peer_updates: false,
            local_body: None,
            remote_print: 0,
        }
    }

    /// Takes what a message of the peer says about the peer.
    pub(super) fn observe(&mut self, message: &Message) {
        if message.value(Name::Allow).is_some() {
            self.peer_updates = message.has_token(Name::Allow, Method::Update.as_str());
        }
        if let Some(body) = Body::description(message) {
            self.remote_print = body.fingerprint();
        }
    }

    /// True when an offer may be made.
    pub(super) fn is_quiet(&self) -> bool {
        self.exchange == Exchange::Quiet && self.owed.is_none() && self.unacked.is_none()
    }

    /// A re-INVITE (RFC 3261 section 14.2).
    pub(super) fn handle_reinvite(&mut self, turn: &mut Turn<'_>, key: ServerKey, request: Message) {
        if too_brief(&request, &turn.core.settings) {
            return refuse_too_brief(turn, key, &request);
        }
        if self.exchange == Exchange::OurOffer || self.ours.is_open() {
            return turn.refuse(key, &request, 491);
        }
        if !self.is_quiet() {
            return refuse_for_now(turn, key, &request);
        }
        self.dialog.refresh_target(&request);
        self.observe(&request);
        turn.core.invites.insert(key, turn.id);
        self.owe(turn, key, request);
    }

    /// An UPDATE (RFC 3311 section 5.2).
    pub(super) fn handle_update(&mut self, turn: &mut Turn<'_>, key: ServerKey, request: Message) {
        if too_brief(&request, &turn.core.settings) {
            return refuse_too_brief(turn, key, &request);
        }
        if Body::description(&request).is_some() {
            if self.exchange == Exchange::OurOffer || self.ours.is_open() {
                return turn.refuse(key, &request, 491);
            }
            if self.exchange == Exchange::TheirOffer || self.owed.is_some() {
                return refuse_for_now(turn, key, &request);
            }
        }
        self.dialog.refresh_target(&request);
        self.observe(&request);
        if Body::description(&request).is_some() {
            return self.owe(turn, key, request);
        }
        let response = self.success(turn, &request, None).finish();
        turn.respond(key, response);
    }

    /// The offer that a PRACK may carry once the first exchange is through (RFC 3262 section 5).
    pub(super) fn handle_prack_offer(&mut self, turn: &mut Turn<'_>, key: ServerKey, request: Message) {
        if self.exchange != Exchange::Quiet || self.owed.is_some() || self.ours.is_open() {
            return turn.refuse(key, &request, 488);
        }
        self.observe(&request);
        self.owe(turn, key, request);
    }

    fn owe(&mut self, turn: &mut Turn<'_>, key: ServerKey, request: Message) {
        let body = Body::description(&request);
        let method = request.method().clone();
        let offers = body.is_some();
        if offers {
            self.exchange = Exchange::TheirOffer;
        }
        self.owed = Some(Owed { key, request, offers });
        turn.emit(SessionEvent::Reoffer { body, method });
    }

    /// 200 to the request that waits for it.
    pub(super) fn answer_owed(&mut self, turn: &mut Turn<'_>, body: Option<Body>) {
        let Some(owed) = self.owed.take() else { return };
        let response = self.success(turn, &owed.request, body.as_ref()).finish();
        turn.respond(owed.key, response.clone());
        let is_invite = *owed.request.method() == Method::Invite;
        if is_invite {
            self.await_ack(
                turn.now,
                Accepted {
                    key: owed.key,
                    cseq: owed.request.cseq(),
                    which: Which::Again,
                    response,
                },
            );
        }
        self.exchange = if is_invite && !owed.offers && body.is_some() {
            Exchange::OurOffer
        } else {
            Exchange::Quiet
        };
        self.local_body = body.or_else(|| self.local_body.take());
    }

    /// A final refusal of the request that waits for its answer.
    pub(super) fn refuse_owed(&mut self, turn: &mut Turn<'_>, status: u16) {
        let Some(owed) = self.owed.take() else { return };
        turn.refuse(owed.key, &owed.request, status.clamp(300, 699));
        self.exchange = Exchange::Quiet;
    }

    /// Starts repeating a 2xx of ours.
    pub(super) fn await_ack(&mut self, now: Instant, accepted: Accepted) {
        let Accepted {
            key,
            cseq,
            which,
            response,
        } = accepted;
        self.unacked = Some(Unacked {
            key,
            cseq,
            which,
            resend: Resend::success(now, response),
        });
    }

    /// 200 to an INVITE or UPDATE, with the session timer that it grants.
    pub(super) fn success(&mut self, turn: &mut Turn<'_>, request: &Message, body: Option<&Body>) -> Builder {
        let response = turn.response(request, 200).header(Name::Contact, self.dialog.contact());
        let mut response = turn.core.describe(response);
        if *request.method() != Method::Prack {
            self.timer = SessionTimer::grant(turn.now, request, &turn.core.settings);
            if let Some(timer) = &self.timer {
                response = timer.write_grant(response);
            }
        }
        with_body(response, body)
    }

    /// An ACK; tells which 2xx it was for.
    pub(super) fn handle_ack(&mut self, turn: &mut Turn<'_>, flow: Flow, ack: &Message) -> Option<Which> {
        let unacked = self.unacked.take_if(|unacked| unacked.cseq == ack.cseq())?;
        self.dialog.follow(flow);
        let body = Body::description(ack);
        if let Some(body) = &body {
            self.remote_print = body.fingerprint();
        }
        if self.exchange == Exchange::OurOffer {
            self.exchange = Exchange::Quiet;
        }
        turn.emit(match unacked.which {
            Which::First => SessionEvent::Acknowledged { body },
            Which::Again => SessionEvent::ReofferAcknowledged { body },
        });
        Some(unacked.which)
    }

    /// The 2xx to our offerless INVITE brought an offer.
    pub(super) fn owe_answer(&mut self, now: Instant, cseq: u32) {
        self.exchange = Exchange::TheirOffer;
        self.ours = Ours::AnswerOwed {
            cseq,
            give_up_at: now + LATE_ANSWER_MAX,
        };
    }

    /// The 2xx to our INVITE ends the exchange that the INVITE began.
    pub(super) fn close_first_exchange(&mut self) {
        if !self.ours.is_open() && self.owed.is_none() {
            self.exchange = Exchange::Quiet;
        }
    }

    /// True while the first 2xx has no ACK: no BYE may be sent yet (RFC 3261 section 15).
    pub(super) fn awaits_first_ack(&self) -> bool {
        self.unacked
            .as_ref()
            .is_some_and(|unacked| unacked.which == Which::First)
    }

    /// Remembers what INVITE number `cseq` was sent with.
    pub(super) fn note_credentials(&mut self, cseq: u32, credentials: Headers) {
        self.credentials.truncate(1);
        if !credentials.is_empty() {
            self.credentials.push((cseq, credentials));
        }
    }

    pub(super) fn credentials(&self, cseq: u32) -> Headers {
        let found = self.credentials.iter().find(|(known, _)| *known == cseq);
        found.map_or_else(Headers::new, |(_, credentials)| credentials.clone())
    }

    /// Sends the ACK to the 2xx number `cseq` and keeps it for repetitions.
    pub(super) fn acknowledge(&mut self, turn: &mut Turn<'_>, cseq: u32, body: Option<&Body>) {
        let ack = self.credentials(cseq).write(self.dialog.ack(cseq));
        let message = turn.core.endpoint.send_ack(self.dialog.flow(), with_body(ack, body));
        self.acked = Some(Acked { cseq, message });
    }

    /// A 2xx that may be a repetition; true if it was one.
    pub(super) fn repeat_ack(&mut self, turn: &mut Turn<'_>, response: &Message) -> bool {
        if response.to_tag().unwrap_or_default() != self.dialog.remote_tag() {
            return false;
        }
        if let Some(acked) = self.acked.as_ref().filter(|acked| acked.cseq == response.cseq()) {
            turn.core.endpoint.send_again(self.dialog.flow(), &acked.message);
        }
        true
    }

    /// The caller withdrew a re-INVITE.
    pub(super) fn handle_cancelled(&mut self, turn: &mut Turn<'_>, key: ServerKey) {
        if self.owed.as_ref().is_some_and(|owed| owed.key == key) {
            self.refuse_owed(turn, 487);
            turn.emit(SessionEvent::ReofferWithdrawn);
        }
    }

    /// Repeats our 2xx when it is time; true once nobody will acknowledge it any more.
    pub(super) fn fire_unacked(&mut self, turn: &mut Turn<'_>) -> bool {
        let Some(unacked) = &mut self.unacked else { return false };
        match unacked.resend.fire(turn.now) {
            Fired::NotYet => false,
            Fired::GaveUp => true,
            Fired::Again => {
                turn.core
                    .endpoint
                    .respond(turn.now, unacked.key, unacked.resend.message.clone());
                false
            }
        }
    }

    /// Without the session timer, which only runs once the call is answered.
    pub(super) fn due_at(&self) -> Option<Instant> {
        let unacked = self.unacked.as_ref().map(|unacked| unacked.resend.due_at());
        [unacked, self.ours_due_at()].into_iter().flatten().min()
    }
}

// Shorter than the peer repeats its 2xx (64*T1), so that both sides see the same end.
const LATE_ANSWER_MAX: Duration = Duration::from_secs(25);

/// A 2xx of ours that was just sent.
pub(super) struct Accepted {
    pub(super) key: ServerKey,
    pub(super) cseq: u32,
    pub(super) which: Which,
    pub(super) response: Message,
}

fn refuse_too_brief(turn: &mut Turn<'_>, key: ServerKey, request: &Message) {
    let response = turn
        .response(request, 422)
        .header(Name::MinSe, turn.core.settings.min_se_s.max(90))
        .finish();
    turn.respond(key, response);
}

// RFC 3261 section 14.2: a random wait of up to 10 s.
fn refuse_for_now(turn: &mut Turn<'_>, key: ServerKey, request: &Message) {
    let wait_s = turn.core.below(11);
    let response = turn.response(request, 500).header(Name::RetryAfter, wait_s).finish();
    turn.respond(key, response);
}

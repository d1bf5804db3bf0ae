//! An INVITE at us that has no final response yet (RFC 3261 section 13.3).

use std::time::{Duration, Instant};

use crate::agent::{End, SessionEvent};
use crate::message::{Builder, Message, Name};
use crate::transaction::ServerKey;

use super::super::resend::Fired;
use super::super::{Body, Dialog, Local, Tag, Turn, with_body};
use super::established::{Established, Rest};
use super::reliable::{Confirmed, Reliable, Reliably};
use super::usage::{Accepted, Exchange, Usage, Which};
use super::{Answer, IncomingInvite, Progress, Rejection};

#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) usage: Usage,
    key: ServerKey,
    invite: Message,
    has_offer: bool,
    reliably: Reliably,
    reliable: Reliable,
    /// Waits for the PRACK of a description.
    answer: Option<Answer>,
    last_status: Option<u16>,
    remind_at: Instant,
    give_up_at: Instant,
}

/// What became of it.
pub(super) enum Step {
    Stays(Box<Incoming>),
    Answered(Box<Established>),
}

// Proxies on the way drop an INVITE that is silent for longer than Timer C (RFC 3261 section 13.3.1.1).
const REMIND: Duration = Duration::from_secs(60);

impl Incoming {
    pub(super) fn new(turn: &mut Turn<'_>, tag: Tag, invite: IncomingInvite) -> Incoming {
        let IncomingInvite {
            key,
            flow,
            next_hop,
            request,
            local_contact,
            ring_max,
        } = invite;
        let dialog = Dialog::of_request(
            &request,
            flow,
            &Local {
                tag,
                contact: &local_contact,
                next_hop,
            },
        );
        let has_offer = Body::description(&request).is_some();
        let exchange = if has_offer {
            Exchange::TheirOffer
        } else {
            Exchange::Quiet
        };
        let mut usage = Usage::new(dialog, exchange);
        usage.observe(&request);
        usage.dialog.continue_after(turn.core.below(1_000));
        turn.core.invites.insert(key, turn.id);
        let trying = Builder::response(&request, 100).finish();
        turn.respond(key, trying);
        Incoming {
            usage,
            key,
            has_offer,
            reliably: Reliably::of(&request),
            reliable: Reliable::new(turn.core.below(1 << 16)),
            invite: request,
            answer: None,
            last_status: None,
            remind_at: turn.now + REMIND,
            give_up_at: turn.now + ring_max.unwrap_or(turn.core.settings.ring_max),
        }
    }

    pub(super) fn key(&self) -> ServerKey {
        self.key
    }

    /// True once a reliable provisional has carried the answer.
    fn is_described(&self) -> bool {
        self.has_offer && self.usage.exchange != Exchange::TheirOffer
    }

    pub(super) fn progress(&mut self, turn: &mut Turn<'_>, mut progress: Progress) {
        progress.status = progress.status.clamp(101, 199);
        if self.answer.is_some() {
            return;
        }
        // Without an offer, and after the answer, a description here would be an offer that only a PRACK could answer.
        if !self.has_offer || self.is_described() {
            progress.body = None;
        }
        let reliably = match self.reliably {
            Reliably::Never => false,
            Reliably::WithBody => progress.body.is_some(),
            Reliably::Always => true,
        };
        if reliably && self.reliable.is_in_air() {
            return self.reliable.queue(progress);
        }
        self.last_status = Some(progress.status);
        self.remind_at = turn.now + REMIND;
        let mut response = turn
            .response(&self.invite, progress.status)
            .header(Name::Contact, self.usage.dialog.contact());
        response = turn.core.describe(progress.headers.write(response));
        response = with_body(response, progress.body.as_ref());
        let response = if reliably {
            if progress.body.is_some() {
                self.usage.exchange = Exchange::Quiet;
            }
            self.reliable.launch(turn.now, response)
        } else {
            response.finish()
        };
        self.usage.local_body = progress.body.or_else(|| self.usage.local_body.take());
        turn.respond(self.key, response);
    }

    pub(super) fn answer(mut self: Box<Self>, turn: &mut Turn<'_>, mut answer: Answer) -> Step {
        if self.reliable.holds_answer_back() {
            self.answer = Some(answer);
            return Step::Stays(self);
        }
        if self.is_described() {
            answer.body = None;
        }
        self.usage.refuse_owed(turn, 500);
        let response = self.usage.success(turn, &self.invite, answer.body.as_ref());
        let response = answer.headers.write(response).finish();
        turn.respond(self.key, response.clone());
        turn.emit(SessionEvent::AnswerSent);
        let accepted = Accepted {
            key: self.key,
            cseq: self.invite.cseq(),
            which: Which::First,
            response,
        };
        self.usage.await_ack(turn.now, accepted);
        self.usage.exchange = if !self.has_offer && answer.body.is_some() {
            Exchange::OurOffer
        } else {
            Exchange::Quiet
        };
        self.usage.local_body = answer.body.or_else(|| self.usage.local_body.take());
        Step::Answered(Box::new(Established::new(self.usage)))
    }

    /// Final refusal; the session is over with it.
    pub(super) fn reject(&mut self, turn: &mut Turn<'_>, rejection: &Rejection) {
        self.usage.refuse_owed(turn, 487);
        let mut response = turn.response(&self.invite, rejection.status.clamp(300, 699));
        if let Some(phrase) = &rejection.reason_phrase {
            response = response.reason_phrase(phrase);
        }
        let response = rejection
            .headers
            .write(response)
            .header(Name::Server, &turn.core.settings.user_agent)
            .finish();
        turn.respond(self.key, response);
    }

    /// Refuses the INVITE and ends the session.
    pub(super) fn end(&mut self, turn: &mut Turn<'_>, status: u16, last: SessionEvent) {
        self.reject(turn, &Rejection::status(status));
        turn.emit(last);
    }

    pub(super) fn handle_prack(mut self: Box<Self>, turn: &mut Turn<'_>, key: ServerKey, prack: Message) -> Step {
        match self.reliable.handle_prack(&prack, self.invite.cseq()) {
            Confirmed::Unknown => {
                turn.refuse(key, &prack, 481);
                return Step::Stays(self);
            }
            Confirmed::Yes if Body::description(&prack).is_some() => self.usage.handle_prack_offer(turn, key, prack),
            Confirmed::Yes => turn.refuse(key, &prack, 200),
        }
        if let Some(answer) = self.answer.take() {
            return self.answer(turn, answer);
        }
        if let Some(next) = self.reliable.next() {
            self.progress(turn, next);
        }
        Step::Stays(self)
    }

    pub(super) fn due_at(&self) -> Instant {
        let first = self.remind_at.min(self.give_up_at);
        [self.reliable.due_at(), self.usage.due_at()]
            .into_iter()
            .flatten()
            .fold(first, Instant::min)
    }

    pub(super) fn handle_timeout(&mut self, turn: &mut Turn<'_>) -> Rest {
        if turn.now >= self.give_up_at {
            self.end(turn, 480, SessionEvent::Ended { why: End::Expired });
            return Rest::Over;
        }
        match self.reliable.fire(turn) {
            (Fired::GaveUp, _) => {
                self.end(
                    turn,
                    504,
                    SessionEvent::Ended {
                        why: End::Unacknowledged,
                    },
                );
                return Rest::Over;
            }
            (Fired::Again, Some(response)) => turn.respond(self.key, response),
            (Fired::Again | Fired::NotYet, _) => {}
        }
        if turn.now >= self.remind_at {
            self.remind_at = turn.now + REMIND;
            if let Some(status) = self.last_status {
                self.progress(turn, Progress::status(status));
            }
        }
        self.usage.pump(turn);
        Rest::Stays
    }
}

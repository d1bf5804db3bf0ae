//! Responses, ACKs, CANCELs and time, sorted by how far the session is.

use std::time::Instant;

use crate::agent::SessionEvent;
use crate::flow::Flow;
use crate::message::Message;
use crate::transaction::{ClientKey, Failure, ServerKey};

use super::super::signer::is_challenge;
use super::super::turn::Challenge;
use super::super::{Purpose, Turn};
use super::established::Done;
use super::{Phase, Session, Usage};

impl Session {
    pub(crate) fn handle_ack(&mut self, turn: &mut Turn<'_>, flow: Flow, ack: &Message) {
        if let Phase::Established(established) = &mut self.phase
            && ack.from_tag().unwrap_or_default() == established.usage.dialog.remote_tag()
        {
            let rest = established.handle_ack(turn, flow, ack);
            self.rested(rest);
        }
    }

    pub(crate) fn handle_cancelled(&mut self, turn: &mut Turn<'_>, key: ServerKey, cancel: Message) {
        match &mut self.phase {
            Phase::Incoming(incoming) if incoming.key() == key => {
                incoming.end(turn, 487, SessionEvent::Cancelled { cancel });
                self.phase = Phase::Over;
            }
            Phase::Established(established) => {
                established.usage.handle_cancelled(turn, key);
                established.usage.pump(turn);
            }
            Phase::Incoming(_) | Phase::Outgoing(_) | Phase::Over => {}
        }
    }

    /// A response to a request of ours.
    pub(crate) fn handle_response(&mut self, turn: &mut Turn<'_>, reply: Reply) {
        let Reply {
            key,
            flow,
            purpose,
            response,
        } = reply;
        let is_challenged = is_challenge(response.status());
        if purpose == Purpose::Invite {
            if response.status() >= 200 && !is_challenged {
                turn.settle(key, Some(response.status()));
            }
            return match &mut self.phase {
                Phase::Outgoing(outgoing) => {
                    let step = outgoing.handle_response(turn, flow, response);
                    self.outgoing_stepped(turn, step);
                }
                Phase::Established(established) if (200..300).contains(&response.status()) => {
                    established.handle_late_success(turn, flow, &response);
                }
                Phase::Established(_) | Phase::Incoming(_) | Phase::Over => {}
            };
        }
        if response.status() < 200 {
            return;
        }
        if is_challenged && self.repeats(purpose) {
            let challenge = Challenge {
                key,
                purpose,
                response: &response,
            };
            let usage = self.usage_with(response.to_tag().unwrap_or_default());
            if usage.is_some_and(|usage| usage.answer_challenge(turn, challenge)) {
                return;
            }
        }
        let key = turn.settle(key, Some(response.status()));
        self.finished(turn, (key, purpose), Ok(&response));
    }

    /// Whether a challenged request is still of use: on the way out only what ends things is.
    fn repeats(&self, purpose: Purpose) -> bool {
        match &self.phase {
            Phase::Established(established) if !established.is_open() => match purpose {
                Purpose::Bye | Purpose::Notify => true,
                Purpose::Invite | Purpose::Offer | Purpose::Prack | Purpose::Refer | Purpose::Caller => false,
            },
            Phase::Established(_) | Phase::Incoming(_) | Phase::Outgoing(_) => true,
            Phase::Over => false,
        }
    }

    pub(crate) fn handle_failed(&mut self, turn: &mut Turn<'_>, done: (ClientKey, Purpose), why: Failure) {
        let (key, purpose) = done;
        if purpose != Purpose::Invite {
            let key = turn.settle(key, None);
            return self.finished(turn, (key, purpose), Err(why));
        }
        if let Phase::Outgoing(outgoing) = &mut self.phase {
            let step = outgoing.handle_failed(turn, why);
            self.outgoing_stepped(turn, step);
        }
    }

    fn finished(&mut self, turn: &mut Turn<'_>, done: (ClientKey, Purpose), outcome: Result<&Message, Failure>) {
        let ((key, purpose), direction) = (done, self.direction);
        let done = Done {
            key,
            purpose,
            direction,
            outcome,
        };
        match &mut self.phase {
            Phase::Established(established) => {
                let rest = established.handle_final(turn, done);
                self.rested(rest);
            }
            Phase::Incoming(incoming) => early_final(&mut incoming.usage, turn, &done),
            Phase::Outgoing(outgoing) => {
                let mut usages = outgoing.forks.iter_mut();
                let mine = match purpose {
                    Purpose::Offer => usages.find(|usage| usage.ours.is_in_flight(key)),
                    Purpose::Invite | Purpose::Prack | Purpose::Bye => None,
                    Purpose::Refer | Purpose::Notify | Purpose::Caller => usages.next(),
                };
                if let Some(usage) = mine {
                    early_final(usage, turn, &done);
                }
            }
            Phase::Over => {}
        }
        if let Some(usage) = self.usage_mut() {
            usage.pump(turn);
        }
    }

    /// A 2xx to an INVITE of ours that is no news to its transaction.
    pub(crate) fn handle_late_success(&mut self, turn: &mut Turn<'_>, flow: Flow, response: &Message) {
        if let Phase::Established(established) = &mut self.phase {
            established.handle_late_success(turn, flow, response);
        }
    }

    pub(crate) fn due_at(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Incoming(incoming) => Some(incoming.due_at()),
            Phase::Outgoing(outgoing) => Some(outgoing.due_at()),
            Phase::Established(established) => established.due_at(),
            Phase::Over => None,
        }
    }

    pub(crate) fn handle_timeout(&mut self, turn: &mut Turn<'_>) {
        match &mut self.phase {
            Phase::Incoming(incoming) => {
                let rest = incoming.handle_timeout(turn);
                self.rested(rest);
            }
            Phase::Outgoing(outgoing) => {
                let step = outgoing.handle_timeout(turn);
                self.outgoing_stepped(turn, step);
            }
            Phase::Established(established) => {
                let rest = established.handle_timeout(turn);
                self.rested(rest);
            }
            Phase::Over => {}
        }
    }
}

// An early dialog does not end by what happens to a request inside it; the INVITE decides.
fn early_final(usage: &mut Usage, turn: &mut Turn<'_>, done: &Done<'_>) {
    match (done.purpose, done.outcome) {
        (Purpose::Offer, Ok(response)) => {
            let _ = usage.handle_offer_response(turn, response, done.direction);
        }
        (Purpose::Offer, Err(why)) => {
            let _ = usage.handle_offer_failed(turn, why);
        }
        (Purpose::Caller, outcome) => {
            let event = SessionEvent::InDialogAnswered {
                key: done.key,
                status: done.status(),
                response: outcome.ok().cloned(),
            };
            turn.emit(event);
        }
        (Purpose::Invite | Purpose::Prack | Purpose::Bye | Purpose::Refer | Purpose::Notify, _) => {}
    }
}

/// A response to a request of a session.
pub(crate) struct Reply {
    pub(crate) key: ClientKey,
    pub(crate) flow: Flow,
    pub(crate) purpose: Purpose,
    pub(crate) response: Message,
}

//! Requests of the peer inside a dialog.

use crate::agent::{ALLOW, End, SessionEvent};
use crate::flow::Flow;
use crate::message::{Message, Method, Name};
use crate::transaction::ServerKey;

use super::super::turn::unsupported;
use super::super::{OutOfOrder, Turn};
use super::{Phase, Session};

impl Session {
    /// A request with our tag. Checks what all of them must pass (RFC 3261 sections 8.2 and 12.2.2), then sorts by method.
    pub(crate) fn handle_request(&mut self, turn: &mut Turn<'_>, (key, flow): (ServerKey, Flow), request: Message) {
        let Some(usage) = self.usage_with(request.from_tag().unwrap_or_default()) else {
            return turn.refuse(key, &request, 481);
        };
        if let Some(unsupported) = unsupported(&request).filter(|_| !turn.core.endpoint.is_priority(&request)) {
            let response = turn
                .response(&request, 420)
                .header(Name::Unsupported, unsupported)
                .finish();
            return turn.respond(key, response);
        }
        if let Err(OutOfOrder) = usage.dialog.receive(&request, flow) {
            return turn.refuse(key, &request, 500);
        }
        match &self.phase {
            Phase::Established(established) if !established.is_open() => self.handle_while_ending(turn, key, request),
            Phase::Established(_) => self.handle_established(turn, key, request),
            Phase::Incoming(_) | Phase::Outgoing(_) | Phase::Over => self.handle_early(turn, key, request),
        }
        if let Some(usage) = self.usage_mut() {
            usage.pump(turn);
        }
    }

    fn handle_established(&mut self, turn: &mut Turn<'_>, key: ServerKey, request: Message) {
        let Phase::Established(established) = &mut self.phase else {
            return;
        };
        match request.method() {
            Method::Bye => {
                let rest = established.handle_bye(turn, key, request);
                self.rested(rest);
            }
            Method::Invite => established.usage.handle_reinvite(turn, key, request),
            Method::Update => established.usage.handle_update(turn, key, request),
            Method::Refer => established.handle_refer(turn, key, request),
            Method::Notify => established.handle_notify(turn, key, &request),
            Method::Subscribe => established.handle_subscribe(turn, key, &request),
            // To a provisional without a description, which our 2xx did not wait for.
            Method::Prack => turn.refuse(key, &request, 200),
            Method::Options => describe(turn, key, &request),
            Method::Info => turn.emit(SessionEvent::Info { key, request }),
            Method::Message => turn.emit(SessionEvent::InDialog { key, request }),
            Method::Register | Method::Publish => not_here(turn, key, &request, 405),
            Method::Other(_) => not_here(turn, key, &request, 501),
            Method::Ack | Method::Cancel => {}
        }
    }

    fn handle_early(&mut self, turn: &mut Turn<'_>, key: ServerKey, request: Message) {
        match request.method() {
            Method::Bye => self.handle_early_bye(turn, key, request),
            Method::Update => {
                if let Some(usage) = self.usage_with(request.from_tag().unwrap_or_default()) {
                    usage.handle_update(turn, key, request);
                }
            }
            Method::Prack => self.handle_prack(turn, key, request),
            Method::Options => describe(turn, key, &request),
            Method::Info => turn.emit(SessionEvent::Info { key, request }),
            Method::Message => turn.emit(SessionEvent::InDialog { key, request }),
            Method::Invite => match &self.phase {
                Phase::Incoming(_) => {
                    let wait_s = turn.core.below(11);
                    let response = turn.response(&request, 500).header(Name::RetryAfter, wait_s).finish();
                    turn.respond(key, response);
                }
                Phase::Outgoing(_) | Phase::Established(_) | Phase::Over => turn.refuse(key, &request, 491),
            },
            Method::Refer | Method::Notify | Method::Subscribe => turn.refuse(key, &request, 403),
            Method::Register | Method::Publish => not_here(turn, key, &request, 405),
            Method::Other(_) => not_here(turn, key, &request, 501),
            Method::Ack | Method::Cancel => {}
        }
    }

    // The caller may hang up an early dialog by BYE; a callee may not, but then only its branch ends (RFC 3261 section 15).
    fn handle_early_bye(&mut self, turn: &mut Turn<'_>, key: ServerKey, request: Message) {
        turn.refuse(key, &request, 200);
        match &mut self.phase {
            Phase::Incoming(incoming) => {
                let reason = request.text(Name::Reason).map(|reason| reason.into_owned());
                incoming.end(
                    turn,
                    487,
                    SessionEvent::Ended {
                        why: End::Bye { reason, request },
                    },
                );
                self.phase = Phase::Over;
            }
            Phase::Outgoing(outgoing) => {
                let tag = request.from_tag().unwrap_or_default();
                if let Some(mut usage) = outgoing.forks.take(tag) {
                    usage.refuse_owed(turn, 487);
                }
            }
            Phase::Established(_) | Phase::Over => {}
        }
    }

    fn handle_prack(&mut self, turn: &mut Turn<'_>, key: ServerKey, request: Message) {
        match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Incoming(incoming) => self.stepped(incoming.handle_prack(turn, key, request)),
            other @ (Phase::Outgoing(_) | Phase::Established(_) | Phase::Over) => {
                self.phase = other;
                turn.refuse(key, &request, 481);
            }
        }
    }

    fn handle_while_ending(&mut self, turn: &mut Turn<'_>, key: ServerKey, request: Message) {
        let Phase::Established(established) = &mut self.phase else {
            return;
        };
        match request.method() {
            Method::Bye => {
                let rest = established.handle_bye(turn, key, request);
                self.rested(rest);
            }
            Method::Subscribe => established.handle_subscribe(turn, key, &request),
            Method::Invite
            | Method::Ack
            | Method::Cancel
            | Method::Register
            | Method::Options
            | Method::Prack
            | Method::Update
            | Method::Info
            | Method::Refer
            | Method::Notify
            | Method::Publish
            | Method::Message
            | Method::Other(_) => turn.refuse(key, &request, 481),
        }
    }
}

fn describe(turn: &mut Turn<'_>, key: ServerKey, request: &Message) {
    let response = turn.response(request, 200).header(Name::Accept, "application/sdp");
    let response = turn.core.describe(response).finish();
    turn.respond(key, response);
}

fn not_here(turn: &mut Turn<'_>, key: ServerKey, request: &Message, status: u16) {
    let response = turn.response(request, status).header(Name::Allow, ALLOW).finish();
    turn.respond(key, response);
}

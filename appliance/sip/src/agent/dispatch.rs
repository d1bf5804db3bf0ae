//! From transaction events to sessions, subscriptions and the caller.

use std::time::Instant;

use crate::dialog::session::Reply;
use crate::dialog::{Dialog, Headers, Local, NextHop, Owner, Purpose, Tag, too_brief, unsupported};
use crate::flow::Flow;
use crate::message::{Builder, Message, Method, Name};
use crate::transaction::{ClientKey, Event, ServerKey};

use super::{Agent, AgentEvent, Holder};

impl Agent {
    pub(super) fn dispatch(&mut self, now: Instant) {
        while let Some(event) = self.core.endpoint.poll_event() {
            match event {
                Event::Request { key, flow, request } if request.to_tag().is_some() => {
                    self.in_dialog(now, (key, flow), request);
                }
                Event::Request { key, flow, request } => self.out_of_dialog(key, flow, request),
                Event::Ack { flow, request } => self.acknowledged(now, flow, &request),
                Event::Cancelled { key, cancel } => self.cancelled(now, key, cancel),
                Event::Response { key, flow, response } => self.response(now, (key, flow), response),
                Event::Failed { key, why } => self.failed(now, key, why),
                Event::Stray { flow, response } => self.late_success(now, flow, &response),
                // Informational: a session whose INVITE was refused is over whether or not the ACK comes.
                Event::Unacknowledged { .. } | Event::Refused { .. } => {}
            }
        }
    }

    fn holder_of(&self, tag: Option<&str>) -> Option<(Tag, Holder)> {
        let tag = Tag::of(tag?)?;
        self.tags.get(&tag).map(|holder| (tag, *holder))
    }

    /// A response to a request that is under way, or a request in a dialog of ours: what nobody can make up who has not
    /// seen the other side of it.
    pub fn expects(&self, message: &Message) -> bool {
        if message.is_request() {
            self.dialog_of(message).is_some()
        } else {
            self.core.endpoint.expects(message)
        }
    }

    fn dialog_of(&self, request: &Message) -> Option<Holder> {
        let (_, holder) = self.holder_of(request.to_tag())?;
        let call_id = match holder {
            Holder::Session(id) => self.sessions.get(&id)?.call_id(),
            Holder::Subscription(id) => self.subscriptions.get(&id)?.call_id(),
        };
        (call_id == request.call_id()).then_some(holder)
    }

    fn in_dialog(&mut self, now: Instant, (key, flow): (ServerKey, Flow), request: Message) {
        match self.dialog_of(&request) {
            Some(Holder::Session(id)) => {
                self.with_session(now, id, |session, turn| {
                    session.handle_request(turn, (key, flow), request);
                });
            }
            Some(Holder::Subscription(id)) => {
                self.with_subscription(id, |subscription, core| {
                    subscription.handle_request(core, now, (key, flow), request);
                });
            }
            None => match request.method() {
                // These make no dialogs; some phones leave an old tag in their To.
                Method::Register | Method::Publish => {
                    self.core.events.push_back(AgentEvent::Request { key, flow, request });
                }
                Method::Invite
                | Method::Ack
                | Method::Bye
                | Method::Cancel
                | Method::Options
                | Method::Prack
                | Method::Update
                | Method::Info
                | Method::Refer
                | Method::Notify
                | Method::Subscribe
                | Method::Message
                | Method::Other(_) => self.refuse(key, Builder::response(&request, 481)),
            },
        }
    }

    fn refuse(&mut self, key: ServerKey, response: Builder) {
        let response = response.header(Name::Server, &self.core.settings.user_agent);
        self.core.endpoint.respond_and_forget(key, response);
    }

    fn out_of_dialog(&mut self, key: ServerKey, flow: Flow, request: Message) {
        // A call for help is not turned away over an extension, an interval or an address that is missing.
        let is_priority = self.core.endpoint.is_priority(&request);
        if let Some(unsupported) = unsupported(&request).filter(|_| !is_priority) {
            let response = Builder::response(&request, 420).header(Name::Unsupported, unsupported);
            return self.refuse(key, response);
        }
        match request.method() {
            Method::Invite => {
                if !matches!(request.contact(), Some(Ok(_))) && !is_priority {
                    let response = Builder::response(&request, 400);
                    return self.refuse(key, response.reason_phrase("Bad Contact"));
                }
                if too_brief(&request, &self.core.settings) && !is_priority {
                    let least_s = self.core.settings.min_se_s.max(90);
                    let response = Builder::response(&request, 422);
                    return self.refuse(key, response.header(Name::MinSe, least_s));
                }
                self.core.events.push_back(AgentEvent::Invite { key, flow, request });
            }
            Method::Bye | Method::Prack | Method::Update | Method::Info => {
                self.refuse(key, Builder::response(&request, 481));
            }
            Method::Ack | Method::Cancel => {}
            Method::Register
            | Method::Options
            | Method::Refer
            | Method::Notify
            | Method::Subscribe
            | Method::Publish
            | Method::Message
            | Method::Other(_) => self.core.events.push_back(AgentEvent::Request { key, flow, request }),
        }
    }

    fn acknowledged(&mut self, now: Instant, flow: Flow, ack: &Message) {
        if let Some((_, Holder::Session(id))) = self.holder_of(ack.to_tag()) {
            self.with_session(now, id, |session, turn| {
                if session.call_id() == ack.call_id() {
                    session.handle_ack(turn, flow, ack);
                }
            });
        }
    }

    fn cancelled(&mut self, now: Instant, key: ServerKey, cancel: Message) {
        if let Some(id) = self.core.invites.get(&key).copied() {
            self.with_session(now, id, |session, turn| session.handle_cancelled(turn, key, cancel));
            return;
        }
        let tag = self.core.fresh_tag().to_string();
        let Some(request) = self.core.endpoint.server_request(key) else {
            return;
        };
        let response = Builder::response_with_tag(request, 487, &tag);
        self.core.endpoint.respond(now, key, response);
        self.core.events.push_back(AgentEvent::InviteCancelled { key });
    }

    fn response(&mut self, now: Instant, (key, flow): (ClientKey, Flow), response: Message) {
        let is_final = response.status() >= 200;
        let owner = if is_final {
            self.core.clients.remove(&key)
        } else {
            self.core.clients.get(&key).copied()
        };
        match owner {
            Some(Owner::Session(id, purpose)) if self.sessions.contains_key(&id) => {
                let reply = Reply {
                    key,
                    flow,
                    purpose,
                    response,
                };
                self.with_session(now, id, |session, turn| session.handle_response(turn, reply));
            }
            Some(Owner::Session(_, Purpose::Invite | Purpose::Offer)) if is_final => {
                self.late_success(now, flow, &response);
            }
            Some(Owner::Session(..) | Owner::Unwanted) => {}
            Some(Owner::Subscription(id)) => {
                if is_final {
                    self.with_subscription(id, |subscription, core| {
                        subscription.handle_final(core, now, Ok((flow, &response)));
                    });
                }
            }
            // Every INVITE is a session's; this one's first final response has come before.
            None if *response.method() == Method::Invite => self.late_success(now, flow, &response),
            None => self.core.events.push_back(AgentEvent::Response { key, response }),
        }
    }

    /// A 2xx to an INVITE of ours whose transaction had its final response. Without a session its callee is hung up.
    fn late_success(&mut self, now: Instant, flow: Flow, response: &Message) {
        if !(200..300).contains(&response.status()) || *response.method() != Method::Invite {
            return;
        }
        if let Some((_, Holder::Session(id))) = self.holder_of(response.from_tag()) {
            self.with_session(now, id, |session, turn| {
                session.handle_late_success(turn, flow, response);
            });
            return;
        }
        // A flood of forged answers must not crowd out calls.
        let has_room = self.core.endpoint.client_len() < self.core.settings.limits.client / 2;
        if let Some(tag) = response.from_tag().and_then(Tag::of).filter(|_| has_room) {
            let local = Local {
                tag,
                contact: "",
                next_hop: NextHop::Flow,
            };
            let mut dialog = Dialog::of_response(response, flow, &local);
            self.core.dismiss(now, &mut dialog, &Headers::new());
        }
    }
}

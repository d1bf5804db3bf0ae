//! Server side of the endpoint: requests in, responses out.

use std::time::Instant;

use rand_chacha::rand_core::Rng;

use super::endpoint::{Endpoint, ServerMachine, ServerSlot};
use super::event::{Event, Refusal, ServerKey};
use super::identity::Identity;
use super::invite_server::{CancelFound, InviteServer};
use super::outcome::{Outcome, Send, Tell};
use super::response::Response;
use super::server::Server;
use super::table::Key;
use super::timers::Clock;
use super::via::ReturnPath;
use crate::flow::Flow;
use crate::message::{Builder, Message, Method, Name};

impl Endpoint {
    /// Sends a provisional or final response; an INVITE's 2xx may be given again until its ACK comes, each time it is sent. Travels
    /// back the way the request's Via tells. A To without a tag gets one from 101 up (RFC 3261 section 8.2.6.2), the same each time.
    pub fn respond(&mut self, now: Instant, key: ServerKey, response: impl Into<Response>) {
        let (Some(identity), Some(slot)) = (self.servers.identity(key.0), self.servers.value_mut(key.0)) else {
            return;
        };
        let arrived_on = slot.path.arrived_on();
        let response = response.into();
        let answer = response.seal(arrived_on.remote, || self.identifier.tag(identity));
        let clock = Clock {
            now,
            timing: &self.limits.timing,
            transport: arrived_on.transport,
        };
        let outcome = match &mut slot.machine {
            ServerMachine::Invite(machine) => machine.handle_answer(clock, answer),
            ServerMachine::Other(machine) => machine.handle_answer(clock, answer),
        };
        self.finish_server(key.0, outcome);
    }

    /// Sends a final response and forgets the transaction (RFC 3261 section 8.2.7): for challenges and floods. A repeated request
    /// comes up as a new one. Ignored once a final response was sent. A To without a tag gets one.
    pub fn respond_and_forget(&mut self, key: ServerKey, response: impl Into<Response>) {
        if self.server_request(key).is_none() {
            return;
        }
        let identity = self.servers.identity(key.0);
        if let (Some(identity), Some(slot)) = (identity, self.servers.remove(key.0)) {
            let response = response.into();
            let answer = response.seal(slot.path.arrived_on().remote, || self.identifier.tag(identity));
            self.transmit(slot.path.flow(), Send::First(answer.bytes));
        }
    }

    /// The request of a server transaction, until its final response.
    pub fn server_request(&self, key: ServerKey) -> Option<&Message> {
        self.servers.value(key.0)?.machine.request()
    }

    /// Server transactions alive, absorbing ones included.
    pub fn server_len(&self) -> usize {
        self.servers.len()
    }

    pub(super) fn handle_request(&mut self, now: Instant, flow: Flow, request: Message) {
        let via = request.top_via();
        let arrival = Arrival {
            now,
            flow,
            identity: self.identifier.of_request(&request, &via),
            path: ReturnPath::of(&via, flow),
            request,
        };
        let found = self.servers.find(arrival.identity);
        if *arrival.request.method() == Method::Ack {
            self.handle_ack(found, arrival);
        } else if *arrival.request.method() == Method::Cancel {
            self.handle_cancel(found, arrival);
        } else if let Some(key) = found {
            self.handle_repeated(key);
        } else {
            self.begin_server(arrival);
        }
    }

    fn handle_repeated(&mut self, key: Key) {
        self.counters.repeated_requests += 1;
        let Some(slot) = self.servers.value_mut(key) else {
            return;
        };
        let outcome = match &mut slot.machine {
            ServerMachine::Invite(machine) => machine.handle_request(),
            ServerMachine::Other(machine) => machine.handle_request(),
        };
        self.finish_server(key, outcome);
    }

    fn handle_ack(&mut self, found: Option<Key>, arrival: Arrival) {
        let Some((key, slot)) = found.and_then(|key| Some((key, self.servers.value_mut(key)?))) else {
            // The answer to a final that this endpoint sent statelessly needs no reader.
            if arrival.request.to_tag() != Some(&self.identifier.tag(arrival.identity)) {
                self.events.push_back(Event::Ack {
                    flow: arrival.flow,
                    request: arrival.request,
                });
            }
            return;
        };
        let clock = Clock {
            now: arrival.now,
            timing: &self.limits.timing,
            transport: slot.path.arrived_on().transport,
        };
        let outcome = match &mut slot.machine {
            ServerMachine::Invite(machine) => machine.handle_ack(clock),
            ServerMachine::Other(_) => Outcome::NOTHING,
        };
        if outcome.tell == Tell::Ack {
            self.events.push_back(Event::Ack {
                flow: arrival.flow,
                request: arrival.request,
            });
        }
        self.finish_server(key, Outcome::NOTHING);
    }

    // The answer to a CANCEL is stateless: the INVITE remembers what the CANCEL did.
    fn handle_cancel(&mut self, found: Option<Key>, arrival: Arrival) {
        let slot = found.and_then(|key| Some((key, self.servers.value_mut(key)?)));
        let Some((
            key,
            ServerSlot {
                machine: ServerMachine::Invite(machine),
                ..
            },
        )) = slot
        else {
            return self.refuse(&arrival, 481, Refusal::NothingToCancel);
        };
        let tag = machine.to_tag().map(str::to_owned);
        let cancelled = machine.handle_cancel();
        let tag = tag.unwrap_or_else(|| self.identifier.tag(arrival.identity));
        let response = Builder::response_with_tag(&arrival.request, 200, &tag);
        self.answer_statelessly(&arrival, response);
        match cancelled {
            CancelFound::First => {
                self.events.push_back(Event::Cancelled {
                    key: ServerKey(key),
                    cancel: arrival.request,
                });
            }
            CancelFound::Late => {}
        }
    }

    fn begin_server(&mut self, arrival: Arrival) {
        let copies = self.identifier.of_copies(&arrival.request);
        if copies.is_some_and(|copies| self.servers.find(copies).is_some()) {
            self.counters.merged += 1;
            return self.refuse(&arrival, 482, Refusal::Merged);
        }
        if !self
            .limits
            .admits(self.limits.server, self.servers.len(), &arrival.request)
        {
            self.counters.overloaded += 1;
            return self.refuse(&arrival, 503, Refusal::Overload);
        }
        self.counters.server_begun += 1;
        let Arrival {
            now,
            flow,
            identity,
            path,
            request,
        } = arrival;
        let clock = Clock {
            now,
            timing: &self.limits.timing,
            transport: flow.transport,
        };
        let method = request.method().clone();
        let machine = if method == Method::Invite {
            ServerMachine::Invite(InviteServer::start(clock, request.clone()))
        } else {
            ServerMachine::Other(Server::start(clock, request.clone()))
        };
        let deadline = machine.deadline().map(|(at, _)| at);
        let slot = ServerSlot { method, path, machine };
        let key = self.servers.insert(identity, copies, slot);
        self.servers.arm(key, deadline);
        self.events.push_back(Event::Request {
            key: ServerKey(key),
            flow,
            request,
        });
    }

    fn refuse(&mut self, arrival: &Arrival, status: u16, why: Refusal) {
        let tag = self.identifier.tag(arrival.identity);
        let mut response = Builder::response_with_tag(&arrival.request, status, &tag);
        if status == 503 {
            let base_s = self.limits.retry_after_s.max(1);
            let wait_s = base_s.saturating_add(self.rng.next_u32() % base_s);
            response = response.header(Name::RetryAfter, wait_s);
        }
        self.answer_statelessly(arrival, response);
        self.events.push_back(Event::Refused {
            flow: arrival.flow,
            why,
        });
    }

    fn answer_statelessly(&mut self, arrival: &Arrival, response: Builder) {
        let response = Response::from(response);
        let answer = response.seal(arrival.flow.remote, || self.identifier.tag(arrival.identity));
        self.transmit(arrival.path.flow(), Send::First(answer.bytes));
    }

    pub(super) fn fire_server(&mut self, now: Instant, key: Key) {
        let Some(slot) = self.servers.value_mut(key) else {
            return;
        };
        let clock = Clock {
            now,
            timing: &self.limits.timing,
            transport: slot.path.arrived_on().transport,
        };
        let outcome = match &mut slot.machine {
            ServerMachine::Invite(machine) => machine.handle_timeout(clock),
            ServerMachine::Other(machine) => machine.handle_timeout(clock),
        };
        match outcome.tell {
            Tell::Trying => {
                let trying = slot.machine.request().map(|invite| Builder::response(invite, 100));
                if let Some(trying) = trying {
                    return self.respond(now, ServerKey(key), trying);
                }
            }
            Tell::Unacknowledged => self.events.push_back(Event::Unacknowledged { key: ServerKey(key) }),
            Tell::Nothing | Tell::Response | Tell::Stray | Tell::Ack | Tell::Timeout => {}
        }
        self.finish_server(key, outcome);
    }

    fn finish_server(&mut self, key: Key, outcome: Outcome) {
        let Some(slot) = self.servers.value(key) else { return };
        let flow = slot.path.flow();
        let deadline = slot.machine.deadline().map(|(at, _)| at);
        if slot.machine.is_terminated() {
            self.servers.remove(key);
        } else {
            self.servers.arm(key, deadline);
        }
        self.transmit(flow, outcome.send);
    }
}

/// A request that just came in.
struct Arrival {
    now: Instant,
    flow: Flow,
    identity: Identity,
    path: ReturnPath,
    request: Message,
}

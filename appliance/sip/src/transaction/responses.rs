//! Client side of the endpoint: requests out, responses in.

use std::time::Instant;

use rand_chacha::rand_core::Rng;

use super::client::Client;
use super::endpoint::{ClientMachine, ClientSlot, Endpoint};
use super::event::{ClientKey, Event, Failure};
use super::identity::{self, MAGIC_COOKIE};
use super::invitation::Invitation;
use super::limits::{Full, Priority};
use super::outcome::{Outcome, Send, Tell};
use super::table::Key;
use super::timers::Clock;
use crate::flow::{Flow, Transport};
use crate::message::{Builder, Message, Method, Name};

/// Whether a request is sent again until it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sending {
    Repeated,
    Once,
}

impl Endpoint {
    /// Starts a client transaction. Puts our Via on top of `request`: sent-by of `flow.local`, a fresh branch, `rport`. Not for ACK,
    /// see [`Endpoint::send_ack`]. Retrying after a 503 or a failure is the user's decision.
    pub fn request(&mut self, now: Instant, flow: Flow, request: Builder) -> Result<ClientKey, Full> {
        self.begin_client(now, flow, (request, Sending::Repeated))
    }

    /// As [`Endpoint::request`] for a non-INVITE request that is not repeated, and given up after 8 s.
    pub fn request_once(&mut self, now: Instant, flow: Flow, request: Builder) -> Result<ClientKey, Full> {
        self.begin_client(now, flow, (request, Sending::Once))
    }

    fn begin_client(
        &mut self,
        now: Instant,
        flow: Flow,
        (request, sending): (Builder, Sending),
    ) -> Result<ClientKey, Full> {
        let branch = self.fresh_branch();
        let request = Self::with_via(flow, request, &branch);
        if !self.limits.admits(self.limits.client, self.clients.len(), &request) {
            return Err(Full);
        }
        self.counters.client_begun += 1;
        let identity = self.identifier.of_branch(&branch, request.method());
        let clock = Clock {
            now,
            timing: &self.limits.timing,
            transport: flow.transport,
        };
        let method = request.method().clone();
        let (machine, outcome) = if method == Method::Invite {
            let (machine, outcome) = Invitation::start(clock, request);
            (ClientMachine::Invite(machine), outcome)
        } else {
            let bytes = request.bytes().clone();
            let (machine, outcome) = match sending {
                Sending::Repeated => Client::start(clock, bytes),
                Sending::Once => Client::start_once(clock, bytes),
            };
            (ClientMachine::Other(machine), outcome)
        };
        let slot = ClientSlot { method, flow, machine };
        let key = self.clients.insert(identity, None, slot);
        self.finish_client(key, outcome);
        Ok(ClientKey(key))
    }

    /// Whether `request` may use what is reserved.
    pub(crate) fn is_priority(&self, request: &Message) -> bool {
        self.limits.priority.has(request)
    }

    /// The same of a request that has no Via yet.
    pub(crate) fn will_be_priority(&self, flow: Flow, request: Builder) -> bool {
        self.is_priority(&Self::with_via(flow, request, MAGIC_COOKIE))
    }

    /// From now on these requests have priority.
    pub fn handle_priority(&mut self, priority: Priority) {
        self.limits.priority = priority;
    }

    /// Sends the ACK to a 2xx, which belongs to no transaction (RFC 3261 section 13.2.2.4). The message comes back so that it can be
    /// given to [`Endpoint::send_again`] for each repeated 2xx.
    pub fn send_ack(&mut self, flow: Flow, ack: Builder) -> Message {
        let branch = self.fresh_branch();
        let ack = Self::with_via(flow, ack, &branch);
        self.transmit(flow, Send::First(ack.bytes().clone()));
        ack
    }

    /// Sends a complete message once more, without a transaction.
    pub fn send_again(&mut self, flow: Flow, message: &Message) {
        self.transmit(flow, Send::Again(message.bytes().clone()));
    }

    /// Cancels an INVITE (RFC 3261 section 9.1), with a Reason value (RFC 3326) if given. The CANCEL waits for a provisional
    /// response; a final one that comes first wins. `Failed` follows if no final comes within 64 T1 of the CANCEL.
    pub fn cancel(&mut self, now: Instant, key: ClientKey, reason: Option<&str>) {
        let Some(slot) = self.clients.value_mut(key.0) else {
            return;
        };
        let clock = Clock {
            now,
            timing: &self.limits.timing,
            transport: slot.flow.transport,
        };
        let outcome = match &mut slot.machine {
            ClientMachine::Invite(machine) => machine.cancel(clock, reason),
            ClientMachine::Other(_) => Outcome::NOTHING,
        };
        self.finish_client(key.0, outcome);
    }

    /// Client transactions alive, absorbing ones included.
    pub fn client_len(&self) -> usize {
        self.clients.len()
    }

    pub(super) fn handle_response(&mut self, now: Instant, flow: Flow, response: Message) {
        // A response with a second Via was meant for a client behind us (RFC 3261 section 8.1.3.3).
        if response.values(Name::Via).nth(1).is_some() {
            self.counters.dropped += 1;
            return;
        }
        let Some((key, slot)) = self
            .client_of(&response)
            .and_then(|key| Some((key, self.clients.value_mut(key)?)))
        else {
            return self.handle_stray(flow, response);
        };
        let clock = Clock {
            now,
            timing: &self.limits.timing,
            transport: slot.flow.transport,
        };
        let is_to_cancel = *response.method() == Method::Cancel;
        let outcome = match &mut slot.machine {
            ClientMachine::Invite(machine) if is_to_cancel => {
                machine.handle_cancel_response(clock, response.status());
                Outcome::NOTHING
            }
            ClientMachine::Invite(machine) => machine.handle_response(clock, &response),
            ClientMachine::Other(machine) => machine.handle_response(clock, response.status()),
        };
        match outcome.tell {
            Tell::Response => self.events.push_back(Event::Response {
                key: ClientKey(key),
                flow,
                response,
            }),
            Tell::Stray => self.events.push_back(Event::Stray { flow, response }),
            Tell::Nothing | Tell::Ack | Tell::Timeout | Tell::Unacknowledged | Tell::Trying => {}
        }
        self.finish_client(key, outcome);
    }

    /// A response to a request that is under way.
    pub(crate) fn expects(&self, response: &Message) -> bool {
        self.client_of(response).is_some()
    }

    fn client_of(&self, response: &Message) -> Option<Key> {
        let via = response.top_via();
        let branch = identity::branch(&via)?;
        self.clients.find(self.identifier.of_branch(branch, response.method()))
    }

    fn handle_stray(&mut self, flow: Flow, response: Message) {
        let is_success = (200..300).contains(&response.status()) && *response.method() == Method::Invite;
        if is_success && flow.local.to_string().eq_ignore_ascii_case(response.top_via().sent_by) {
            self.events.push_back(Event::Stray { flow, response });
        } else {
            self.counters.dropped += 1;
        }
    }

    pub(super) fn fire_client(&mut self, now: Instant, key: Key) {
        let Some(slot) = self.clients.value_mut(key) else {
            return;
        };
        let clock = Clock {
            now,
            timing: &self.limits.timing,
            transport: slot.flow.transport,
        };
        let outcome = match &mut slot.machine {
            ClientMachine::Invite(machine) => machine.handle_timeout(clock),
            ClientMachine::Other(machine) => machine.handle_timeout(clock),
        };
        match outcome.tell {
            Tell::Timeout => {
                self.counters.timeouts += 1;
                self.events.push_back(Event::Failed {
                    key: ClientKey(key),
                    why: Failure::Timeout,
                });
            }
            Tell::Nothing | Tell::Response | Tell::Stray | Tell::Ack | Tell::Unacknowledged | Tell::Trying => {}
        }
        self.finish_client(key, outcome);
    }

    pub(super) fn fail_clients_on(&mut self, failed: Flow) {
        let on_it = |slot: &ClientSlot| slot.machine.is_waiting() && is_hit(slot.flow, failed);
        let keys: Vec<Key> = self
            .clients
            .entries()
            .filter(|(_, slot)| on_it(slot))
            .map(|(key, _)| key)
            .collect();
        for key in keys {
            self.clients.remove(key);
            self.counters.flow_failures += 1;
            self.events.push_back(Event::Failed {
                key: ClientKey(key),
                why: Failure::Flow,
            });
        }
    }

    fn finish_client(&mut self, key: Key, outcome: Outcome) {
        let Some(slot) = self.clients.value(key) else { return };
        let flow = slot.flow;
        let deadline = slot.machine.deadline().map(|(at, _)| at);
        if slot.machine.is_terminated() {
            self.clients.remove(key);
        } else {
            self.clients.arm(key, deadline);
        }
        self.transmit(flow, outcome.send);
    }

    fn with_via(flow: Flow, request: Builder, branch: &str) -> Message {
        let via = format_args!("SIP/2.0/{} {};branch={branch};rport", flow.transport, flow.local);
        request.header_on_top(Name::Via, via).finish()
    }

    fn fresh_branch(&mut self) -> String {
        format!("{MAGIC_COOKIE}{:016x}{:08x}", self.rng.next_u64(), self.rng.next_u32())
    }
}

// A transaction whose connection the shell was still to open is hit by any failure towards the same peer.
fn is_hit(flow: Flow, failed: Flow) -> bool {
    let same_peer = flow.transport == failed.transport && flow.remote == failed.remote;
    match flow.transport {
        Transport::Udp => same_peer && flow.local == failed.local,
        Transport::Tcp | Transport::Tls => {
            same_peer && (flow.connection.is_none() || flow.connection == failed.connection)
        }
    }
}

//! All transactions of the box behind one machine. In: messages, commands, time. Out: events, messages to send, the next deadline.

use std::collections::VecDeque;
use std::time::Instant;

use bytes::Bytes;
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::SeedableRng;

use super::client::Client;
use super::event::{Event, Refusal};
use super::identity::Identifier;
use super::invitation::Invitation;
use super::invite_server::InviteServer;
use super::limits::{Counters, Limits};
use super::outcome::Send;
use super::response::Response;
use super::server::Server;
use super::table::Table;
use super::timers::Reason;
use super::via::ReturnPath;
use crate::flow::{Flow, Transmit};
use crate::message::{self, Message, Method, ParseError};

/// The transaction layer of the box (RFC 3261 section 17, RFC 6026).
///
/// Inputs: [`handle_message`](Endpoint::handle_message) or [`handle_bytes`](Endpoint::handle_bytes),
/// [`handle_flow_failed`](Endpoint::handle_flow_failed), [`handle_timeout`](Endpoint::handle_timeout).
/// Commands: [`request`](Endpoint::request), [`send_ack`](Endpoint::send_ack), [`cancel`](Endpoint::cancel),
/// [`respond`](Endpoint::respond), [`respond_and_forget`](Endpoint::respond_and_forget).
/// After each of them, drain [`poll_event`](Endpoint::poll_event) and [`poll_transmit`](Endpoint::poll_transmit), then ask
/// [`poll_timeout`](Endpoint::poll_timeout): the two queues hold what one call produces.
pub struct Endpoint {
    pub(super) limits: Limits,
    pub(super) rng: ChaCha12Rng,
    pub(super) identifier: Identifier,
    pub(super) servers: Table<ServerSlot>,
    pub(super) clients: Table<ClientSlot>,
    pub(super) events: VecDeque<Event>,
    pub(super) transmits: VecDeque<Transmit>,
    pub(super) counters: Counters,
}

pub(super) struct ServerSlot {
    pub(super) method: Method,
    pub(super) path: ReturnPath,
    pub(super) machine: ServerMachine,
}

pub(super) enum ServerMachine {
    Invite(InviteServer),
    Other(Server),
}

pub(super) struct ClientSlot {
    pub(super) method: Method,
    pub(super) flow: Flow,
    pub(super) machine: ClientMachine,
}

pub(super) enum ClientMachine {
    Invite(Invitation),
    Other(Client),
}

impl Endpoint {
    /// An endpoint without transactions. The seed makes branches and digest keys; it must not be guessable in the field.
    pub fn new(limits: Limits, rng_seed: [u8; 32]) -> Endpoint {
        let mut rng = ChaCha12Rng::from_seed(rng_seed);
        Endpoint {
            limits,
            identifier: Identifier::new(&mut rng),
            rng,
            servers: Table::new(),
            clients: Table::new(),
            events: VecDeque::new(),
            transmits: VecDeque::new(),
            counters: Counters::default(),
        }
    }

    /// Takes what arrived on `flow`.
    pub fn handle_message(&mut self, now: Instant, flow: Flow, message: Message) {
        self.counters.received += 1;
        if message.is_request() {
            self.handle_request(now, flow, message);
        } else {
            self.handle_response(now, flow, message);
        }
    }

    /// Parses one datagram or framed message and takes it. A malformed request is answered 400 (a wrong version 505) without state
    /// if its sender can recognise the answer; anything else malformed is dropped.
    pub fn handle_bytes(&mut self, now: Instant, flow: Flow, bytes: &Bytes) {
        match Message::parse(bytes.clone()) {
            Ok(message) => self.handle_message(now, flow, message),
            Err(fault) => self.handle_malformed(flow, bytes, fault),
        }
    }

    /// Takes what did not parse, as [`handle_bytes`](Endpoint::handle_bytes) does.
    pub fn handle_malformed(&mut self, flow: Flow, bytes: &[u8], fault: ParseError) {
        if fault == ParseError::Empty {
            return;
        }
        self.counters.received += 1;
        match self.answer_to_malformed(flow, bytes, fault) {
            Some(answer) => {
                self.counters.malformed_answered += 1;
                self.transmit(flow, Send::First(answer));
            }
            None => self.counters.dropped += 1,
        }
        self.events.push_back(Event::Refused {
            flow,
            why: Refusal::Malformed(fault),
        });
    }

    fn answer_to_malformed(&self, flow: Flow, bytes: &[u8], fault: ParseError) -> Option<Bytes> {
        let answer = message::Refusal::for_bytes(bytes, fault)?.response(&self.identifier.tag_of_bytes(bytes));
        if answer.len() > BLIND_ANSWER_BYTES_MAX {
            return None;
        }
        // What the answer repeats may be the malformed part; then the source is not told.
        let Ok(answer) = Message::parse(answer.clone()) else {
            return Some(answer);
        };
        Some(Response::from(answer).seal(flow.remote, String::new).bytes)
    }

    /// A connection was refused or reset, or a datagram came back by ICMP. Client transactions that wait on the flow fail at once;
    /// responses to requests that came over it will ask for a new connection.
    pub fn handle_flow_failed(&mut self, _now: Instant, flow: Flow) {
        for slot in self.servers.values_mut() {
            slot.path.lose(flow);
        }
        self.fail_clients_on(flow);
    }

    /// Fires the timers that are due, at most 1,024 in one call; the rest stays due for the next.
    pub fn handle_timeout(&mut self, now: Instant) {
        for _ in 0..FIRED_MAX {
            match (self.servers.next(), self.clients.next()) {
                (Some((at, key)), _) if at <= now => self.fire_server(now, key),
                (_, Some((at, key))) if at <= now => self.fire_client(now, key),
                _ => break,
            }
        }
    }

    /// When `handle_timeout` is to be called next, and why.
    pub fn poll_timeout(&self) -> Option<(Instant, Reason)> {
        let server = self
            .servers
            .next()
            .and_then(|(_, key)| self.servers.value(key)?.machine.deadline());
        let client = self
            .clients
            .next()
            .and_then(|(_, key)| self.clients.value(key)?.machine.deadline());
        [server, client].into_iter().flatten().min()
    }

    /// The next piece of news.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// The next message to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    /// Transactions alive, absorbing ones included.
    pub fn len(&self) -> usize {
        self.servers.len() + self.clients.len()
    }

    /// The method of each transaction alive.
    pub fn methods(&self) -> impl Iterator<Item = &Method> {
        let servers = self.servers.entries().map(|(_, slot)| &slot.method);
        servers.chain(self.clients.entries().map(|(_, slot)| &slot.method))
    }

    /// True if no transaction is alive.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What has happened so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    pub(super) fn transmit(&mut self, flow: Flow, send: Send) {
        let bytes = match send {
            Send::Nothing => return,
            Send::First(bytes) => bytes,
            Send::Again(bytes) => {
                self.counters.retransmissions += 1;
                bytes
            }
        };
        self.counters.sent += 1;
        self.transmits.push_back(Transmit { flow, bytes });
    }
}

impl ServerMachine {
    pub(super) fn deadline(&self) -> Option<(Instant, Reason)> {
        match self {
            ServerMachine::Invite(machine) => machine.deadline(),
            ServerMachine::Other(machine) => machine.deadline(),
        }
    }

    pub(super) fn is_terminated(&self) -> bool {
        match self {
            ServerMachine::Invite(machine) => machine.is_terminated(),
            ServerMachine::Other(machine) => machine.is_terminated(),
        }
    }

    pub(super) fn request(&self) -> Option<&Message> {
        match self {
            ServerMachine::Invite(machine) => machine.request(),
            ServerMachine::Other(machine) => machine.request(),
        }
    }
}

impl ClientMachine {
    pub(super) fn deadline(&self) -> Option<(Instant, Reason)> {
        match self {
            ClientMachine::Invite(machine) => machine.deadline(),
            ClientMachine::Other(machine) => machine.deadline(),
        }
    }

    pub(super) fn is_terminated(&self) -> bool {
        match self {
            ClientMachine::Invite(machine) => machine.is_terminated(),
            ClientMachine::Other(machine) => machine.is_terminated(),
        }
    }

    /// True until a final response came.
    pub(super) fn is_waiting(&self) -> bool {
        match self {
            ClientMachine::Invite(machine) => machine.is_waiting(),
            ClientMachine::Other(machine) => machine.is_waiting(),
        }
    }
}

// A storm of timers is worked off in slices, so that messages get their turn in between.
const FIRED_MAX: usize = 1024;
// More than this is not repeated to a sender whose address nobody has checked.
const BLIND_ANSWER_BYTES_MAX: usize = 4096;

//! A telephone, or the provider's end of a trunk, with a small state machine of its own.

mod answers;
mod call;
mod digest;
mod incoming;
mod offer;
mod outgoing;
mod register;
mod said;
mod setup;
mod wire;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use branchline_sip::message::{Builder, Message, Method, Name};
use bytes::Bytes;
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

pub use call::{Call, CallHandle, Reaction, Side, Situation, Stage};
pub use digest::Proof;
pub use offer::{Described, Way};
pub use outgoing::{Dial, Offer};
pub use said::{Heard, What};
pub use setup::{ActorSetup, Features, Role, hashes};

pub(crate) use digest::proves_user;

use call::Cancel;
use digest::{Account, Challenge};
use register::Registering;
use wire::{Lapsed, Purpose, Wire};

/// A telephone, or the provider's end of a trunk.
///
/// Inputs: the orders, [`handle_message`](Self::handle_message), [`handle_timeout`](Self::handle_timeout). Outputs:
/// [`poll_transmit`](Self::poll_transmit), [`poll_heard`](Self::poll_heard), [`poll_timeout`](Self::poll_timeout).
#[derive(Debug)]
pub struct Actor {
    setup: ActorSetup,
    rng: ChaCha12Rng,
    wire: Wire,
    calls: Vec<Call>,
    next_call: u64,
    deeds: Vec<(Instant, Deed)>,
    registering: Registering,
    challenge: Option<Challenge>,
    heard: VecDeque<Heard>,
}

/// Something a telephone has in mind for later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    Provisional(CallHandle, u16),
    Finally(CallHandle, u16),
    Reoffer(CallHandle, Way),
    /// Complain if the answer to our offer never came.
    Unanswered(CallHandle),
    Register,
}

/// Calls remembered, live or over; the oldest over goes first.
const CALLS_MAX: usize = 512;
const HEARD_MAX: usize = 512;

impl Actor {
    /// A telephone just switched on.
    pub fn new(setup: ActorSetup) -> Actor {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&setup.seed.to_le_bytes());
        let mut rng = ChaCha12Rng::from_seed(seed);
        let registering = Registering::new(rng.next_u64());
        Actor {
            setup,
            rng,
            wire: Wire::default(),
            calls: Vec::new(),
            next_call: 1,
            deeds: Vec::new(),
            registering,
            challenge: None,
            heard: VecDeque::new(),
        }
    }

    /// What it was made from; the address is the one of now.
    pub fn setup(&self) -> &ActorSetup {
        &self.setup
    }

    /// Every call it remembers.
    pub fn calls(&self) -> &[Call] {
        &self.calls
    }

    /// One call.
    pub fn call(&self, handle: CallHandle) -> Option<&Call> {
        self.calls.iter().find(|call| call.handle == handle)
    }

    /// The newest call that is not over.
    pub fn live_call(&self) -> Option<&Call> {
        self.calls.iter().rev().find(|call| call.is_alive())
    }

    /// The next message for the box.
    pub fn poll_transmit(&mut self) -> Option<Bytes> {
        self.wire.out.pop_front()
    }

    /// The next thing it saw.
    pub fn poll_heard(&mut self) -> Option<Heard> {
        self.heard.pop_front()
    }

    /// When it wants to be woken.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let deeds = self.deeds.iter().map(|(at, _)| *at);
        deeds.chain(self.wire.poll_timeout()).min()
    }

    /// What to do when it is called.
    pub fn set_reaction(&mut self, reaction: Reaction) {
        self.setup.reaction = reaction;
    }

    /// Bounds and habits, changed while it runs.
    pub fn features_mut(&mut self) -> &mut Features {
        &mut self.setup.features
    }

    /// Power off and on: everything is forgotten, nothing is said. It comes back at `address`.
    pub fn crash(&mut self, now: Instant, address: SocketAddr) {
        self.wire.forget();
        self.deeds.clear();
        self.challenge = None;
        self.setup.address = address;
        self.registering = Registering::new(self.rng.next_u64());
        for call in self.calls.iter_mut().filter(|call| call.is_alive()) {
            call.stage = Stage::Over {
                status: CRASHED,
                at: now,
            };
        }
    }

    /// One message from the box.
    pub fn handle_message(&mut self, now: Instant, bytes: Bytes) {
        let Ok(message) = Message::parse(bytes) else {
            self.hear(now, What::Garbage);
            return;
        };
        if message.is_request() {
            self.handle_request(now, &message);
        } else {
            self.handle_response(now, &message);
        }
    }

    /// Moves time on.
    pub fn handle_timeout(&mut self, now: Instant) {
        for lapsed in self.wire.handle_timeout(now) {
            match lapsed {
                Lapsed::Request(pending) => self.unanswered(now, &pending),
                Lapsed::Answer { call_id, status } => self.unacknowledged(now, &call_id, status),
            }
        }
        let (due, later) = self.deeds.drain(..).partition(|(at, _)| *at <= now);
        self.deeds = later;
        let mut due: Vec<(Instant, Deed)> = due;
        due.sort_by_key(|(at, _)| *at);
        for (_, deed) in due {
            self.act(now, deed);
        }
    }

    fn act(&mut self, now: Instant, deed: Deed) {
        match deed {
            Deed::Provisional(call, status) => self.ring(now, call, status),
            Deed::Finally(call, 200) => self.answer(now, call),
            Deed::Finally(call, status) => self.refuse(now, call, status),
            Deed::Reoffer(call, way) => self.reoffer(now, call, way),
            Deed::Unanswered(call) => {
                if self
                    .call(call)
                    .is_some_and(|call| call.stage == Stage::Up && call.offer_in_answer)
                {
                    self.hear(now, What::Fault("an ACK without the answer that was due".to_owned()));
                }
            }
            Deed::Register => self.register(now),
        }
    }

    fn later(&mut self, at: Instant, deed: Deed) {
        self.deeds.push((at, deed));
    }

    fn call_mut(&mut self, handle: CallHandle) -> Option<&mut Call> {
        self.calls.iter_mut().find(|call| call.handle == handle)
    }

    fn keep(&mut self, call: Call) {
        if self.calls.len() >= CALLS_MAX {
            let oldest = self.calls.iter().position(|call| !call.is_alive()).unwrap_or(0);
            self.calls.remove(oldest);
        }
        self.calls.push(call);
    }

    fn end(&mut self, now: Instant, handle: CallHandle, status: u16) {
        self.deeds.retain(|(_, deed)| match deed {
            Deed::Provisional(call, _) | Deed::Finally(call, _) | Deed::Reoffer(call, _) | Deed::Unanswered(call) => {
                *call != handle
            }
            Deed::Register => true,
        });
        if let Some(call) = self.call_mut(handle)
            && call.is_alive()
        {
            call.stage = Stage::Over { status, at: now };
        }
    }

    fn hear(&mut self, now: Instant, what: What) {
        if self.heard.len() >= HEARD_MAX {
            self.heard.pop_front();
        }
        self.heard.push_back(Heard { at: now, what });
    }

    fn token(&mut self) -> String {
        format!("{:016x}", self.rng.next_u64())
    }

    fn via(&mut self) -> String {
        let (transport, address) = (self.setup.transport.via_name(), self.setup.address);
        format!("SIP/2.0/{transport} {address};branch=z9hG4bK{};rport", self.token())
    }

    fn contact(&self) -> String {
        let transport = match self.setup.transport {
            branchline_sip::Transport::Udp => "",
            branchline_sip::Transport::Tcp => ";transport=tcp",
            branchline_sip::Transport::Tls => ";transport=tls",
        };
        format!("<sip:{}@{}{transport}>", self.setup.number, self.setup.address)
    }

    fn account(&self) -> Account {
        Account {
            user: self.setup.number.clone(),
            proof: self.setup.password.clone(),
        }
    }

    fn send(&mut self, now: Instant, purpose: Purpose, request: Builder) {
        let transport = self.setup.transport;
        self.wire.send(now, transport, (purpose, request.finish()));
    }

    fn respond(&mut self, now: Instant, request: &Message, response: Builder) {
        let (transport, response) = (
            self.setup.transport,
            response.header(Name::UserAgent, "Ladder").finish(),
        );
        self.wire.serve(now, transport, (request, &response));
    }

    /// A challenge is answered once: the same request again, signed, with the next number.
    fn sign(&mut self, (request, response): (&Message, &Message), cseq: u32) -> Option<Builder> {
        let mut challenge = Challenge::of(response, &self.account())?;
        let method = request.method().clone();
        let (name, value) = challenge.answer(&self.account(), method.as_str(), request.request_uri());
        self.challenge = Some(challenge);
        let via = self.via();
        let mut builder = Builder::request(&method, request.request_uri()).header(Name::Via, via);
        for field in request.fields() {
            let skip = matches!(
                field.name,
                Name::Via | Name::CSeq | Name::ContentLength | Name::Authorization | Name::ProxyAuthorization
            );
            if !skip {
                builder = builder.header_bytes(field.name, field.value);
            }
        }
        builder = builder
            .header(Name::CSeq, format_args!("{cseq} {}", method.as_str()))
            .header(name, value);
        Some(if request.body().is_empty() {
            builder
        } else {
            builder.body_only(request.body())
        })
    }

    /// Between zero and `max`.
    fn random(&mut self, max: Duration) -> Duration {
        let max_ms = u64::try_from(max.as_millis()).unwrap_or(u64::MAX).max(1);
        Duration::from_millis(self.rng.next_u64() % max_ms)
    }
}

/// Status of a call that a power cut of the telephone ended.
pub const CRASHED: u16 = 1;
/// Status of a call that nobody answered the INVITE of.
pub const UNHEARD: u16 = 408;

/// Whether a final answer to `method` means the dialog is gone (RFC 5057).
fn ends_dialog(status: u16) -> bool {
    matches!(status, 404 | 408 | 410 | 416 | 480..=485 | 489 | 501 | 604) && status != 480
}

fn is_method(message: &Message, method: &Method) -> bool {
    message.method() == method
}

//! Keeps us registered at a trunk: responses and time in, REGISTER requests and events out (RFC 3261 section 10.2).

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::digest::{Account, Answerer};
use crate::message::{Builder, Contact, Message, Method, Name, Uri};

/// What to register where.
#[derive(Clone, Debug)]
pub struct RegistrationConfig {
    /// Request URI, such as `sip:trunk.example`.
    pub registrar: String,
    /// Address of record, such as `sip:5551234@trunk.example`.
    pub address: String,
    /// Our contact URI.
    pub contact: String,
    /// URN that stays the same over restarts (RFC 5626 section 4.1), so that the registrar knows an old contact for ours.
    pub instance: Option<String>,
    /// Credentials.
    pub account: Account,
    /// Interval to ask for, seconds.
    pub expires_s: u32,
}

/// Where a registration stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RegistrationState {
    /// Not started, or stopped and taken back.
    Idle,
    /// A REGISTER is under way; the binding of before may still stand.
    Asking {
        /// End of the present binding.
        until: Option<Instant>,
    },
    /// Registered.
    Registered {
        /// When to refresh.
        refresh_at: Instant,
        /// End of the binding.
        until: Instant,
    },
    /// Refused or unanswered; waits to try again.
    Waiting {
        /// When to try again.
        retry_at: Instant,
        /// End of the present binding.
        until: Option<Instant>,
    },
    /// The binding is being taken back.
    Leaving,
}

/// What happened to a registration.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RegistrationEvent {
    /// Registered or refreshed, for this many seconds.
    Registered {
        /// Interval granted, seconds.
        expires_s: u32,
    },
    /// An attempt failed; a later one follows by itself. Status 408 stands for silence, 503 for a lost flow.
    Failed {
        /// Status of the refusal.
        status: u16,
    },
    /// The trunk no longer knows us.
    Lost,
    /// Taken back on request.
    Unregistered,
}

/// Why a registration wants to be woken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RegistrationReason {
    /// Refresh before the binding ends.
    Refresh,
    /// Try again after a failure.
    Retry,
    /// The binding ends.
    Expiry,
}

/// Registration of one account at one trunk.
///
/// Commands: [`start`](Registration::start), [`stop`](Registration::stop). Inputs: `handle_*`. Then poll
/// [`poll_request`](Registration::poll_request) and [`poll_event`](Registration::poll_event) until both are empty.
pub struct Registration {
    config: RegistrationConfig,
    expires_s: u32,
    answerer: Answerer,
    rng: ChaCha20Rng,
    call_id: String,
    tag: String,
    cseq: u32,
    state: RegistrationState,
    failures: u32,
    rounds: u32,
    request: Option<Builder>,
    events: VecDeque<RegistrationEvent>,
}

// RFC 5626 section 4.5: 30 s doubling to half an hour, of which a random half is left out.
const BACKOFF_BASE_S: u64 = 30;
const BACKOFF_MAX_S: u64 = 1800;
// A trunk that asks for more than a day, or to wait for more than an hour, is not taken at its word.
const EXPIRES_MAX_S: u32 = 86_400;
const RETRY_AFTER_MAX_S: u64 = 3600;
// Challenges and raised intervals answered within one attempt.
const ROUNDS_MAX: u32 = 5;

impl Registration {
    /// A registration that has not been started.
    pub fn new(config: RegistrationConfig, seed: [u8; 32]) -> Registration {
        let mut rng = ChaCha20Rng::from_seed(seed);
        let mut answerer_seed = [0; 32];
        rng.fill_bytes(&mut answerer_seed);
        Registration {
            expires_s: config.expires_s.clamp(1, EXPIRES_MAX_S),
            answerer: Answerer::new(config.account.clone(), answerer_seed),
            call_id: format!("{:016x}{:016x}", rng.next_u64(), rng.next_u64()),
            tag: format!("{:016x}", rng.next_u64()),
            cseq: 0,
            state: RegistrationState::Idle,
            failures: 0,
            rounds: 0,
            request: None,
            events: VecDeque::new(),
            rng,
            config,
        }
    }

    /// Where it stands.
    pub fn state(&self) -> RegistrationState {
        self.state
    }

    /// True while the trunk knows our contact.
    pub fn is_registered(&self) -> bool {
        self.until().is_some()
    }

    /// Registers, or refreshes at once.
    pub fn start(&mut self) {
        self.rounds = 0;
        self.state = RegistrationState::Asking { until: self.until() };
        self.ask(self.expires_s);
    }

    /// Takes the binding back.
    pub fn stop(&mut self) {
        match self.state {
            RegistrationState::Idle | RegistrationState::Leaving => {}
            RegistrationState::Asking { .. }
            | RegistrationState::Registered { .. }
            | RegistrationState::Waiting { .. } => {
                self.rounds = 0;
                self.state = RegistrationState::Leaving;
                self.ask(0);
            }
        }
    }

    /// The request to send; its response or failure is owed to this machine. A newer one replaces one not yet taken.
    pub fn poll_request(&mut self) -> Option<Builder> {
        self.request.take()
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<RegistrationEvent> {
        self.events.pop_front()
    }

    /// Takes a response to the latest request; older ones and provisional ones change nothing.
    pub fn handle_response(&mut self, now: Instant, response: &Message) {
        if response.cseq() != self.cseq || response.call_id() != self.call_id || response.status() < 200 {
            return;
        }
        let wanted_s = match self.state {
            RegistrationState::Leaving => 0,
            RegistrationState::Asking { .. } => self.expires_s,
            RegistrationState::Idle | RegistrationState::Registered { .. } | RegistrationState::Waiting { .. } => {
                return;
            }
        };
        self.rounds += 1;
        match response.status() {
            200..300 => self.accepted(now, response),
            401 | 407 if self.rounds <= ROUNDS_MAX && self.answerer.handle_challenge(response).is_ok() => {
                self.ask(wanted_s);
            }
            423 if self.rounds <= ROUNDS_MAX && wanted_s > 0 && self.raise_interval(response) => {
                self.ask(self.expires_s);
            }
            status => self.failed(now, status, response.retry_after_s()),
        }
    }

    /// The latest request got no answer (408) or could not be sent (503).
    pub fn handle_failure(&mut self, now: Instant, status: u16) {
        match self.state {
            RegistrationState::Asking { .. } | RegistrationState::Leaving => self.failed(now, status, None),
            RegistrationState::Idle | RegistrationState::Registered { .. } | RegistrationState::Waiting { .. } => {}
        }
    }

    /// When [`handle_timeout`](Registration::handle_timeout) is wanted next, and why.
    pub fn poll_timeout(&self) -> Option<(Instant, RegistrationReason)> {
        let expiry = |until: Option<Instant>| until.map(|until| (until, RegistrationReason::Expiry));
        match self.state {
            RegistrationState::Idle | RegistrationState::Leaving => None,
            RegistrationState::Asking { until } => expiry(until),
            RegistrationState::Registered { refresh_at, .. } => Some((refresh_at, RegistrationReason::Refresh)),
            RegistrationState::Waiting { retry_at, until } => match expiry(until) {
                Some((until, reason)) if until < retry_at => Some((until, reason)),
                Some(_) | None => Some((retry_at, RegistrationReason::Retry)),
            },
        }
    }

    /// Does what is due by `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.until().is_some_and(|until| until <= now) {
            self.events.push_back(RegistrationEvent::Lost);
            match self.state {
                RegistrationState::Asking { .. } => self.state = RegistrationState::Asking { until: None },
                RegistrationState::Waiting { retry_at, .. } => {
                    self.state = RegistrationState::Waiting { retry_at, until: None };
                }
                RegistrationState::Registered { refresh_at, .. } => {
                    self.state = RegistrationState::Waiting {
                        retry_at: refresh_at,
                        until: None,
                    };
                }
                RegistrationState::Idle | RegistrationState::Leaving => {}
            }
        }
        match self.state {
            RegistrationState::Registered { refresh_at: due, .. }
            | RegistrationState::Waiting { retry_at: due, .. }
                if due <= now =>
            {
                self.start();
            }
            RegistrationState::Registered { .. }
            | RegistrationState::Waiting { .. }
            | RegistrationState::Idle
            | RegistrationState::Asking { .. }
            | RegistrationState::Leaving => {}
        }
    }

    fn until(&self) -> Option<Instant> {
        match self.state {
            RegistrationState::Idle | RegistrationState::Leaving => None,
            RegistrationState::Asking { until } | RegistrationState::Waiting { until, .. } => until,
            RegistrationState::Registered { until, .. } => Some(until),
        }
    }

    fn ask(&mut self, expires_s: u32) {
        self.cseq = self.cseq.wrapping_add(1) & 0x7fff_ffff;
        let uri = &self.config.contact;
        let contact = match &self.config.instance {
            Some(urn) => format!("<{uri}>;+sip.instance=\"<{urn}>\";reg-id=1"),
            None => format!("<{uri}>"),
        };
        let request = Builder::request(&Method::Register, &self.config.registrar)
            .header(Name::MaxForwards, 70)
            .header(Name::From, format_args!("<{}>;tag={}", self.config.address, self.tag))
            .header(Name::To, format_args!("<{}>", self.config.address))
            .header(Name::CallId, &self.call_id)
            .header(Name::CSeq, format_args!("{} REGISTER", self.cseq))
            .header(Name::Contact, contact)
            .header(Name::Expires, expires_s)
            .header(Name::Supported, "path, outbound");
        self.request = Some(self.answerer.authorize(request));
    }

    fn accepted(&mut self, now: Instant, response: &Message) {
        self.answerer.handle_accepted();
        self.failures = 0;
        if self.state == RegistrationState::Leaving {
            self.state = RegistrationState::Idle;
            self.events.push_back(RegistrationEvent::Unregistered);
            return;
        }
        let expires_s = self
            .granted_s(response)
            .unwrap_or(self.expires_s)
            .clamp(1, EXPIRES_MAX_S);
        let interval = Duration::from_secs(u64::from(expires_s));
        // Between 75 and 90 %, so that a branch full of trunks does not refresh in step.
        let refresh_in = interval * (750 + self.random_below(150)) / 1000;
        self.state = RegistrationState::Registered {
            refresh_at: now + refresh_in,
            until: now + interval,
        };
        self.events.push_back(RegistrationEvent::Registered { expires_s });
    }

    fn granted_s(&self, response: &Message) -> Option<u32> {
        let ours = Uri::parse(&self.config.contact).ok();
        let own = response.contacts().find_map(|contact| match contact {
            Ok(Contact::Address(address)) => {
                let same = match (&ours, address.uri()) {
                    (Some(ours), Ok(theirs)) => ours.same_as(&theirs),
                    (Some(_) | None, _) => false,
                };
                same.then(|| address.expires_s())
            }
            Ok(Contact::All) | Err(_) => None,
        });
        own.flatten()
            .or_else(|| response.number(Name::Expires))
            .filter(|&granted| granted > 0)
    }

    fn raise_interval(&mut self, response: &Message) -> bool {
        match response.number(Name::MinExpires) {
            Some(min_s) if min_s > self.expires_s && min_s <= EXPIRES_MAX_S => {
                self.expires_s = min_s;
                true
            }
            Some(_) | None => false,
        }
    }

    fn failed(&mut self, now: Instant, status: u16, retry_after_s: Option<u32>) {
        self.events.push_back(RegistrationEvent::Failed { status });
        if self.state == RegistrationState::Leaving {
            self.state = RegistrationState::Idle;
            self.events.push_back(RegistrationEvent::Unregistered);
            return;
        }
        let full_s = (BACKOFF_BASE_S << self.failures.min(6)).min(BACKOFF_MAX_S);
        self.failures = self.failures.saturating_add(1);
        let mut wait = Duration::from_secs(full_s) * (500 + self.random_below(500)) / 1000;
        if let Some(asked_s) = retry_after_s {
            wait = wait.max(Duration::from_secs(u64::from(asked_s).min(RETRY_AFTER_MAX_S)));
        }
        self.state = RegistrationState::Waiting {
            retry_at: now + wait,
            until: self.until(),
        };
    }

    fn random_below(&mut self, bound: u32) -> u32 {
        self.rng.next_u32() % bound
    }
}

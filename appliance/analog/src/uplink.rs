//! The way of one device to the branch: an agent of its own, and the registration of a telephone.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use branchline_config::Hashes;
use branchline_sdp::Direction;
use branchline_sip::agent::{
    Agent, AgentEvent, AgentSettings, Answer, Body, Headers, IncomingInvite, Invitation, NextHop, Progress, Rejection,
    SessionEvent, SessionId,
};
use branchline_sip::binding::{Registration, RegistrationConfig};
use branchline_sip::digest::{Account, Answerer, Proof};
use branchline_sip::message::{Builder, Message, Method, Name};
use branchline_sip::transaction::{ClientKey, ServerKey};
use branchline_sip::{Flow, Transmit};

use crate::description::Describer;

/// Where a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its SIP address.
    pub sip: SocketAddr,
    /// The branch's SIP address.
    pub branch: SocketAddr,
    /// Where it takes RTP.
    pub media: SocketAddr,
}

/// What happened, as a device needs to know it.
#[derive(Debug)]
pub(crate) enum News {
    /// Somebody calls: to be taken by [`Uplink::accept`] or refused.
    Invite { key: ServerKey, request: Message },
    /// In a call.
    Session { id: SessionId, event: SessionEvent },
}

pub(crate) struct Uplink {
    agent: Agent,
    place: Place,
    account: Option<Enrolment>,
    seed: [u8; 32],
    sessions: u64,
    presence: Presence,
}

/// What is said to somebody who asks whether the device is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    There,
    Away,
}

struct Enrolment {
    user: String,
    account: Account,
    registration: Registration,
    asking: Option<ClientKey>,
}

impl Uplink {
    /// Without an account: a trunk.
    pub(crate) fn new(place: Place, seed: [u8; 32]) -> Uplink {
        let settings = AgentSettings {
            user_agent: "Branchline board".to_owned(),
            sessions_max: SESSIONS_MAX,
            subscriptions_max: 0,
            ring_max: RING_MAX,
            ..AgentSettings::default()
        };
        Uplink {
            agent: Agent::new(settings, seed),
            place,
            account: None,
            seed,
            sessions: 0,
            presence: Presence::There,
        }
    }

    /// As the telephone of an extension; it registers at once.
    pub(crate) fn register(&mut self, user: &str, hashes: &Hashes) {
        let account = Account {
            username: user.to_owned(),
            proof: Proof::Hashes {
                md5: hashes.md5,
                sha256: hashes.sha256,
            },
        };
        let Place { sip, branch, .. } = self.place;
        let config = RegistrationConfig {
            registrar: format!("sip:{branch}"),
            address: format!("sip:{user}@{branch}"),
            contact: format!("sip:{user}@{sip}"),
            instance: None,
            account: account.clone(),
            expires_s: EXPIRES_S,
        };
        let mut registration = Registration::new(config, self.seed);
        registration.start();
        self.account = Some(Enrolment {
            user: user.to_owned(),
            account,
            registration,
            asking: None,
        });
    }

    /// Whether calls can come in: a telephone is registered, a trunk always.
    pub(crate) fn is_ready(&self) -> bool {
        let account = self.account.as_ref();
        account.is_none_or(|account| account.registration.is_registered())
    }

    pub(crate) fn handle_presence(&mut self, presence: Presence) {
        self.presence = presence;
    }

    pub(crate) fn describer(&mut self) -> Describer {
        self.sessions += 1;
        Describer::new(self.place.media, self.sessions)
    }

    pub(crate) fn handle_bytes(&mut self, now: Instant, flow: Flow, bytes: &bytes::Bytes) {
        self.agent.handle_bytes(now, flow, bytes);
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if self.agent.poll_timeout().is_some_and(|(at, _)| at <= now) {
            self.agent.handle_timeout(now);
        }
        if let Some(account) = &mut self.account
            && account.registration.poll_timeout().is_some_and(|(at, _)| at <= now)
        {
            account.registration.handle_timeout(now);
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let agent = self.agent.poll_timeout().map(|(at, _)| at);
        let account = self.account.as_ref();
        let registration = account.and_then(|account| account.registration.poll_timeout());
        agent.into_iter().chain(registration.map(|(at, _)| at)).min()
    }

    /// What happened; the uplink's own affairs are settled on the way.
    pub(crate) fn poll_news(&mut self, now: Instant) -> Option<News> {
        self.ask(now);
        while let Some(event) = self.agent.poll_event() {
            match event {
                AgentEvent::Invite { key, request, .. } => return Some(News::Invite { key, request }),
                AgentEvent::Session { id, event } => return Some(News::Session { id, event }),
                AgentEvent::Response { key, response } => {
                    if let Some(account) = self.account.as_mut().filter(|account| account.asking == Some(key)) {
                        account.registration.handle_response(now, &response);
                    }
                }
                AgentEvent::Failed { key, .. } => {
                    if let Some(account) = self.account.as_mut().filter(|account| account.asking == Some(key)) {
                        account.registration.handle_failure(now, UNREACHABLE);
                    }
                }
                AgentEvent::Request { key, request, .. } => {
                    let answer = answer_to(&request, self.presence);
                    self.agent.respond(now, key, answer);
                }
                AgentEvent::InviteCancelled { .. } | AgentEvent::Subscription { .. } => {}
            }
            self.ask(now);
        }
        None
    }

    pub(crate) fn poll_transmit(&mut self) -> Option<Transmit> {
        self.agent.poll_transmit()
    }

    /// Calls a number; `from` is who calls, where that is not the account.
    pub(crate) fn invite(
        &mut self,
        now: Instant,
        number: &str,
        (from, body): (Option<String>, Body),
    ) -> Option<SessionId> {
        let Place { sip, branch, .. } = self.place;
        let user = self.account.as_ref().map(|account| account.user.clone());
        let own = user.as_ref().map(|user| format!("<sip:{user}@{branch}>"));
        let from = from.or(own).unwrap_or_else(|| ANONYMOUS.to_owned());
        let user = user.unwrap_or_else(|| "line".to_owned());
        let number = number.replace('#', "%23");
        let invitation = Invitation {
            flow: Flow::udp(sip, branch),
            next_hop: NextHop::Flow,
            request_uri: format!("sip:{number}@{branch}"),
            from,
            to: format!("<sip:{number}@{branch}>"),
            contact: format!("<sip:{user}@{sip}>"),
            route: Vec::new(),
            max_forwards: 70,
            headers: Headers::new(),
            body: Some(body),
            attachment: None,
            ring_max: None,
        };
        let id = self.agent.invite(now, invitation).ok()?;
        if let Some(account) = &self.account {
            let mut seed = self.seed;
            seed[..8].copy_from_slice(&self.sessions.to_be_bytes());
            self.agent.set_account(id, Answerer::new(account.account.clone(), seed));
        }
        Some(id)
    }

    pub(crate) fn accept(&mut self, now: Instant, key: ServerKey, request: Message) -> Option<SessionId> {
        let user = self.account.as_ref().map_or("line", |account| &account.user);
        let Place { sip, branch, .. } = self.place;
        let invite = IncomingInvite {
            key,
            flow: Flow::udp(sip, branch),
            next_hop: NextHop::Flow,
            request,
            local_contact: format!("<sip:{user}@{sip}>"),
            ring_max: None,
        };
        self.agent.accept_invite(now, invite).ok()
    }

    pub(crate) fn refuse(&mut self, now: Instant, (key, request): (ServerKey, &Message), status: u16) {
        let tag = self.agent.fresh_tag();
        self.agent
            .respond(now, key, Builder::response_with_tag(request, status, &tag));
    }

    pub(crate) fn agent(&mut self) -> &mut Agent {
        &mut self.agent
    }

    pub(crate) fn ringing(&mut self, now: Instant, id: SessionId) {
        self.agent.progress(now, id, Progress::status(180));
    }

    pub(crate) fn early(&mut self, now: Instant, id: SessionId, body: Body) {
        let progress = Progress {
            body: Some(body),
            ..Progress::status(183)
        };
        self.agent.progress(now, id, progress);
    }

    pub(crate) fn answer(&mut self, now: Instant, id: SessionId, body: Option<Body>) {
        let answer = Answer {
            body,
            headers: Headers::new(),
        };
        self.agent.answer(now, id, answer);
    }

    pub(crate) fn reject(&mut self, now: Instant, id: SessionId, status: u16) {
        self.agent.reject(now, id, &Rejection::status(status));
    }

    pub(crate) fn hang_up(&mut self, now: Instant, id: SessionId) {
        self.agent.hang_up(now, id, None);
    }

    pub(crate) fn offer(&mut self, now: Instant, id: SessionId, (describer, direction): (&mut Describer, Direction)) {
        self.agent.reoffer(now, id, Some(describer.offer(direction)));
    }

    fn ask(&mut self, now: Instant) {
        let Some(account) = &mut self.account else { return };
        // Where it stands is asked of the registration itself.
        while account.registration.poll_event().is_some() {}
        if let Some(request) = account.registration.poll_request() {
            let flow = Flow::udp(self.place.sip, self.place.branch);
            match self.agent.request(now, flow, request) {
                Ok(key) => account.asking = Some(key),
                Err(_) => account.registration.handle_failure(now, UNREACHABLE),
            }
        }
    }
}

/// OPTIONS asks whether anybody is there; nothing else is taken outside of a call.
fn answer_to(request: &Message, presence: Presence) -> Builder {
    let status = match (request.method(), presence) {
        (Method::Options, Presence::There) => 200,
        (Method::Options, Presence::Away) => UNREACHABLE,
        _ => 501,
    };
    Builder::response(request, status).header(Name::Allow, branchline_sip::agent::ALLOW)
}

const ANONYMOUS: &str = "\"Anonymous\" <sip:anonymous@anonymous.invalid>";
const UNREACHABLE: u16 = 503;
/// One call, one held, one waiting, and what is on its way out.
const SESSIONS_MAX: usize = 16;
/// Nobody lets a telephone ring for longer.
const RING_MAX: Duration = Duration::from_secs(180);
/// A daemon that lost its disk knows the telephone again soon.
const EXPIRES_S: u32 = 120;

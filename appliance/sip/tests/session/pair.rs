//! Two agents and the network between them.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use branchline_sip::Flow;
use branchline_sip::agent::{
    Agent, AgentEvent, AgentSettings, Answer, Body, Headers, IncomingInvite, Invitation, NextHop, SessionEvent,
    SessionId,
};
use bytes::Bytes;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// The caller's side.
pub(crate) const A: usize = 0;
/// The callee's side.
pub(crate) const B: usize = 1;

pub(crate) const OFFER: &[u8] = b"v=0 offer\r\n";
pub(crate) const ANSWER: &[u8] = b"v=0 answer\r\n";

/// What the network does to datagrams.
#[derive(Clone, Copy)]
pub(crate) struct Network {
    pub(crate) loss_percent: u32,
    pub(crate) repeat_percent: u32,
    pub(crate) delay_ms_max: u64,
}

pub(crate) const GOOD: Network = Network {
    loss_percent: 0,
    repeat_percent: 0,
    delay_ms_max: 0,
};
pub(crate) const BAD: Network = Network {
    loss_percent: 25,
    repeat_percent: 15,
    delay_ms_max: 300,
};

// A test that needs more is going round in circles.
const STEPS_MAX: u32 = 100_000;
const DELAY: Duration = Duration::from_millis(10);

pub(crate) struct Pair {
    pub(crate) now: Instant,
    pub(crate) agents: [Agent; 2],
    pub(crate) network: Network,
    pub(crate) rng: ChaCha8Rng,
    in_air: BTreeMap<(Instant, u64), (usize, Bytes)>,
    sent: u64,
    steps: u32,
    events: [VecDeque<AgentEvent>; 2],
    /// Each `Trying` so far: kept apart from the other events, because nearly every call begins with one.
    pub(crate) tried: Vec<(usize, SessionId)>,
    /// First line of each datagram as sent, with its sender.
    pub(crate) wire: Vec<(usize, String)>,
    /// Datagrams as sent, for tests that look inside.
    pub(crate) datagrams: Vec<(usize, Bytes)>,
    /// Drops the datagrams whose first line starts with this, from this side, that many times.
    pub(crate) swallow: Vec<(usize, &'static str, u32)>,
}

/// Origin of the virtual time line.
#[expect(
    clippy::disallowed_methods,
    reason = "an Instant has no other constructor; nothing reads the clock again"
)]
pub(crate) fn origin() -> Instant {
    Instant::now()
}

pub(crate) fn address(side: usize) -> SocketAddr {
    format!("192.0.2.{}:5060", side + 1).parse().unwrap()
}

pub(crate) fn flow(side: usize) -> Flow {
    Flow::udp(address(side), address(1 - side))
}

pub(crate) fn contact(side: usize) -> String {
    format!("<sip:side{side}@{}>", address(side))
}

pub(crate) fn invitation(body: Option<&'static [u8]>) -> Invitation {
    Invitation {
        flow: flow(A),
        next_hop: NextHop::Flow,
        request_uri: "sip:bob@192.0.2.2".into(),
        from: "\"Alice\" <sip:alice@192.0.2.1>".into(),
        to: "<sip:bob@192.0.2.2>".into(),
        contact: contact(A),
        route: Vec::new(),
        max_forwards: 70,
        headers: Headers::new(),
        body: body.map(Body::sdp),
        attachment: None,
        ring_max: None,
    }
}

pub(crate) fn answer(body: &'static [u8]) -> Answer {
    Answer {
        body: Some(Body::sdp(body)),
        headers: Headers::new(),
    }
}

impl Pair {
    pub(crate) fn new() -> Pair {
        Pair::with(GOOD, 1, [AgentSettings::default(), AgentSettings::default()])
    }

    pub(crate) fn with(network: Network, seed: u64, settings: [AgentSettings; 2]) -> Pair {
        let [a, b] = settings;
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut seeds = [[0; 32]; 2];
        seeds.iter_mut().for_each(|seed| rng.fill_bytes(seed));
        Pair {
            now: origin(),
            steps: 0,
            agents: [Agent::new(a, seeds[0]), Agent::new(b, seeds[1])],
            network,
            rng,
            in_air: BTreeMap::new(),
            sent: 0,
            events: [VecDeque::new(), VecDeque::new()],
            tried: Vec::new(),
            wire: Vec::new(),
            datagrams: Vec::new(),
            swallow: Vec::new(),
        }
    }

    pub(crate) fn below(&mut self, bound: u32) -> u32 {
        self.rng.next_u32() % bound
    }

    /// Takes what both agents have put out.
    pub(crate) fn collect(&mut self) {
        for side in [A, B] {
            while let Some(transmit) = self.agents[side].poll_transmit() {
                self.post(side, &transmit.bytes);
            }
            while let Some(event) = self.agents[side].poll_event() {
                match event {
                    AgentEvent::Session {
                        id,
                        event: SessionEvent::Trying,
                    } => self.tried.push((side, id)),
                    other => self.events[side].push_back(other),
                }
            }
        }
    }

    fn post(&mut self, from: usize, bytes: &Bytes) {
        let text = String::from_utf8_lossy(bytes);
        let first = text.lines().next().unwrap_or_default().to_owned();
        self.wire.push((from, first.clone()));
        self.datagrams.push((from, bytes.clone()));
        for (side, prefix, left) in &mut self.swallow {
            if *side == from && *left > 0 && first.starts_with(*prefix) {
                *left -= 1;
                return;
            }
        }
        let copies = 1 + u32::from(self.below(100) < self.network.repeat_percent);
        for _ in 0..copies {
            if self.below(100) < self.network.loss_percent {
                continue;
            }
            let extra = match self.network.delay_ms_max {
                0 => 0,
                bound => u64::from(self.below(bound as u32)),
            };
            self.sent += 1;
            let at = self.now + DELAY + Duration::from_millis(extra);
            self.in_air.insert((at, self.sent), (1 - from, bytes.clone()));
        }
    }

    fn next_at(&self) -> Option<Instant> {
        let arrival = self.in_air.keys().next().map(|(at, _)| *at);
        let timers = self
            .agents
            .iter()
            .filter_map(|agent| agent.poll_timeout().map(|(at, _)| at));
        arrival.into_iter().chain(timers).min()
    }

    /// One arrival or timer, if it is due by `end`.
    pub(crate) fn step(&mut self, end: Instant) -> bool {
        self.collect();
        self.steps += 1;
        assert!(self.steps < STEPS_MAX, "the two agents never come to rest");
        let Some(at) = self.next_at().filter(|at| *at <= end) else {
            return false;
        };
        self.now = self.now.max(at);
        if let Some((key, _)) = self.in_air.first_key_value().filter(|((at, _), _)| *at <= self.now)
            && let Some((to, bytes)) = self.in_air.remove(&key.to_owned())
        {
            self.agents[to].handle_bytes(self.now, flow(to), &bytes);
        } else {
            for agent in &mut self.agents {
                agent.handle_timeout(self.now);
            }
        }
        self.collect();
        true
    }

    pub(crate) fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.step(end) {}
        self.now = end;
    }

    pub(crate) fn run_ms(&mut self, ms: u64) {
        self.run(Duration::from_millis(ms));
    }

    /// The next event of one side.
    pub(crate) fn event(&mut self, side: usize) -> Option<AgentEvent> {
        self.collect();
        self.events[side].pop_front()
    }

    /// Names of all events of one side so far; they are gone afterwards.
    pub(crate) fn words(&mut self, side: usize) -> Vec<String> {
        self.collect();
        self.events[side].drain(..).map(|event| word(&event)).collect()
    }

    /// How many datagrams starting with `prefix` one side has sent.
    pub(crate) fn sent(&self, side: usize, prefix: &str) -> usize {
        self.wire
            .iter()
            .filter(|(from, line)| *from == side && line.starts_with(prefix))
            .count()
    }

    /// The last datagram starting with `prefix` that one side has sent.
    pub(crate) fn last_sent(&self, side: usize, prefix: &str) -> String {
        let found = self
            .datagrams
            .iter()
            .rev()
            .find(|(from, bytes)| *from == side && bytes.starts_with(prefix.as_bytes()));
        String::from_utf8_lossy(&found.expect("nothing like it was sent").1).into_owned()
    }

    /// A calls B and B has taken the INVITE; nothing is answered yet.
    pub(crate) fn ring(&mut self, body: Option<&'static [u8]>) -> (SessionId, SessionId) {
        let a = self.agents[A].invite(self.now, invitation(body)).unwrap();
        self.run_ms(50);
        (a, self.take_invite())
    }

    /// As `ring`, after other calls whose events nobody reads.
    pub(crate) fn ring_again(&mut self, body: Option<&'static [u8]>) -> (SessionId, SessionId) {
        self.words(A);
        self.words(B);
        self.ring(body)
    }

    pub(crate) fn take_invite(&mut self) -> SessionId {
        let invite = self.invited();
        self.agents[B].accept_invite(self.now, invite).unwrap()
    }

    /// What the callee is asked next, which has to be an INVITE.
    pub(crate) fn invited(&mut self) -> IncomingInvite {
        match self.event(B) {
            Some(AgentEvent::Invite { key, flow, request }) => IncomingInvite {
                key,
                flow,
                next_hop: NextHop::Flow,
                request,
                local_contact: contact(B),
                ring_max: None,
            },
            other => panic!("no INVITE but {other:?}"),
        }
    }

    /// A and B talk; all events so far are read.
    pub(crate) fn talk(&mut self) -> (SessionId, SessionId) {
        let (a, b) = self.ring(Some(OFFER));
        self.agents[B].answer(self.now, b, answer(ANSWER));
        self.run_ms(100);
        assert_eq!(self.words(A), ["Answered"]);
        assert_eq!(self.words(B), ["AnswerSent", "Acknowledged"]);
        (a, b)
    }

    /// Lets everything run out and checks that nothing is left on either side.
    pub(crate) fn assert_quiet(&mut self) {
        self.run(Duration::from_secs(400));
        self.collect();
        self.events.iter_mut().for_each(VecDeque::clear);
        for (side, agent) in self.agents.iter().enumerate() {
            assert_eq!(agent.session_len(), 0, "sessions left on side {side}");
            assert!(
                agent.is_empty(),
                "something left on side {side}: {:?}",
                agent.poll_timeout()
            );
        }
    }
}

pub(crate) fn word(event: &AgentEvent) -> String {
    match event {
        AgentEvent::Session { event, .. } => session_word(event),
        AgentEvent::Invite { .. } => "Invite".into(),
        AgentEvent::InviteCancelled { .. } => "InviteCancelled".into(),
        AgentEvent::Request { request, .. } => format!("Request {}", request.method()),
        AgentEvent::Response { response, .. } => format!("Response {}", response.status()),
        AgentEvent::Failed { why, .. } => format!("Failed {why:?}"),
        AgentEvent::Subscription { event, .. } => format!("{event:?}")
            .split([' ', '{'])
            .next()
            .unwrap_or_default()
            .to_owned(),
    }
}

fn session_word(event: &SessionEvent) -> String {
    match event {
        SessionEvent::Progress { status, body, .. } => {
            format!("Progress {status}{}", if body.is_some() { " body" } else { "" })
        }
        SessionEvent::Answered { needs_answer: true, .. } => "Answered owed".into(),
        SessionEvent::Refused { status, .. } => format!("Refused {status}"),
        SessionEvent::Acknowledged { body: Some(_) } => "Acknowledged body".into(),
        SessionEvent::Reoffer { method, body } => {
            format!("Reoffer {method}{}", if body.is_some() { "" } else { " empty" })
        }
        SessionEvent::ReofferAnswered { needs_answer: true, .. } => "ReofferAnswered owed".into(),
        SessionEvent::ReofferRefused { status } => format!("ReofferRefused {status}"),
        SessionEvent::ReofferAcknowledged { body: Some(_) } => "ReofferAcknowledged body".into(),
        SessionEvent::ReferProgress { status, ended } => format!("ReferProgress {status} {ended}"),
        SessionEvent::Ended { why } => {
            format!(
                "Ended {}",
                format!("{why:?}").split([' ', '{']).next().unwrap_or_default()
            )
        }
        SessionEvent::InDialogAnswered { status, .. } => format!("InDialogAnswered {status}"),
        SessionEvent::Trying
        | SessionEvent::Challenged { .. }
        | SessionEvent::Redirected { .. }
        | SessionEvent::Answered { .. }
        | SessionEvent::Cancelled { .. }
        | SessionEvent::AnswerSent
        | SessionEvent::Acknowledged { .. }
        | SessionEvent::ReofferAnswered { .. }
        | SessionEvent::ReofferWithdrawn
        | SessionEvent::ReofferAcknowledged { .. }
        | SessionEvent::Refer { .. }
        | SessionEvent::Info { .. }
        | SessionEvent::InDialog { .. } => format!("{event:?}")
            .split([' ', '{'])
            .next()
            .unwrap_or_default()
            .to_owned(),
    }
}

//! A branch with two phones that have agents of their own, and nothing but messages between them.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use branchline_branch::view::{TraceLine, View};
use branchline_branch::{Branch, Configuration, JournalStart, Journalled, Notice, Now, Output, Resolved, Setup};
use branchline_config::{Config, Secret, Trunk};
use branchline_journal::{Binding, BootId, Entry, Event};
use branchline_media::{Family, MediaPlan};
use branchline_sip::agent::{
    Agent, AgentEvent, AgentSettings, Answer, Body, Headers, IncomingInvite, Invitation, NextHop, SessionEvent,
    SessionId,
};
use branchline_sip::digest::{Account, Answerer};
use branchline_sip::message::{Builder, Method, Name};
use branchline_sip::{Flow, Transmit};
use bytes::Bytes;

pub(crate) const BOX: &str = "192.0.2.1:5060";
const PORTS: [u16; 6] = [20_000, 20_002, 20_004, 20_006, 20_008, 20_010];
/// Where every trunk is.
pub(crate) const PROVIDER: &str = "198.51.100.9:5060";

pub(crate) struct Office {
    pub(crate) branch: Branch,
    pub(crate) now: Instant,
    pub(crate) base: Instant,
    pub(crate) phones: Vec<Phone>,
    pub(crate) journal: Vec<Entry>,
    pub(crate) plans: Vec<MediaPlan>,
    pub(crate) traced: Vec<TraceLine>,
    pub(crate) measures: usize,
    pub(crate) notices: Vec<Notice>,
    /// Where the name of every trunk leads.
    pub(crate) trunk_addresses: Vec<SocketAddr>,
    wire: VecDeque<(SocketAddr, Transmit)>,
}

pub(crate) struct Phone {
    pub(crate) number: &'static str,
    pub(crate) address: SocketAddr,
    pub(crate) agent: Agent,
    pub(crate) events: VecDeque<AgentEvent>,
}

/// An extension with the password `secret`.
fn extension(number: &str) -> String {
    let ha1 = md5_hex(&format!("{number}:branchline:secret"));
    format!("[[extension]]\nnumber = \"{number}\"\nname = \"Phone {number}\"\nha1_md5 = \"{ha1}\"\n")
}

fn config(more: &str) -> Config {
    let text = format!(
        "[site]\ncountry = \"DE\"\n{}{}{}{more}",
        extension("201"),
        extension("202"),
        extension("203")
    );
    Config::parse("branchline.toml", &text).unwrap_or_else(|faults| panic!("{}", faults[0]))
}

/// The configuration of an office; every trunk has the password `secret`.
pub(crate) fn configuration(more: &str) -> Configuration {
    let config = config(more);
    let secret = |trunk: &Trunk| (trunk.name.clone(), Secret::new("secret"));
    Configuration {
        trunk_passwords: config.trunks.iter().map(secret).collect(),
        line_passwords: Vec::new(),
        config: Arc::new(config),
        digest: "test".to_owned(),
        trust: branchline_branch::Trust::Full,
    }
}

fn md5_hex(text: &str) -> String {
    use md5::{Digest, Md5};
    Md5::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn sdp(address: SocketAddr, direction: &str) -> Body {
    let ip = address.ip();
    Body::sdp(Bytes::from(format!(
        "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8 101\r\n\
         a=rtpmap:101 telephone-event/8000\r\na={direction}\r\n"
    )))
}

impl Office {
    pub(crate) fn new() -> Office {
        Office::with("")
    }

    /// An office with further sections in its configuration.
    pub(crate) fn with(more: &str) -> Office {
        Office::of(more, &PORTS)
    }

    /// An office with no more than these media ports.
    pub(crate) fn with_ports(ports: &[u16]) -> Office {
        Office::of("", ports)
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "one reading to have an Instant at all; the office then moves it itself"
    )]
    fn of(more: &str, ports: &[u16]) -> Office {
        let base = Instant::now();
        let mut branch = start(moment(base, base), more, Vec::new());
        branch.handle_ports(Family::V4, ports);
        let phone = |number, at: u8| Phone {
            number,
            address: SocketAddr::from(([192, 0, 2, at], 5060)),
            agent: Agent::new(AgentSettings::default(), [at; 32]),
            events: VecDeque::new(),
        };
        let provider = Phone {
            number: "provider",
            address: PROVIDER.parse().unwrap(),
            agent: Agent::new(AgentSettings::default(), [99; 32]),
            events: VecDeque::new(),
        };
        Office {
            branch,
            now: base,
            base,
            phones: vec![phone("201", 11), phone("202", 12), phone("203", 13), provider],
            journal: Vec::new(),
            plans: Vec::new(),
            traced: Vec::new(),
            measures: 0,
            notices: Vec::new(),
            trunk_addresses: vec![PROVIDER.parse().unwrap()],
            wire: VecDeque::new(),
        }
    }

    /// The box loses everything but its journal.
    pub(crate) fn restart(&mut self) {
        let set = |entry: &Entry| match &entry.event {
            Event::BindingSet(binding) => Some((**binding).clone()),
            _ => None,
        };
        let bindings = self.journal.iter().filter_map(set).collect();
        self.branch = start(moment(self.base, self.now), "", bindings);
        self.branch.handle_ports(Family::V4, &PORTS);
        self.run();
    }

    /// Carries messages until nobody has anything to say.
    pub(crate) fn run(&mut self) {
        loop {
            let mut moved = false;
            while let Some(output) = self.branch.poll_output() {
                moved = true;
                match output {
                    Output::Transmit(transmit) => self.wire.push_back((BOX.parse().unwrap(), transmit)),
                    Output::Journal(entry) => self.journal.push(entry),
                    Output::Media(plan) => self.plans.push(plan),
                    Output::Trace(line) => self.traced.push(*line),
                    Output::Measure => self.measures += 1,
                    Output::Resolve(lookup) => {
                        let facing = BOX.parse::<SocketAddr>().unwrap().ip();
                        let resolved = Resolved {
                            trunk: lookup.trunk,
                            host: lookup.host,
                            addresses: self.trunk_addresses.iter().map(|at| (*at, facing)).collect(),
                            problem: None,
                        };
                        self.branch.handle_resolved(moment(self.base, self.now), resolved);
                    }
                    Output::Notice(notice) => self.notices.push(notice),
                    Output::Post(_) | Output::Neighbours => {}
                }
            }
            if let Some(last) = self.journal.last() {
                let journalled = Journalled {
                    written_seq: last.seq,
                    synced_seq: last.seq,
                };
                self.branch.handle_journal(moment(self.base, self.now), journalled);
            }
            for phone in &mut self.phones {
                while let Some(transmit) = phone.agent.poll_transmit() {
                    self.wire.push_back((phone.address, transmit));
                }
                while let Some(event) = phone.agent.poll_event() {
                    phone.events.push_back(event);
                }
            }
            while let Some((from, transmit)) = self.wire.pop_front() {
                moved = true;
                self.deliver(from, transmit);
            }
            if !moved {
                break;
            }
        }
    }

    pub(crate) fn deliver(&mut self, from: SocketAddr, transmit: Transmit) {
        let to = transmit.flow.remote;
        let flow = Flow::udp(to, from);
        if to == BOX.parse().unwrap() {
            self.branch
                .handle_message(moment(self.base, self.now), flow, transmit.bytes);
        } else if let Some(phone) = self.phones.iter_mut().find(|phone| phone.address == to) {
            phone.agent.handle_bytes(self.now, flow, &transmit.bytes);
        }
    }

    pub(crate) fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            self.run();
            let branch = self.branch.poll_timeout().map(|(at, _)| at);
            let phones = self
                .phones
                .iter()
                .filter_map(|phone| phone.agent.poll_timeout())
                .map(|(at, _)| at);
            let Some(next) = branch.into_iter().chain(phones).min().filter(|next| *next <= end) else {
                break;
            };
            self.now = self.now.max(next);
            self.branch.handle_timeout(moment(self.base, self.now));
            let now = self.now;
            self.phones.iter_mut().for_each(|phone| phone.agent.handle_timeout(now));
        }
        self.now = end;
    }

    pub(crate) fn register(&mut self, at: usize) -> u16 {
        self.register_by(at, ("", None))
    }

    /// Registers with further parameters of the contact, and as if by way of a proxy that adds its Path (RFC 3327).
    pub(crate) fn register_by(&mut self, at: usize, (params, path): (&str, Option<&str>)) -> u16 {
        let Phone { number, address, .. } = self.phones[at];
        let flow = Flow::udp(address, BOX.parse().unwrap());
        let request = |cseq: u32| {
            let request = Builder::request(&Method::Register, "sip:192.0.2.1")
                .header(Name::MaxForwards, 70)
                .header(Name::From, format_args!("<sip:{number}@192.0.2.1>;tag=a"))
                .header(Name::To, format_args!("<sip:{number}@192.0.2.1>"))
                .header(
                    Name::CallId,
                    format_args!("reg-{number}{}", path.unwrap_or_default().len()),
                )
                .header(Name::CSeq, format_args!("{cseq} REGISTER"))
                .header(Name::Contact, format_args!("<sip:{number}@{address}>{params}"));
            match path {
                Some(path) => request.header(Name::Supported, "path").header(Name::Path, path),
                None => request,
            }
        };
        self.phones[at].agent.request(self.now, flow, request(1)).unwrap();
        let challenge = self.response(at);
        let account = Account::with_password(number, "secret");
        let mut answerer = Answerer::new(account, [1; 32]);
        answerer.handle_challenge(&challenge).unwrap();
        self.phones[at]
            .agent
            .request(self.now, flow, answerer.authorize(request(2)))
            .unwrap();
        self.response(at).status()
    }

    pub(crate) fn response(&mut self, at: usize) -> branchline_sip::Message {
        self.run();
        while let Some(event) = self.phones[at].events.pop_front() {
            if let AgentEvent::Response { response, .. } = event {
                return response;
            }
        }
        panic!("no response");
    }

    pub(crate) fn invitation(&self, from: usize, number: &str) -> Invitation {
        let phone = &self.phones[from];
        Invitation {
            flow: Flow::udp(phone.address, BOX.parse().unwrap()),
            next_hop: NextHop::Flow,
            request_uri: format!("sip:{number}@192.0.2.1"),
            from: format!("<sip:{}@192.0.2.1>", phone.number),
            to: format!("<sip:{number}@192.0.2.1>"),
            contact: format!("<sip:{}@{}>", phone.number, phone.address),
            route: Vec::new(),
            max_forwards: 70,
            headers: Headers::new().with(Name::Subject, "lunch"),
            body: Some(sdp(phone.address, "sendrecv")),
            attachment: None,
            ring_max: None,
        }
    }

    pub(crate) fn call(&mut self, from: usize, number: &str) -> SessionId {
        self.invite(from, self.invitation(from, number))
    }

    /// Sends an INVITE and answers the challenge.
    pub(crate) fn invite(&mut self, from: usize, invitation: Invitation) -> SessionId {
        let uri = invitation.request_uri.clone();
        let id = self.phones[from].agent.invite(self.now, invitation).unwrap();
        self.run();
        let challenge = self.event(from, |event| match event {
            SessionEvent::Challenged { response } => Some(response),
            _ => None,
        });
        let account = Account::with_password(self.phones[from].number.to_owned(), "secret".to_owned());
        let mut answerer = Answerer::new(account, [2; 32]);
        answerer.handle_challenge(&challenge).unwrap();
        let (name, value) = answerer.credentials("INVITE", &uri).unwrap();
        self.phones[from]
            .agent
            .retry_invite(self.now, id, Headers::new().with(name, value));
        self.run();
        id
    }

    /// The first event of a phone's sessions that is what is looked for; those before it are dropped.
    pub(crate) fn event<T>(&mut self, at: usize, wanted: impl Fn(SessionEvent) -> Option<T>) -> T {
        self.run();
        while let Some(event) = self.phones[at].events.pop_front() {
            if let AgentEvent::Session { event, .. } = event
                && let Some(found) = wanted(event)
            {
                return found;
            }
        }
        panic!("phone {} saw nothing of the kind", self.phones[at].number);
    }

    pub(crate) fn accept(&mut self, at: usize) -> (SessionId, IncomingInvite) {
        self.run();
        let phone = &mut self.phones[at];
        while let Some(event) = phone.events.pop_front() {
            if let AgentEvent::Invite { key, flow, request } = event {
                let local_contact = format!("<sip:{}@{}>", phone.number, phone.address);
                let invite = IncomingInvite {
                    key,
                    flow,
                    next_hop: NextHop::Flow,
                    request,
                    local_contact,
                    ring_max: None,
                };
                let id = phone.agent.accept_invite(self.now, invite.clone()).unwrap();
                return (id, invite);
            }
        }
        panic!("phone {} was not called", phone.number);
    }

    /// A call that is up: the caller's session and the callee's.
    pub(crate) fn talk(&mut self, from: usize, to: usize) -> (SessionId, SessionId) {
        let caller = self.call(from, self.phones[to].number);
        let (callee, _) = self.accept(to);
        let answer = Answer {
            body: Some(sdp(self.phones[to].address, "sendrecv")),
            headers: Headers::new(),
        };
        self.phones[to].agent.answer(self.now, callee, answer);
        self.run();
        (caller, callee)
    }

    pub(crate) fn view(&self) -> View {
        self.branch.view(moment(self.base, self.now))
    }

    pub(crate) fn records(&self) -> Vec<branchline_journal::CallRecord> {
        self.journal
            .iter()
            .filter_map(|entry| match &entry.event {
                Event::CallEnded(record) => Some((**record).clone()),
                _ => None,
            })
            .collect()
    }
}

fn start(now: Now, more: &str, bindings: Vec<Binding>) -> Branch {
    let setup = Setup {
        configuration: configuration(more),
        seed: [7; 32],
        journal: JournalStart {
            boot: BootId(branchline_journal::Uuid::nil()),
            next_seq: 1,
            newest_utc_ms: None,
        },
        bindings,
        emergencies: Vec::new(),
        version: "test".to_owned(),
    };
    Branch::new(now, setup)
}

pub(crate) fn moment(base: Instant, mono: Instant) -> Now {
    let passed = i64::try_from(mono.duration_since(base).as_millis()).unwrap();
    Now {
        mono,
        utc_ms: 1_800_000_000_000 + passed,
        clock_trusted: true,
    }
}

//! The path of a call through the whole machine: two phones register, call, hold and hang up, with nothing but messages.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use branchline_branch::{Branch, Configuration, JournalStart, Journalled, Now, Output, Setup};
use branchline_config::Config;
use branchline_journal::{BootId, Entry, Event, Outcome};
use branchline_media::{Family, MediaPlan};
use branchline_sip::agent::{
    Agent, AgentEvent, AgentSettings, Answer, Body, Headers, IncomingInvite, Invitation, NextHop, SessionEvent,
    SessionId,
};
use branchline_sip::digest::{Account, Answerer};
use branchline_sip::message::{Builder, Method, Name};
use branchline_sip::{Flow, Transmit};
use bytes::Bytes;

const BOX: &str = "192.0.2.1:5060";

struct Office {
    branch: Branch,
    now: Instant,
    base: Instant,
    phones: Vec<Phone>,
    journal: Vec<Entry>,
    plans: Vec<MediaPlan>,
    wire: VecDeque<(SocketAddr, Transmit)>,
}

struct Phone {
    number: &'static str,
    address: SocketAddr,
    agent: Agent,
    events: VecDeque<AgentEvent>,
}

fn config() -> Config {
    // HA1 of 201:branchline:secret and 202:branchline:secret.
    let extension = |number: &str| {
        let ha1 = md5_hex(&format!("{number}:branchline:secret"));
        format!("[[extension]]\nnumber = \"{number}\"\nname = \"Phone {number}\"\nha1_md5 = \"{ha1}\"\n")
    };
    let text = format!("[site]\ncountry = \"DE\"\n{}{}", extension("201"), extension("202"));
    Config::parse("branchline.toml", &text).unwrap_or_else(|faults| panic!("{}", faults[0]))
}

fn md5_hex(text: &str) -> String {
    use md5::{Digest, Md5};
    Md5::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn sdp(address: SocketAddr, direction: &str) -> Body {
    let ip = address.ip();
    Body::sdp(Bytes::from(format!(
        "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8 101\r\n\
         a=rtpmap:101 telephone-event/8000\r\na={direction}\r\n"
    )))
}

impl Office {
    #[expect(
        clippy::disallowed_methods,
        reason = "one reading to have an Instant at all; the office then moves it itself"
    )]
    fn new() -> Office {
        let base = Instant::now();
        let setup = Setup {
            configuration: Configuration {
                config: Arc::new(config()),
                trunk_passwords: Vec::new(),
                digest: "test".to_owned(),
            },
            seed: [7; 32],
            journal: JournalStart {
                boot: BootId(branchline_journal::Uuid::nil()),
                next_seq: 1,
            },
            bindings: Vec::new(),
            version: "test".to_owned(),
        };
        let mut branch = Branch::new(moment(base, base), setup);
        branch.handle_ports(Family::V4, &[20_000, 20_002, 20_004, 20_006]);
        let phone = |number, at: u8| Phone {
            number,
            address: SocketAddr::from(([192, 0, 2, at], 5060)),
            agent: Agent::new(AgentSettings::default(), [at; 32]),
            events: VecDeque::new(),
        };
        Office {
            branch,
            now: base,
            base,
            phones: vec![phone("201", 11), phone("202", 12)],
            journal: Vec::new(),
            plans: Vec::new(),
            wire: VecDeque::new(),
        }
    }

    /// Carries messages until nobody has anything to say.
    fn run(&mut self) {
        loop {
            let mut moved = false;
            while let Some(output) = self.branch.poll_output() {
                moved = true;
                match output {
                    Output::Transmit(transmit) => self.wire.push_back((BOX.parse().unwrap(), transmit)),
                    Output::Journal(entry) => self.journal.push(entry),
                    Output::Media(plan) => self.plans.push(plan),
                    Output::Resolve(_) | Output::Trace(_) | Output::Notice(_) => {}
                }
            }
            if let Some(last) = self.journal.last() {
                let up_to_seq = last.seq;
                self.branch
                    .handle_journal(moment(self.base, self.now), Journalled { up_to_seq });
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

    fn deliver(&mut self, from: SocketAddr, transmit: Transmit) {
        let to = transmit.flow.remote;
        let flow = Flow::udp(to, from);
        if to == BOX.parse().unwrap() {
            self.branch
                .handle_message(moment(self.base, self.now), flow, transmit.bytes);
        } else if let Some(phone) = self.phones.iter_mut().find(|phone| phone.address == to) {
            phone.agent.handle_bytes(self.now, flow, &transmit.bytes);
        }
    }

    fn wait(&mut self, time: Duration) {
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

    fn register(&mut self, at: usize) -> u16 {
        let Phone { number, address, .. } = self.phones[at];
        let flow = Flow::udp(address, BOX.parse().unwrap());
        let request = |cseq: u32| {
            Builder::request(&Method::Register, "sip:192.0.2.1")
                .header(Name::MaxForwards, 70)
                .header(Name::From, format_args!("<sip:{number}@192.0.2.1>;tag=a"))
                .header(Name::To, format_args!("<sip:{number}@192.0.2.1>"))
                .header(Name::CallId, format_args!("reg-{number}"))
                .header(Name::CSeq, format_args!("{cseq} REGISTER"))
                .header(Name::Contact, format_args!("<sip:{number}@{address}>"))
        };
        self.phones[at].agent.request(self.now, flow, request(1)).unwrap();
        let challenge = self.response(at);
        let account = Account {
            username: number.to_owned(),
            password: "secret".to_owned(),
        };
        let mut answerer = Answerer::new(account, [1; 32]);
        answerer.handle_challenge(&challenge).unwrap();
        self.phones[at]
            .agent
            .request(self.now, flow, answerer.authorize(request(2)))
            .unwrap();
        self.response(at).status()
    }

    fn response(&mut self, at: usize) -> branchline_sip::Message {
        self.run();
        while let Some(event) = self.phones[at].events.pop_front() {
            if let AgentEvent::Response { response, .. } = event {
                return response;
            }
        }
        panic!("no response");
    }

    fn call(&mut self, from: usize, number: &str) -> SessionId {
        let phone = &mut self.phones[from];
        let flow = Flow::udp(phone.address, BOX.parse().unwrap());
        let id = phone
            .agent
            .invite(
                self.now,
                Invitation {
                    flow,
                    next_hop: NextHop::Flow,
                    request_uri: format!("sip:{number}@192.0.2.1"),
                    from: format!("<sip:{}@192.0.2.1>", phone.number),
                    to: format!("<sip:{number}@192.0.2.1>"),
                    contact: format!("<sip:{}@{}>", phone.number, phone.address),
                    route: Vec::new(),
                    max_forwards: 70,
                    headers: Headers::new().with(Name::Subject, "lunch"),
                    body: Some(sdp(phone.address, "sendrecv")),
                },
            )
            .unwrap();
        self.run();
        let challenge = self.event(from, |event| match event {
            SessionEvent::Challenged { response } => Some(response),
            _ => None,
        });
        let account = Account {
            username: self.phones[from].number.to_owned(),
            password: "secret".to_owned(),
        };
        let mut answerer = Answerer::new(account, [2; 32]);
        answerer.handle_challenge(&challenge).unwrap();
        let (name, value) = answerer
            .credentials("INVITE", &format!("sip:{number}@192.0.2.1"))
            .unwrap();
        self.phones[from]
            .agent
            .retry_invite(self.now, id, Headers::new().with(name, value));
        self.run();
        id
    }

    /// The first event of a phone's sessions that is what is looked for; those before it are dropped.
    fn event<T>(&mut self, at: usize, wanted: impl Fn(SessionEvent) -> Option<T>) -> T {
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

    fn accept(&mut self, at: usize) -> (SessionId, IncomingInvite) {
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
                };
                let id = phone.agent.accept_invite(self.now, invite.clone()).unwrap();
                return (id, invite);
            }
        }
        panic!("phone {} was not called", phone.number);
    }

    fn records(&self) -> Vec<branchline_journal::CallRecord> {
        self.journal
            .iter()
            .filter_map(|entry| match &entry.event {
                Event::CallEnded(record) => Some((**record).clone()),
                _ => None,
            })
            .collect()
    }
}

fn moment(base: Instant, mono: Instant) -> Now {
    let passed = i64::try_from(mono.duration_since(base).as_millis()).unwrap();
    Now {
        mono,
        utc_ms: 1_800_000_000_000 + passed,
        clock_trusted: true,
    }
}

#[test]
fn two_phones_register_call_and_leave_one_record() {
    let mut office = Office::new();
    assert_eq!((office.register(0), office.register(1)), (200, 200));
    let caller = office.call(0, "202");
    let (callee, invite) = office.accept(1);
    assert_eq!(
        invite.request.text(Name::Subject).as_deref(),
        Some("lunch"),
        "end-to-end headers pass"
    );
    assert!(invite.request.text(Name::Authorization).is_none(), "credentials do not");
    assert_eq!(invite.request.from().display.as_deref(), Some("Phone 201"));
    let offered = String::from_utf8_lossy(invite.request.body()).into_owned();
    assert!(
        offered.contains("c=IN IP4 192.0.2.1\r\n") && !offered.contains("192.0.2.11"),
        "{offered}"
    );
    office.wait(Duration::from_secs(2));
    let answer = Answer {
        body: Some(sdp(office.phones[1].address, "sendrecv")),
        headers: Headers::new(),
    };
    let now = office.now;
    office.phones[1].agent.answer(now, callee, answer);
    let answered = office.event(0, |event| match event {
        SessionEvent::Answered { body, .. } => body,
        _ => None,
    });
    assert!(String::from_utf8_lossy(&answered.bytes).contains("c=IN IP4 192.0.2.1\r\n"));
    assert_eq!(office.branch.view(moment(office.base, office.now)).calls[0].state, "up");
    let joined = office.plans.last().unwrap();
    assert_eq!(joined.legs.len(), 2, "{joined:?}");

    office.wait(Duration::from_secs(10));
    let now = office.now;
    let hold = sdp(office.phones[0].address, "sendonly");
    office.phones[0].agent.reoffer(now, caller, Some(hold));
    let held = office.event(1, |event| match event {
        SessionEvent::Reoffer { body, .. } => body,
        _ => None,
    });
    assert!(String::from_utf8_lossy(&held.bytes).contains("a=sendonly"));
    let body = Some(sdp(office.phones[1].address, "recvonly"));
    office.phones[1].agent.answer_reoffer(now, callee, body);
    office.run();
    assert_eq!(
        office.branch.view(moment(office.base, office.now)).calls[0].state,
        "held"
    );

    office.phones[1].agent.hang_up(now, callee, None);
    office.event(0, |event| matches!(event, SessionEvent::Ended { .. }).then_some(()));
    office.wait(Duration::from_secs(60));
    let records = office.records();
    assert_eq!(records.len(), 1);
    let record = &records[0];
    assert_eq!(
        (record.outcome, record.talk_ms, record.ring_ms),
        (Outcome::Answered, 10_000, 2_000)
    );
    assert_eq!(
        (record.from.dialled.as_str(), record.to.dialled.as_str()),
        ("201", "202")
    );
    assert_eq!(office.branch.residue(), Vec::new());
}

#[test]
fn a_call_to_a_phone_that_is_not_registered_is_refused_and_recorded() {
    let mut office = Office::new();
    office.register(0);
    office.call(0, "202");
    let status = office.event(0, |event| match event {
        SessionEvent::Refused { status, .. } => Some(status),
        _ => None,
    });
    assert_eq!(status, 480);
    office.wait(Duration::from_secs(60));
    assert_eq!(office.records().len(), 1);
    assert_eq!(office.records()[0].outcome, Outcome::Failed);
    assert_eq!(office.branch.residue(), Vec::new());
}

#[test]
fn a_wrong_password_registers_nothing() {
    let mut office = Office::new();
    office.phones[0].number = "203";
    assert_eq!(office.register(0), 403);
    assert!(
        office
            .branch
            .view(moment(office.base, office.now))
            .phones
            .iter()
            .all(|phone| phone.contacts.is_empty())
    );
}

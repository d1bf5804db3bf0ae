//! Callers and callees: both ends of every call, with digest, SDP and routes.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use branchline_sip::digest::Answerer;
use branchline_sip::message::{Builder, Message, Method, Name};
use bytes::Bytes;

use super::Outcome;
use super::text::{ACK_OF_FAILURE, Request, credentials, media_of, sdp};
use super::wire::{Arrived, NO_WAIT, Wire};
use crate::Done;
use crate::accounts::{REALM, User};
use crate::clock::{self, Pace};

/// The two sides of the load: a caller and the callee of the same index talk to each other.
pub(crate) struct Sides {
    pub(crate) callers: Vec<User>,
    pub(crate) callees: Vec<User>,
    /// Where callers and callees want their audio.
    pub(crate) media: (SocketAddr, SocketAddr),
}

/// One run of calls.
#[derive(Clone, Copy)]
pub(crate) struct CallLoad {
    pub(crate) calls: u64,
    pub(crate) per_s: f64,
    /// From the ACK to the BYE.
    pub(crate) talk: Duration,
}

/// Where the server takes the audio of one call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Anchored {
    pub(crate) from_caller: SocketAddr,
    pub(crate) from_callee: SocketAddr,
}

/// Calls in progress.
pub(crate) struct Calls {
    sides: Sides,
    answerers: Vec<Answerer>,
    live: BTreeMap<String, Call>,
    /// Which audio address the server offered to each callee last.
    offered: HashMap<usize, SocketAddr>,
    due: BinaryHeap<Reverse<(Instant, String)>>,
    outcome: Outcome,
    begun: u64,
    refusals: HashMap<u16, u64>,
}

struct Call {
    pair: usize,
    cseq: u32,
    state: State,
}

enum State {
    Calling,
    Talking {
        dialog: Dialog,
        anchored: Option<SocketAddr>,
    },
    Ending,
}

struct Dialog {
    target: String,
    to: String,
    routes: String,
}

impl Calls {
    pub(crate) fn new(sides: Sides) -> Calls {
        Calls {
            answerers: sides.callers.iter().map(User::answerer).collect(),
            sides,
            live: BTreeMap::new(),
            offered: HashMap::new(),
            due: BinaryHeap::new(),
            outcome: Outcome::default(),
            begun: 0,
            refusals: HashMap::new(),
        }
    }

    /// Calls at a steady rate, each hung up after its time, until all have ended.
    pub(crate) fn run(&mut self, wire: &mut Wire, load: CallLoad) -> Done<Outcome> {
        self.outcome = Outcome::default();
        let pace = Pace::new(clock::now(), load.per_s);
        let mut begun = 0;
        let give_up =
            clock::now() + Duration::from_secs_f64(load.calls as f64 / load.per_s) + load.talk + ANSWER_WITHIN;
        while self.outcome.done + self.outcome.failed < load.calls {
            let now = clock::now();
            // One at a time: after a pause of this program its backlog must not overrun a server's socket.
            if begun < load.calls.min(pace.due(now)) {
                self.begin(wire);
                begun += 1;
            }
            if now > give_up {
                self.outcome.failed += self.live.len() as u64;
                self.live.clear();
                break;
            }
            self.step(wire, load.talk)?;
        }
        Ok(self.outcome)
    }

    /// Sets `count` calls up and leaves them up.
    pub(crate) fn hold(&mut self, wire: &mut Wire, count: usize) -> Done<Vec<Anchored>> {
        self.outcome = Outcome::default();
        let pace = Pace::new(clock::now(), SET_UP_PER_S);
        let mut begun = 0;
        let give_up = clock::now() + Duration::from_secs_f64(count as f64 / SET_UP_PER_S) + ANSWER_WITHIN;
        while self.anchored().len() < count {
            let now = clock::now();
            if begun < (count as u64).min(pace.due(now)) {
                self.begin(wire);
                begun += 1;
            }
            if now > give_up {
                let up = self.anchored().len();
                return Err(format!("{up} of {count} calls are up; refusals: {:?}", self.refusals).into());
            }
            self.step(wire, FOR_EVER)?;
        }
        Ok(self.anchored())
    }

    /// Hangs up all that are up.
    pub(crate) fn end_all(&mut self, wire: &mut Wire) -> Done<()> {
        let now = clock::now();
        for id in self.live.keys() {
            self.due.push(Reverse((now, id.clone())));
        }
        let give_up = now + ANSWER_WITHIN;
        while !self.live.is_empty() && clock::now() < give_up {
            self.step(wire, FOR_EVER)?;
        }
        match self.live.len() {
            0 => Ok(()),
            left => Err(format!("{left} calls do not end").into()),
        }
    }

    /// Finals other than 200 and challenges, by status.
    pub(crate) fn refusals(&self) -> &HashMap<u16, u64> {
        &self.refusals
    }

    fn anchored(&self) -> Vec<Anchored> {
        let both = |call: &Call| match &call.state {
            State::Talking {
                anchored: Some(from_caller),
                ..
            } => Some(Anchored {
                from_caller: *from_caller,
                from_callee: *self.offered.get(&call.pair)?,
            }),
            State::Talking { anchored: None, .. } | State::Calling | State::Ending => None,
        };
        let mut anchored: Vec<Anchored> = self.live.values().filter_map(both).collect();
        anchored.sort_by_key(|call| call.from_caller);
        anchored
    }

    fn begin(&mut self, wire: &Wire) {
        let pair = (self.begun % self.sides.callers.len() as u64) as usize;
        let id = format!("call{}@{REALM}", BEGUN.fetch_add(1, Ordering::Relaxed));
        self.begun += 1;
        let mut call = Call {
            pair,
            cseq: 0,
            state: State::Calling,
        };
        self.invite(wire, &id, &mut call);
        self.live.insert(id, call);
    }

    fn step(&mut self, wire: &mut Wire, talk: Duration) -> Done<()> {
        for arrived in wire.receive(NO_WAIT)? {
            let Ok(message) = Message::parse(arrived.bytes.clone()) else {
                continue;
            };
            if message.is_request() {
                self.answer(wire, &arrived, &message);
            } else {
                self.handle_response(wire, &message, talk);
            }
        }
        let now = clock::now();
        while self.due.peek().is_some_and(|Reverse((due, _))| *due <= now) {
            if let Some(Reverse((_, id))) = self.due.pop() {
                self.hang_up(wire, &id);
            }
        }
        Ok(())
    }

    fn invite(&mut self, wire: &Wire, id: &str, call: &mut Call) {
        call.cseq += 1;
        let callee = &self.sides.callees[call.pair].name;
        let caller = &self.sides.callers[call.pair].name;
        let uri = format!("sip:{callee}@{}", wire.server);
        let lines = credentials(&mut self.answerers[call.pair], "INVITE", &uri);
        let request = Request {
            method: "INVITE",
            uri: &uri,
            user: caller,
            to: &format!("<{uri}>"),
            call_id: id,
            cseq: call.cseq,
            from: wire.address(call.pair),
            lines: &lines,
            body: &sdp(caller, self.sides.media.0),
        };
        wire.send(call.pair, request.text().as_bytes());
    }

    fn hang_up(&mut self, wire: &Wire, id: &str) {
        let Some(mut call) = self.live.remove(id) else { return };
        if let State::Talking { dialog, .. } = &call.state {
            call.cseq += 1;
            self.within(wire, id, &call, ("BYE", dialog));
            call.state = State::Ending;
        }
        self.live.insert(id.to_owned(), call);
    }

    fn within(&self, wire: &Wire, id: &str, call: &Call, (method, dialog): (&str, &Dialog)) {
        let request = Request {
            method,
            uri: &dialog.target,
            user: &self.sides.callers[call.pair].name,
            to: &dialog.to,
            call_id: id,
            cseq: call.cseq,
            from: wire.address(call.pair),
            lines: &dialog.routes,
            body: "",
        };
        wire.send(call.pair, request.text().as_bytes());
    }

    fn handle_response(&mut self, wire: &Wire, response: &Message, talk: Duration) {
        let id = response.call_id().to_owned();
        let Some(mut call) = self.live.remove(&id) else { return };
        let status = response.status();
        if status < 200 || response.cseq() != call.cseq {
            self.live.insert(id, call);
            return;
        }
        match (&call.state, status) {
            (State::Calling, 200) => {
                let dialog = dialog(response);
                self.answerers[call.pair].handle_accepted();
                self.within(wire, &id, &call, ("ACK", &dialog));
                if talk < FOR_EVER {
                    self.due.push(Reverse((clock::now() + talk, id.clone())));
                }
                let anchored = media_of(response.body());
                call.state = State::Talking { dialog, anchored };
            }
            // A 200 that is sent again: its ACK was lost or is late.
            (State::Talking { dialog, .. }, 200) => self.within(wire, &id, &call, ("ACK", dialog)),
            (State::Calling, 401 | 407) => {
                self.acknowledge_refusal(wire, &call, response);
                if self.answerers[call.pair].handle_challenge(response).is_err() {
                    self.outcome.failed += 1;
                    return;
                }
                self.invite(wire, &id, &mut call);
            }
            (State::Calling, _) => {
                self.acknowledge_refusal(wire, &call, response);
                *self.refusals.entry(status).or_default() += 1;
                self.outcome.failed += 1;
                return;
            }
            (State::Ending, 200) => {
                self.outcome.done += 1;
                return;
            }
            (State::Ending | State::Talking { .. }, _) => {
                *self.refusals.entry(status).or_default() += 1;
                self.outcome.failed += 1;
                return;
            }
        }
        self.live.insert(id, call);
    }

    fn acknowledge_refusal(&self, wire: &Wire, call: &Call, response: &Message) {
        let uri = format!("sip:{}@{}", self.sides.callees[call.pair].name, wire.server);
        let request = Request {
            method: ACK_OF_FAILURE,
            uri: &uri,
            user: &self.sides.callers[call.pair].name,
            to: &text(response, Name::To),
            call_id: response.call_id(),
            cseq: call.cseq,
            from: wire.address(call.pair),
            lines: "",
            body: "",
        };
        wire.send(call.pair, request.text().as_bytes());
    }

    /// The called side.
    fn answer(&mut self, wire: &Wire, arrived: &Arrived, request: &Message) {
        let reply = |bytes: &Bytes| wire.send_to(arrived.socket, bytes, arrived.source);
        match request.method() {
            Method::Invite => {
                let name = request.request_uri().trim_start_matches("sip:");
                let name = name.split('@').next().unwrap_or_default();
                let first = self
                    .sides
                    .callees
                    .first()
                    .and_then(|user| user.name.parse::<usize>().ok());
                let pair = name
                    .parse::<usize>()
                    .ok()
                    .zip(first)
                    .map_or(0, |(n, first)| n.saturating_sub(first));
                if let Some(media) = media_of(request.body()) {
                    self.offered.insert(pair, media);
                }
                let contact = format!("<sip:{name}@{}>", wire.address(arrived.socket));
                let tag = format!("callee{pair}");
                let ringing = Builder::response_with_tag(request, 180, &tag).header(Name::Contact, &contact);
                reply(ringing.finish().bytes());
                let body = sdp(name, self.sides.media.1);
                let ok = Builder::response_with_tag(request, 200, &tag)
                    .header(Name::Contact, &contact)
                    .body("application/sdp", body.as_bytes());
                reply(ok.finish().bytes());
            }
            Method::Ack => {}
            _ => reply(Builder::response(request, 200).finish().bytes()),
        }
    }
}

fn dialog(response: &Message) -> Dialog {
    let mut routes: Vec<String> = response
        .values(Name::RecordRoute)
        .map(|value| format!("Route: {}\r\n", String::from_utf8_lossy(value)))
        .collect();
    routes.reverse();
    let contact = response.contact().and_then(Result::ok);
    Dialog {
        target: contact.map(|contact| contact.uri_text.to_owned()).unwrap_or_default(),
        to: text(response, Name::To),
        routes: routes.concat(),
    }
}

fn text(message: &Message, name: Name<'_>) -> String {
    message.text(name).unwrap_or_default().into_owned()
}

/// No two calls of a run of the program have the same Call-ID.
static BEGUN: AtomicU64 = AtomicU64::new(0);
const ANSWER_WITHIN: Duration = Duration::from_secs(6);
const FOR_EVER: Duration = Duration::from_secs(86_400);
const SET_UP_PER_S: f64 = 80.0;

//! Calls that are begun, answered, and never acknowledged.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use branchline_sip::digest::Answerer;
use branchline_sip::message::{Builder, Message, Method, Name};

use super::text::{Request, credentials, sdp};
use super::wire::Wire;
use crate::Done;
use crate::accounts::{REALM, User};
use crate::clock::{self, Pace};

/// Who floods.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sender {
    /// Somebody without a password: never gets past the challenge, and never acknowledges it.
    Stranger,
    /// Phones with a password; callees answer at once.
    Phone,
}

/// The flood.
pub(crate) struct Flood {
    pub(crate) sender: Sender,
    pub(crate) callers: Vec<User>,
    pub(crate) callees: Vec<User>,
    pub(crate) per_s: f64,
    pub(crate) lasts: Duration,
}

/// Counts answers by status while it runs.
pub(crate) struct Flooding {
    flood: Flood,
    answerers: Vec<Answerer>,
    answers: BTreeMap<u16, u64>,
    begun: u64,
}

impl Flooding {
    pub(crate) fn new(flood: Flood) -> Flooding {
        Flooding {
            answerers: flood.callers.iter().map(User::answerer).collect(),
            flood,
            answers: BTreeMap::new(),
            begun: 0,
        }
    }

    /// Runs for `span` and calls `each_second` once a second with the seconds gone by.
    pub(crate) fn run(
        &mut self,
        wire: &mut Wire,
        span: Duration,
        mut each_second: impl FnMut(u64) -> Done<()>,
    ) -> Done<()> {
        let start = clock::now();
        let pace = Pace::new(start, self.flood.per_s);
        let mut seconds = 0;
        loop {
            let now = clock::now();
            let gone = now - start;
            if gone.as_secs() > seconds {
                seconds = gone.as_secs();
                each_second(seconds)?;
            }
            if gone >= span {
                return Ok(());
            }
            self.send_due(wire, (start, now), &pace);
            for arrived in wire.receive(Duration::from_millis(1))? {
                let Ok(message) = Message::parse(arrived.bytes) else {
                    continue;
                };
                match message.is_request() {
                    true => answer(wire, (arrived.socket, arrived.source), &message),
                    false => self.handle_response(&message),
                }
            }
        }
    }

    /// Answers by status.
    pub(crate) fn answers(&self) -> &BTreeMap<u16, u64> {
        &self.answers
    }

    fn send_due(&mut self, wire: &Wire, (start, now): (Instant, Instant), pace: &Pace) {
        let last = pace.due(now.min(start + self.flood.lasts));
        while self.begun < last {
            self.send(wire);
            self.begun += 1;
        }
    }

    fn send(&mut self, wire: &Wire) {
        let pair = (self.begun % self.flood.callers.len() as u64) as usize;
        let (caller, callee) = (&self.flood.callers[pair].name, &self.flood.callees[pair].name);
        let uri = format!("sip:{callee}@{}", wire.server);
        let lines = match self.flood.sender {
            Sender::Stranger => String::new(),
            Sender::Phone => credentials(&mut self.answerers[pair], "INVITE", &uri),
        };
        let request = Request {
            method: "INVITE",
            uri: &uri,
            user: caller,
            to: &format!("<{uri}>"),
            call_id: &format!("{}-{pair}-flood@{REALM}", self.begun),
            cseq: 1,
            from: wire.address(pair),
            lines: &lines,
            body: &sdp(caller, SocketAddr::new(wire.address(pair).ip(), 40_000)),
        };
        wire.send(pair, request.text().as_bytes());
    }

    fn handle_response(&mut self, response: &Message) {
        let status = response.status();
        *self.answers.entry(status).or_default() += 1;
        let pair = response
            .call_id()
            .split('-')
            .nth(1)
            .and_then(|n| n.parse::<usize>().ok());
        if matches!(status, 401 | 407)
            && let Some((answerer, user)) =
                pair.and_then(|n| Some((self.answerers.get_mut(n)?, self.flood.callers.get(n)?)))
        {
            // A new start each time: several challenges to one phone are on their way at once.
            *answerer = user.answerer();
            let _ = answerer.handle_challenge(response);
        }
    }
}

fn answer(wire: &Wire, (socket, source): (usize, SocketAddr), request: &Message) {
    let reply = |message: Message| wire.send_to(socket, message.bytes(), source);
    match request.method() {
        Method::Invite => {
            let own = wire.address(socket);
            let body = sdp("callee", SocketAddr::new(own.ip(), 40_002));
            let ok = Builder::response_with_tag(request, 200, "callee")
                .header(Name::Contact, format!("<sip:callee@{own}>"))
                .body("application/sdp", body.as_bytes());
            reply(ok.finish());
        }
        Method::Ack => {}
        _ => reply(Builder::response(request, 200).finish()),
    }
}

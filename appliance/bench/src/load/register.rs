//! Phones that register at a steady rate.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use branchline_sip::digest::Answerer;
use branchline_sip::message::Message;

use super::Outcome;
use super::text::{Request, credentials};
use super::wire::{Arrived, NO_WAIT, Wire};
use crate::Done;
use crate::accounts::{REALM, User};
use crate::clock::{self, Pace};

/// Which nonce a phone uses.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nonce {
    /// REGISTER, 401, REGISTER, 200: one unit.
    Fresh,
    /// The one of the last challenge, with a higher count: REGISTER, 200.
    Kept,
}

/// One run.
#[derive(Clone, Copy)]
pub(crate) struct RegisterLoad {
    pub(crate) nonce: Nonce,
    pub(crate) units: u64,
    pub(crate) per_s: f64,
}

/// The phones.
pub(crate) struct Registrants {
    phones: Vec<Phone>,
    /// Phones with a request out, in the order of their deadlines.
    pending: VecDeque<(Instant, usize)>,
    outcome: Outcome,
    /// Finals other than 200 and challenges, by status; 0 for none in time.
    refusals: BTreeMap<u16, u64>,
}

struct Phone {
    user: User,
    answerer: Answerer,
    cseq: u32,
    /// When the answer to the request that is out is overdue.
    asked: Option<Instant>,
}

impl Registrants {
    pub(crate) fn new(users: Vec<User>) -> Registrants {
        let phone = |user: User| Phone {
            answerer: user.answerer(),
            user,
            cseq: 0,
            asked: None,
        };
        Registrants {
            phones: users.into_iter().map(phone).collect(),
            pending: VecDeque::new(),
            outcome: Outcome::default(),
            refusals: BTreeMap::new(),
        }
    }

    /// Registers phone after phone until all units are done or have failed.
    pub(crate) fn run(&mut self, wire: &mut Wire, load: RegisterLoad) -> Done<Outcome> {
        self.outcome = Outcome::default();
        let pace = Pace::new(clock::now(), load.per_s);
        let mut begun = 0;
        while self.outcome.done + self.outcome.failed < load.units {
            let now = clock::now();
            let answered = self.outcome.done + self.outcome.failed;
            // After a pause of this program its backlog must not overrun a server's socket.
            while begun < load.units.min(pace.due(now)).min(answered + IN_FLIGHT_MAX) {
                self.begin(wire, now, (begun % self.phones.len() as u64) as usize, load.nonce);
                begun += 1;
            }
            for arrived in wire.receive(NO_WAIT)? {
                self.handle(wire, arrived);
            }
            self.expire(clock::now());
        }
        match self.outcome.failed {
            0 => {}
            failed => eprintln!("{failed} registrations failed, by status: {:?}", self.refusals),
        }
        Ok(self.outcome)
    }

    fn begin(&mut self, wire: &Wire, now: Instant, index: usize, nonce: Nonce) {
        let phone = &mut self.phones[index];
        if phone.asked.is_some() {
            self.outcome.failed += 1;
            *self.refusals.entry(0).or_default() += 1;
        }
        if nonce == Nonce::Fresh {
            phone.answerer = phone.user.answerer();
        }
        phone.asked = Some(now + ANSWER_WITHIN);
        phone.register(wire, index);
        self.pending.push_back((now + ANSWER_WITHIN, index));
    }

    fn handle(&mut self, wire: &Wire, arrived: Arrived) {
        let Ok(response) = Message::parse(arrived.bytes) else {
            return;
        };
        let index = response
            .call_id()
            .split('-')
            .next()
            .and_then(|n| n.parse::<usize>().ok());
        let Some((index, phone)) = index.and_then(|n| Some((n, self.phones.get_mut(n)?))) else {
            return;
        };
        if phone.asked.is_none() || response.cseq() != phone.cseq {
            return;
        }
        match response.status() {
            401 | 407 if phone.answerer.handle_challenge(&response).is_ok() => phone.register(wire, index),
            200 => {
                phone.answerer.handle_accepted();
                phone.asked = None;
                self.outcome.done += 1;
            }
            100 => {}
            status => {
                phone.asked = None;
                self.outcome.failed += 1;
                *self.refusals.entry(status).or_default() += 1;
            }
        }
    }

    fn expire(&mut self, now: Instant) {
        while let Some((due, index)) = self.pending.pop_front_if(|(due, _)| *due <= now) {
            let phone = &mut self.phones[index];
            if phone.asked == Some(due) {
                phone.asked = None;
                self.outcome.failed += 1;
                *self.refusals.entry(0).or_default() += 1;
            }
        }
    }
}

impl Phone {
    fn register(&mut self, wire: &Wire, index: usize) {
        self.cseq += 1;
        let uri = format!("sip:{REALM}");
        let name = &self.user.name;
        let lines = credentials(&mut self.answerer, "REGISTER", &uri) + "Expires: 3600\r\n";
        let request = Request {
            method: "REGISTER",
            uri: &uri,
            user: name,
            to: &format!("<sip:{name}@{REALM}>"),
            call_id: &format!("{index}-registration@{REALM}"),
            cseq: self.cseq,
            from: wire.address(index),
            lines: &lines,
            body: "",
        };
        wire.send(index, request.text().as_bytes());
    }
}

const IN_FLIGHT_MAX: u64 = 32;
const ANSWER_WITHIN: Duration = Duration::from_secs(4);

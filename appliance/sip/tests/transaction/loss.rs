//! Two endpoints over a network that loses, repeats and reorders, on virtual time. A failure names its seed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use branchline_sip::transaction::{ClientKey, Endpoint, Event, Limits, ServerKey};
use branchline_sip::{Builder, Flow, Message, Method, Transmit};
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::bench::{Ask, ask, origin};

const SEEDS: u64 = 60;
const REQUESTS: usize = 60;
const REPEATED_PERCENT: u64 = 15;
// What one transaction may send at most: 11 finals, 11 provisionals and ACKs, 7 INVITEs, 11 CANCELs, doubled by repetitions.
const SENDINGS_PER_TRANSACTION_MAX: u64 = 100;

struct Network {
    rng: ChaCha12Rng,
    now: Instant,
    ends: [Endpoint; 2],
    under_way: BTreeMap<(Instant, u64), (usize, Transmit)>,
    sent: u64,
    lost_percent: u64,
    chores: BTreeMap<(Instant, u64), Chore>,
    /// Status of the finals seen per client transaction; a failure counts as 0.
    ended: BTreeMap<(usize, ClientKey), Vec<u16>>,
    answered: BTreeSet<(usize, ServerKey)>,
}

#[derive(Clone, Copy)]
enum Chore {
    Answer { end: usize, key: ServerKey, status: u16 },
    Cancel { end: usize, key: ClientKey },
}

impl Network {
    fn new(seed: u64) -> Network {
        let mut rng = ChaCha12Rng::seed_from_u64(seed);
        let lost_percent = rng.next_u64() % 60;
        let ends = [1, 2].map(|end| Endpoint::new(Limits::default(), [end; 32]));
        Network {
            rng,
            now: origin(),
            ends,
            under_way: BTreeMap::new(),
            sent: 0,
            lost_percent,
            chores: BTreeMap::new(),
            ended: BTreeMap::new(),
            answered: BTreeSet::new(),
        }
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.rng.next_u64() % bound
    }

    fn later(&mut self, ms_max: u64) -> (Instant, u64) {
        let wait = Duration::from_micros(self.below(ms_max * 1_000));
        (self.now + wait, self.rng.next_u64())
    }

    fn begin(&mut self, n: usize) {
        let end = n % 2;
        let method =
            [Method::Invite, Method::Invite, Method::Options, Method::Register][self.below(4) as usize].clone();
        let request = Ask {
            call_id: format!("call-{n}"),
            ..ask(method.clone())
        }
        .builder();
        let key = self.ends[end].request(self.now, flow_of(end), request).unwrap();
        self.ended.insert((end, key), Vec::new());
        // Each INVITE is cancelled in the end, answered or not: nothing else ends one that rings for ever.
        if method == Method::Invite {
            let at = self.later(20_000);
            self.chores.insert(at, Chore::Cancel { end, key });
        }
        self.settle();
    }

    /// Moves what the endpoints have to say into the network and into chores.
    fn settle(&mut self) {
        for end in 0..2 {
            while let Some(event) = self.ends[end].poll_event() {
                self.take(end, event);
            }
            while let Some(transmit) = self.ends[end].poll_transmit() {
                self.carry(1 - end, &transmit);
            }
        }
    }

    fn carry(&mut self, to: usize, transmit: &Transmit) {
        self.sent += 1;
        for _ in 0..=u64::from(self.below(100) < REPEATED_PERCENT) {
            if self.below(100) >= self.lost_percent {
                let at = self.later(400);
                self.under_way.insert(at, (to, transmit.clone()));
            }
        }
    }

    fn take(&mut self, end: usize, event: Event) {
        match event {
            Event::Request { key, request, .. } => {
                assert!(self.answered.insert((end, key)), "a request came up twice");
                if *request.method() == Method::Invite && self.below(2) == 0 {
                    let at = self.later(1_000);
                    self.chores.insert(at, Chore::Answer { end, key, status: 180 });
                }
                let status = [200, 200, 302, 404, 486, 503][self.below(6) as usize];
                if self.below(10) > 0 {
                    let at = self.later(15_000);
                    self.chores.insert(at, Chore::Answer { end, key, status });
                }
            }
            Event::Cancelled { key, .. } => {
                let at = self.later(50);
                self.chores.insert(at, Chore::Answer { end, key, status: 487 });
            }
            Event::Response { key, response, .. } if response.status() >= 200 => {
                self.ended
                    .get_mut(&(end, key))
                    .expect("a response for an unknown key")
                    .push(response.status());
            }
            Event::Failed { key, .. } => self
                .ended
                .get_mut(&(end, key))
                .expect("a failure for an unknown key")
                .push(0),
            Event::Response { .. }
            | Event::Ack { .. }
            | Event::Unacknowledged { .. }
            | Event::Stray { .. }
            | Event::Refused { .. } => {}
        }
    }

    fn next_instant(&self) -> Option<Instant> {
        let timers = self.ends.iter().filter_map(|end| end.poll_timeout().map(|(at, _)| at));
        let network = self.under_way.keys().next().map(|(at, _)| *at);
        let chores = self.chores.keys().next().map(|(at, _)| *at);
        timers.chain(network).chain(chores).min()
    }

    fn step(&mut self) -> bool {
        let Some(next) = self.next_instant() else { return false };
        self.now = self.now.max(next);
        while let Some(entry) = self.under_way.first_entry().filter(|entry| entry.key().0 <= self.now) {
            let (to, transmit) = entry.remove();
            self.ends[to].handle_message(self.now, flow_of(to), Message::parse(transmit.bytes).unwrap());
        }
        while let Some(entry) = self.chores.first_entry().filter(|entry| entry.key().0 <= self.now) {
            let chore = entry.remove();
            self.work(chore);
        }
        for end in &mut self.ends {
            end.handle_timeout(self.now);
        }
        self.settle();
        true
    }

    fn work(&mut self, chore: Chore) {
        match chore {
            Chore::Answer { end, key, status } => {
                if let Some(request) = self.ends[end].server_request(key) {
                    let response = Builder::response_with_tag(request, status, "tag").finish();
                    self.ends[end].respond(self.now, key, response);
                }
            }
            Chore::Cancel { end, key } => self.ends[end].cancel(self.now, key, None),
        }
    }
}

fn flow_of(end: usize) -> Flow {
    let addresses = ["192.0.2.1:5060", "192.0.2.2:5060"].map(|address| address.parse().unwrap());
    Flow::udp(addresses[end], addresses[1 - end])
}

#[test]
fn every_transaction_ends_exactly_once_and_nothing_stays() {
    let mut outcomes = BTreeSet::new();
    for seed in 0..SEEDS {
        let mut network = Network::new(seed);
        let mut begun = 0;
        while begun < REQUESTS || network.next_instant().is_some() {
            if begun < REQUESTS {
                network.begin(begun);
                begun += 1;
            }
            assert!(network.step(), "seed {seed}: the network stands still");
        }
        // An INVITE server that nobody answers or cancels is its user's to end; all were offered an end above but for lost CANCELs.
        let ringing: Vec<_> = network
            .answered
            .iter()
            .copied()
            .filter(|(end, key)| network.ends[*end].server_request(*key).is_some())
            .collect();
        for (end, key) in ringing {
            network.work(Chore::Answer { end, key, status: 480 });
        }
        network.settle();
        while network.step() {}
        for ((end, key), finals) in &network.ended {
            // An INVITE's 2xx may come up again; any other final is alone.
            let is_2xx = |status: &u16| (200..300).contains(status);
            let once = finals.len() == 1 || (!finals.is_empty() && finals.iter().all(is_2xx));
            assert!(once, "seed {seed}: {key:?} of end {end} ended with {finals:?}");
        }
        for end in &network.ends {
            assert!(end.is_empty(), "seed {seed}: {} transactions stay", end.len());
            assert_eq!(end.poll_timeout(), None, "seed {seed}: a timer stays");
            outcomes.insert(end.counters().timeouts > 0);
        }
        let bound = REQUESTS as u64 * SENDINGS_PER_TRANSACTION_MAX;
        assert!(network.sent <= bound, "seed {seed}: {} messages", network.sent);
    }
    assert_eq!(outcomes.len(), 2, "both timeouts and clean runs are to be seen");
}

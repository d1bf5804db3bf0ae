//! The health of an upstream behind a path that loses, delays and breaks.

#![allow(clippy::disallowed_methods, reason = "one reading to have an Instant at all")]

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use branchline_survival::{Event, Health, Mode, Outcome, ProbeId, Settings, Suspicion};
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A path to an upstream that answers each probe, in virtual time.
struct Line {
    start: Instant,
    now: Instant,
    health: Health,
    rng: ChaCha12Rng,
    one_way: Duration,
    loss_percent: u32,
    is_cut: bool,
    answers: BinaryHeap<Reverse<(Instant, ProbeId)>>,
    seen: Vec<(Duration, Event)>,
    probes: u32,
}

impl Line {
    fn new(seed: u8, one_way_ms: u64, loss_percent: u32) -> Line {
        let start = Instant::now();
        let settings = Settings {
            probe: Duration::from_secs(5),
            settle: Duration::from_secs(15),
        };
        Line {
            start,
            now: start,
            health: Health::new(start, settings, [seed; 32]),
            rng: ChaCha12Rng::from_seed([seed ^ 0x55; 32]),
            one_way: Duration::from_millis(one_way_ms),
            loss_percent,
            is_cut: false,
            answers: BinaryHeap::new(),
            seen: Vec::new(),
            probes: 0,
        }
    }

    fn loses(&mut self) -> bool {
        self.is_cut || self.rng.next_u32() % 100 < self.loss_percent
    }

    fn run(&mut self, ms: u64) {
        let end = self.now + Duration::from_millis(ms);
        loop {
            while let Some(id) = self.health.poll_probe(self.now) {
                self.probes += 1;
                if !self.loses() && !self.loses() {
                    self.answers.push(Reverse((self.now + self.one_way * 2, id)));
                }
            }
            self.collect();
            let answer = self.answers.peek().map(|Reverse((at, _))| *at);
            let next = [answer, self.health.poll_timeout()].into_iter().flatten().min();
            let Some(next) = next.filter(|next| *next <= end) else {
                break;
            };
            self.now = self.now.max(next);
            while let Some(Reverse((at, id))) = self.answers.peek().copied() {
                if at > self.now {
                    break;
                }
                self.answers.pop();
                if !self.is_cut {
                    self.health.handle_probe(self.now, id, Outcome::Answered);
                }
            }
            self.health.handle_timeout(self.now);
            self.collect();
        }
        self.now = end;
    }

    fn collect(&mut self) {
        while let Some(event) = self.health.poll_event() {
            self.seen.push((self.now - self.start, event));
        }
    }

    fn count(&self, wanted: Mode) -> usize {
        let entered = |event: &Event| matches!(event, Event::Changed { to, .. } if *to == wanted);
        self.seen.iter().filter(|(_, event)| entered(event)).count()
    }

    /// A request that the upstream acknowledges like a probe; whether and when it was told to go elsewhere.
    fn request(&mut self) -> Option<Duration> {
        let (sent, known) = (self.now, self.seen.len());
        self.health.handle_sent(self.now);
        if !self.loses() && !self.loses() {
            let round_trip_ms = u64::try_from((self.one_way * 2).as_millis());
            self.run(round_trip_ms.expect("a round trip of less than an age"));
            if !self.is_cut {
                self.health.handle_alive(self.now);
            }
        }
        self.run(2000);
        self.seen[known..]
            .iter()
            .find(|(_, event)| *event == Event::Doubted)
            .map(|(at, _)| self.start + *at - sent)
    }
}

#[test]
fn a_request_into_a_cut_goes_elsewhere_within_half_a_second_and_the_branch_follows() {
    for seed in 0..50 {
        let mut line = Line::new(seed, 10, 0);
        line.run(60_000);
        line.is_cut = true;
        let doubted = line.request().expect("a doubt");
        assert!(doubted < Duration::from_millis(500), "{doubted:?}");
        assert_eq!(line.health.mode(), Mode::Survival);
        assert!(!line.health.serves());
    }
}

#[test]
fn a_cut_without_any_request_is_found_by_the_probes() {
    for seed in 0..50 {
        let mut line = Line::new(seed, 10, 0);
        line.run(60_000);
        line.is_cut = true;
        line.run(9000);
        assert_eq!(line.health.mode(), Mode::Survival);
    }
}

#[test]
fn loss_and_delay_are_not_an_outage() {
    for (one_way_ms, loss_percent) in [(10, 20), (200, 0), (400, 0), (400, 20), (60, 10), (10, 30)] {
        for seed in 0..60 {
            let mut line = Line::new(seed, 10, 0);
            line.run(60_000);
            // All at once, so that nothing learned before holds.
            line.one_way = Duration::from_millis(one_way_ms);
            line.loss_percent = loss_percent;
            for _ in 0..60 {
                line.request();
                line.run(5000);
            }
            assert_eq!(
                line.health.trips(),
                0,
                "{one_way_ms} ms, {loss_percent} %, seed {seed}: {:?}",
                line.seen
            );
        }
    }
}

#[test]
fn a_doubt_is_cleared_by_any_answer() {
    let mut line = Line::new(1, 10, 0);
    line.run(10_000);
    line.health.handle_suspicion(line.now, Suspicion::Media);
    assert_eq!(line.health.mode(), Mode::Suspect);
    line.run(100);
    assert_eq!(line.health.mode(), Mode::Online);
    assert!(line.health.serves());
}

#[test]
fn flaps_of_ten_seconds_take_the_branch_down_once_and_not_back_and_forth() {
    for seed in 0..30 {
        let mut line = Line::new(seed, 10, 0);
        line.run(30_000);
        for _ in 0..30 {
            line.is_cut = true;
            line.run(10_000);
            line.is_cut = false;
            line.run(10_000);
        }
        assert_eq!(line.health.trips(), 1, "seed {seed}: {:?}", line.seen);
        line.run(60_000);
        assert_eq!(line.health.mode(), Mode::Online);
    }
}

#[test]
fn the_return_waits_for_a_steady_line_and_longer_after_each_relapse() {
    let mut line = Line::new(3, 10, 0);
    line.run(30_000);
    let mut waits = Vec::new();
    for _ in 0..4 {
        line.is_cut = true;
        line.run(30_000);
        assert_eq!(line.health.mode(), Mode::Survival);
        line.is_cut = false;
        let began = line.now;
        while line.health.mode() != Mode::Online {
            line.run(100);
            assert!(line.now - began < Duration::from_secs(400), "it never returns");
        }
        waits.push(line.now - began);
    }
    assert!(
        waits[0] >= Duration::from_secs(15) && waits[0] < Duration::from_secs(25),
        "{waits:?}"
    );
    assert!(waits.windows(2).all(|pair| pair[0] < pair[1]), "{waits:?}");
}

#[test]
fn a_lossy_line_is_still_good_enough_to_return_to() {
    for seed in 0..40 {
        let mut line = Line::new(seed, 50, 20);
        line.run(30_000);
        line.is_cut = true;
        line.run(20_000);
        line.is_cut = false;
        line.run(120_000);
        assert!(line.health.serves(), "seed {seed}: {:?}", line.seen);
    }
}

#[test]
fn an_outage_of_a_day_costs_few_probes_and_the_end_of_it_is_seen() {
    let mut line = Line::new(7, 10, 0);
    line.run(30_000);
    line.is_cut = true;
    line.run(60_000);
    let before = line.probes;
    line.run(86_400_000);
    assert!(line.probes - before <= 43_300, "{}", line.probes - before);
    assert_eq!((line.count(Mode::Survival), line.health.mode()), (1, Mode::Survival));
    line.is_cut = false;
    line.run(30_000);
    assert_eq!(line.health.mode(), Mode::Online);
}

#[test]
fn one_that_answers_probes_but_no_calls_is_lost_after_two_in_a_row() {
    let mut line = Line::new(5, 10, 0);
    line.run(30_000);
    line.health.handle_deaf(line.now);
    line.health.handle_call_heard();
    line.health.handle_deaf(line.now);
    assert_eq!(line.health.mode(), Mode::Online, "a call came through in between");
    line.health.handle_deaf(line.now);
    assert_eq!((line.health.mode(), line.health.trips()), (Mode::Survival, 1));
    // Its probes bring it back, and not at once.
    line.run(10_000);
    assert_eq!(line.health.mode(), Mode::Returning);
    line.health.handle_deaf(line.now);
    line.run(20_000);
    assert_eq!(line.health.mode(), Mode::Online);
}

#[test]
fn random_lines_keep_their_promises() {
    for seed in 0..=255 {
        let mut line = Line::new(seed, 5, 0);
        line.run(20_000);
        for _ in 0..40 {
            let dice = line.rng.next_u32();
            match dice % 6 {
                0 => line.is_cut = true,
                1 => {
                    line.is_cut = false;
                    // What was lost before may still count against it.
                    line.run(4000);
                }
                2 => line.loss_percent = dice / 7 % 25,
                3 => line.one_way = Duration::from_millis(u64::from(dice / 7 % 350)),
                4 => line.health.handle_suspicion(line.now, Suspicion::Transport),
                _ => {
                    line.request();
                }
            }
            let (was_cut, before) = (line.is_cut, line.health.trips());
            line.run(u64::from(dice / 11 % 8000));
            assert!(
                was_cut || line.health.trips() == before,
                "seed {seed}: lost while it answered: {:?}",
                line.seen
            );
        }
        line.is_cut = true;
        line.run(20_000);
        assert_eq!(line.health.mode(), Mode::Survival, "seed {seed}");
        line.is_cut = false;
        (line.loss_percent, line.one_way) = (0, Duration::from_millis(5));
        line.run(400_000 + 60_000);
        assert_eq!(line.health.mode(), Mode::Online, "seed {seed}: {:?}", line.seen);
    }
}

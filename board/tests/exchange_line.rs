//! Lines of an exchange: which current is a ring, and how a far end that hung up shows.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::time::{Duration, Instant};

use branchline_board::fake::{self, FakeGpio, Waveform};
use branchline_board::{Equipment, Event, FxoEvent, InputId, Level, Polarity, RingDetector};
use branchline_config::board::{Board, Source};
use branchline_config::country;
use proptest::prelude::*;

const BOARD: &str = r#"
name = "test"
model = "a line on a bench"
chip = "bench"
[[fxo]]
name = "line-1"
ring = { pin = 0 }
off_hook = { pin = 1 }
line_voltage = { pin = 2 }
reversed = { pin = 3 }
"#;
const RING: u32 = 0;
const OFF_HOOK: u32 = 1;
const VOLTAGE: u32 = 2;
const REVERSED: u32 = 3;

use FxoEvent::{Back, Disconnected, Lost, RingPause, RingStopped, Ringing};

#[test]
fn ringing_current_is_told_from_everything_else() {
    type Case = (&'static str, fn(Waveform) -> Waveform, Vec<FxoEvent>);
    let once = || vec![Ringing, RingPause { rings: 1 }, RingStopped];
    let twice = || vec![Ringing, RingPause { rings: 1 }, RingPause { rings: 2 }, RingStopped];
    let cases: [Case; 13] = [
        (
            "20 Hz, two rings",
            |wave| wave.ring(20, 2000).wait_ms(4000).ring(20, 2000),
            twice(),
        ),
        (
            "25 Hz, double ring",
            |wave| wave.ring(25, 400).wait_ms(200).ring(25, 400),
            twice(),
        ),
        ("16 Hz", |wave| wave.ring(16, 1000), once()),
        (
            "a lost wave",
            |wave| wave.ring(20, 500).wait_ms(50).ring(20, 500),
            once(),
        ),
        ("50 Hz", |wave| wave.ring(50, 1500), once()),
        ("68 Hz", |wave| wave.ring(68, 1000), once()),
        (
            "the longest pause of a country",
            |wave| wave.ring(25, 1000).wait_ms(5000).ring(25, 1000),
            twice(),
        ),
        (
            "two calls",
            |wave| wave.ring(25, 1000).wait_ms(9000).ring(25, 1000),
            [once(), once()].concat(),
        ),
        ("a burst too short", |wave| wave.ring(25, 120), vec![]),
        (
            "pulse dialling on a parallel telephone",
            |wave| wave.ring(10, 1000),
            vec![],
        ),
        ("hum of a mains wire", |wave| wave.ring(100, 5000), vec![]),
        (
            "lightning",
            |wave| wave.active_ms(1).inactive_ms(2).active_ms(1).inactive_ms(1),
            vec![],
        ),
        (
            "a click between two rings",
            |wave| {
                wave.ring(25, 1000)
                    .wait_ms(2000)
                    .active_ms(3)
                    .inactive_ms(1997)
                    .ring(25, 1000)
            },
            twice(),
        ),
    ];
    for (name, script, expected) in cases {
        for seed in 0..20 {
            let mut bench = Bench::new();
            let wave = bench
                .wave(RING)
                .with_bounce(seed, Duration::from_millis(2))
                .wait_ms(100);
            let told = bench.play(vec![script(wave)], 40_000);
            assert_eq!(told, expected, "{name}, seed {seed}");
        }
    }
}

#[test]
fn an_answered_line_hears_no_ring_and_a_new_call_begins_at_one() {
    let mut bench = Bench::new();
    let wave = bench.wave(RING).ring(20, 2000);
    assert_eq!(bench.play(vec![wave], 2_500), [Ringing, RingPause { rings: 1 }]);
    let now = bench.now;
    bench.equipment.line("line-1").unwrap().seize(now).unwrap();
    assert_eq!(bench.level(OFF_HOOK), Level::Active);
    let wave = bench.wave(RING).ring(20, 2000);
    assert_eq!(bench.play(vec![wave], 20_000), []);
    let now = bench.now;
    bench.equipment.line("line-1").unwrap().release(now).unwrap();
    assert_eq!(bench.level(OFF_HOOK), Level::Inactive);
    let wave = bench.wave(RING).ring(20, 2000);
    assert_eq!(bench.play(vec![wave], 2_500), [Ringing, RingPause { rings: 1 }]);
}

#[test]
fn a_missing_voltage_is_a_pulled_plug_on_hook_and_a_hang_up_off_hook() {
    // Milliseconds without voltage, whether the line is seized, and what it means.
    let cases = [
        (600, Hook::On, vec![]),
        (1500, Hook::On, vec![Lost, Back]),
        (90, Hook::Off, vec![]),
        (250, Hook::Off, vec![Disconnected, Back]),
        (800, Hook::Off, vec![Disconnected, Back]),
    ];
    for (gone_ms, hook, expected) in cases {
        let mut bench = Bench::new();
        if hook == Hook::Off {
            let now = bench.now;
            bench.equipment.line("line-1").unwrap().seize(now).unwrap();
        }
        let wave = bench.wave(VOLTAGE).set(Level::Active);
        let wave = wave
            .with_bounce(3, Duration::from_millis(2))
            .wait_ms(100)
            .inactive_ms(gone_ms)
            .active_ms(3000);
        assert_eq!(bench.play(vec![wave], 10_000), expected, "{gone_ms} ms, {hook:?}");
        assert!(bench.equipment.line("line-1").unwrap().is_present());
    }
}

#[test]
fn a_recall_opens_the_loop_for_its_time_and_is_no_hang_up() {
    let mut bench = Bench::new();
    let now = bench.now;
    let recall = Duration::from_millis(300);
    bench.equipment.line("line-1").unwrap().flash(now, recall).unwrap_err();
    bench.equipment.line("line-1").unwrap().seize(now).unwrap();
    bench.equipment.line("line-1").unwrap().flash(now, recall).unwrap();
    assert_eq!(bench.level(OFF_HOOK), Level::Inactive);
    let wave = bench
        .wave(VOLTAGE)
        .set(Level::Active)
        .wait_ms(5)
        .inactive_ms(295)
        .active_ms(100);
    assert_eq!(bench.play(vec![wave], 299), []);
    assert_eq!(bench.level(OFF_HOOK), Level::Inactive);
    assert_eq!(bench.play(vec![], 1), []);
    assert_eq!(bench.level(OFF_HOOK), Level::Active);
}

#[test]
fn a_reversal_is_told_once_it_lasts() {
    let mut bench = Bench::new();
    let wave = bench
        .wave(REVERSED)
        .wait_ms(50)
        .active_ms(10)
        .inactive_ms(100)
        .active_ms(500)
        .inactive_ms(100);
    let reversal = [
        FxoEvent::Polarity(Polarity::Reverse),
        FxoEvent::Polarity(Polarity::Forward),
    ];
    assert_eq!(bench.play(vec![wave], 2_000), reversal);
}

proptest! {
    /// What is heard follows from the edges alone, not from when somebody found time to ask.
    #[test]
    fn late_polling_changes_nothing(gaps_ms in prop::collection::vec(prop_oneof![15u64..40, 1u64..200, 3000u64..8000], 1..80)) {
        let start = Bench::new().now;
        let (mut edges, mut at, mut level) = (Vec::new(), start, Level::Inactive);
        for gap in gaps_ms {
            at += Duration::from_millis(gap);
            level = level.toggled();
            edges.push((at, level));
        }
        let until = at + Duration::from_secs(20);
        let (mut punctual, mut late) = (RingDetector::new(), RingDetector::new());
        let (mut heard_in_time, mut heard_late) = (Vec::new(), Vec::new());
        for (at, level) in edges {
            while let Some(due) = punctual.poll_timeout().filter(|due| *due <= at) {
                heard_in_time.extend(punctual.handle_timeout(due));
            }
            punctual.handle_edge(at, level);
            while late.poll_timeout().is_some_and(|due| due <= at) {
                heard_late.extend(late.handle_timeout(at));
            }
            late.handle_edge(at, level);
        }
        while let Some(due) = punctual.poll_timeout().filter(|due| *due <= until) {
            heard_in_time.extend(punctual.handle_timeout(due));
        }
        while late.poll_timeout().is_some_and(|due| due <= until) {
            heard_late.extend(late.handle_timeout(until));
        }
        prop_assert_eq!(heard_in_time, heard_late);
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hook {
    On,
    Off,
}

struct Bench {
    gpio: FakeGpio,
    equipment: Equipment<fake::FakePin>,
    now: Instant,
}

impl Bench {
    #[expect(clippy::disallowed_methods, reason = "one reading to have an Instant at all")]
    fn new() -> Bench {
        let source = Source {
            file: "test.toml",
            text: BOARD,
        };
        let board = Board::parse(source, &[]).unwrap();
        let mut gpio = FakeGpio::new("bench", 4);
        gpio.set_initial(VOLTAGE, Level::Active);
        let equipment = Equipment::open(&board, country::by_code("US").unwrap().analog, &mut gpio);
        assert_eq!(equipment.faults(), []);
        let now = Instant::now();
        Bench { gpio, equipment, now }
    }

    fn input(&self, pin: u32) -> InputId {
        self.gpio.input_of(pin).unwrap()
    }

    fn wave(&self, pin: u32) -> Waveform {
        Waveform::new(self.input(pin), self.now)
    }

    fn level(&self, pin: u32) -> Level {
        self.gpio.output_of(pin).unwrap().level()
    }

    fn play(&mut self, waves: Vec<Waveform>, ms: u64) -> Vec<FxoEvent> {
        let edges: Vec<_> = waves.into_iter().flat_map(Waveform::edges).collect();
        self.now += Duration::from_millis(ms);
        let happened = fake::play(&mut self.equipment, &edges, self.now);
        let events = happened.into_iter().map(|(_, event)| match event {
            Event::Line { event, .. } => event,
            other => panic!("{other:?}"),
        });
        events.collect()
    }
}

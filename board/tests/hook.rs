//! What a loop that opens and closes means: bounce, pulses, recall, hang-up.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::time::{Duration, Instant};

use branchline_board::fake::Waveform;
use branchline_board::{Edge, FxsEvent, Hook, HookTiming, InputId, Level, PulseDialling};
use branchline_config::country;
use proptest::prelude::*;

use FxsEvent::{Digit, Flash, Misdialled, OffHook, OnHook};

/// Longest bounce of the worst hook switches.
const BOUNCE: Duration = Duration::from_millis(3);
const FAST: (u64, u64) = (33, 17);
const SLOW: (u64, u64) = (60, 40);

/// A script, and what it must mean.
type Case = (&'static str, fn(Waveform) -> Waveform, Vec<FxsEvent>);

#[test]
fn a_loop_says_what_the_person_did_however_it_bounces() {
    let cases: [Case; 8] = [
        ("lifted", |wave| wave.active_ms(500), vec![OffHook]),
        (
            "lifted and put down",
            |wave| wave.active_ms(500).inactive_ms(2000),
            vec![OffHook, OnHook],
        ),
        (
            "a click while on hook",
            |wave| wave.active_ms(2).inactive_ms(500),
            vec![],
        ),
        (
            "a click while off hook",
            |wave| wave.active_ms(500).inactive_ms(4).active_ms(500),
            vec![OffHook],
        ),
        (
            "recall by key",
            |wave| wave.active_ms(500).inactive_ms(100).active_ms(500),
            vec![OffHook, Flash],
        ),
        (
            "recall by hand",
            |wave| wave.active_ms(500).inactive_ms(550).active_ms(500),
            vec![OffHook, Flash],
        ),
        (
            "put down for a moment too long",
            |wave| wave.active_ms(500).inactive_ms(650).active_ms(500),
            vec![OffHook, OnHook, OffHook],
        ),
        (
            "put down and lifted at once",
            |wave| wave.active_ms(500).inactive_ms(5000).active_ms(100),
            vec![OffHook, OnHook, OffHook],
        ),
    ];
    check(&cases);
}

#[test]
fn pulses_are_digits_however_they_bounce() {
    let cases: [Case; 6] = [
        (
            "one pulse is no recall",
            |wave| wave.active_ms(500).dial(1, SLOW, 700),
            vec![OffHook, Digit('1')],
        ),
        (
            "911 at ten pulses a second",
            |wave| {
                wave.active_ms(500)
                    .dial(9, SLOW, 600)
                    .dial(1, SLOW, 600)
                    .dial(1, SLOW, 600)
            },
            vec![OffHook, Digit('9'), Digit('1'), Digit('1')],
        ),
        (
            "205 at twenty pulses a second",
            |wave| {
                wave.active_ms(500)
                    .dial(2, FAST, 250)
                    .dial(10, FAST, 250)
                    .dial(5, FAST, 250)
            },
            vec![OffHook, Digit('2'), Digit('0'), Digit('5')],
        ),
        (
            "eleven pulses are no digit",
            |wave| wave.active_ms(500).dial(11, SLOW, 600),
            vec![OffHook, Misdialled],
        ),
        (
            "put down while dialling",
            |wave| wave.active_ms(500).dial(3, SLOW, 0).inactive_ms(2000),
            vec![OffHook, OnHook],
        ),
        (
            "recall after a digit",
            |wave| wave.active_ms(500).dial(3, SLOW, 600).inactive_ms(300).active_ms(500),
            vec![OffHook, Digit('3'), Flash],
        ),
    ];
    check(&cases);
}

#[test]
fn dials_from_worn_to_hasty_are_read() {
    // Dials are made for 10 or 20 pulses a second with 60 to 67 % break, and age.
    for rate in [8, 9, 10, 11, 12, 18, 20, 22] {
        for break_percent in [55, 60, 63, 67, 70] {
            let period_us = 1_000_000 / rate;
            let break_ms = period_us * break_percent / 100_000;
            if break_ms > 85 {
                continue;
            }
            let make_ms = period_us / 1000 - break_ms;
            for (pulses, digit) in (1..=10).zip("1234567890".chars()) {
                let start = start();
                let wave = Waveform::new(InputId(0), start).with_bounce(pulses.into(), BOUNCE / 3);
                let wave = wave.active_ms(300).dial(pulses, (break_ms, make_ms), 250);
                let told = play(&wave.edges(), start + Duration::from_secs(10), european());
                assert_eq!(
                    told,
                    [OffHook, Digit(digit)],
                    "{rate} a second, {break_percent} % break"
                );
            }
        }
    }
}

#[test]
fn a_recall_as_short_as_a_pulse_turns_pulse_dialling_off() {
    let timing = HookTiming {
        flash: (Duration::from_millis(50), Duration::from_millis(130)),
        dialling: PulseDialling::Ignored,
    };
    let start = start();
    let wave = Waveform::new(InputId(0), start).active_ms(500).dial(1, SLOW, 700);
    let told = play(&wave.edges(), start + Duration::from_secs(5), timing);
    assert_eq!(told, [OffHook, Flash]);
}

#[test]
fn every_country_tells_pulses_from_recalls() {
    for country in country::ALL {
        assert_eq!(
            HookTiming::of(country.analog).dialling,
            PulseDialling::Decoded,
            "{}",
            country.code
        );
    }
}

#[test]
fn a_telephone_found_off_hook_is_told_at_once() {
    let mut hook = Hook::new(Level::Active, european());
    assert_eq!(hook.poll_event(), Some(OffHook));
    assert!(hook.is_off_hook());
}

proptest! {
    /// Events follow from the edges alone, not from when somebody found time to ask.
    #[test]
    fn late_polling_changes_nothing(gaps_ms in prop::collection::vec(1u64..900, 1..60), stalls_ms in prop::collection::vec(0u64..2000, 60)) {
        let start = start();
        let mut wave = Waveform::new(InputId(0), start);
        for (index, gap) in gaps_ms.iter().enumerate() {
            wave = wave.set(if index % 2 == 0 { Level::Active } else { Level::Inactive }).wait_ms(*gap);
        }
        let until = wave.end() + Duration::from_secs(3);
        let edges = wave.edges();
        let punctual = play(&edges, until, european());

        let mut hook = Hook::new(Level::Inactive, european());
        let (mut late, mut now) = (Vec::new(), start);
        let mut waiting = edges.as_slice();
        for stall in stalls_ms.iter().cycle() {
            now += Duration::from_millis(stall + 1);
            while let Some((edge, rest)) = waiting.split_first().filter(|(edge, _)| edge.at <= now) {
                hook.handle_edge(edge.at, edge.level);
                waiting = rest;
            }
            hook.handle_timeout(now);
            late.extend(std::iter::from_fn(|| hook.poll_event()));
            if now >= until {
                break;
            }
        }
        prop_assert_eq!(punctual, late);
    }

    /// Noise is never more than a bounded number of events, and time always moves on.
    #[test]
    fn noise_neither_panics_nor_spins(edges in prop::collection::vec((0u64..3_000_000, any::<bool>()), 0..300)) {
        let start = start();
        let mut edges: Vec<Edge> = edges.into_iter().map(|(us, up)| Edge {
            at: start + Duration::from_micros(us),
            input: InputId(0),
            level: if up { Level::Active } else { Level::Inactive },
        }).collect();
        edges.sort_by_key(|edge| edge.at);
        let told = play(&edges, start + Duration::from_secs(10), european());
        // An event takes a settled change, or a pause after one.
        prop_assert!(told.len() <= 2 * edges.len());
    }
}

fn check(cases: &[Case]) {
    for (name, script, expected) in cases {
        for seed in 0..50 {
            let start = start();
            let wave = Waveform::new(InputId(0), start).with_bounce(seed, BOUNCE);
            let told = play(&script(wave).edges(), start + Duration::from_secs(30), european());
            assert_eq!(told, *expected, "{name}, seed {seed}");
        }
    }
}

/// Every edge at its time, every time-out when it is due.
fn play(edges: &[Edge], until: Instant, timing: HookTiming) -> Vec<FxsEvent> {
    let mut hook = Hook::new(Level::Inactive, timing);
    let (mut told, mut waiting) = (Vec::new(), edges);
    loop {
        let due = hook.poll_timeout().filter(|due| *due <= until);
        match (waiting.split_first(), due) {
            (Some((edge, rest)), due) if due.is_none_or(|due| edge.at <= due) => {
                hook.handle_edge(edge.at, edge.level);
                waiting = rest;
            }
            (_, Some(due)) => {
                hook.handle_timeout(due);
                assert!(
                    hook.poll_timeout().is_none_or(|next| next > due),
                    "a time-out that stays due"
                );
            }
            (_, None) => return told,
        }
        told.extend(std::iter::from_fn(|| hook.poll_event()));
    }
}

fn european() -> HookTiming {
    HookTiming::of(country::by_code("DE").unwrap().analog)
}

#[expect(clippy::disallowed_methods, reason = "one reading to have an Instant at all")]
fn start() -> Instant {
    Instant::now()
}

//! The SLIC's pins while a telephone rings, write by write.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::convert::Infallible;
use std::time::{Duration, Instant};

use branchline_board::fake::Waveform;
use branchline_board::{
    Ag1171, Edge, FxsEvent, FxsLine, Handset, Hook, HookTiming, InputId, Level, LineError, Polarity,
};
use branchline_config::country::{self, Ring};
use embedded_hal::digital::{ErrorType, OutputPin};
use embedded_hal_mock::eh1::digital::{Mock, State, Transaction};

const SHORT: Ring = Ring {
    hz: 25,
    cadence_ms: &[100, 300],
};

#[test]
fn ring_mode_is_high_only_while_current_flows() {
    // 100 ms of 25 Hz are five half waves of 20 ms; then the battery, forward, until the next ring.
    let mut ring_mode = mock(&[State::High, State::Low, State::High, State::Low]);
    let mut forward = mock(&[
        State::Low,
        State::High,
        State::Low,
        State::High,
        State::High, //
        State::Low,
        State::High,
        State::Low,
        State::High,
        State::High,
    ]);
    let start = start();
    let mut slic = Ag1171::new(ring_mode.clone(), forward.clone(), on_hook());
    slic.ring(start, SHORT).unwrap();
    let told = play(&mut slic, start, &[], Duration::from_millis(599));
    assert_eq!(
        told,
        [
            (100, FxsEvent::RingPause { rings: 1 }),
            (500, FxsEvent::RingPause { rings: 2 })
        ]
    );
    ring_mode.done();
    forward.done();
}

#[test]
fn a_reversed_line_rings_and_comes_back_reversed() {
    let mut ring_mode = mock(&[State::High, State::Low]);
    let mut forward = mock(&[State::Low, State::High, State::Low, State::High, State::Low, State::Low]);
    let start = start();
    let mut slic = Ag1171::new(ring_mode.clone(), forward.clone(), on_hook());
    slic.set_polarity(Polarity::Reverse).unwrap();
    slic.ring(start, SHORT).unwrap();
    play(&mut slic, start, &[], Duration::from_millis(150));
    ring_mode.done();
    forward.done();
}

#[test]
fn lifting_trips_the_ring_within_150_ms_at_any_moment() {
    for country in country::ALL {
        let ring = country.analog.ring;
        for lifted_at_ms in (37..2500).step_by(91) {
            let start = start();
            let mut slic = Ag1171::new(Wire, Wire, on_hook());
            slic.ring(start, ring).unwrap();
            // While current flows, SHK follows its half waves; the lifted handset adds direct current.
            let mut edges = ripple(start, ring, lifted_at_ms);
            let lifted = start + Duration::from_millis(lifted_at_ms);
            edges.push(edge(lifted, Level::Active));
            let told = play(&mut slic, start, &edges, Duration::from_secs(8));
            let off_hook: Vec<u128> = told
                .iter()
                .filter(|(_, event)| *event == FxsEvent::OffHook)
                .map(|(ms, _)| *ms)
                .collect();
            assert_eq!(off_hook.len(), 1, "{} at {lifted_at_ms}: {told:?}", country.code);
            let tripped = off_hook[0] - u128::from(lifted_at_ms);
            assert!(tripped <= 150, "{}: {tripped} ms after lifting", country.code);
            let later = told
                .iter()
                .filter(|(ms, event)| *ms > off_hook[0] && matches!(event, FxsEvent::RingPause { .. }));
            assert_eq!(
                later.count(),
                0,
                "{} at {lifted_at_ms}: it went on ringing: {told:?}",
                country.code
            );
        }
    }
}

#[test]
fn ripple_of_the_ringing_current_is_not_a_lifted_handset() {
    for country in country::ALL {
        let start = start();
        let mut slic = Ag1171::new(Wire, Wire, on_hook());
        slic.ring(start, country.analog.ring).unwrap();
        let told = play(
            &mut slic,
            start,
            &ripple(start, country.analog.ring, 12_000),
            Duration::from_secs(13),
        );
        assert!(
            told.iter()
                .all(|(_, event)| matches!(event, FxsEvent::RingPause { .. })),
            "{}: {told:?}",
            country.code
        );
        assert!(told.len() >= 2, "{}: {told:?}", country.code);
    }
}

#[test]
fn a_lifted_telephone_does_not_ring_and_a_bare_handset_has_no_polarity() {
    let mut slic = Ag1171::new(Wire, Wire, Hook::new(Level::Active, timing()));
    assert_eq!(slic.ring(start(), SHORT), Err(LineError::OffHook));
    let mut handset = Handset::new(Some(Wire), Hook::new(Level::Active, timing()));
    assert_eq!(handset.ring(start(), SHORT), Err(LineError::OffHook));
    assert_eq!(handset.set_polarity(Polarity::Reverse), Err(LineError::Unable));
}

#[test]
fn a_ringer_follows_the_cadence_and_stops_when_the_handset_is_lifted() {
    let mut ringer = mock(&[State::High, State::Low, State::High, State::Low]);
    let start = start();
    let mut handset = Handset::new(Some(ringer.clone()), on_hook());
    handset.ring(start, SHORT).unwrap();
    let wave = Waveform::new(InputId(0), start)
        .with_bounce(7, Duration::from_millis(3))
        .wait_ms(450)
        .active_ms(500);
    let told = play(&mut handset, start, &wave.edges(), Duration::from_secs(3));
    let events: Vec<FxsEvent> = told.iter().map(|(_, event)| *event).collect();
    assert_eq!(events, [FxsEvent::RingPause { rings: 1 }, FxsEvent::OffHook]);
    ringer.done();
}

#[test]
fn stopping_twice_or_unasked_writes_nothing() {
    let mut ring_mode = mock(&[State::High, State::Low]);
    let mut forward = mock(&[State::High]);
    let mut slic = Ag1171::new(ring_mode.clone(), forward.clone(), on_hook());
    slic.stop_ringing(start()).unwrap();
    slic.ring(start(), SHORT).unwrap();
    slic.stop_ringing(start()).unwrap();
    slic.stop_ringing(start()).unwrap();
    assert_eq!(slic.poll_timeout(), None);
    ring_mode.done();
    forward.done();
}

/// SHK while ringing current flows and nobody has lifted: one half wave of each two reads as current.
fn ripple(start: Instant, ring: Ring, until_ms: u64) -> Vec<Edge> {
    let half_us = 500_000 / u64::from(ring.hz);
    let (mut edges, mut at_us) = (Vec::new(), 0);
    for (index, step) in ring.cadence_ms.iter().cycle().enumerate() {
        let end_us = (at_us + u64::from(*step) * 1000).min(until_ms * 1000);
        if index % 2 == 0 {
            let waves = (at_us..end_us).step_by(usize::try_from(2 * half_us).unwrap());
            for wave_us in waves.filter(|wave_us| wave_us + half_us < end_us) {
                edges.push(edge(start + Duration::from_micros(wave_us), Level::Active));
                edges.push(edge(start + Duration::from_micros(wave_us + half_us), Level::Inactive));
            }
        }
        at_us = end_us;
        if at_us >= until_ms * 1000 {
            return edges;
        }
    }
    edges
}

/// Milliseconds since the start, and what was told.
fn play<L: FxsLine>(line: &mut L, start: Instant, edges: &[Edge], until: Duration) -> Vec<(u128, FxsEvent)>
where
    L::Error: std::fmt::Debug,
{
    let (mut told, mut waiting) = (Vec::new(), edges);
    loop {
        let due = line.poll_timeout().filter(|due| *due <= start + until);
        let now = match (waiting.split_first(), due) {
            (Some((edge, rest)), due) if due.is_none_or(|due| edge.at <= due) => {
                line.handle_edge(edge.at, edge.level).unwrap();
                waiting = rest;
                edge.at
            }
            (_, Some(due)) => {
                line.handle_timeout(due).unwrap();
                due
            }
            (_, None) => return told,
        };
        told.extend(std::iter::from_fn(|| line.poll_event()).map(|event| ((now - start).as_millis(), event)));
    }
}

/// A pin that nothing hangs on.
struct Wire;

impl ErrorType for Wire {
    type Error = Infallible;
}

impl OutputPin for Wire {
    fn set_low(&mut self) -> Result<(), Infallible> {
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

fn mock(writes: &[State]) -> Mock {
    let writes: Vec<Transaction> = writes.iter().map(|state| Transaction::set(*state)).collect();
    Mock::new(&writes)
}

fn edge(at: Instant, level: Level) -> Edge {
    let input = InputId(0);
    Edge { at, input, level }
}

fn on_hook() -> Hook {
    Hook::new(Level::Inactive, timing())
}

fn timing() -> HookTiming {
    HookTiming::of(country::by_code("DE").unwrap().analog)
}

#[expect(clippy::disallowed_methods, reason = "one reading to have an Instant at all")]
fn start() -> Instant {
    Instant::now()
}

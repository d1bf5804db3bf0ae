//! The real thing: ALSA, its thread and RTP on loopback, with sound that a private PulseAudio paces by the real time.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod fake;
mod pulse;

use std::time::{Duration, Instant};

use branchline_sound::{AlsaCards, CardId, DeviceId, Sound, SoundEvent};
use fake::{Far, device, tone};

#[test]
fn a_tone_is_recorded_and_played_by_alsa_in_real_time() {
    let Some(card) = pulse::loop_card() else {
        eprintln!(
            "{}",
            pulse::run_with_card("a_tone_is_recorded_and_played_by_alsa_in_real_time")
        );
        return;
    };
    let sound = Sound::start(vec![device(&card, None)], AlsaCards).unwrap();
    let opened = sound.event(Duration::from_secs(10));
    assert_eq!(opened, Some(SoundEvent::CardOpened { card: CardId(0) }));
    let mut far = Far::new(1000.0);
    sound.plan(DeviceId(0), far.plan()).unwrap();
    let to = sound.locals()[0];

    let start = clock();
    let mut came_back = None;
    for number in 0..SECONDS * 50 {
        let due = Duration::from_millis(20 * number);
        while start.elapsed() < due {
            far.wait(due - start.elapsed().min(due));
            let before = far.heard.len();
            far.receive();
            let is_loud = far.heard[before..].iter().any(|sample| sample.abs() > 2000);
            if is_loud && due >= SILENCE.end {
                came_back.get_or_insert(start.elapsed() - SILENCE.end);
            }
        }
        far.hz = if SILENCE.contains(&due) { 0.0 } else { 1000.0 };
        far.send(to);
    }

    let figures = sound.figures();
    let card = &figures.cards[0];
    let round = came_back.expect("the tone comes back");
    // Of an interruption by other work on this machine the purest half second knows nothing.
    let parts = far.heard.chunks_exact(4000).map(|part| tone(part, 8000, 1000.0));
    let best = parts.max_by(|a, b| a.purity.total_cmp(&b.purity)).unwrap();
    eprintln!(
        "{:.1} Hz, {:.1} % pure, {:.1} dBm0; from packet to packet through the card {} ms; {card:?}",
        best.hz,
        best.purity,
        best.dbm0,
        round.as_millis(),
    );
    assert!((best.hz - 1000.0).abs() < 4.0, "{} Hz", best.hz);
    assert!(best.purity > 97.0, "{} %", best.purity);
    assert!((best.dbm0 + 9.1).abs() < 1.0, "{} dBm0", best.dbm0);
    assert!(card.is_open, "{card:?}");
    assert!(round < Duration::from_millis(800), "{round:?}");
    let seconds = far.heard.len() as f32 / 8000.0;
    assert!(
        (seconds - SECONDS as f32).abs() < 0.5,
        "{seconds} s of packets in {SECONDS}"
    );
}

#[test]
fn a_card_that_does_not_exist_is_told_with_its_reason_and_the_thread_lives() {
    let sound = Sound::start(vec![device("hw:CARD=Nowhere", None)], AlsaCards).unwrap();
    let Some(SoundEvent::CardLost { card: CardId(0), fault }) = sound.event(Duration::from_secs(10)) else {
        panic!("it is told");
    };
    assert!(fault.contains("No such"), "{fault}");
    let mut far = Far::new(1000.0);
    sound.plan(DeviceId(0), far.plan()).unwrap();
    let start = clock();
    while far.heard.len() < 16_000 && start.elapsed() < Duration::from_secs(10) {
        far.receive();
        far.wait(Duration::from_millis(20));
    }
    assert!(far.heard.len() >= 16_000, "silence is sent at the pace of sound");
    assert!(start.elapsed() > Duration::from_millis(1800), "{:?}", start.elapsed());
}

const SECONDS: u64 = 9;
/// When the far end says nothing, so that the way of its tone can be timed.
const SILENCE: std::ops::Range<Duration> = Duration::from_secs(6)..Duration::from_secs(7);

#[expect(clippy::disallowed_methods, reason = "the clock of the test")]
fn clock() -> Instant {
    Instant::now()
}

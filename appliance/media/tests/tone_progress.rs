//! Every country's call-progress tones, made by the player and recognised by the detector.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod sound;

use branchline_config::country::{self, Analog, Tone};
use branchline_media::tone::{Progress, ProgressDetector, TonePlayer};
use proptest::prelude::*;
use sound::{Dice, mix, silence};

#[test]
fn every_tone_of_every_country_is_recognised_as_what_it_is() {
    for country in country::ALL {
        let analog = country.analog;
        for (says, tone) in tones(analog) {
            for level in [-10.0, -25.0] {
                let heard = first_heard(analog, &played(tone, level, 12_000));
                // Where two tones are the same, the first meaning counts (Japan's busy and congestion).
                let same = tones(analog).into_iter().find(|(_, other)| *other == tone).unwrap();
                assert_eq!(
                    heard.map(|(says, _)| says),
                    Some(same.0),
                    "{} {says:?} at {level}",
                    country.code
                );
            }
        }
    }
}

#[test]
fn tones_are_recognised_in_time_and_told_once() {
    // Within so many milliseconds of their beginning.
    let cases = [
        ("US", Progress::Dial, 700),
        ("US", Progress::Busy, 2_200),
        ("US", Progress::Ringback, 6_200),
        ("DE", Progress::Dial, 1_500),
        ("DE", Progress::Busy, 2_100),
        ("DE", Progress::Congestion, 1_200),
        ("GB", Progress::Ringback, 3_500),
        ("FR", Progress::Busy, 2_200),
    ];
    for (code, says, within_ms) in cases {
        let analog = country::by_code(code).unwrap().analog;
        let tone = tones(analog).into_iter().find(|(of, _)| *of == says).unwrap().1;
        let sound = [silence(400), played(tone, -13.0, 20_000), silence(9_000)].concat();
        let mut detector = ProgressDetector::new(analog);
        let mut told = Vec::new();
        for (at, block) in sound.chunks(160).enumerate() {
            told.extend(detector.handle_block(block).map(|says| (says, (at + 1) * 20)));
        }
        assert_eq!(told.len(), 1, "{code} {says:?}: {told:?}");
        assert_eq!(told[0].0, says, "{code}");
        assert!(
            told[0].1 <= 400 + within_ms,
            "{code} {says:?}: after {} ms",
            told[0].1 - 400
        );
        assert_eq!(detector.heard(), None, "{code} {says:?}: it ended");
    }
}

#[test]
fn busy_after_dial_tone_and_speech_is_recognised() {
    let analog = country::by_code("DE").unwrap().analog;
    let mut dice = Dice::new(5);
    let sound = [
        played(analog.dial, -15.0, 2_000),
        silence(1_000),
        played(analog.ringback, -15.0, 11_000),
        dice.speech(5_000),
        silence(100),
        played(analog.busy, -15.0, 5_000),
    ];
    let mut detector = ProgressDetector::new(analog);
    let blocks = sound.concat();
    let told: Vec<Progress> = blocks
        .chunks(80)
        .filter_map(|block| detector.handle_block(block))
        .collect();
    assert_eq!(told, [Progress::Dial, Progress::Ringback, Progress::Busy]);
}

#[test]
fn noise_on_the_line_hides_no_tone() {
    let analog = country::by_code("US").unwrap().analog;
    for (says, tone) in tones(analog) {
        for seed in 0..5 {
            let mut sound = played(tone, -15.0, 12_000);
            mix(&mut sound, 0, &Dice::new(seed).noise(-40.0, 12_000));
            assert_eq!(
                first_heard(analog, &sound).map(|(says, _)| says),
                Some(says),
                "seed {seed}"
            );
        }
    }
}

#[test]
fn speech_and_keys_are_no_tone() {
    for code in ["US", "DE", "GB", "IT"] {
        let analog = country::by_code(code).unwrap().analog;
        for seed in 0..5 {
            let told = first_heard(analog, &Dice::new(seed).speech(30_000));
            assert_eq!(told, None, "{code}, seed {seed}");
        }
    }
}

proptest! {
    #[test]
    fn no_sound_panics(sound in prop::collection::vec(prop_oneof![any::<i16>(), Just(i16::MIN), Just(0)], 0..8000)) {
        let _ = first_heard(country::by_code("IT").unwrap().analog, &sound);
    }
}

fn tones(analog: &Analog) -> [(Progress, Tone); 5] {
    [
        (Progress::Dial, analog.dial),
        (Progress::Ringback, analog.ringback),
        (Progress::Busy, analog.busy),
        (Progress::Congestion, analog.congestion),
        (Progress::Waiting, analog.waiting),
    ]
}

fn played(tone: Tone, level_dbm0: f32, ms: usize) -> Vec<i16> {
    // Long cadences need two cycles.
    let cycle_ms: usize = tone.cadence_ms.iter().map(|ms| usize::from(*ms)).sum();
    let mut out = vec![0; (ms.max(2 * cycle_ms + 1000)) * 8];
    TonePlayer::new(tone, level_dbm0).fill(&mut out);
    out
}

fn first_heard(analog: &Analog, sound: &[i16]) -> Option<(Progress, usize)> {
    let mut detector = ProgressDetector::new(analog);
    let mut blocks = sound.chunks(160).enumerate();
    blocks.find_map(|(at, block)| detector.handle_block(block).map(|says| (says, at * 20)))
}

//! A tone of no country, sent again and again after a hang-up, is learnt; what else is on a line is not.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(
    clippy::disallowed_methods,
    reason = "an Instant can only be made by reading the clock"
)]

mod sound;

use std::time::Instant;

use branchline_config::country::{self, Tone};
use branchline_media::tone::{Progress, RepeatDetector, Repeated, TonePlayer};
use branchline_media::voice::{Channel, ChannelConfig, ChannelEvent, Device, FRAME_SAMPLES, Gains};
use sound::{Dice, mix, silence};

const TONES: [Tone; 6] = [
    Tone {
        hz: &[480, 620],
        cadence_ms: &[500, 500],
    },
    Tone {
        hz: &[480, 620],
        cadence_ms: &[250, 250],
    },
    Tone {
        hz: &[440],
        cadence_ms: &[700, 800],
    },
    Tone {
        hz: &[620],
        cadence_ms: &[330, 330],
    },
    Tone {
        hz: &[900],
        cadence_ms: &[200, 400],
    },
    Tone {
        hz: &[350, 440],
        cadence_ms: &[160, 160],
    },
];

fn played(tone: Tone, level_dbm0: f32, ms: usize) -> Vec<i16> {
    let mut out = vec![0; ms * 8];
    TonePlayer::new(tone, level_dbm0).fill(&mut out);
    out
}

fn learnt(sound: &[i16]) -> Vec<Repeated> {
    let mut detector = RepeatDetector::new();
    sound
        .chunks(160)
        .filter_map(|block| detector.handle_block(block))
        .collect()
}

#[test]
fn a_tone_that_comes_again_and_again_is_learnt_once_with_its_pitch_and_cadence() {
    for tone in TONES {
        for level in [-10.0, -28.0] {
            let mut sound = [Dice::new(1).speech(3000), played(tone, level, 12_000)].concat();
            let ms = sound.len() / 8;
            mix(&mut sound, 0, &Dice::new(2).noise(-50.0, ms));
            let told = learnt(&sound);
            let [told] = told[..] else {
                panic!("{tone:?} at {level}: {told:?}")
            };
            assert!(
                tone.hz.iter().any(|hz| told.hz.abs_diff(*hz) <= 20),
                "{tone:?}: {told:?}"
            );
            let [on_ms, off_ms] = tone.cadence_ms else {
                panic!("two steps")
            };
            assert!(
                told.on_ms.abs_diff(*on_ms) <= 40 && told.off_ms.abs_diff(*off_ms) <= 40,
                "{tone:?}: {told:?}"
            );
        }
    }
}

#[test]
fn dial_tones_ringing_voices_and_keys_are_not_learnt() {
    for country in country::ALL {
        for tone in [country.analog.dial, country.analog.ringback, country.analog.waiting] {
            assert_eq!(learnt(&played(tone, -15.0, 15_000)), [], "{}: {tone:?}", country.code);
        }
    }
    let stutter = Tone {
        hz: &[350, 440],
        cadence_ms: &[100, 100],
    };
    assert_eq!(learnt(&played(stutter, -15.0, 10_000)), []);
    for seed in 0..5 {
        assert_eq!(learnt(&Dice::new(seed).speech(30_000)), [], "seed {seed}");
    }
}

#[test]
fn a_line_tells_a_busy_tone_that_the_country_does_not_have() {
    let line = |country: &str| {
        Channel::new(ChannelConfig {
            analog: country::by_code(country).unwrap().analog,
            device: Device::Line,
            gains: Gains::default(),
            echo_tail_ms: 0,
            seed: 1,
        })
    };
    // A line of another exchange, a tone of the country, and no tone at all.
    for (country, sound, expected) in [
        (
            "DE",
            played(TONES[0], -15.0, 8000),
            vec![ChannelEvent::Heard(Progress::Busy)],
        ),
        (
            "US",
            played(TONES[0], -15.0, 8000),
            vec![ChannelEvent::Heard(Progress::Busy)],
        ),
        ("US", silence(8000), vec![]),
    ] {
        let mut line = line(country);
        for frame in sound.as_chunks::<FRAME_SAMPLES>().0 {
            line.handle_microphone(Instant::now(), frame);
        }
        let told: Vec<_> = std::iter::from_fn(|| line.poll_event()).collect();
        assert_eq!(told, expected, "{country}");
    }
}

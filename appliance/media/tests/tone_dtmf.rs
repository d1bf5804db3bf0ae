//! DTMF within the limits of ITU-T Q.24 (table A-1, the values of several administrations), and not in speech.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod sound;

use branchline_media::tone::{DtmfDetector, DtmfEvent, DtmfPlayer, KEYS, key_hz};
use proptest::prelude::*;
use sound::{Dice, Sound, mix, samples, silence, sines};

/// How a key is sent.
#[derive(Clone, Copy, Debug)]
struct Sent {
    /// Of both frequencies, relative
    off: (f32, f32),
    /// dBm0, row and column
    level: (f32, f32),
    on_ms: usize,
    off_ms: usize,
}

const GOOD: Sent = Sent {
    off: (0.0, 0.0),
    level: (-10.0, -10.0),
    on_ms: 70,
    off_ms: 70,
};

/// Every key must be heard.
const HEARD: [(&str, Sent); 12] = [
    ("as sent", GOOD),
    ("loudest", level(-3.0, -3.0)),
    ("faintest", level(-27.0, -27.0)),
    ("fainter still, on a lossy line", level(-33.0, -33.0)),
    ("high over low by 4 dB", level(-14.0, -10.0)),
    ("low over high by 8 dB", level(-10.0, -18.0)),
    ("both too high by 1.5 %", off(0.015, 0.015)),
    ("both too low by 1.5 %", off(-0.015, -0.015)),
    ("apart by 3 %", off(-0.015, 0.015)),
    ("shortest key and pause", lasting(40, 40)),
    ("93 ms from key to key", lasting(50, 43)),
    ("all at once", WORST),
];

/// No key may be heard.
const NOT_HEARD: [(&str, Sent); 10] = [
    ("too short", lasting(23, 70)),
    ("too faint", level(-55.0, -55.0)),
    ("rows too high by 3.5 %", off(0.035, 0.0)),
    ("rows too low by 3.5 %", off(-0.035, 0.0)),
    ("columns too high by 3.5 %", off(0.0, 0.035)),
    ("columns too low by 3.5 %", off(0.0, -0.035)),
    ("high over low by 12 dB", level(-20.0, -8.0)),
    ("low over high by 14 dB", level(-8.0, -22.0)),
    ("row alone", level(-10.0, -90.0)),
    ("column alone", level(-90.0, -10.0)),
];

const WORST: Sent = Sent {
    level: (-27.0, -24.0),
    off: (0.014, -0.014),
    on_ms: 40,
    off_ms: 40,
};

const fn level(row_dbm0: f32, column_dbm0: f32) -> Sent {
    let level = (row_dbm0, column_dbm0);
    Sent { level, ..GOOD }
}

const fn off(row: f32, column: f32) -> Sent {
    let off = (row, column);
    Sent { off, ..GOOD }
}

const fn lasting(on_ms: usize, off_ms: usize) -> Sent {
    Sent { on_ms, off_ms, ..GOOD }
}

#[test]
fn what_must_be_heard_is_heard_and_what_must_not_is_not() {
    let all = KEYS.iter().collect::<String>();
    for shift in [0, 7, 13, 22, 31, 39] {
        for (name, sent) in HEARD {
            assert_eq!(listen(&keyboard(sent, shift)), all, "{name}, {shift} samples later");
        }
        for (name, sent) in NOT_HEARD {
            assert_eq!(listen(&keyboard(sent, shift)), "", "{name}, {shift} samples later");
        }
    }
}

#[test]
fn an_interruption_is_one_key_and_a_pause_is_two() {
    let key = |ms| sines(&[(770.0, -10.0), (1336.0, -10.0)], ms);
    for (gap_ms, expected) in [(0, "5"), (4, "5"), (10, "5"), (40, "55"), (60, "55")] {
        for shift in 0..10 {
            let sound = [
                silence(50),
                vec![0; shift * 4],
                key(100),
                silence(gap_ms),
                key(100),
                silence(100),
            ]
            .concat();
            assert_eq!(listen(&sound), expected, "{gap_ms} ms, {shift}");
        }
    }
}

#[test]
fn keys_without_a_pause_between_them_are_told_one_after_the_other() {
    let key = |key| {
        let (row, column) = key_hz(key).unwrap();
        sines(&[(row, -10.0), (column, -10.0)], 80)
    };
    let sound = [key('1'), key('5'), key('9'), key('D'), silence(100)].concat();
    assert_eq!(listen(&sound), "159D");
}

#[test]
fn the_length_of_a_key_is_told() {
    for on_ms in [50, 100, 200, 1000, 5000] {
        let sound = [
            silence(30),
            sines(&[(852.0, -10.0), (1477.0, -10.0)], on_ms),
            silence(100),
        ]
        .concat();
        let mut detector = DtmfDetector::new();
        detector.handle_block(&sound);
        assert_eq!(detector.poll_event(), Some(DtmfEvent::Down { key: '9' }));
        let Some(DtmfEvent::Up { key: '9', lasted_ms }) = detector.poll_event() else {
            panic!("{on_ms}")
        };
        assert!(lasted_ms.abs_diff(on_ms as u32) <= 10, "{on_ms}: {lasted_ms}");
        assert_eq!(detector.poll_event(), None);
    }
}

#[test]
fn a_key_that_is_stuck_for_ten_minutes_is_one_key() {
    // Whole frequencies repeat every second.
    let second = sines(&[(852.0, -10.0), (1477.0, -10.0)], 1000);
    let mut detector = DtmfDetector::new();
    for _ in 0..600 {
        detector.handle_block(&second);
    }
    detector.handle_block(&silence(100));
    assert_eq!(detector.poll_event(), Some(DtmfEvent::Down { key: '9' }));
    let Some(DtmfEvent::Up { key: '9', lasted_ms }) = detector.poll_event() else {
        panic!("it is let go");
    };
    assert!(lasted_ms.abs_diff(600_000) <= 10, "{lasted_ms}");
}

proptest! {
    #[test]
    fn no_sound_panics(sound in prop::collection::vec(prop_oneof![any::<i16>(), Just(i16::MIN), Just(0)], 0..4000)) {
        let _ = listen(&sound);
    }
}

#[test]
fn keys_are_heard_through_noise_and_dial_tone() {
    let mut missed = [0; 4];
    const ROUNDS: usize = 40;
    for seed in 0..ROUNDS as u64 {
        let mut dice = Dice::new(seed);
        let clean = keyboard(
            Sent {
                on_ms: 50,
                off_ms: 50,
                ..GOOD
            },
            0,
        );
        let ms = clean.len() / 8;
        let mut clicks = silence(ms);
        for _ in 0..ms / 100 {
            let at = (dice.share() * clicks.len() as f32) as usize;
            mix(&mut clicks, at, &[9000, -9000, 6000, -3000]);
        }
        // White noise 15 dB below each frequency, hum, both dial tones as loud as the keys, clicks.
        let disturbances = [
            dice.noise(-25.0, ms),
            sines(&[(50.0, -15.0), (180.0, -22.0)], ms),
            sines(&[(350.0, -10.0), (440.0, -10.0)], ms),
            clicks,
        ];
        for (missed, disturbance) in missed.iter_mut().zip(disturbances) {
            let mut sound = clean.clone();
            mix(&mut sound, 0, &disturbance);
            let told = listen(&sound);
            *missed += usize::from(told != KEYS.iter().collect::<String>());
        }
    }
    assert_eq!(missed[..3], [0, 0, 0], "noise, hum, dial tone");
    // A click may fall on a key; Q.24 allows one in a thousand to be lost, and none to be wrong.
    assert!(missed[3] <= ROUNDS / 10, "{missed:?}");
}

#[test]
fn silence_tones_and_full_scale_noise_press_no_key() {
    let mut dice = Dice::new(1);
    let cases: [(&str, Sound); 6] = [
        ("silence", silence(5000)),
        ("dial tone", sines(&[(350.0, -10.0), (440.0, -10.0)], 5000)),
        ("busy", sines(&[(480.0, -10.0), (620.0, -10.0)], 5000)),
        ("fax", sines(&[(1100.0, -10.0)], 5000)),
        ("noise", dice.noise(-3.0, 10_000)),
        (
            "square wave",
            (0..40_000)
                .map(|at| if at / 6 % 2 == 0 { i16::MAX } else { i16::MIN })
                .collect(),
        ),
    ];
    for (name, sound) in cases {
        assert_eq!(listen(&sound), "", "{name}");
    }
}

#[test]
fn the_player_s_keys_are_heard_whatever_the_size_of_the_blocks() {
    for size in [1, 7, 80, 160, 999] {
        let mut player = DtmfPlayer::new(-12.0);
        assert!("18005551234*#ABCD".chars().all(|key| player.push(key)));
        assert!(!player.push('x'));
        let (mut detector, mut told) = (DtmfDetector::new(), String::new());
        let mut block = vec![0; size];
        for _ in 0..40_000 / size {
            player.fill(&mut block);
            detector.handle_block(&block);
            told.extend(pressed(&mut detector));
        }
        assert_eq!(told, "18005551234*#ABCD", "{size}");
        assert!(player.is_idle());
    }
}

/// Every key once, with silence around.
fn keyboard(sent: Sent, shift: usize) -> Sound {
    let mut out = vec![0; samples(50) + shift];
    for key in KEYS {
        let (row, column) = key_hz(key).unwrap();
        let parts = [
            (row * (1.0 + sent.off.0), sent.level.0),
            (column * (1.0 + sent.off.1), sent.level.1),
        ];
        out.extend(sines(&parts, sent.on_ms));
        out.extend(silence(sent.off_ms));
    }
    out.extend(silence(60));
    out
}

fn listen(sound: &[i16]) -> String {
    let mut detector = DtmfDetector::new();
    let mut told = String::new();
    for block in sound.chunks(160) {
        detector.handle_block(block);
        told.extend(pressed(&mut detector));
    }
    told
}

fn pressed(detector: &mut DtmfDetector) -> Vec<char> {
    let events = std::iter::from_fn(|| detector.poll_event());
    let keys = events.filter_map(|event| match event {
        DtmfEvent::Down { key } => Some(key),
        DtmfEvent::Up { .. } => None,
    });
    keys.collect()
}

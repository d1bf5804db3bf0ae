//! Callers' numbers: bytes, sound, and back, through lines that are not kind to them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod sound;

use branchline_media::tone::{
    BELL_202, CallerId, CallerIdError, CallerIdReceiver, CallerIdSender, FskTones, Presented, V23,
};
use proptest::prelude::*;
use sound::{Dice, Sound, anna, mix, silence};

#[test]
fn a_message_has_the_bytes_that_the_standard_shows() {
    // Type, length; 01 8 "09301845"; 02 10 "5551234567"; 07 4 "ANNA"; the sum of all is 0.
    let bytes = anna().encode();
    let mut expected = vec![0x80, 28, 1, 8];
    expected.extend(b"09301845");
    expected.extend([2, 10]);
    expected.extend(b"5551234567");
    expected.extend([7, 4]);
    expected.extend(b"ANNA");
    assert_eq!(bytes[..bytes.len() - 1], expected);
    assert_eq!(bytes.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte)), 0);
}

#[test]
fn a_message_without_parameters_is_read_as_well() {
    let mut bytes = vec![4, 18];
    bytes.extend(b"093018455551234567");
    bytes.push(
        bytes
            .iter()
            .fold(0u8, |sum, byte| sum.wrapping_add(*byte))
            .wrapping_neg(),
    );
    let expected = CallerId {
        name: Presented::Unavailable,
        ..anna()
    };
    assert_eq!(CallerId::decode(&bytes), Ok(expected));
}

#[test]
fn what_is_private_unknown_or_wrong_is_told_apart() {
    let private = CallerId {
        when: None,
        number: Presented::Private,
        name: Presented::Unavailable,
    };
    assert_eq!(CallerId::decode(&private.encode()), Ok(private.clone()));
    let good = anna().encode();
    let cases: [(&str, Vec<u8>, CallerIdError); 5] = [
        ("nothing", vec![], CallerIdError::Cut),
        ("cut", good[..good.len() - 2].to_vec(), CallerIdError::Cut),
        ("a flipped bit", with(&good, 20, good[20] ^ 1), CallerIdError::Checksum),
        (
            "messages waiting",
            sealed(&[0x82, 3, 11, 1, 255]),
            CallerIdError::Type(0x82),
        ),
        (
            "a parameter beyond the end",
            sealed(&[0x80, 4, 2, 9, b'1', b'2']),
            CallerIdError::Cut,
        ),
    ];
    for (name, bytes, expected) in cases {
        assert_eq!(CallerId::decode(&bytes), Err(expected), "{name}");
    }
}

#[test]
fn what_is_sent_is_received_at_every_level_a_line_leaves() {
    for tones in [BELL_202, V23] {
        for level in [-3.0, -13.5, -20.0, -32.0, -36.0] {
            for size in [1, 80, 160, 333] {
                let sound = [silence(300), sent(&anna(), tones, level), silence(200)].concat();
                assert_eq!(received(&sound, tones, size), [Ok(anna())], "{tones:?} {level} {size}");
            }
        }
    }
}

#[test]
fn a_line_that_loses_high_tones_hums_and_hisses_still_carries_the_number() {
    for tones in [BELL_202, V23] {
        for seed in 0..20 {
            let mut dice = Dice::new(seed);
            let mut sound = [silence(300), sent(&anna(), tones, -18.0), silence(200)].concat();
            let ms = sound.len() / 8;
            mix(&mut sound, 0, &dice.noise(-38.0, ms));
            mix(&mut sound, 0, &sound::sines(&[(50.0, -30.0)], ms));
            assert_eq!(received(&sound, tones, 160), [Ok(anna())], "{tones:?}, seed {seed}");
        }
    }
}

#[test]
fn a_transmitter_whose_tones_and_clock_are_off_by_a_percent_is_understood() {
    for tones in [BELL_202, V23] {
        for off in [-0.01, 0.01] {
            let moved = FskTones {
                mark_hz: tones.mark_hz * (1.0 + off),
                space_hz: tones.space_hz * (1.0 + off),
            };
            let clean = sent(&anna(), moved, -14.0);
            // Read a little faster or slower: both tones and bits move again.
            let count = (clean.len() as f32 / (1.0 + off)) as usize;
            let stretched: Sound = (0..count).map(|at| at_time(&clean, at as f32 * (1.0 + off))).collect();
            assert_eq!(
                received(&[stretched, silence(200)].concat(), tones, 160),
                [Ok(anna())],
                "{tones:?} {off}"
            );
        }
    }
}

#[test]
fn a_message_that_breaks_off_is_told_and_the_next_one_is_read() {
    let whole = sent(&anna(), BELL_202, -14.0);
    let cut = &whole[..whole.len() * 3 / 4];
    let sound = [cut, &silence(200), &whole, &silence(200)].concat();
    assert_eq!(
        received(&sound, BELL_202, 160),
        [Err(CallerIdError::Broken), Ok(anna())]
    );
}

#[test]
fn speech_and_ringing_are_no_message() {
    for seed in 0..5 {
        let speech = Dice::new(seed).speech(30_000);
        assert_eq!(received(&speech, V23, 160), [], "seed {seed}");
    }
}

proptest! {
    #[test]
    fn every_number_and_name_survives_both_modems(number in "[0-9+*#]{1,20}", name in "[ -~]{1,50}", bell in any::<bool>()) {
        let caller = CallerId { when: None, number: Presented::Given(number), name: Presented::Given(name) };
        let tones = if bell { BELL_202 } else { V23 };
        let sound = [sent(&caller, tones, -14.0), silence(100)].concat();
        prop_assert_eq!(received(&sound, tones, 160), [Ok(caller)]);
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = CallerId::decode(&bytes);
        let _ = CallerId::decode(&sealed(&bytes));
    }

    #[test]
    fn no_sound_panics(sound in prop::collection::vec(any::<i16>(), 0..3000)) {
        received(&sound, V23, 160);
    }
}

fn sent(caller: &CallerId, tones: FskTones, level: f32) -> Sound {
    let mut sender = CallerIdSender::new(caller, tones, level);
    let mut out = vec![0; 40_000];
    let used = sender.fill(&mut out);
    assert!(used < out.len(), "the message ends");
    out.truncate(used);
    out
}

fn received(sound: &[i16], tones: FskTones, size: usize) -> Vec<Result<CallerId, CallerIdError>> {
    let mut receiver = CallerIdReceiver::new(tones);
    sound
        .chunks(size)
        .filter_map(|block| receiver.handle_block(block))
        .collect()
}

fn at_time(sound: &[i16], at: f32) -> i16 {
    let (index, part) = (at as usize, at.fract());
    let sample = |index: usize| f32::from(sound.get(index).copied().unwrap_or(0));
    (sample(index) * (1.0 - part) + sample(index + 1) * part) as i16
}

fn with(bytes: &[u8], at: usize, byte: u8) -> Vec<u8> {
    let mut out = bytes.to_vec();
    out[at] = byte;
    out
}

fn sealed(bytes: &[u8]) -> Vec<u8> {
    let sum = bytes
        .iter()
        .fold(0u8, |sum, byte| sum.wrapping_add(*byte))
        .wrapping_neg();
    [bytes, &[sum]].concat()
}

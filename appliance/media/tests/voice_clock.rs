//! Sound between two clocks: rates, drift, levels of buffers.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod network;
mod sound;

use std::f32::consts::TAU;

use branchline_media::tone::peak;
use branchline_media::voice::{Drift, FRAME_SAMPLES, Rates, Resampler};
use network::{clicks, level_dbm0};
use sound::{Dice, Sound};

fn sine(hz: f32, rate_hz: u32, count: usize) -> Sound {
    let value =
        |at: usize| peak(-10.0) * (std::f64::consts::TAU * f64::from(hz) * at as f64 / f64::from(rate_hz)).sin() as f32;
    (0..count).map(|at| value(at) as i16).collect()
}

/// Everything that comes out, without the first 100 ms.
fn resampled(sound: &[i16], rates: Rates) -> Sound {
    let mut resampler = Resampler::new(rates);
    let mut out = Sound::new();
    for part in sound.chunks(480) {
        resampler.push(part.iter().copied());
        let mut block = [0; 40];
        while resampler.pull(&mut block, 0.0) {
            out.extend(block);
        }
    }
    out.split_off(rates.to_hz as usize / 10)
}

#[test]
fn what_a_voice_has_passes_and_what_would_fold_does_not() {
    for card_hz in [8_000, 16_000, 44_100, 48_000] {
        for (hz, least, most) in [(300.0, -0.1, 0.1), (1000.0, -0.1, 0.1), (3300.0, -0.5, 0.1)] {
            for (from_hz, to_hz) in [(card_hz, 8_000), (8_000, card_hz)] {
                let out = resampled(&sine(hz, from_hz, from_hz as usize), Rates { from_hz, to_hz });
                let gain = level_dbm0(&out) + 10.0;
                assert!(
                    (least..=most).contains(&gain),
                    "{hz} Hz, {from_hz} to {to_hz}: {gain} dB"
                );
            }
        }
    }
    for hz in [4100.0, 5000.0, 7600.0, 12_000.0, 20_000.0] {
        let rates = Rates {
            from_hz: 48_000,
            to_hz: 8_000,
        };
        let gain = level_dbm0(&resampled(&sine(hz, 48_000, 48_000), rates)) + 10.0;
        assert!(gain < -50.0, "{hz} Hz folds: {gain} dB");
    }
}

#[test]
fn what_is_made_of_a_sine_is_a_sine() {
    for (from_hz, to_hz) in [(48_000, 8_000), (8_000, 48_000), (44_100, 8_000), (8_000, 8_000)] {
        let out = resampled(&sine(1000.0, from_hz, from_hz as usize), Rates { from_hz, to_hz });
        let noise = distortion_db(&out, 1000.0 / to_hz as f32);
        assert!(noise < -55.0, "{from_hz} to {to_hz}: {noise} dB");
    }
}

/// What is not the sine, compared with it.
fn distortion_db(sound: &[i16], turns: f32) -> f32 {
    // A whole number of turns.
    let count = sound.len() - sound.len() % 48;
    let sound = &sound[..count];
    let part = |wave: fn(f32) -> f32| -> f32 {
        let values = sound.iter().enumerate();
        values
            .map(|(at, value)| f32::from(*value) * wave(TAU * (turns * at as f32).fract()))
            .sum::<f32>()
            * 2.0
            / count as f32
    };
    let (re, im) = (part(f32::cos), part(f32::sin));
    let rest = sound.iter().enumerate().map(|(at, value)| {
        let angle = TAU * (turns * at as f32).fract();
        (f32::from(*value) - re * angle.cos() - im * angle.sin()).powi(2)
    });
    10.0 * (rest.sum::<f32>() / count as f32 / ((re * re + im * im) / 2.0)).log10()
}

/// A card whose clock is off, read every 20 ms with some jitter, for so long.
struct Hour {
    least_ms: f64,
    most_ms: f64,
    ppm: f64,
    underruns: usize,
    /// The last seconds of what was pulled.
    heard: Sound,
}

fn hour(card_ppm: f64, seconds: usize) -> Hour {
    const CARD_HZ: u32 = 8_000;
    const TARGET_MS: f64 = 15.0;
    let mut dice = Dice::new(1);
    let mut resampler = Resampler::new(Rates {
        from_hz: CARD_HZ,
        to_hz: 8_000,
    });
    let mut drift = Drift::new(TARGET_MS);
    let (mut made, mut underruns, mut heard) = (0usize, 0, Sound::new());
    let (mut least_ms, mut most_ms) = (f64::MAX, f64::MIN);
    let card_hz = f64::from(CARD_HZ) * (1.0 + card_ppm / 1e6);
    // What is in the buffer when it starts.
    resampler.push(std::iter::repeat_n(0, 8 * (TARGET_MS as usize)));
    for frame in 1..=seconds * 50 {
        let late_ms = f64::from(dice.between(0.0, 3.0));
        let until = ((frame as f64 * 20.0 + late_ms) / 1000.0 * card_hz) as usize;
        // The card moves its pointer by 1 ms at a time.
        let until = until / 8 * 8;
        // Its microphone hears 1 kHz by the true clock.
        let phase = |at: usize| 1000.0 * at as f64 / card_hz;
        resampler.push((made..until).map(|at| (8000.0 * (std::f64::consts::TAU * phase(at).fract()).sin()) as i16));
        made = until;
        let mut out = [0; FRAME_SAMPLES];
        if !resampler.pull(&mut out, drift.faster()) {
            underruns += 1;
        }
        let level_ms = resampler.waiting() / 8.0;
        drift.handle_level(level_ms);
        if frame > 50 * 60 {
            (least_ms, most_ms) = (level_ms.min(least_ms), level_ms.max(most_ms));
        }
        if frame > (seconds - 60) * 50 {
            heard.extend(out);
        }
    }
    Hour {
        least_ms,
        most_ms,
        ppm: drift.ppm(),
        underruns,
        heard,
    }
}

#[test]
fn two_clocks_200_ppm_apart_play_for_an_hour_without_a_gap_a_click_or_a_wrong_pitch() {
    for (card_ppm, seconds) in [(200.0, 3600), (-200.0, 600)] {
        let hour = hour(card_ppm, seconds);
        assert_eq!(hour.underruns, 0, "{card_ppm}");
        assert!(
            hour.least_ms > 8.0 && hour.most_ms < 22.0,
            "{card_ppm}: {} to {} ms",
            hour.least_ms,
            hour.most_ms
        );
        assert!((hour.ppm - card_ppm).abs() < 10.0, "{card_ppm}: {} ppm", hour.ppm);
        assert_eq!(clicks(&hour.heard, 1000.0), 0, "{card_ppm}");
        let hz = frequency_hz(&hour.heard);
        assert!((hz - 1000.0).abs() < 0.02, "{card_ppm}: {hz} Hz");
    }
}

/// By the phase of each second against that of the one before.
fn frequency_hz(sound: &[i16]) -> f64 {
    let phases: Vec<f64> = sound
        .chunks_exact(8_000)
        .map(|second| {
            let part = |wave: fn(f64) -> f64| -> f64 {
                let values = second.iter().enumerate();
                values
                    .map(|(at, value)| f64::from(*value) * wave(std::f64::consts::TAU * at as f64 / 8.0))
                    .sum()
            };
            part(f64::cos).atan2(part(f64::sin)) / std::f64::consts::TAU
        })
        .collect();
    let turned = phases
        .windows(2)
        .map(|pair| (pair[1] - pair[0]) - (pair[1] - pair[0]).round());
    1000.0 + turned.sum::<f64>() / (phases.len() - 1) as f64
}

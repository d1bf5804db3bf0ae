//! Sounds for the tests: sines, noise, something like speech; and WAV files for other programs.

#![allow(dead_code, reason = "not every test makes every sound")]

use std::f32::consts::TAU;

use branchline_media::tone::{CallerId, Moment, Presented};
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

pub(crate) type Sound = Vec<i16>;

/// Samples of so many milliseconds.
pub(crate) fn samples(ms: usize) -> usize {
    ms * 8
}

pub(crate) fn silence(ms: usize) -> Sound {
    vec![0; samples(ms)]
}

/// Frequencies with their levels in dBm0, together.
pub(crate) fn sines(parts: &[(f32, f32)], ms: usize) -> Sound {
    let sample = |at: usize| -> f32 {
        let sine =
            |(hz, level): &(f32, f32)| branchline_media::tone::peak(*level) * (TAU * hz * at as f32 / 8000.0).sin();
        parts.iter().map(sine).sum()
    };
    (0..samples(ms)).map(|at| sample(at) as i16).collect()
}

/// Adds one sound to another.
pub(crate) fn mix(onto: &mut [i16], from: usize, sound: &[i16]) {
    for (sample, more) in onto.iter_mut().skip(from).zip(sound) {
        *sample = sample.saturating_add(*more);
    }
}

pub(crate) struct Dice(ChaCha12Rng);

impl Dice {
    pub(crate) fn new(seed: u64) -> Dice {
        Dice(ChaCha12Rng::seed_from_u64(seed))
    }

    /// From 0 to 1.
    pub(crate) fn share(&mut self) -> f32 {
        (self.0.next_u32() >> 8) as f32 / (1u32 << 24) as f32
    }

    pub(crate) fn between(&mut self, least: f32, most: f32) -> f32 {
        least + (most - least) * self.share()
    }

    /// White, with the power of a sine of this level.
    pub(crate) fn noise(&mut self, level_dbm0: f32, ms: usize) -> Sound {
        let spread = branchline_media::tone::peak(level_dbm0) / 2f32.sqrt();
        let mut gauss = || (0..12).map(|_| self.share()).sum::<f32>() - 6.0;
        (0..samples(ms)).map(|_| (spread * gauss()) as i16).collect()
    }

    /// Syllables of voices high and low: harmonics of a gliding pitch under three gliding formants, with hissing and pauses.
    pub(crate) fn speech(&mut self, ms: usize) -> Sound {
        let mut out = Sound::new();
        while out.len() < samples(ms) {
            let syllable = self.between(80.0, 320.0) as usize;
            match self.share() {
                0.0..0.65 => self.vowel(&mut out, syllable),
                0.65..0.8 => {
                    let hiss = self.between(-40.0, -22.0);
                    out.extend(self.noise(hiss, syllable / 2));
                }
                _ => out.extend(silence(syllable)),
            }
        }
        out
    }

    fn vowel(&mut self, out: &mut Sound, ms: usize) {
        let pitch = (self.between(75.0, 400.0), self.between(0.8, 1.25));
        let mut formants = [(270.0, 900.0), (800.0, 2400.0), (2200.0, 3400.0)].map(|(least, most)| {
            (
                self.between(least, most),
                self.between(0.8, 1.25),
                self.between(50.0, 150.0),
            )
        });
        formants.sort_by(|a, b| a.0.total_cmp(&b.0));
        let peak = branchline_media::tone::peak(self.between(-24.0, -6.0));
        let count = samples(ms);
        let mut phase = 0f32;
        for at in 0..count {
            let through = at as f32 / count as f32;
            let hz = pitch.0 * (1.0 + (pitch.1 - 1.0) * through);
            phase += hz / 8000.0;
            let mut value = 0.0;
            for harmonic in 1..=((3600.0 / hz) as usize) {
                let of = harmonic as f32 * hz;
                let gain: f32 = formants
                    .iter()
                    .map(|(centre, glide, width)| {
                        let off = (of - centre * (1.0 + (glide - 1.0) * through)) / width;
                        1.0 / (1.0 + off * off)
                    })
                    .sum();
                value += gain * (TAU * (phase * harmonic as f32).fract()).sin();
            }
            let swell = (std::f32::consts::PI * through).sin();
            out.push((peak * 0.7 * swell * value).clamp(-32_000.0, 32_000.0) as i16);
        }
    }
}

/// A WAV file of 16 bit at 8 kHz.
pub(crate) fn wav(sound: &[i16]) -> Vec<u8> {
    let bytes = (sound.len() * 2) as u32;
    let mut out = Vec::from(*b"RIFF");
    out.extend((36 + bytes).to_le_bytes());
    out.extend(*b"WAVEfmt ");
    out.extend(16u32.to_le_bytes());
    for half in [1u16, 1] {
        out.extend(half.to_le_bytes());
    }
    for word in [8000u32, 16_000] {
        out.extend(word.to_le_bytes());
    }
    for half in [2u16, 16] {
        out.extend(half.to_le_bytes());
    }
    out.extend(*b"data");
    out.extend(bytes.to_le_bytes());
    out.extend(sound.iter().flat_map(|sample| sample.to_le_bytes()));
    out
}

/// The message that the standard shows.
pub(crate) fn anna() -> CallerId {
    CallerId {
        when: Some(Moment {
            month: 9,
            day: 30,
            hour: 18,
            minute: 45,
        }),
        number: Presented::Given("5551234567".to_owned()),
        name: Presented::Given("ANNA".to_owned()),
    }
}

//! Tones of a country as sound.

use std::f32::consts::TAU;

use branchline_config::country::Tone;

use super::{RATE_HZ, peak, to_sample};

/// Frequencies that sound together.
const SINES_MAX: usize = 2;

/// A sine without steps at block borders.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sine {
    phase: f32,
    step: f32,
}

impl Sine {
    pub(super) fn new(hz: f32) -> Sine {
        Sine {
            phase: 0.0,
            step: TAU * hz / RATE_HZ as f32,
        }
    }

    /// -1 to 1.
    pub(super) fn next(&mut self) -> f32 {
        let value = self.phase.sin();
        self.phase += self.step;
        if self.phase >= TAU {
            self.phase -= TAU;
        }
        value
    }

    /// Another frequency, at the same phase.
    pub(super) fn set_hz(&mut self, hz: f32) {
        self.step = TAU * hz / RATE_HZ as f32;
    }
}

/// Plays one tone with its cadence, for as long as it is asked.
#[derive(Clone, Debug)]
pub struct TonePlayer {
    sines: [Sine; SINES_MAX],
    used: usize,
    peak: f32,
    cadence_ms: &'static [u16],
    step: usize,
    left: u32,
}

impl TonePlayer {
    /// Each frequency at this level.
    #[must_use]
    pub fn new(tone: Tone, level_dbm0: f32) -> TonePlayer {
        let mut sines = [Sine::default(); SINES_MAX];
        for (sine, hz) in sines.iter_mut().zip(tone.hz) {
            *sine = Sine::new(f32::from(*hz));
        }
        TonePlayer {
            sines,
            used: tone.hz.len().min(SINES_MAX),
            peak: peak(level_dbm0),
            cadence_ms: tone.cadence_ms,
            step: 0,
            left: tone.cadence_ms.first().map_or(0, |ms| samples(*ms)),
        }
    }

    /// The next samples.
    pub fn fill(&mut self, block: &mut [i16]) {
        for sample in block {
            *sample = match self.is_on() {
                true => {
                    let sum: f32 = self.sines[..self.used].iter_mut().map(Sine::next).sum();
                    to_sample(self.peak * sum)
                }
                false => 0,
            };
            self.advance();
        }
    }

    fn is_on(&self) -> bool {
        self.step.is_multiple_of(2)
    }

    fn advance(&mut self) {
        if self.cadence_ms.is_empty() {
            return;
        }
        self.left = self.left.saturating_sub(1);
        if self.left == 0 {
            self.step = (self.step + 1) % self.cadence_ms.len();
            self.left = samples(self.cadence_ms[self.step]).max(1);
        }
    }
}

pub(super) fn samples(ms: u16) -> u32 {
    u32::from(ms) * RATE_HZ / 1000
}

//! From sound to bytes: which of two tones is there, bit by bit, and ten bits a byte.

use std::f32::consts::TAU;

use super::fsk::{BITS_PER_S, FskTones};
use super::{RATE_HZ, peak};

/// Reads start-stop bytes (8 data bits, no parity, least first) off one pair of tones.
#[derive(Clone, Debug)]
pub(super) struct FskReceiver {
    mark: Correlator,
    space: Correlator,
    samples: [f32; TAPS],
    state: State,
    /// Bits of mark in a row, in thirds of a sample.
    marked: u32,
}

/// What the receiver found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A byte, and how many bits of mark stood before it.
    Byte { byte: u8, marks_before: u32 },
    /// A start without a stop, or no tone at all.
    Broken,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Idle,
    /// In a byte: bits so far, when the next is read, what stood before.
    Byte {
        bits: u16,
        count: u32,
        wait: u32,
        marks_before: u32,
    },
}

/// The louder tone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    Mark,
    Space,
}

/// Phase-blind correlation with one tone.
#[derive(Clone, Debug)]
struct Correlator {
    cos: [f32; TAPS],
    sin: [f32; TAPS],
}

impl FskReceiver {
    pub(super) fn new(tones: FskTones) -> FskReceiver {
        FskReceiver {
            mark: Correlator::new(tones.mark_hz),
            space: Correlator::new(tones.space_hz),
            samples: [0.0; TAPS],
            state: State::Idle,
            marked: 0,
        }
    }

    pub(super) fn handle_sample(&mut self, sample: i16) -> Option<Found> {
        self.samples.copy_within(1.., 0);
        self.samples[TAPS - 1] = f32::from(sample);
        let mark = self.mark.power(&self.samples);
        let space = self.space.power(&self.samples);
        let least = peak(LEVEL_MIN_DBM0);
        if mark.max(space) < least * least {
            self.marked = 0;
            return self.break_off();
        }
        self.handle_tone(if mark > space { Heard::Mark } else { Heard::Space })
    }

    fn handle_tone(&mut self, heard: Heard) -> Option<Found> {
        match &mut self.state {
            State::Idle if heard == Heard::Mark => {
                self.marked = self.marked.saturating_add(SAMPLE);
                None
            }
            State::Idle => {
                self.state = State::Byte {
                    bits: 0,
                    count: 0,
                    wait: BIT / 2,
                    marks_before: self.marked / BIT,
                };
                self.marked = 0;
                None
            }
            State::Byte {
                bits,
                count,
                wait,
                marks_before,
            } => {
                if *wait > SAMPLE {
                    *wait -= SAMPLE;
                    return None;
                }
                *wait += BIT - SAMPLE;
                *bits |= u16::from(heard == Heard::Mark) << *count;
                *count += 1;
                let (bits, marks_before) = (*bits, *marks_before);
                match *count {
                    // A start bit that is none after half of it.
                    1 if heard == Heard::Mark => self.break_off(),
                    FRAME_BITS => {
                        self.state = State::Idle;
                        self.marked = 0;
                        let byte = (bits >> 1) as u8;
                        Some(match heard {
                            Heard::Mark => Found::Byte { byte, marks_before },
                            Heard::Space => Found::Broken,
                        })
                    }
                    _ => None,
                }
            }
        }
    }

    fn break_off(&mut self) -> Option<Found> {
        match self.state {
            State::Idle => None,
            State::Byte { .. } => {
                self.state = State::Idle;
                Some(Found::Broken)
            }
        }
    }
}

impl Correlator {
    fn new(hz: f32) -> Correlator {
        let angle = |at: usize| TAU * hz * at as f32 / RATE_HZ as f32;
        // Tapered, so that what is left of the bit before weighs less.
        let weight = |at: usize| ((at as f32 + 0.5) * std::f32::consts::PI / TAPS as f32).sin();
        let total: f32 = (0..TAPS).map(weight).sum();
        Correlator {
            cos: std::array::from_fn(|at| 2.0 / total * weight(at) * angle(at).cos()),
            sin: std::array::from_fn(|at| 2.0 / total * weight(at) * angle(at).sin()),
        }
    }

    /// Square of the peak of a sine of this tone.
    fn power(&self, samples: &[f32; TAPS]) -> f32 {
        let dot = |taps: &[f32; TAPS]| -> f32 { taps.iter().zip(samples).map(|(tap, sample)| tap * sample).sum() };
        let (re, im) = (dot(&self.cos), dot(&self.sin));
        re * re + im * im
    }
}

/// A bit is 6 2/3 samples.
const TAPS: usize = 8;
/// Thirds of a sample.
const SAMPLE: u32 = 3;
const BIT: u32 = SAMPLE * RATE_HZ / BITS_PER_S;
const FRAME_BITS: u32 = 10;
/// Exchanges send about -13.5 dBm0; lines lose up to 15 dB.
const LEVEL_MIN_DBM0: f32 = -40.0;

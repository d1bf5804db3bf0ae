//! Takes the echo of what a device plays out of what it hears: a hybrid's, or the air's between earpiece and microphone.
//!
//! Two filters model the way of the echo. The one behind learns from every frame (least mean squares) and may be
//! led astray by who speaks meanwhile; the one in front, which is heard, takes over what it learnt only when that has shown
//! to be better. Most of the way is delay, so a tap that is known to matter learns faster than one that does not (IPNLMS,
//! Benesty and Gay 2002).

use super::gain::power;
use super::{FRAME_SAMPLES, Frame};
use crate::tone::{RATE_HZ, peak, to_sample};

/// The canceller of one device.
#[derive(Clone, Debug)]
pub(super) struct EchoCanceller {
    /// What was played, the newest at the end: a frame and a tail.
    played: Vec<f32>,
    behind: Vec<f32>,
    front: Vec<f32>,
    /// How fast each tap learns, and the samples by that.
    weights: Vec<f32>,
    weighted: Vec<f32>,
    /// Frames in a row in which the one behind was better.
    better: u32,
    erle: Erle,
    gain: f32,
}

/// How an echo is dealt with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EchoFigures {
    /// How much quieter the echo is than without a canceller (ERLE), over the last seconds in which there was one.
    pub erle_db: f32,
    /// How long the loudest part of the echo is under way, card included.
    pub delay_ms: f32,
}

/// Powers before and after, where only the far end speaks.
#[derive(Clone, Copy, Debug, Default)]
struct Erle {
    before: f32,
    after: f32,
}

/// Mean squares of one frame.
#[derive(Clone, Copy, Debug)]
struct Powers {
    heard: f32,
    behind: f32,
    front: f32,
}

impl EchoCanceller {
    /// For echoes up to so long, after what the card's buffers take; none for 0.
    pub(super) fn new(tail_ms: u16) -> Option<EchoCanceller> {
        let taps = usize::from(tail_ms.min(TAIL_MS_MAX) + BUFFERS_MS) * RATE_HZ as usize / 1000;
        (tail_ms > 0).then(|| EchoCanceller {
            played: vec![0.0; taps + FRAME_SAMPLES],
            behind: vec![0.0; taps],
            front: vec![0.0; taps],
            weights: vec![1.0; taps],
            weighted: vec![0.0; taps],
            better: 0,
            erle: Erle::default(),
            gain: 1.0,
        })
    }

    /// A frame that the device will play.
    pub(super) fn handle_played(&mut self, frame: &Frame) {
        let kept = self.played.len() - FRAME_SAMPLES;
        self.played.copy_within(FRAME_SAMPLES.., 0);
        self.played[kept..].copy_from_slice(&frame.map(f32::from));
    }

    /// A frame that the device heard; the echo in it is taken out.
    pub(super) fn handle_heard(&mut self, frame: &mut Frame) {
        let heard = frame.map(f32::from);
        let loud = peak(ACTIVE_DBM0).powi(2) / 2.0;
        if mean_square(&self.played) < loud {
            self.better = 0;
            self.gain = 1.0;
            return;
        }
        let taps = self.front.len();
        self.weigh();
        let (mut rest, mut learnt) = (heard, heard);
        for (number, value) in heard.iter().enumerate() {
            let window = &self.played[number + 1..=number + taps];
            rest[number] = value - dot(&self.front, window);
            learnt[number] = value - dot(&self.behind, window);
            self.learn(number, learnt[number], loud);
        }
        let powers = Powers {
            heard: mean_square(&heard),
            behind: mean_square(&learnt),
            front: mean_square(&rest),
        };
        self.judge(powers);
        if powers.front > powers.heard {
            rest = heard;
        }
        self.suppress(&rest, powers, frame);
    }

    pub(super) fn figures(&self) -> EchoFigures {
        let loudest = self
            .front
            .iter()
            .enumerate()
            .max_by(|a, b| a.1.abs().total_cmp(&b.1.abs()));
        let back = loudest.map_or(0, |(at, _)| self.front.len() - 1 - at) + FRAME_SAMPLES;
        EchoFigures {
            erle_db: 10.0 * ((self.erle.before + 1.0) / (self.erle.after + 1.0)).log10(),
            delay_ms: back as f32 * 1000.0 / RATE_HZ as f32,
        }
    }

    /// How fast each tap learns.
    fn weigh(&mut self) {
        let mean = self.behind.iter().map(|tap| tap.abs()).sum::<f32>() / self.behind.len() as f32;
        for (weight, tap) in self.weights.iter_mut().zip(&self.behind) {
            *weight = (1.0 - SPARSE) / 2.0 + (1.0 + SPARSE) / 2.0 * tap.abs() / (mean + TAP_MIN);
        }
    }

    fn learn(&mut self, number: usize, error: f32, loud: f32) {
        let window = &self.played[number + 1..=number + self.behind.len()];
        for ((weighted, weight), sample) in self.weighted.iter_mut().zip(&self.weights).zip(window) {
            *weighted = weight * sample;
        }
        let energy = dot(&self.weighted, window) + loud * self.behind.len() as f32 * 0.01;
        let step = STEP * error / energy;
        for (tap, weighted) in self.behind.iter_mut().zip(&self.weighted) {
            *tap += step * weighted;
        }
    }

    /// Which filter knows more.
    fn judge(&mut self, powers: Powers) {
        let is_better = powers.behind < powers.front * BETTER && powers.behind < powers.heard * ECHO_SHARE_MAX;
        self.better = if is_better { self.better + 1 } else { 0 };
        if self.better >= BETTER_FRAMES {
            self.front.copy_from_slice(&self.behind);
            self.better = 0;
        } else if powers.behind > powers.front * ASTRAY && powers.front < powers.heard {
            self.behind.copy_from_slice(&self.front);
        }
    }

    /// What is left where nobody but the far end speaks is made quieter still.
    fn suppress(&mut self, rest: &[f32; FRAME_SAMPLES], powers: Powers, frame: &mut Frame) {
        let before = power(frame);
        let is_only_echo = powers.front < powers.heard * ONLY_ECHO;
        let (from, to) = (self.gain, if is_only_echo { SUPPRESSED } else { 1.0 });
        for (number, (sample, value)) in frame.iter_mut().zip(rest).enumerate() {
            let share = number as f32 / FRAME_SAMPLES as f32;
            *sample = to_sample(value * (from + (to - from) * share));
        }
        self.gain = to;
        if is_only_echo {
            self.erle.before += (before - self.erle.before) * ERLE_MEMORY;
            self.erle.after += (power(frame) - self.erle.after) * ERLE_MEMORY;
        }
    }
}

fn mean_square(samples: &[f32]) -> f32 {
    samples.iter().map(|sample| sample * sample).sum::<f32>() / samples.len() as f32
}

/// In eight sums, which a processor does at once.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0; LANES];
    for (a, b) in a.as_chunks::<LANES>().0.iter().zip(b.as_chunks::<LANES>().0) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().sum()
}

/// Taps come in whole milliseconds, which are eight.
const LANES: usize = 8;
/// The air of a room.
const TAIL_MS_MAX: u16 = 128;
/// Frames that wait to be played, and to be heard.
const BUFFERS_MS: u16 = 96;
/// Below this nothing is played that could come back.
const ACTIVE_DBM0: f32 = -48.0;
/// A voice is a few tones at a time; who learns faster from one forgets the others.
const STEP: f32 = 0.1;
/// -1 lets all taps learn alike, 1 only those that matter.
const SPARSE: f32 = -0.5;
/// Keeps taps alike as long as nothing is known.
const TAP_MIN: f32 = 1e-4;
/// 1 dB, in three frames one after the other.
const BETTER: f32 = 0.8;
const BETTER_FRAMES: u32 = 3;
/// At least 3 dB of what is heard must be explained.
const ECHO_SHARE_MAX: f32 = 0.5;
/// 6 dB
const ASTRAY: f32 = 4.0;
/// 10 dB of what is heard are explained: nobody speaks.
const ONLY_ECHO: f32 = 0.1;
/// 12 dB; more would cut the noise of the room into pieces.
const SUPPRESSED: f32 = 0.25;
/// Of each frame: 2 s.
const ERLE_MEMORY: f32 = 0.01;

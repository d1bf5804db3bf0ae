//! Sound at any rate as sound at any other, and a rate that may change while it plays: a windowed sinc between samples.

use std::collections::VecDeque;
use std::f32::consts::PI;

use crate::tone::to_sample;

/// Makes samples of one rate from those of another.
///
/// Input: [`push`](Self::push). Output: [`pull`](Self::pull), as long as enough is [`waiting`](Self::waiting).
#[derive(Clone, Debug)]
pub struct Resampler {
    /// Samples in per sample out, as long as nothing drifts.
    ratio: f64,
    /// Samples in per zero crossing of the sinc: more than one when the rate falls.
    width: f64,
    kernel: Vec<f32>,
    waiting: VecDeque<f32>,
    /// Where the next sample out is between those that wait.
    place: f64,
}

/// A rate in and one out, in samples a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    /// Of what is pushed.
    pub from_hz: u32,
    /// Of what is pulled.
    pub to_hz: u32,
}

impl Resampler {
    /// Nothing waits.
    #[must_use]
    pub fn new(rates: Rates) -> Resampler {
        let ratio = f64::from(rates.from_hz.max(1)) / f64::from(rates.to_hz.max(1));
        let width = ratio.max(1.0);
        let mut resampler = Resampler {
            ratio,
            width,
            kernel: kernel(),
            waiting: VecDeque::with_capacity(WAITING_MAX),
            place: 0.0,
        };
        resampler.clear();
        resampler
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        let reach = self.reach();
        self.waiting.clear();
        self.waiting.extend(std::iter::repeat_n(0.0, reach));
        self.place = reach as f64;
    }

    /// More samples; how many were dropped, the oldest, because too many wait.
    pub fn push(&mut self, samples: impl IntoIterator<Item = i16>) -> usize {
        self.waiting.extend(samples.into_iter().map(f32::from));
        let excess = self.waiting.len().saturating_sub(WAITING_MAX);
        self.skip(excess);
        excess
    }

    /// Lets the oldest samples go.
    pub fn skip(&mut self, samples: usize) {
        self.waiting.drain(..samples.min(self.waiting.len()));
        if self.waiting.len() < self.reach() {
            self.clear();
        }
    }

    /// Samples in that have not been pulled, without those that the sinc looks ahead for.
    #[must_use]
    pub fn waiting(&self) -> f64 {
        self.waiting.len() as f64 - self.place - self.reach() as f64
    }

    /// How many samples out can be pulled now.
    #[must_use]
    pub fn ready(&self, faster: f64) -> usize {
        (self.waiting() / (self.ratio * (1.0 + faster))).max(0.0) as usize
    }

    /// Fills a block, taking `faster` (parts of one) more samples in than the rates say; `false` and nothing is done when
    /// too few wait.
    pub fn pull(&mut self, block: &mut [i16], faster: f64) -> bool {
        let step = self.ratio * (1.0 + faster);
        if self.waiting() < step * block.len() as f64 {
            return false;
        }
        for sample in block {
            *sample = to_sample(self.value());
            self.place += step;
        }
        let used = (self.place as usize).saturating_sub(self.reach());
        self.waiting.drain(..used);
        self.place -= used as f64;
        true
    }

    fn value(&self) -> f32 {
        let (centre, part) = (self.place as usize, self.place.fract() as f32);
        let before = self.waiting.range(..=centre).rev();
        let after = self.waiting.range(centre + 1..);
        (self.side(before, part) + self.side(after, 1.0 - part)) / self.width as f32
    }

    /// One side of the sinc: samples from the middle outwards, the first so far from it.
    fn side<'a>(&self, samples: impl Iterator<Item = &'a f32>, first: f32) -> f32 {
        let scale = PER_CROSSING as f32 / self.width as f32;
        let weighted = samples.take(self.reach()).enumerate().map(|(number, sample)| {
            let at = (first + number as f32) * scale;
            let (whole, part) = (at as usize, at.fract());
            match self.kernel.get(whole..whole + 2) {
                Some([here, next]) => sample * (here + (next - here) * part),
                Some(_) | None => 0.0,
            }
        });
        weighted.sum()
    }

    /// Samples in on each side that a sample out is made of.
    fn reach(&self) -> usize {
        (f64::from(CROSSINGS) * self.width) as usize
    }
}

/// Half of a sinc under a Kaiser window.
fn kernel() -> Vec<f32> {
    let points = CROSSINGS * PER_CROSSING;
    let value = |at: u32| {
        let crossings = at as f32 / PER_CROSSING as f32;
        let angle = PI * CUTOFF * crossings;
        let sinc = if at == 0 { 1.0 } else { angle.sin() / angle };
        let along = at as f32 / points as f32;
        CUTOFF * sinc * bessel(BETA * (1.0 - along * along).max(0.0).sqrt()) / bessel(BETA)
    };
    (0..=points).map(value).collect()
}

/// Modified Bessel function of the first kind, order 0.
fn bessel(x: f32) -> f32 {
    let (mut sum, mut term) = (1.0, 1.0);
    for number in 1..24 {
        term *= (x / 2.0 / number as f32).powi(2);
        sum += term;
    }
    sum
}

/// Half a second at 48 kHz.
const WAITING_MAX: usize = 24_000;
/// Zero crossings on each side: 3 ms of delay at 8 kHz.
const CROSSINGS: u32 = 24;
/// Points of the kernel between two crossings; with a straight line between them the error is below -90 dB.
const PER_CROSSING: u32 = 128;
/// Of half the lower rate: at 8 kHz, -6 dB at 3.7 kHz, everything kept up to 3.4, nothing left from 4.0.
const CUTOFF: f32 = 0.925;
/// 63 dB down beyond the edge.
const BETA: f32 = 6.0;

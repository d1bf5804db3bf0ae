//! Loudness: changed by decibels, and measured.

use super::{FRAMES_PER_S, Frame};
use crate::tone::level_dbm0;

/// Multiplies samples; the loudest are clipped.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gain {
    factor: f32,
}

impl Gain {
    pub(super) fn new(db: f32) -> Gain {
        Gain {
            factor: 10f32.powf(db / 20.0),
        }
    }

    pub(super) fn apply(self, frame: &mut Frame) {
        if self.factor == 1.0 {
            return;
        }
        for sample in frame {
            *sample = crate::tone::to_sample(f32::from(*sample) * self.factor);
        }
    }
}

/// The power of the last second, each frame weighing less the older it is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Meter {
    power: f32,
}

impl Meter {
    pub(super) fn handle_frame(&mut self, frame: &Frame) {
        self.power += (power(frame) - self.power) / FRAMES_PER_S as f32;
    }

    /// Of a sine with this power.
    pub(super) fn dbm0(self) -> f32 {
        level_dbm0((2.0 * self.power).sqrt())
    }
}

/// Mean square.
pub(super) fn power(frame: &Frame) -> f32 {
    let sum: f32 = frame.iter().map(|sample| f32::from(*sample).powi(2)).sum();
    sum / frame.len() as f32
}

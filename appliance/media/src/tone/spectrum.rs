//! How much of one frequency is in a window, and how that frequency is off.

use std::f32::consts::TAU;

use super::RATE_HZ;

/// The last `N` samples under a Hann window.
#[derive(Clone, Debug)]
pub(super) struct Window<const N: usize> {
    samples: [f32; N],
    weights: [f32; N],
    weighted: [f32; N],
}

/// One frequency's part in a window.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Part {
    re: f32,
    im: f32,
}

impl<const N: usize> Window<N> {
    pub(super) fn new() -> Window<N> {
        let weight = |at: usize| 0.5 - 0.5 * (TAU * (at as f32 + 0.5) / N as f32).cos();
        Window {
            samples: [0.0; N],
            weights: std::array::from_fn(weight),
            weighted: [0.0; N],
        }
    }

    /// Lets the oldest samples go for as many new ones.
    pub(super) fn push(&mut self, new: &[f32]) {
        let kept = N - new.len();
        self.samples.copy_within(new.len().., 0);
        self.samples[kept..].copy_from_slice(new);
        for ((weighted, sample), weight) in self.weighted.iter_mut().zip(&self.samples).zip(&self.weights) {
            *weighted = sample * weight;
        }
    }

    /// Of the whole window, in units in which a sine of peak 1 has 1.
    pub(super) fn energy(&self) -> f32 {
        let sum: f32 = self.weighted.iter().map(|sample| sample * sample).sum();
        sum / (N as f32 * 3.0 / 16.0)
    }

    /// By Goertzel's recursion.
    pub(super) fn part(&self, hz: f32) -> Part {
        let step = TAU * hz / RATE_HZ as f32;
        let turn = 2.0 * step.cos();
        let (mut last, mut before) = (0.0, 0.0);
        for sample in &self.weighted {
            (last, before) = (sample + turn * last - before, last);
        }
        let scale = 4.0 / N as f32;
        Part {
            re: (last - before * step.cos()) * scale,
            im: before * step.sin() * scale,
        }
    }
}

impl Part {
    /// Peak of the sine that would leave it.
    pub(super) fn peak(self) -> f32 {
        self.re.hypot(self.im)
    }

    /// How far the frequency is from `hz`, from the phase it had a hop of samples ago. Unambiguous to half a turn a hop.
    pub(super) fn offset_hz(self, before: Part, (hz, hop): (f32, usize)) -> f32 {
        let expected = TAU * hz * hop as f32 / RATE_HZ as f32;
        let (re, im) = (
            self.re * before.re + self.im * before.im,
            self.im * before.re - self.re * before.im,
        );
        let turned = im.atan2(re) - expected;
        let turned = turned - TAU * (turned / TAU).round();
        turned * RATE_HZ as f32 / (TAU * hop as f32)
    }

    /// The peak a sine really had that is off by so much.
    pub(super) fn peak_at<const N: usize>(self, offset_hz: f32) -> f32 {
        let bins = (offset_hz * N as f32 / RATE_HZ as f32).abs().min(0.95);
        self.peak() / hann_response(bins)
    }
}

/// What a Hann window leaves of a sine that is so many bins off; 1 at 0.
fn hann_response(bins: f32) -> f32 {
    let angle = std::f32::consts::PI * bins;
    let sinc = if angle < 1e-3 { 1.0 } else { angle.sin() / angle };
    sinc / (1.0 - bins * bins)
}

/// Takes away what is below 600 Hz: dial tones, hum.
#[derive(Clone, Copy, Debug)]
pub(super) struct HighPass {
    stages: [Biquad; 2],
}

#[derive(Clone, Copy, Debug)]
struct Biquad {
    b0: f32,
    b1: f32,
    a1: f32,
    a2: f32,
    state: (f32, f32),
}

impl HighPass {
    /// Butterworth of fourth order.
    pub(super) fn new(hz: f32) -> HighPass {
        // Quality of the two pole pairs: 1 / (2 cos(pi / 8)) and 1 / (2 cos(3 pi / 8)).
        HighPass {
            stages: [0.541_196, 1.306_563].map(|quality| Biquad::high_pass(hz, quality)),
        }
    }

    pub(super) fn next(&mut self, sample: f32) -> f32 {
        self.stages.iter_mut().fold(sample, |value, stage| stage.next(value))
    }
}

impl Biquad {
    fn high_pass(hz: f32, quality: f32) -> Biquad {
        let angle = TAU * hz / RATE_HZ as f32;
        let alpha = angle.sin() / (2.0 * quality);
        let scale = 1.0 / (1.0 + alpha);
        let b0 = (1.0 + angle.cos()) / 2.0 * scale;
        Biquad {
            b0,
            b1: -2.0 * b0,
            a1: -2.0 * angle.cos() * scale,
            a2: (1.0 - alpha) * scale,
            state: (0.0, 0.0),
        }
    }

    fn next(&mut self, sample: f32) -> f32 {
        let out = self.b0 * sample + self.state.0;
        self.state.0 = self.b1 * sample - self.a1 * out + self.state.1;
        self.state.1 = self.b0 * sample - self.a2 * out;
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peak_and_frequency_of_a_sine_are_measured() {
        for offset in [-35.0, -15.0, 0.0, 7.0, 25.0] {
            let (hz, hop) = (941.0, 40);
            let sample = |at: usize| 1000.0 * (TAU * (hz + offset) * at as f32 / 8000.0 + 0.3).sin();
            let mut window = Window::<200>::new();
            let mut parts = Vec::new();
            for start in (0..1000).step_by(hop) {
                let new: Vec<f32> = (start..start + hop).map(sample).collect();
                window.push(&new);
                parts.push(window.part(hz));
            }
            let [before, last] = [parts[parts.len() - 2], parts[parts.len() - 1]];
            let measured = last.offset_hz(before, (hz, hop));
            assert!((measured - offset).abs() < 0.5, "{offset}: {measured}");
            let peak = last.peak_at::<200>(measured);
            assert!((peak - 1000.0).abs() < 15.0, "{offset}: {peak}");
            let energy = window.energy().sqrt();
            assert!((energy - 1000.0).abs() < 15.0, "{offset}: {energy}");
        }
    }

    #[test]
    fn the_high_pass_takes_dial_tone_and_leaves_keys() {
        for (hz, least, most) in [
            (350.0, 0.0, 0.13),
            (440.0, 0.0, 0.33),
            (697.0, 0.8, 1.0),
            (1633.0, 0.97, 1.03),
        ] {
            let mut filter = HighPass::new(600.0);
            let out = (0..4000).map(|at| filter.next((TAU * hz * at as f32 / 8000.0).sin()));
            let peak = out.skip(2000).fold(0f32, |peak, value| peak.max(value.abs()));
            assert!((least..=most).contains(&peak), "{hz}: {peak}");
        }
    }
}

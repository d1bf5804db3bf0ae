//! Sound as samples, and how much of it is the tone that was sent (Goertzel's algorithm).

use std::f64::consts::TAU;
use std::path::Path;

/// Quieter than this, of 32768, is silence: μ-law's smallest steps are 8.
const SILENCE_RMS: f64 = 60.0;
/// At least this part of the energy of clean G.711 is the tone itself.
const TONE_SHARE_MIN: f64 = 0.8;
/// Frames that gaps are counted in.
const FRAME_MS: usize = 20;

/// Mono sound.
#[derive(Clone)]
pub struct Sound {
    /// Samples per second.
    pub rate_hz: u32,
    /// Signed 16 bit.
    pub samples: Vec<i16>,
}

impl Sound {
    /// A tone at a quarter of full scale.
    pub fn tone(hz: u32, rate_hz: u32, seconds: u32) -> Sound {
        let step = TAU * f64::from(hz) / f64::from(rate_hz);
        let samples = (0..rate_hz * seconds)
            .map(|n| (8_000.0 * (step * f64::from(n)).sin()) as i16)
            .collect();
        Sound { rate_hz, samples }
    }

    /// Reads a 16 bit mono WAV file, also one that is still being written.
    pub fn read_wav(path: &Path) -> Option<Sound> {
        let bytes = std::fs::read(path).ok()?;
        let rate_hz = u32::from_le_bytes(bytes.get(24..28)?.try_into().ok()?);
        let data = bytes.windows(4).position(|tag| tag == b"data")? + 8;
        let samples = bytes
            .get(data..)?
            .chunks_exact(2)
            .map(|pair| i16::from_le_bytes([pair[0], pair[1]]))
            .collect();
        Some(Sound { rate_hz, samples })
    }

    /// Writes a 16 bit mono WAV file.
    pub fn write_wav(&self, path: &Path) {
        let data_bytes = (self.samples.len() * 2) as u32;
        let mut bytes = Vec::with_capacity(self.samples.len() * 2 + 44);
        bytes.extend_from_slice(b"RIFF");
        bytes.extend_from_slice(&(data_bytes + 36).to_le_bytes());
        bytes.extend_from_slice(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
        bytes.extend_from_slice(&self.rate_hz.to_le_bytes());
        bytes.extend_from_slice(&(self.rate_hz * 2).to_le_bytes());
        bytes.extend_from_slice(b"\x02\0\x10\0data");
        bytes.extend_from_slice(&data_bytes.to_le_bytes());
        bytes.extend(self.samples.iter().flat_map(|sample| sample.to_le_bytes()));
        std::fs::write(path, bytes).expect("the test's folder is writable");
    }

    /// Length in milliseconds.
    pub fn length_ms(&self) -> usize {
        self.samples.len() * 1000 / self.rate_hz as usize
    }

    /// From `from_ms` to the end.
    pub fn after(&self, from_ms: usize) -> Sound {
        let from = (from_ms * self.rate_hz as usize / 1000).min(self.samples.len());
        Sound {
            rate_hz: self.rate_hz,
            samples: self.samples[from..].to_vec(),
        }
    }

    /// Root mean square, 0 to 32768.
    pub fn rms(&self) -> f64 {
        rms(&self.samples)
    }

    /// The part of the energy at `hz`, 0 to 1; 0 for silence.
    pub fn share(&self, hz: u32) -> f64 {
        // In frames, since a lost or repeated packet turns the phase and a long sum would cancel.
        let mut frames = self
            .frames()
            .map(|frame| (energy(frame), share(frame, hz, self.rate_hz)));
        let (total, at_hz) = frames.by_ref().fold((0.0, 0.0), |(total, at_hz), (energy, share)| {
            (total + energy, at_hz + energy * share)
        });
        if self.rms() < SILENCE_RMS { 0.0 } else { at_hz / total }
    }

    /// The longest stretch without the tone, in milliseconds.
    pub fn longest_gap_ms(&self, hz: u32) -> usize {
        let mut longest = 0;
        let mut current = 0;
        for frame in self.frames() {
            let heard = rms(frame) >= SILENCE_RMS && share(frame, hz, self.rate_hz) >= TONE_SHARE_MIN / 2.0;
            current = if heard { 0 } else { current + FRAME_MS };
            longest = longest.max(current);
        }
        longest
    }

    /// This is the tone.
    #[must_use]
    pub fn is_tone(&self, hz: u32) -> bool {
        self.share(hz) >= TONE_SHARE_MIN
    }

    /// Fails the test unless this is the tone.
    pub fn assert_tone(&self, hz: u32, what: &str) {
        let (share, rms) = (self.share(hz), self.rms());
        assert!(
            share >= TONE_SHARE_MIN,
            "{what}: {hz} Hz is {share:.2} of {} ms at a level of {rms:.0}",
            self.length_ms()
        );
    }

    /// Fails the test unless this is silence.
    pub fn assert_silence(&self, what: &str) {
        let rms = self.rms();
        assert!(
            rms < SILENCE_RMS,
            "{what}: {} ms are not silent, level {rms:.0}",
            self.length_ms()
        );
    }

    fn frames(&self) -> impl Iterator<Item = &[i16]> {
        self.samples.chunks_exact(self.rate_hz as usize * FRAME_MS / 1000)
    }
}

fn energy(samples: &[i16]) -> f64 {
    samples.iter().map(|sample| f64::from(*sample).powi(2)).sum()
}

fn rms(samples: &[i16]) -> f64 {
    (energy(samples) / samples.len().max(1) as f64).sqrt()
}

/// Goertzel: energy of one frequency over the energy of all.
fn share(samples: &[i16], hz: u32, rate_hz: u32) -> f64 {
    let turn = 2.0 * (TAU * f64::from(hz) / f64::from(rate_hz)).cos();
    let (before, last) = samples.iter().fold((0.0, 0.0), |(before, last), sample| {
        (last, f64::from(*sample) + turn * last - before)
    });
    let power = before * before + last * last - turn * before * last;
    let total = energy(samples);
    if total == 0.0 {
        0.0
    } else {
        2.0 * power / (samples.len() as f64 * total)
    }
}

//! The tone that a telephone sends, and how much of a tone is in what it hears (Goertzel's algorithm); A-law (ITU-T G.711).

use std::collections::VecDeque;
use std::f64::consts::TAU;

const RATE_HZ: f64 = 8000.0;
const PACKET_SAMPLES: usize = 160;
const RTP_HEADER_BYTES: usize = 12;
/// One second of what was heard is kept.
const HEARD_SAMPLES_MAX: usize = 8000;

/// A tone of its own for each telephone.
pub(super) struct Tone {
    hz: f64,
    sample: u32,
}

impl Tone {
    /// That of the telephone in this place.
    pub(super) fn of(place: usize) -> Tone {
        // Multiples of 50 Hz up to 3 kHz: whole periods in a second.
        let hz = 400.0 + 150.0 * f64::from(u8::try_from(place % 17).unwrap_or(0));
        Tone { hz, sample: 0 }
    }

    pub(super) fn next_packet(&mut self) -> [u8; PACKET_SAMPLES] {
        std::array::from_fn(|_| {
            self.sample = (self.sample + 1) % 8000;
            encode(8000.0 * (TAU * self.hz * f64::from(self.sample) / RATE_HZ).sin())
        })
    }
}

/// What a telephone heard in the last second.
#[derive(Default)]
pub(super) struct Listener {
    samples: VecDeque<f64>,
}

impl Listener {
    /// A packet of RTP without extensions.
    pub(super) fn hear(&mut self, packet: &[u8]) {
        let sound = packet.get(RTP_HEADER_BYTES..).unwrap_or_default();
        self.samples.extend(sound.iter().map(|byte| decode(*byte)));
        let too_many = self.samples.len().saturating_sub(HEARD_SAMPLES_MAX);
        self.samples.drain(..too_many);
    }

    /// The part of the energy that is this tone, 0 to 1; 0 of silence.
    pub(super) fn share(&self, tone: &Tone) -> f64 {
        let turn = 2.0 * (TAU * tone.hz / RATE_HZ).cos();
        let (mut last, mut before, mut energy) = (0.0, 0.0, 0.0);
        for sample in &self.samples {
            (last, before) = (sample + turn * last - before, last);
            energy += sample * sample;
        }
        let power = last * last + before * before - turn * last * before;
        let length = f64::from(u32::try_from(self.samples.len()).unwrap_or(u32::MAX));
        if energy < 1.0 {
            return 0.0;
        }
        2.0 * power / (length * energy)
    }
}

/// Sixteen bits to A-law.
fn encode(sample: f64) -> u8 {
    let sign = if sample >= 0.0 { 0x80 } else { 0 };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "at most 32767, at least 0"
    )]
    let size = sample.abs().min(32767.0) as u16 >> 4;
    let exponent = 12_u32.saturating_sub(size.leading_zeros());
    let mantissa = (size >> (exponent.max(1) - 1)) & 0x0f;
    let code = u8::try_from((exponent << 4) | u32::from(mantissa)).unwrap_or(0x7f);
    (code | sign) ^ 0x55
}

fn decode(byte: u8) -> f64 {
    let code = byte ^ 0x55;
    let (exponent, mantissa) = (i32::from(code >> 4 & 7), f64::from(code & 0x0f));
    let size = match exponent {
        0 => (mantissa * 2.0 + 1.0) * 8.0,
        _ => (mantissa * 2.0 + 33.0) * 8.0 * 2_f64.powi(exponent - 1),
    };
    if code & 0x80 == 0 { -size } else { size }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_law_keeps_every_size_within_its_step() {
        for size in (0..32_000).step_by(7) {
            for sample in [f64::from(size), -f64::from(size)] {
                let back = decode(encode(sample));
                assert!(
                    (back - sample).abs() <= sample.abs() / 31.0 + 16.0,
                    "{sample} became {back}"
                );
            }
        }
        // Silence and the largest value, as ITU-T G.711 table 1a names them.
        assert_eq!((encode(0.0), encode(32767.0)), (0xd5, 0xaa));
    }

    #[test]
    fn a_telephone_tells_tones_apart() {
        let (mut own, other) = (Tone::of(0), Tone::of(1));
        let mut listener = Listener::default();
        assert_eq!(listener.share(&own), 0.0);
        for _ in 0..100 {
            let mut packet = vec![0; RTP_HEADER_BYTES];
            packet.extend(own.next_packet());
            listener.hear(&packet);
        }
        assert!(listener.share(&own) > 0.95 && listener.share(&other) < 0.05);
    }
}

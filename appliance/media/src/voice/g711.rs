//! G.711 (ITU-T, 1988): 16 bit samples and their 8 bit codes.

use super::plan::Law;

impl Law {
    /// The payload type that is its own (RFC 3551 section 6).
    #[must_use]
    pub fn payload_type(self) -> u8 {
        match self {
            Law::Pcmu => 0,
            Law::Pcma => 8,
        }
    }

    /// The law of a payload type.
    #[must_use]
    pub fn from_payload_type(payload_type: u8) -> Option<Law> {
        [Law::Pcmu, Law::Pcma]
            .into_iter()
            .find(|law| law.payload_type() == payload_type)
    }

    /// The nearest code.
    #[must_use]
    pub fn encode(self, sample: i16) -> u8 {
        match self {
            Law::Pcmu => mu_encode(sample),
            Law::Pcma => a_encode(sample),
        }
    }

    /// What a code stands for.
    #[must_use]
    pub fn decode(self, code: u8) -> i16 {
        match self {
            Law::Pcmu => MU_SAMPLES[usize::from(code)],
            Law::Pcma => A_SAMPLES[usize::from(code)],
        }
    }
}

/// Sign, three bits of segment, four of step; all inverted. Segments begin after a bias of 33 in 14 bits.
fn mu_encode(sample: i16) -> u8 {
    let sign = if sample < 0 { 0x80 } else { 0 };
    let biased = (i32::from(sample).abs() + MU_BIAS).min(MU_MOST);
    let segment = (31 - biased.leading_zeros()) as i32 - 7;
    let step = biased >> (segment + 3) & 0x0f;
    !(sign | (segment << 4 | step) as u8)
}

const fn mu_decode(code: u8) -> i16 {
    let code = !code;
    let (segment, step) = ((code >> 4 & 7) as i32, (code & 0x0f) as i32);
    let value = (((step << 3) + MU_BIAS) << segment) - MU_BIAS;
    (if code & 0x80 != 0 { -value } else { value }) as i16
}

/// As µ-law, without a bias: the first two segments have the same steps. Every second bit is inverted.
fn a_encode(sample: i16) -> u8 {
    let sign = if sample < 0 { 0 } else { 0x80 };
    // -1 is as near to zero as 0 is.
    let value = i32::from(if sample < 0 { !sample } else { sample }) >> 4;
    let segment = 28 - value.leading_zeros().min(28) as i32;
    let step = value >> (segment - 1).max(0) & 0x0f;
    let code = match segment {
        ..=0 => value,
        _ => segment << 4 | step,
    };
    (sign | code as u8) ^ 0x55
}

const fn a_decode(code: u8) -> i16 {
    let code = code ^ 0x55;
    let (segment, step) = ((code >> 4 & 7) as i32, (code & 0x0f) as i32);
    let value = match segment {
        0 => (step << 4) + 8,
        _ => ((step << 4) + 0x108) << (segment - 1),
    };
    (if code & 0x80 != 0 { value } else { -value }) as i16
}

const MU_BIAS: i32 = 33 << 2;
const MU_MOST: i32 = 0x7fff;
static MU_SAMPLES: [i16; 256] = samples_of_mu();
static A_SAMPLES: [i16; 256] = samples_of_a();

const fn samples_of_mu() -> [i16; 256] {
    let mut samples = [0; 256];
    let mut code = 0;
    while code < 256 {
        samples[code] = mu_decode(code as u8);
        code += 1;
    }
    samples
}

const fn samples_of_a() -> [i16; 256] {
    let mut samples = [0; 256];
    let mut code = 0;
    while code < 256 {
        samples[code] = a_decode(code as u8);
        code += 1;
    }
    samples
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f32::consts::TAU;

    /// Codes that give 1 kHz at 0 dBm0 (ITU-T G.711 tables 5 and 6).
    const MILLIWATT: [(Law, [u8; 8]); 2] = [
        (Law::Pcma, [0x34, 0x21, 0x21, 0x34, 0xb4, 0xa1, 0xa1, 0xb4]),
        (Law::Pcmu, [0x1e, 0x0b, 0x0b, 0x1e, 0x9e, 0x8b, 0x8b, 0x9e]),
    ];

    #[test]
    fn the_digital_milliwatt_is_a_kilohertz_at_0_dbm0() {
        for (law, codes) in MILLIWATT {
            let decoded = codes.map(|code| f32::from(law.decode(code)));
            let part = |wave: fn(f32) -> f32| -> f32 {
                let steps = decoded.iter().enumerate();
                steps
                    .map(|(at, value)| value * wave(TAU * at as f32 / 8.0))
                    .sum::<f32>()
                    / 4.0
            };
            let level = crate::tone::level_dbm0(part(f32::sin).hypot(part(f32::cos)));
            // The largest sample is 3.14 dBm0 in A-law, and 3.17 in µ-law, whose steps end a little lower.
            assert!((-0.08..0.02).contains(&level), "{law:?}: {level} dBm0");
        }
    }

    #[test]
    fn the_ends_of_the_tables_are_those_of_the_recommendation() {
        // Values of tables 1a to 2b at 14 and 13 bits, as 16.
        for (law, code, value) in [
            (Law::Pcmu, 0x80, 8031 << 2),
            (Law::Pcmu, 0x00, -8031 << 2),
            (Law::Pcmu, 0xff, 0),
            (Law::Pcmu, 0xfe, 2 << 2),
            (Law::Pcmu, 0xef, 33 << 2),
            (Law::Pcma, 0xaa, 4032 << 3),
            (Law::Pcma, 0x2a, -4032 << 3),
            (Law::Pcma, 0xd5, 1 << 3),
            (Law::Pcma, 0x55, -1 << 3),
            (Law::Pcma, 0xc5, 33 << 3),
        ] {
            assert_eq!(law.decode(code), value, "{law:?} {code:#x}");
        }
    }

    #[test]
    fn every_code_comes_back_and_is_the_middle_of_the_samples_that_get_it() {
        for law in [Law::Pcmu, Law::Pcma] {
            let mut ranges = vec![(i16::MAX, i16::MIN); 256];
            for sample in i16::MIN..=i16::MAX {
                let (least, most) = &mut ranges[usize::from(law.encode(sample))];
                (*least, *most) = (sample.min(*least), sample.max(*most));
            }
            for (code, (least, most)) in (0..=255).zip(ranges) {
                let sample = law.decode(code);
                // There are two zeros in µ-law; one of them is enough.
                let is_second_zero = (law, code) == (Law::Pcmu, 0x7f);
                assert!(is_second_zero || law.encode(sample) == code, "{law:?} {code:#x}");
                let is_end = least == i16::MIN || most == i16::MAX;
                let middle = (i32::from(least) + i32::from(most)) / 2;
                let off = (middle - i32::from(sample)).abs();
                assert!(
                    is_second_zero || is_end || off <= 4,
                    "{law:?} {code:#x}: {least} to {most} is {sample}"
                );
            }
        }
    }
}

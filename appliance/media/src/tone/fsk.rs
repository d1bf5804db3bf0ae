//! Frequency shift keying at 1200 bits a second, one way: tones for bits.

use super::RATE_HZ;
use super::player::Sine;

/// The two tones of a modem.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FskTones {
    /// For 1, and while there is nothing to say.
    pub mark_hz: f32,
    /// For 0
    pub space_hz: f32,
}

/// Bell 202: North America, Australia, China.
pub const BELL_202: FskTones = FskTones {
    mark_hz: 1200.0,
    space_hz: 2200.0,
};

/// ITU-T V.23 forward channel: Europe.
pub const V23: FskTones = FskTones {
    mark_hz: 1300.0,
    space_hz: 2100.0,
};

pub(super) const BITS_PER_S: u32 = 1200;

/// Bits as sound, without steps.
#[derive(Clone, Debug)]
pub(super) struct Keyed {
    tones: FskTones,
    sine: Sine,
    peak: f32,
    /// How much of the bit has been played, in samples times bits a second.
    played: u32,
    is_in_bit: bool,
}

impl Keyed {
    pub(super) fn new(tones: FskTones, peak: f32) -> Keyed {
        Keyed {
            tones,
            sine: Sine::new(tones.mark_hz),
            peak,
            played: 0,
            is_in_bit: false,
        }
    }

    /// The next sample; asks for a bit when one is due, and is over when there is none.
    pub(super) fn next(&mut self, bit: impl FnOnce() -> Option<bool>) -> Option<f32> {
        if !self.is_in_bit {
            let hz = match bit()? {
                true => self.tones.mark_hz,
                false => self.tones.space_hz,
            };
            self.sine.set_hz(hz);
            self.is_in_bit = true;
        }
        self.played += BITS_PER_S;
        if self.played >= RATE_HZ {
            self.played -= RATE_HZ;
            self.is_in_bit = false;
        }
        Some(self.peak * self.sine.next())
    }
}

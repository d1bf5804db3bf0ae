//! Sounds that mean something: DTMF keys, call-progress tones, callers' numbers; made and recognised.
//!
//! Blocks of any length at 8 kHz, 16 bit. Nothing allocates once it is made. Levels are dBm0: a full-scale sine is +3.14 dBm0
//! (ITU-T G.711).

mod caller_id;
mod dtmf;
mod dtmf_detector;
mod fsk;
mod fsk_receiver;
mod player;
mod progress;
mod repeat;
mod spectrum;

pub use caller_id::{ALERT, CallerId, CallerIdError, CallerIdReceiver, CallerIdSender, Moment, Presented};
pub use dtmf::{DtmfPlayer, KEYS, key_hz};
pub use dtmf_detector::{DtmfDetector, DtmfEvent};
pub use fsk::{BELL_202, FskTones, V23};
pub use player::TonePlayer;
pub use progress::{Progress, ProgressDetector};
pub use repeat::{RepeatDetector, Repeated};

/// Samples a second.
pub const RATE_HZ: u32 = 8000;

/// Peak of a sine of this level, in steps of a 16 bit sample.
#[must_use]
pub fn peak(level_dbm0: f32) -> f32 {
    f32::from(i16::MAX) * 10f32.powf((level_dbm0 - FULL_SCALE_DBM0) / 20.0)
}

/// Level of a sine of this peak.
#[must_use]
pub fn level_dbm0(peak: f32) -> f32 {
    FULL_SCALE_DBM0 + 20.0 * (peak.max(1e-3) / f32::from(i16::MAX)).log10()
}

#[expect(clippy::approx_constant, reason = "G.711's load capacity in dB, nothing round")]
const FULL_SCALE_DBM0: f32 = 3.14;

pub(crate) fn to_sample(value: f32) -> i16 {
    value.clamp(f32::from(i16::MIN), f32::from(i16::MAX)).round() as i16
}

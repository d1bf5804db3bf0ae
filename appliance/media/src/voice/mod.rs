//! The sound of one analog or USB device towards one call: tones and signals out, keys and tones in, RTP both ways.
//!
//! 8 kHz, one channel, frames of 20 ms. [`Channel`] is pure: a shell gives it frames of a card and packets of a socket.

mod channel;
mod drift;
mod ear;
mod echo;
mod event;
mod g711;
mod gain;
mod listener;
mod mouth;
mod plan;
mod playout;
mod resample;
mod talker;

pub use channel::Channel;
pub use drift::Drift;
pub use echo::EchoFigures;
pub use event::{ChannelEvent, ChannelFigures, ReceptionFigures};
pub use plan::{ChannelConfig, ChannelPlan, Device, Gains, Hear, Law, Signal, Talk};
pub use resample::{Rates, Resampler};
pub use talker::VoicePacket;

/// Samples in a frame: 20 ms.
pub const FRAME_SAMPLES: usize = 160;
/// Frames a second.
pub const FRAMES_PER_S: u32 = crate::tone::RATE_HZ / FRAME_SAMPLES as u32;
/// 20 ms of sound.
pub type Frame = [i16; FRAME_SAMPLES];
/// Events a channel keeps until they are polled; the oldest goes when there are more.
pub const CHANNEL_EVENTS_MAX: usize = 64;
/// Signals of one plan that are sent; further ones are left out.
pub const SIGNALS_MAX: usize = 16;

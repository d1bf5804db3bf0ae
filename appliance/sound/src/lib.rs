//! Sound cards and RTP for the voice channels of analog and USB devices.
//!
//! In: which device is on which card ([`DeviceConfig`]), plans for their channels. Out: their events, RTP, figures. One
//! thread of real time ([`Sound`]) moves a frame every 20 ms by the clock of the system; each card's own clock is followed by
//! resampling ([`Deck`](deck)). A card that goes leaves silence and an event, and is opened again when it is back.

mod alsa_card;
mod card;
mod deck;
mod engine;
mod figures;
mod thread;

pub use alsa_card::AlsaCards;
pub use card::{Card, CardError, Cards, Shape, Shapes};
pub use engine::{CardId, DeviceConfig, DeviceId, Engine, EngineError, Port, SoundEvent};
pub use figures::{CardFigures, SoundFigures};
pub use thread::{Sound, SoundError};

/// Devices one engine serves; further ones are refused.
pub const DEVICES_MAX: usize = 32;
/// Orders and events that wait for the other side; further orders are refused, further events are dropped and counted.
pub const QUEUE_MAX: usize = 256;

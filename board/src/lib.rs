//! The hardware of a branch box as machines without hardware: telephones, lines, lights, buttons, the relay.
//!
//! In: a [`Board`](branchline_config::board::Board), edges with the kernel's time stamps, and the time. Out: [`Event`]s, and
//! writes to pins. The pins are `embedded-hal` traits, so that a back end, a mock or the [`fake`] stands behind them.
//!
//! Order of calls: hand over every [`Edge`] that happened before `now` with its own time, then
//! [`handle_timeout`](Equipment::handle_timeout), then [`poll_event`](Equipment::poll_event) until there is none. Results
//! depend on the edges' times alone, not on when the caller got round to them.

mod ag1171;
mod button;
mod cadence;
mod ch1817;
mod debounce;
mod equipment;
mod events;
pub mod fake;
mod files;
mod fxo;
mod fxs;
mod gpio;
mod handset;
mod heartbeat;
mod hook;
mod light;
mod ring_detector;

pub use ag1171::Ag1171;
pub use button::{Button, ButtonEvent, Held};
pub use ch1817::{Ch1817, LineInputs};
pub use equipment::{Equipment, Event, Line, Phone};
pub use events::EVENTS_MAX;
pub use files::{BOARDS, built_in, parse};
pub use fxo::{FxoEvent, FxoInput, FxoLine};
pub use fxs::{FxsEvent, FxsLine, LineError, Polarity};
pub use gpio::{Edge, Gpio, GpioError, InputId, Level};
pub use handset::Handset;
pub use heartbeat::{Beat, Heartbeat};
pub use hook::{Hook, HookTiming, PulseDialling};
pub use light::{BoxState, Light, Pattern};
pub use ring_detector::{RingDetector, RingSign};

//! Whether an upstream can be used, without I/O.
//!
//! In: signs of life and their absence. Out: the [`Mode`], the probes to send, and the moment at which calls stop
//! waiting. A doubt moves only the calls that met it; a verdict moves the branch. This crate never sends anything.

mod health;
mod pace;
mod path;

pub use health::{Event, Health, Mode, Outcome, ProbeId, Reason, Settings, Suspicion};
pub use pace::Pace;

//! Calls and legs without I/O.
//!
//! A leg is one party of a call: a SIP session today, an analog line tomorrow. In go leg events (`handle_leg`) and
//! commands (`place`, `transfer_*`, `take_over`, `hang_up`); out come actions for the legs and, once per call, its end.
//! Session descriptions pass through untouched: who carries the media rewrites their addresses.
//!
//! This crate never sees a SIP message, a socket or a port.

mod action;
mod bypass;
mod calls;
mod cause;
mod dialing;
mod leg;
mod ringing;
mod talking;
mod transfer;

pub use action::{Action, EndedBy, NewCall, Replaced, Summary};
pub use calls::Calls;
pub use cause::{Cause, Class};
pub use dialing::{After, Attempt, Patience};
pub use leg::{CallId, LegEvent, LegId};

//! Call flows seen from the legs: events in, actions out.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod changes;
mod flow;
mod ringing;
mod transfers;

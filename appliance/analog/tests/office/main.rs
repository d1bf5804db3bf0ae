//! Analog telephones and a line against a whole branch, in memory.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod bench;
mod lines;
mod random;
mod telephones;

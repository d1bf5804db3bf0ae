//! The whole machine, with phones that have agents of their own and nothing but messages between them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod emergencies;
mod flows;
mod help_floods;
mod hostile;
mod live;
mod messages;
mod odd_help;
mod office;
mod refused;
mod reload;
mod shut_out;
mod storage;
mod torture;
mod transfers;
mod trunks;
mod two_phones;

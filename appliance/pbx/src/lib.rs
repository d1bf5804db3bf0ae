//! The daemon and the command line.
//!
//! What people see and ask lives here: the local [`page`], the [`control`] socket, [`metrics`], logs, the first start
//! and the commands. It meets the daemon loop at the [`hub`] and never touches a call.

pub mod board;
pub mod bundle;
pub mod certificate;
pub mod cli;
pub mod clock;
pub mod control;
pub mod file;
pub mod first_start;
pub mod front;
pub mod hub;
pub mod invocation;
pub mod io;
pub mod ladder;
pub mod log;
pub mod metrics;
pub mod notify;
pub mod page;
pub mod password;
pub mod place;
pub mod rtp;
pub mod run;
pub mod screen;
mod tide;
pub mod update;
pub mod version;

//! The connection between a box and the cloud, without I/O.
//!
//! [`BoxEnd`] is the box's end and [`CloudEnd`] the cloud's end of one connection. In: messages, what became of a connection,
//! entries read from the journal or stored, and the time. Out: messages, and what a shell shall connect, read, store or do.
//!
//! What holds whatever the line does: each entry of the journal reaches the store once or more, under its id, so that it is
//! there once; an acknowledgement never runs ahead of what is stored; a generation of the configuration never goes back.

mod backoff;
mod box_end;
mod cloud_end;
mod commands;
mod feed;
mod pace;

pub use backoff::{BACKOFF_MAX, BACKOFF_MIN, Backoff};
pub use box_end::{BoxEnd, BoxEndConfig, BoxOutput, Lost, Progress, Reason, WallClock};
pub use cloud_end::{Closing, CloudEnd, CloudOutput, KnownBox, WINDOW_ENTRIES};
pub use commands::{COMMANDS_MAX, Commands, Verdict};
pub use feed::{Feed, Found, JournalState, READ_BYTES_MAX, READ_ENTRIES_MAX, Read};
pub use pace::Pace;

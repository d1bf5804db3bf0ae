//! SIP without I/O: messages, transactions, dialogs, sessions, digest, bindings.

pub mod agent;
pub mod binding;
mod dialog;
pub mod digest;
pub mod flow;
pub mod frame;
pub mod message;
pub mod stun;
mod subscription;
pub mod transaction;

pub use flow::{ConnectionId, Flow, Transmit, Transport};
pub use message::{Builder, Message, Method, Name, NameAddr, ParseError, Uri, Via};

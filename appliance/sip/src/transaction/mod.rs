//! Transactions (RFC 3261 section 17 with RFC 6026): requests and their responses matched, repeated and absorbed.

mod client;
mod endpoint;
mod event;
mod follow_up;
mod identity;
mod invitation;
mod invite_client;
mod invite_server;
mod limits;
mod outcome;
mod requests;
mod response;
mod responses;
mod server;
mod table;
mod timers;
mod via;

pub use endpoint::Endpoint;
pub use event::{ClientKey, Event, Failure, Refusal, ServerKey};
pub(crate) use limits::Room;
pub use limits::{Counters, Full, Limits, Priority};
pub use response::Response;
pub use timers::{Reason, Timing};

#[cfg(test)]
mod stage;

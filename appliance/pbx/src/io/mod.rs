//! The box's SIP sockets and its look-ups.
//!
//! In: readiness, bytes, and what the branch wants sent. Out: whole messages with the flow they came on, failed flows, answers of
//! the name servers, and what the kernel tells of the networks. Nothing here decides about a call, and nothing makes the branch
//! wait.

pub mod bind;
pub mod facing;
pub mod post;
mod remembered;
pub mod resolve;
pub mod stream;
pub mod surroundings;
pub mod tls;
pub mod udp;

//! The box's SIP sockets and its look-ups.
//!
//! In: readiness, bytes, and what the branch wants sent. Out: whole messages with the flow they came on, failed flows,
//! and answers of the name servers. Nothing here decides about a call, and nothing makes the branch wait.

pub mod bind;
pub mod facing;
pub mod post;
pub mod resolve;
pub mod stream;
pub mod tls;
pub mod udp;

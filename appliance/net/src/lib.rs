//! Batched UDP sockets, and what the kernel knows of the box's own networks.
//!
//! In: ready sockets. Out: datagrams, many per system call, in buffers that are allocated once. Nothing is decided here,
//! and there is no `unsafe`: `recvmmsg` and `sendmmsg` are `nix`'s.

mod links;
mod neighbours;
mod netlink;
mod receive;
mod send;
mod socket;

pub use links::{LinkWatch, Waited, linked_addresses};
pub use neighbours::{NEIGHBOURS_MAX, Neighbour, neighbours};
pub use receive::{BatchReceiver, Datagram};
pub use send::{BatchSender, Outgoing, Sent};
pub use socket::{BindError, BindOptions, Socket, TrafficClass};

/// Largest UDP datagram in bytes; a receiver for SIP takes all of it.
pub const DATAGRAM_BYTES_MAX: usize = 65_535;
/// Most datagrams moved by one system call.
pub const BATCH_MAX: usize = 64;

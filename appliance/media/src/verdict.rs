//! One datagram in, one decision out.

use std::net::SocketAddr;

/// A datagram as it arrived.
#[derive(Debug, Clone, Copy)]
pub struct Packet<'a> {
    /// Port of the box it arrived at; even is RTP, odd is RTCP.
    pub port: u16,
    /// Who sent it.
    pub source: SocketAddr,
    /// Its bytes.
    pub data: &'a [u8],
}

/// What to do with a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Send it unchanged.
    Forward {
        /// Port of the box to send from.
        port: u16,
        /// Where to.
        to: SocketAddr,
    },
    /// Send it back with another SSRC: one's own is a loop (RFC 3550 section 8.2).
    Echo {
        /// Port of the box to send from.
        port: u16,
        /// Where to.
        to: SocketAddr,
        /// What to write in place of the SSRC, see [`crate::rtp::set_ssrc`].
        ssrc: u32,
    },
    /// Forget it.
    Drop(Drop),
}

/// Why a datagram goes nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drop {
    /// No leg has this port.
    UnknownPort,
    /// Not RTP or RTCP: STUN, garbage, keep-alives.
    Garbage,
    /// Not from the source the leg is locked to.
    Foreign,
    /// From a source that is not confirmed yet.
    Unconfirmed,
    /// The plan does not let it pass in this direction.
    Held,
    /// There is no other leg.
    NoPeer,
    /// Nobody knows where the other leg is.
    NoRemote,
}

//! What the relay tells the rest of the box.

use crate::{BridgeId, LegId, LegQuality};
use std::net::SocketAddr;
use std::time::Instant;

/// Something happened on a leg or a bridge.
#[derive(Debug, Clone, PartialEq)]
pub enum MediaEvent {
    /// The leg is locked to a source; told again when that source changes.
    Latched {
        /// The leg.
        leg: LegId,
        /// Where its RTP comes from.
        source: SocketAddr,
    },
    /// A key was pressed (RFC 4733); told once, when it is released.
    Dtmf {
        /// The leg that pressed it.
        leg: LegId,
        /// `0` to `9`, `*`, `#`, `A` to `D`.
        digit: char,
        /// How long it was held, in milliseconds.
        duration_ms: u32,
    },
    /// A leg that should send has sent nothing for its `rtp_timeout`; told once per silence.
    Silence {
        /// The leg.
        leg: LegId,
        /// Its last packet, or when it was first allowed to send.
        since: Instant,
    },
    /// The figures that were asked for with [`crate::Relay::handle_measure`].
    Measured {
        /// Every live leg.
        legs: Vec<(LegId, LegQuality)>,
    },
    /// A bridge is closed.
    Closed {
        /// The bridge.
        bridge: BridgeId,
        /// Every leg that ended on it, also those that left it earlier.
        legs: Vec<(LegId, LegQuality)>,
    },
}

//! The desired state of a bridge, as the rest of the box tells it to the relay.

use branchline_sdp::{Codec, Direction};
use std::net::SocketAddr;
use std::time::Duration;
use thiserror::Error;

/// One bridge: the legs that hear each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BridgeId(pub u64);

/// One leg: the media of one phone or trunk call, wherever it is bridged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LegId(pub u64);

/// The desired state of one bridge; giving the same plan twice changes nothing.
///
/// No legs closes the bridge. A leg named in the plan of another bridge moves there with its port, lock and figures;
/// so in a transfer the plan that gains the leg comes before the plan that loses it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaPlan {
    /// Which bridge.
    pub bridge: BridgeId,
    /// The legs it should have, at most [`crate::BRIDGE_LEGS_MAX`].
    pub legs: Vec<LegPlan>,
    /// What the box itself is to a leg that is alone.
    pub own: Option<OwnEnd>,
}

/// An end of a bridge that is no phone or trunk but the box; tones and announcements are further ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnEnd {
    /// Sends back what it hears.
    Echo,
}

/// What is known of one leg.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegPlan {
    /// Which leg.
    pub leg: LegId,
    /// Even RTP port of the box, on whatever address it is bound; RTCP is the next one.
    pub port: u16,
    /// Where the phone said it receives RTP.
    pub signalled: Option<SocketAddr>,
    /// Where the phone said it receives RTCP.
    pub signalled_rtcp: Option<SocketAddr>,
    /// What the phone does: its packets go on only if it sends, and it gets packets only if it receives.
    pub direction: Direction,
    /// Payload type of `telephone-event` (RFC 4733).
    pub telephone_event: Option<u8>,
    /// Payload types the phone may send, for clock rates and figures.
    pub codecs: Vec<Codec>,
    /// How long a sending phone may be silent before [`crate::MediaEvent::Silence`].
    pub rtp_timeout: Option<Duration>,
}

/// Why a plan was refused; the state is then as before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PlanError {
    /// More legs than a bridge can have, or one leg twice.
    #[error("bridge {}: {legs} legs, or one of them twice", bridge.0)]
    Legs {
        /// The bridge.
        bridge: BridgeId,
        /// Legs in the plan.
        legs: usize,
    },
    /// The port is 0 or odd.
    #[error("leg {}: port {port} is not an even port", leg.0)]
    Port {
        /// The leg.
        leg: LegId,
        /// The refused port.
        port: u16,
    },
    /// The port belongs to another leg.
    #[error("leg {}: port {port} is in use by leg {}", leg.0, owner.0)]
    PortInUse {
        /// The leg.
        leg: LegId,
        /// The refused port.
        port: u16,
        /// The leg that has it.
        owner: LegId,
    },
    /// The relay holds [`crate::LEGS_MAX`] legs.
    #[error("the relay is full")]
    Full,
}

//! The media relay without I/O: latching, RTP and RTCP, DTMF, quality.
//!
//! In: [`MediaPlan`] values, packets and the time. Out: a [`Verdict`] per packet, and [`MediaEvent`] values. The socket
//! work is elsewhere; nothing on the path of a packet allocates or copies. [`tone`] is the sound of analog lines.

mod dtmf;
mod emodel;
mod event;
mod exercise;
mod latch;
mod leg;
mod plan;
mod ports;
mod quality;
mod reception;
mod relay;
mod round_trip;
pub mod rtcp;
pub mod rtp;
pub mod tone;
mod verdict;
pub mod voice;

pub use emodel::{Impairment, mos, rating};
pub use event::MediaEvent;
pub use exercise::exercise;
pub use latch::LatchConfig;
pub use leg::Leg;
pub use plan::{BridgeId, LegId, LegPlan, MediaPlan, OwnEnd, PlanError};
pub use ports::{Family, PoolConfig, PortPool};
pub use quality::LegQuality;
pub use relay::{Reason, Relay, RelayCounters};
pub use verdict::{Drop, Packet, Verdict};

/// Most legs one relay holds; a port range of two bytes has no room for more pairs.
pub const LEGS_MAX: usize = 32_768;
/// Most legs in one bridge, until there is a mixer.
pub const BRIDGE_LEGS_MAX: usize = 2;
/// Most legs whose figures a bridge keeps after they left it.
pub const DEPARTED_MAX: usize = 8;
/// Most events waiting to be polled; `Closed` is never refused, the others are dropped and counted.
pub const EVENTS_MAX: usize = 4096;

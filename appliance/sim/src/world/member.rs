//! A telephone or trunk with its place in the network.

use branchline_ladder::{Actor, Role};
use branchline_sip::{ConnectionId, Transport};

/// A telephone or trunk in the network.
#[derive(Debug)]
pub struct Member {
    /// `phone 201`, `trunk a`.
    pub name: String,
    /// The telephone itself.
    pub actor: Actor,
    /// Its cable is plugged in.
    pub plugged: bool,
    /// Which side of the WAN it is on.
    pub place: Place,
    pub(super) connection: Option<ConnectionId>,
    /// When the last part of its stream arrives, each way; streams keep their order.
    pub(super) stream: [Option<std::time::Instant>; 2],
}

/// Which side of the WAN somebody is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// With the box.
    Branch,
    /// Behind the WAN.
    Outside,
}

impl Member {
    /// Plugged in, beside the box.
    pub fn new(name: &str, actor: Actor) -> Member {
        Member {
            name: name.to_owned(),
            actor,
            plugged: true,
            place: Place::Branch,
            connection: None,
            stream: [None; 2],
        }
    }

    /// A telephone, not a trunk.
    pub fn is_phone(&self) -> bool {
        self.actor.setup().role == Role::Phone
    }

    /// Reached by way of the hosted PBX.
    pub(super) fn is_beyond(&self) -> bool {
        self.actor.setup().role == Role::Beyond
    }

    pub(super) fn streams(&self) -> bool {
        self.actor.setup().transport != Transport::Udp
    }
}

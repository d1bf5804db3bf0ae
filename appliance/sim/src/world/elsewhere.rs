//! The hosted PBX, and the line between it and the box.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use branchline_branch::{DrillOrder, Now};
use branchline_ladder::{HostedPbx, Toward};
use branchline_sip::{Flow, Transport};
use bytes::Bytes;

use super::{Arrival, BOX, Cable, World};

/// The hosted PBX with the cable to it.
#[derive(Debug)]
pub(super) struct Elsewhere {
    pbx: HostedPbx,
    cable: Cable,
}

impl Elsewhere {
    pub(super) fn address(&self) -> SocketAddr {
        self.pbx.address()
    }

    /// Where sound to it comes back to the box.
    pub(super) fn relays(&self, to: SocketAddr, from_port: u16) -> Option<(u16, SocketAddr)> {
        match self.cable {
            Cable::In => self.pbx.relays(to, from_port),
            Cable::Out => None,
        }
    }
}

impl World {
    /// There is a hosted PBX.
    pub fn set_hosted(&mut self, pbx: HostedPbx) {
        self.hosted = Some(Elsewhere { pbx, cable: Cable::In });
    }

    /// The hosted PBX.
    pub fn hosted(&self) -> Option<&HostedPbx> {
        self.hosted.as_ref().map(|hosted| &hosted.pbx)
    }

    /// Cuts or mends the line to it.
    pub fn plug_hosted(&mut self, cable: Cable) {
        self.note(&format!("the line to the hosted PBX: {cable:?}"));
        if let Some(hosted) = &mut self.hosted {
            hosted.cable = cable;
        }
    }

    /// A drill takes it away from some lines, or from all.
    ///
    /// # Errors
    /// Why the box does not do that.
    pub fn drill(&mut self, lasts: Duration, canary: &[String]) -> Result<(), String> {
        self.note(&format!("a drill of {lasts:?} for {canary:?}"));
        let moment = self.moment();
        let order = DrillOrder {
            lasts,
            canary: canary.to_vec(),
        };
        let branch = self.branch.as_mut().ok_or("the box is off")?;
        branch
            .begin_drill(moment, &order)
            .map_err(|refused| refused.to_string())
    }

    pub(super) fn to_hosted(&mut self, now: Instant, bytes: &Bytes) {
        for delay in self.quality.arrivals(&mut self.dice) {
            let bytes = bytes.clone();
            self.push(now + delay, Arrival::AtHosted { bytes });
        }
    }

    pub(super) fn at_hosted(&mut self, bytes: &Bytes) {
        let now = self.now();
        let Some(hosted) = self.hosted.as_mut().filter(|hosted| hosted.cable == Cable::In) else {
            return;
        };
        hosted.pbx.handle_message(bytes);
        let out: Vec<(Toward, Bytes)> = std::iter::from_fn(|| hosted.pbx.poll_transmit()).collect();
        for (toward, bytes) in out {
            let beyond = match toward {
                Toward::Branch => None,
                Toward::Beyond(address) => Some(address),
            };
            if let Some(address) = beyond {
                self.to_beyond(now, address, &bytes);
                continue;
            }
            for delay in self.quality.arrivals(&mut self.dice) {
                let bytes = bytes.clone();
                self.push(now + delay, Arrival::FromHosted { bytes });
            }
        }
    }

    /// Outside nothing is lost.
    fn to_beyond(&mut self, now: Instant, address: SocketAddr, bytes: &Bytes) {
        let found = self
            .members
            .iter()
            .position(|member| member.actor.setup().address == address);
        if let Some(member) = found {
            let arrival = Arrival::AtMember {
                member,
                connection: None,
                bytes: bytes.clone(),
            };
            self.push(now, arrival);
        }
    }

    pub(super) fn from_hosted(&mut self, moment: Now, bytes: Bytes) {
        let Some(hosted) = self.hosted.as_ref().filter(|hosted| hosted.cable == Cable::In) else {
            return;
        };
        let flow = Flow {
            transport: Transport::Udp,
            local: BOX,
            remote: hosted.address(),
            connection: None,
        };
        if let Some(branch) = &mut self.branch {
            branch.handle_message(moment, flow, bytes);
        }
    }
}

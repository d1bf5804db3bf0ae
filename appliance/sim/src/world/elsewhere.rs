//! What lies behind the WAN: the hosted PBX and the line to it, and trunks.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use branchline_branch::{DrillOrder, Now};
use branchline_ladder::{HostedPbx, Toward};
use branchline_sip::{Flow, Transport};
use bytes::Bytes;

use super::arrival::Arrival;
use super::{BOX, Cable, Place, World};

/// The hosted PBX with the cable to it.
#[derive(Debug)]
pub(super) struct Elsewhere {
    pbx: HostedPbx,
    cable: Cable,
    power: Power,
}

/// Whether a machine runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Power {
    /// It runs.
    On,
    /// It does not, and has forgotten everything when it runs again.
    Off,
}

impl Elsewhere {
    pub(super) fn address(&self) -> SocketAddr {
        self.pbx.address()
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.pbx.poll_timeout()
    }
}

impl World {
    /// There is a hosted PBX.
    pub fn set_hosted(&mut self, pbx: HostedPbx) {
        self.hosted = Some(Elsewhere {
            pbx,
            cable: Cable::In,
            power: Power::On,
        });
    }

    /// Its mind.
    pub fn hosted_pbx(&mut self) -> Option<&mut HostedPbx> {
        self.hosted.as_mut().map(|hosted| &mut hosted.pbx)
    }

    /// Cuts or mends the line to it.
    pub fn plug_hosted(&mut self, cable: Cable) {
        self.note(&format!("the line to the hosted PBX: {cable:?}"));
        if let Some(hosted) = &mut self.hosted {
            hosted.cable = cable;
        }
        (0..self.members.len()).for_each(|member| self.note_reach(member));
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

    /// The hosted PBX stops or starts.
    pub fn power_hosted(&mut self, power: Power) {
        self.note(&format!("the hosted PBX: {power:?}"));
        if let Some(hosted) = &mut self.hosted {
            hosted.power = power;
            hosted.pbx.forget();
        }
        (0..self.members.len()).for_each(|member| self.note_reach(member));
    }

    /// Cuts or mends the line to everything outside.
    pub fn plug_wan(&mut self, cable: Cable) {
        self.note(&format!("the WAN: {cable:?}"));
        self.wan = cable;
        (0..self.members.len()).for_each(|member| self.note_reach(member));
    }

    /// Whether messages pass between the box and a member now.
    pub(super) fn reaches(&self, member: usize) -> bool {
        let member = &self.members[member];
        let is_near = match member.place {
            Place::Branch => true,
            Place::Outside => self.wan == Cable::In,
        };
        member.plugged && is_near
    }

    /// A cable, the WAN or the hosted PBX has changed.
    pub(super) fn note_reach(&mut self, member: usize) {
        let now = self.now();
        // The way to who is beyond is as good as the hosted PBX.
        let is_on_the_way = !self.members[member].is_beyond() || self.hosted_in_reach().is_some();
        if is_on_the_way && self.reaches(member) {
            self.cuts.ended(now, member);
        } else {
            self.cuts.began(now, member);
        }
    }

    /// The hosted PBX, while messages pass between it and the box.
    fn hosted_in_reach(&mut self) -> Option<&mut HostedPbx> {
        let is_cut = self.wan == Cable::Out;
        let hosted = self
            .hosted
            .as_mut()
            .filter(|hosted| hosted.cable == Cable::In && !is_cut)?;
        match hosted.power {
            Power::On => Some(&mut hosted.pbx),
            Power::Off => None,
        }
    }

    /// Where sound to the hosted PBX comes back to the box.
    pub(super) fn hosted_relays(&mut self, to: SocketAddr, from_port: u16) -> Option<(u16, SocketAddr)> {
        self.hosted_in_reach()?.relays(to, from_port)
    }

    pub(super) fn to_hosted(&mut self, now: Instant, bytes: &Bytes) {
        for delay in self.quality.arrivals(&mut self.dice) {
            let bytes = bytes.clone();
            self.push(now + delay, Arrival::AtHosted { bytes });
        }
    }

    pub(super) fn at_hosted(&mut self, bytes: &Bytes) {
        let now = self.now();
        if let Some(pbx) = self.hosted_in_reach() {
            pbx.handle_message(now, bytes);
        }
        self.hear_hosted();
    }

    /// What the hosted PBX has thought about goes out.
    pub(super) fn hear_hosted(&mut self) {
        let now = self.now();
        while let Some((toward, bytes)) = self.hosted.as_mut().and_then(|hosted| hosted.pbx.poll_transmit(now)) {
            match toward {
                Toward::Branch => {
                    for delay in self.quality.arrivals(&mut self.dice) {
                        let bytes = bytes.clone();
                        self.push(now + delay, Arrival::FromHosted { bytes });
                    }
                }
                Toward::Beyond(address) => self.to_beyond(now, address, &bytes),
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
        let Some(remote) = self.hosted_in_reach().map(|pbx| pbx.address()) else {
            return;
        };
        let flow = Flow {
            transport: Transport::Udp,
            local: BOX,
            remote,
            connection: None,
        };
        if let Some(branch) = &mut self.branch {
            branch.handle_message(moment, flow, bytes);
        }
    }
}

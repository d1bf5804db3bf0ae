//! What is on its way, in order, and what happens when it is there.

use std::cmp::Reverse;
use std::net::SocketAddr;
use std::time::Instant;

use branchline_branch::{FlowFault, Resolved};
use branchline_sip::{ConnectionId, Flow, Transport};
use bytes::Bytes;

use super::elsewhere::Elsewhere;
use super::{BOX, Cable, World};

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Due {
    pub(super) at: Instant,
    order: u64,
    pub(super) what: Arrival,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Arrival {
    AtBox {
        member: usize,
        connection: Option<u64>,
        bytes: Bytes,
    },
    AtMember {
        member: usize,
        connection: Option<u64>,
        bytes: Bytes,
    },
    AtHosted {
        bytes: Bytes,
    },
    FromHosted {
        bytes: Bytes,
    },
    FlowFailed {
        remote: SocketAddr,
        local: SocketAddr,
        connection: Option<u64>,
    },
    Resolved {
        trunk: String,
        host: String,
    },
}

impl World {
    pub(super) fn push(&mut self, at: Instant, what: Arrival) {
        self.sent += 1;
        self.queue.push(Reverse(Due {
            at,
            order: self.sent,
            what,
        }));
    }

    pub(super) fn arrive(&mut self, what: Arrival) {
        let moment = self.moment();
        match what {
            Arrival::AtBox {
                member,
                connection,
                bytes,
            } => {
                // What was on its way from behind the WAN when that was cut is lost; a telephone's own cable is shorter.
                if self.members[member].plugged && !self.reaches(member) {
                    return;
                }
                let Some(branch) = &mut self.branch else { return };
                let setup = self.members[member].actor.setup();
                let flow = Flow {
                    transport: setup.transport,
                    local: BOX,
                    remote: setup.address,
                    connection: connection.map(ConnectionId),
                };
                branch.handle_message(moment, flow, bytes);
            }
            Arrival::AtMember {
                member,
                connection,
                bytes,
            } => {
                let own = self.members[member].connection.map(|own| own.0);
                if self.reaches(member) && own == connection {
                    self.with(member, |actor, now| actor.handle_message(now, bytes));
                } else if connection.is_some() {
                    self.cuts.broke(self.now(), member);
                }
            }
            Arrival::AtHosted { bytes } => self.at_hosted(&bytes),
            Arrival::FromHosted { bytes } => self.from_hosted(moment, bytes),
            Arrival::FlowFailed {
                remote,
                local,
                connection,
            } => {
                let flow = Flow {
                    transport: Transport::Tcp,
                    local,
                    remote,
                    connection: connection.map(ConnectionId),
                };
                if let Some(branch) = &mut self.branch {
                    branch.handle_flow_failed(moment, flow, FlowFault::Broken);
                }
            }
            Arrival::Resolved { trunk, host } => {
                let resolved = self.look_up(trunk, host);
                if let Some(branch) = &mut self.branch {
                    branch.handle_resolved(moment, resolved);
                }
            }
        }
    }

    /// Trunks are known by their address; name servers, which know the hosted PBX, are behind the WAN.
    fn look_up(&mut self, trunk: String, host: String) -> Resolved {
        let named = format!("trunk {trunk}");
        let member = self.members.iter().find(|member| member.name == named);
        let (address, is_known) = match member {
            Some(member) => (Some(member.actor.setup().address), true),
            // Only a trunk has a name here.
            None => (self.hosted.as_ref().map(Elsewhere::address), self.wan == Cable::In),
        };
        if is_known {
            self.remembered.insert(trunk.clone());
        }
        // What was found once is good for as long as no name server answers.
        let is_found = self.remembered.contains(&trunk);
        let addresses = address.filter(|_| is_found).map(|address| (address, BOX.ip()));
        Resolved {
            trunk,
            host,
            addresses: addresses.into_iter().collect(),
            problem: (!is_known).then(|| "no name server answers".to_owned()),
        }
    }
}

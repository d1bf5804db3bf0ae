//! How messages travel between the box, its telephones and what lies outside: lost, late, doubled, or in a stream in order.

use std::net::SocketAddr;
use std::time::Instant;

use branchline_sip::message::Message;
use branchline_sip::{ConnectionId, Flow, Transport};
use bytes::Bytes;

use super::World;
use super::arrival::Arrival;
use super::trace::Way;

impl World {
    pub(super) fn from_box(&mut self, now: Instant, flow: Flow, bytes: Bytes) {
        let member = self.member_at(flow.remote);
        self.trace_message(Way::FromBox, member, &bytes);
        if self
            .hosted
            .as_ref()
            .is_some_and(|hosted| hosted.address() == flow.remote)
        {
            return self.to_hosted(now, &bytes);
        }
        let Some(member) = member else {
            return self.fail_stream(now, flow);
        };
        self.check_from_box(member, &bytes);
        if flow.transport == Transport::Udp {
            for delay in self.quality.arrivals(&mut self.dice) {
                self.push(
                    now + delay,
                    Arrival::AtMember {
                        member,
                        connection: None,
                        bytes: bytes.clone(),
                    },
                );
            }
            return;
        }
        if flow.connection.is_none() || flow.connection != self.members[member].connection {
            return self.fail_stream(now, flow);
        }
        let at = self.stream_arrival(now, member, 0);
        self.push(
            at,
            Arrival::AtMember {
                member,
                connection: flow.connection.map(|it| it.0),
                bytes,
            },
        );
    }

    fn member_at(&self, address: SocketAddr) -> Option<usize> {
        let mut members = self.members.iter();
        members.position(|member| member.actor.setup().address == address)
    }

    pub(super) fn fail_stream(&mut self, now: Instant, flow: Flow) {
        if flow.transport != Transport::Udp {
            if let Some(member) = self.member_at(flow.remote) {
                self.cuts.broke(now, member);
            }
            let connection = flow.connection.map(|it| it.0);
            let delay = self.quality.delay(&mut self.dice) * 2;
            self.push(
                now + delay,
                Arrival::FlowFailed {
                    remote: flow.remote,
                    local: flow.local,
                    connection,
                },
            );
        }
    }

    pub(super) fn stream_arrival(&mut self, now: Instant, member: usize, way: usize) -> Instant {
        let at = now + self.quality.delay(&mut self.dice);
        let last = &mut self.members[member].stream[way];
        let at = last.map_or(at, |last| at.max(last));
        *last = Some(at);
        at
    }

    pub(super) fn flush_member(&mut self, member: usize) {
        let now = self.now();
        while let Some(bytes) = self.members[member].actor.poll_transmit() {
            self.trace_message(Way::ToBox, Some(member), &bytes);
            if let Ok(message) = Message::parse(bytes.clone())
                && message.is_request()
                && let Some(branch) = message.top_via().branch()
            {
                self.asked.insert((member, branch.to_owned()));
            }
            if !self.reaches(member) {
                continue;
            }
            if self.members[member].is_beyond() {
                self.push(now, Arrival::AtHosted { bytes });
                continue;
            }
            if self.members[member].streams() {
                let connection = match self.members[member].connection {
                    Some(known) => known,
                    None => {
                        let new = ConnectionId(self.next_connection);
                        self.next_connection += 1;
                        self.members[member].connection = Some(new);
                        new
                    }
                };
                let at = self.stream_arrival(now, member, 1);
                self.push(
                    at,
                    Arrival::AtBox {
                        member,
                        connection: Some(connection.0),
                        bytes,
                    },
                );
            } else {
                for delay in self.quality.arrivals(&mut self.dice) {
                    self.push(
                        now + delay,
                        Arrival::AtBox {
                            member,
                            connection: None,
                            bytes: bytes.clone(),
                        },
                    );
                }
            }
        }
    }
}

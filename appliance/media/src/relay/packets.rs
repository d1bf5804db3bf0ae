//! One datagram: whose it is, what it tells, and where it goes.

use super::{Far, Reason, Relay};
use crate::latch::{Admission, Arrival};
use crate::rtcp::{self, Rtcp};
use crate::rtp::Rtp;
use crate::{Drop, MediaEvent, OwnEnd, Packet, Verdict};
use std::net::SocketAddr;
use std::time::Instant;

impl Relay {
    pub(super) fn handle_rtp(&mut self, now: Instant, index: u32, packet: &Packet<'_>) -> Verdict {
        let Some(slot) = self.slots.get_mut(index as usize).and_then(Option::as_mut) else {
            return Verdict::Drop(Drop::UnknownPort);
        };
        let Some(rtp) = Rtp::parse(packet.data) else {
            slot.leg.drops.garbage += 1;
            return Verdict::Drop(Drop::Garbage);
        };
        let (leg, far) = (slot.leg.plan.leg, slot.far);
        let should_send = slot.leg.plan.direction.sends();
        let arrival = Arrival {
            now,
            source: packet.source,
            rtp: &rtp,
            should_send,
        };
        let heard = slot.leg.handle_rtp(&arrival, &self.config);
        let key_due = slot.leg.key_due();
        match heard.admission {
            Admission::Accepted { locked_now: false, .. } => {}
            Admission::Accepted { locked_now: true, .. } => self.tell(MediaEvent::Latched {
                leg,
                source: packet.source,
            }),
            Admission::Unconfirmed => return Verdict::Drop(Drop::Unconfirmed),
            Admission::Foreign => return Verdict::Drop(Drop::Foreign),
        }
        if let Some(key) = heard.key {
            self.tell(MediaEvent::Dtmf {
                leg,
                digit: key.digit,
                duration_ms: key.duration_ms,
            });
        }
        if let Some(at) = key_due {
            self.arm_at(at, Reason::Key);
        }
        let sent = match far {
            Far::Leg(_) | Far::Own(_) if !should_send => Err(Drop::Held),
            Far::Leg(peer) => self
                .send_rtp(peer, packet)
                .map(|(port, to)| Verdict::Forward { port, to }),
            Far::Own(OwnEnd::Echo) => self.send_rtp(index, packet).map(|(port, to)| Verdict::Echo {
                port,
                to,
                ssrc: !rtp.ssrc,
            }),
            Far::Nobody => Err(Drop::NoPeer),
        };
        self.settle(index, sent)
    }

    /// The port to send from to a leg, and where to.
    fn send_rtp(&mut self, peer: u32, packet: &Packet<'_>) -> Result<(u16, SocketAddr), Drop> {
        let peer = self.slot_mut(peer).ok_or(Drop::NoPeer)?;
        if !peer.leg.plan.direction.receives() {
            return Err(Drop::Held);
        }
        let to = peer.leg.latch.remote().ok_or(Drop::NoRemote)?;
        peer.leg.handle_sent(packet.data.len());
        Ok((peer.leg.plan.port, to))
    }

    pub(super) fn handle_rtcp(&mut self, now: Instant, index: u32, packet: &Packet<'_>) -> Verdict {
        let Some(slot) = self.slots.get_mut(index as usize).and_then(Option::as_mut) else {
            return Verdict::Drop(Drop::UnknownPort);
        };
        let Some(ssrc) = rtcp::sender_ssrc(packet.data) else {
            slot.leg.drops.garbage += 1;
            return Verdict::Drop(Drop::Garbage);
        };
        if !slot.leg.admit_rtcp(now, packet.source, ssrc) {
            return Verdict::Drop(Drop::Foreign);
        }
        let far = slot.far;
        let mut stamp = None;
        for part in rtcp::packets(packet.data) {
            let reports = match part {
                Rtcp::Sender {
                    stamp: sent, reports, ..
                } => {
                    stamp = Some(sent);
                    reports
                }
                Rtcp::Receiver { reports, .. } => reports,
                Rtcp::Other { .. } => continue,
            };
            for report in reports.iter() {
                slot.leg
                    .round_trip
                    .handle_report(now, report.last_sender_report, report.delay);
            }
        }
        // RTCP also flows while the call is held (RFC 3264 section 5.1).
        let sent = match far {
            Far::Leg(peer) => self.send_rtcp(now, peer, stamp),
            // Its own reports would tell a phone nothing about the way.
            Far::Own(OwnEnd::Echo) | Far::Nobody => Err(Drop::NoPeer),
        };
        self.settle(index, sent)
    }

    fn send_rtcp(&mut self, now: Instant, peer: u32, stamp: Option<u32>) -> Result<Verdict, Drop> {
        let peer = self.slot_mut(peer).ok_or(Drop::NoPeer)?;
        let to = peer.leg.rtcp_remote().ok_or(Drop::NoRemote)?;
        if let Some(stamp) = stamp {
            peer.leg.round_trip.handle_forwarded(now, stamp);
        }
        Ok(Verdict::Forward {
            port: peer.leg.plan.port | 1,
            to,
        })
    }

    fn settle(&mut self, index: u32, sent: Result<Verdict, Drop>) -> Verdict {
        sent.unwrap_or_else(|reason| {
            if let Some(slot) = self.slot_mut(index) {
                slot.leg.drops.unsent += 1;
            }
            Verdict::Drop(reason)
        })
    }
}

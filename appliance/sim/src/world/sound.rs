//! The relay of the box, and the packets that telephones send through it.

use std::net::SocketAddr;
use std::time::Instant;

use branchline_media::{LatchConfig, MediaEvent, MediaPlan, Packet, Relay, Verdict};

use super::{BOX, World};

/// Packets a telephone sends in a row: enough for the relay to trust a source.
const BURST: u16 = 4;
/// Out of the box, back in, and out again.
const HOPS_MAX: usize = 4;

/// The relay and what telephones heard through it.
#[derive(Debug)]
pub(super) struct Sound {
    relay: Relay,
    sequence: u16,
}

impl Sound {
    pub(super) fn new() -> Sound {
        Sound {
            relay: Relay::new(LatchConfig::default()),
            sequence: 0,
        }
    }

    pub(super) fn plan(&mut self, now: Instant, plan: MediaPlan) -> Result<(), String> {
        self.relay
            .handle_plan(now, plan)
            .map_err(|error| format!("media plan: {error}"))
    }

    pub(super) fn measure(&mut self) {
        self.relay.handle_measure();
    }

    pub(super) fn poll_event(&mut self) -> Option<MediaEvent> {
        self.relay.poll_event()
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.relay.poll_timeout().map(|(at, _)| at)
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        self.relay.handle_timeout(now);
    }

    pub(super) fn legs(&self) -> usize {
        self.relay.len()
    }

    fn rtp(&mut self, ssrc: u32) -> [u8; 32] {
        self.sequence = self.sequence.wrapping_add(1);
        let mut packet = [0; 32];
        packet[0] = 0x80;
        packet[1] = 8;
        packet[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        packet[4..8].copy_from_slice(&(u32::from(self.sequence) * 160).to_be_bytes());
        packet[8..12].copy_from_slice(&ssrc.to_be_bytes());
        packet
    }
}

impl World {
    /// Every telephone in a call says something; who hears it is noted.
    pub(super) fn speak(&mut self) {
        let now = self.now();
        let mut spoken = Vec::new();
        for (at, member) in self.members.iter().enumerate().filter(|(at, _)| self.reaches(*at)) {
            for call in member.actor.calls().iter().filter(|call| call.is_alive()) {
                if let Some(remote) = call.remote
                    && call.way.sends()
                    && call.answered.is_some()
                {
                    spoken.push((at, call.handle, call.media, remote.media.port()));
                }
            }
        }
        for (at, handle, source, port) in spoken {
            let ssrc = u32::try_from(at * 1000).unwrap_or(0) + u32::try_from(handle.0).unwrap_or(0);
            for _ in 0..BURST {
                let data = self.sound.rtp(ssrc);
                if let Some(to) = self.carry(now, (port, source), &data) {
                    self.heard_sound.insert((to, source), now);
                }
            }
        }
    }

    /// Carries one packet through the box, and through the hosted PBX and the box again where it goes there.
    fn carry(&mut self, now: Instant, (port, source): (u16, SocketAddr), data: &[u8]) -> Option<SocketAddr> {
        let (mut port, mut source) = (port, source);
        for _ in 0..HOPS_MAX {
            let packet = Packet { port, source, data };
            let (out, to) = match self.sound.relay.handle_packet(now, &packet) {
                Verdict::Forward { port, to } | Verdict::Echo { port, to, .. } => (port, to),
                Verdict::Drop(_) => return None,
            };
            (port, source) = if to.ip() == BOX.ip() {
                (to.port(), SocketAddr::new(BOX.ip(), out))
            } else if self
                .hosted
                .as_ref()
                .is_some_and(|hosted| hosted.address().ip() == to.ip())
            {
                self.hosted_relays(to, out)?
            } else {
                return Some(to);
            };
        }
        None
    }
}

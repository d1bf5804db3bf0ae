//! Speech in both directions of many calls: every packet at its own time, none in step with another.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use branchline_net::{BATCH_MAX, BatchReceiver, BindOptions, Socket, TrafficClass};

use super::calls::Anchored;
use crate::{Done, clock};

/// 160 bytes of G.711 after the RTP header: 20 ms.
const PACKET_BYTES: usize = 172;
const PACKETS_PER_S: f64 = 50.0;

/// The sockets of all callers and of all callees.
pub(crate) struct Phones {
    callers: Socket,
    callees: Socket,
    receiver: BatchReceiver,
    streams: Vec<Stream>,
}

struct Stream {
    side: Side,
    to: SocketAddr,
    packet: [u8; PACKET_BYTES],
    sequence: u16,
}

#[derive(Clone, Copy)]
enum Side {
    Caller,
    Callee,
}

/// Packets of one run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Relayed {
    pub(crate) sent: u64,
    pub(crate) received: u64,
}

impl Phones {
    pub(crate) fn open(callers: Ipv4Addr, callees: Ipv4Addr) -> Done<Phones> {
        let bind = |address: Ipv4Addr| {
            Socket::bind(&BindOptions {
                address: (address, 0).into(),
                receive_buffer_bytes: 16 << 20,
                traffic_class: TrafficClass::Voice,
            })
        };
        Ok(Phones {
            callers: bind(callers)?,
            callees: bind(callees)?,
            receiver: BatchReceiver::new(BATCH_MAX, 1500),
            streams: Vec::new(),
        })
    }

    /// Where callers and callees listen.
    pub(crate) fn addresses(&self) -> (SocketAddr, SocketAddr) {
        (self.callers.local_address(), self.callees.local_address())
    }

    /// From now on these calls are spoken in.
    pub(crate) fn speak_in(&mut self, calls: &[Anchored]) {
        let both = |call: &Anchored| [(Side::Caller, call.from_caller), (Side::Callee, call.from_callee)];
        let streams = calls.iter().flat_map(both).zip(1_u32..);
        self.streams = streams.map(|((side, to), ssrc)| Stream::new(side, to, ssrc)).collect();
    }

    /// Sends and receives for a while without ever sleeping: a late packet would come in a bunch and be cheaper to relay.
    pub(crate) fn talk(&mut self, span: Duration) -> Relayed {
        let mut relayed = Relayed { sent: 0, received: 0 };
        self.drain();
        let start = clock::now();
        let gap = Duration::from_secs_f64(1.0 / (PACKETS_PER_S * self.streams.len() as f64));
        let mut due = start;
        let mut next = 0;
        loop {
            let now = clock::now();
            if now - start >= span {
                break;
            }
            if now >= due {
                self.speak(next);
                next = (next + 1) % self.streams.len();
                due += gap;
                relayed.sent += 1;
            } else {
                relayed.received += self.drain();
            }
        }
        let settled = clock::now() + SETTLE;
        while clock::now() < settled {
            relayed.received += self.drain();
        }
        relayed
    }

    fn speak(&mut self, index: usize) {
        let stream = &mut self.streams[index];
        stream.advance();
        let socket = match stream.side {
            Side::Caller => &self.callers,
            Side::Callee => &self.callees,
        };
        // A packet that is not taken is a lost one, and counted so.
        let _ = socket.send_to(&stream.packet, stream.to);
    }

    fn drain(&mut self) -> u64 {
        let of = |receiver: &mut BatchReceiver, socket| receiver.receive(socket).unwrap_or(0) as u64;
        of(&mut self.receiver, &self.callers) + of(&mut self.receiver, &self.callees)
    }
}

impl Stream {
    fn new(side: Side, to: SocketAddr, ssrc: u32) -> Stream {
        let mut packet = [0xff; PACKET_BYTES];
        packet[..12].fill(0);
        packet[0] = 0x80;
        packet[8..12].copy_from_slice(&ssrc.to_be_bytes());
        Stream {
            side,
            to,
            packet,
            sequence: 0,
        }
    }

    fn advance(&mut self) {
        self.sequence = self.sequence.wrapping_add(1);
        self.packet[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        let timestamp = u32::from(self.sequence).wrapping_mul(160);
        self.packet[4..8].copy_from_slice(&timestamp.to_be_bytes());
    }
}

/// For the last packets to come through.
const SETTLE: Duration = Duration::from_millis(30);

//! The hosted PBX of a flow on sockets of the loopback.

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::time::Instant;

use branchline_ladder::{HostedPbx, HostedSetup, Toward};
use bytes::Bytes;

use super::theatre::bind;

/// The line between the box and the hosted PBX.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cable {
    /// All passes.
    In,
    /// Nothing passes.
    Out,
}

/// A hosted PBX with a socket for its messages and one for each of its media ports.
pub(super) struct Hosted {
    pbx: HostedPbx,
    socket: UdpSocket,
    media: BTreeMap<u16, UdpSocket>,
    server: SocketAddr,
    pub(super) cable: Cable,
}

impl Hosted {
    /// One for the box at this address.
    pub(super) fn new(setup: HostedSetup, server: SocketAddr) -> io::Result<Hosted> {
        Ok(Hosted {
            socket: bind(setup.address)?,
            pbx: HostedPbx::new(setup),
            media: BTreeMap::new(),
            server,
            cable: Cable::In,
        })
    }

    /// Its mind.
    pub(super) fn pbx_mut(&mut self) -> &mut HostedPbx {
        &mut self.pbx
    }

    /// Everything that may wake it.
    pub(super) fn sockets(&self) -> impl Iterator<Item = &UdpSocket> {
        self.media.values().chain([&self.socket])
    }

    /// Takes what has arrived, and sends what comes of it.
    pub(super) fn receive(&mut self, now: Instant, buffer: &mut [u8]) {
        while let Ok((length, _)) = self.socket.recv_from(buffer) {
            if self.cable == Cable::In {
                self.pbx.handle_message(now, &Bytes::copy_from_slice(&buffer[..length]));
            }
        }
        while let Some((toward, bytes)) = self.pbx.poll_transmit(now) {
            let to = match toward {
                Toward::Branch => self.server,
                Toward::Beyond(address) => address,
            };
            if self.cable == Cable::In {
                // What is not taken is lost, as on any network.
                let _ = self.socket.send_to(&bytes, to);
            }
        }
        let ip = self.pbx.address().ip();
        for port in self.pbx.media_ports() {
            if !self.media.contains_key(&port)
                && let Ok(socket) = bind(SocketAddr::new(ip, port))
            {
                self.media.insert(port, socket);
            }
        }
        for (port, socket) in &self.media {
            while let Ok((length, from)) = socket.recv_from(buffer) {
                let relayed = self.pbx.relays(SocketAddr::new(ip, *port), from.port());
                if self.cable == Cable::In
                    && let Some((to, source)) = relayed
                    && let Some(out) = self.media.get(&source.port())
                {
                    // A packet that is not sent is a lost one.
                    let _ = out.send_to(&buffer[..length], SocketAddr::new(self.server.ip(), to));
                }
            }
        }
    }
}

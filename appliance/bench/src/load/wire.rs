//! Sockets of the load: many source addresses, one thread.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use branchline_net::{BATCH_MAX, BatchReceiver, BindOptions, Socket, TrafficClass};
use bytes::Bytes;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use crate::Done;

/// A datagram that has come in at one of the sockets.
pub(crate) struct Arrived {
    pub(crate) socket: usize,
    pub(crate) source: SocketAddr,
    pub(crate) bytes: Bytes,
}

/// The sockets, and the server they talk to.
pub(crate) struct Wire {
    pub(crate) server: SocketAddr,
    sockets: Vec<Socket>,
    epoll: Epoll,
    receiver: BatchReceiver,
}

impl Wire {
    /// One socket per address, all on one port; 0 takes any.
    pub(crate) fn open(addresses: &[Ipv4Addr], port: u16, server: SocketAddr) -> Done<Wire> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let mut sockets = Vec::new();
        for (index, address) in addresses.iter().enumerate() {
            let socket = Socket::bind(&BindOptions {
                address: SocketAddr::new(IpAddr::V4(*address), port),
                receive_buffer_bytes: RECEIVE_BUFFER_BYTES,
                traffic_class: TrafficClass::Default,
            })?;
            epoll.add(&socket, EpollEvent::new(EpollFlags::EPOLLIN, index as u64))?;
            sockets.push(socket);
        }
        Ok(Wire {
            server,
            sockets,
            epoll,
            receiver: BatchReceiver::new(BATCH_MAX, DATAGRAM_BYTES_MAX),
        })
    }

    pub(crate) fn address(&self, socket: usize) -> SocketAddr {
        self.sockets[socket % self.sockets.len()].local_address()
    }

    pub(crate) fn send(&self, socket: usize, bytes: &[u8]) {
        self.send_to(socket, bytes, self.server);
    }

    /// A datagram that is not taken is a lost one: the unit it belongs to fails and is counted so.
    pub(crate) fn send_to(&self, socket: usize, bytes: &[u8], to: SocketAddr) {
        let _ = self.sockets[socket % self.sockets.len()].send_to(bytes, to);
    }

    /// Waits up to `wait` and gives what has come.
    pub(crate) fn receive(&mut self, wait: Duration) -> Done<Vec<Arrived>> {
        let mut ready = [EpollEvent::empty(); 64];
        let count = match self.epoll.wait(&mut ready, EpollTimeout::try_from(wait)?) {
            Ok(count) => count,
            Err(nix::errno::Errno::EINTR) => 0,
            Err(error) => return Err(error.into()),
        };
        let mut arrived = Vec::new();
        for event in &ready[..count] {
            let socket = event.data() as usize;
            // An error is an answer of the network to an earlier datagram; the next one stands on its own.
            let _ = self.receiver.receive(&self.sockets[socket]);
            arrived.extend(self.receiver.datagrams().map(|datagram| Arrived {
                socket,
                source: datagram.source,
                bytes: Bytes::copy_from_slice(datagram.data),
            }));
        }
        Ok(arrived)
    }
}

/// A load that never sleeps: waking it would be charged to the server that answers it.
pub(crate) const NO_WAIT: Duration = Duration::ZERO;
const RECEIVE_BUFFER_BYTES: usize = 4 << 20;
const DATAGRAM_BYTES_MAX: usize = 4096;

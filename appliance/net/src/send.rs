//! Sending many datagrams from one socket with one system call.

use crate::{BATCH_MAX, Socket};
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, sendmmsg};
use std::io::IoSlice;
use std::net::SocketAddr;

/// A datagram to send; its bytes may be still in the buffer of a receiver.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'a> {
    /// Where to.
    pub to: SocketAddr,
    /// Its bytes.
    pub data: &'a [u8],
}

/// What became of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sent {
    /// Datagrams the kernel took.
    pub sent: usize,
    /// Datagrams it did not take: no room, or no way to the address.
    pub dropped: usize,
}

/// What `sendmmsg` needs, allocated once.
#[derive(Debug)]
pub struct BatchSender {
    headers: MultiHeaders<SockaddrStorage>,
    addresses: Vec<Option<SockaddrStorage>>,
}

impl Default for BatchSender {
    fn default() -> Self {
        Self::new()
    }
}

impl BatchSender {
    /// Room for [`BATCH_MAX`] datagrams in one system call.
    #[must_use]
    pub fn new() -> Self {
        Self {
            headers: MultiHeaders::preallocate(BATCH_MAX, None),
            addresses: Vec::with_capacity(BATCH_MAX),
        }
    }

    /// Sends datagrams from one socket, in order, without waiting and without copying them.
    pub fn send(&mut self, socket: &Socket, datagrams: &[Outgoing<'_>]) -> Sent {
        let mut total = Sent::default();
        let mut rest = datagrams;
        while !rest.is_empty() {
            match self.send_some(socket, &rest[..rest.len().min(BATCH_MAX)]) {
                Ok(count) if count > 0 => {
                    total.sent += count;
                    rest = &rest[count..];
                }
                Err(Errno::EINTR) => {}
                // The first of the rest is at fault; the others may have another address.
                Ok(_) | Err(_) => {
                    total.dropped += 1;
                    rest = &rest[1..];
                }
            }
        }
        total
    }

    fn send_some(&mut self, socket: &Socket, batch: &[Outgoing<'_>]) -> Result<usize, Errno> {
        if let [one] = batch {
            // Half the cost of a batch of one.
            let sent = socket.send_to(one.data, one.to).map(|()| 1);
            return sent.map_err(|error| error.raw_os_error().map_or(Errno::EIO, Errno::from_raw));
        }
        self.addresses.clear();
        self.addresses
            .extend(batch.iter().map(|datagram| Some(datagram.to.into())));
        let slices: [[IoSlice<'_>; 1]; BATCH_MAX] =
            std::array::from_fn(|place| [IoSlice::new(batch.get(place).map_or(&[], |datagram| datagram.data))]);
        let filled = slices.iter().take(batch.len());
        let flags = MsgFlags::MSG_DONTWAIT;
        sendmmsg(socket.raw(), &mut self.headers, filled, &self.addresses, [], flags).map(Iterator::count)
    }
}

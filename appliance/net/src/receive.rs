//! Receiving many datagrams with one system call.

use crate::{BATCH_MAX, Socket};
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrIn, SockaddrIn6, SockaddrLike, recvmmsg};
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;

/// A received datagram, in the receiver's buffer.
#[derive(Debug, Clone, Copy)]
pub struct Datagram<'a> {
    /// Who sent it.
    pub source: SocketAddr,
    /// Its bytes.
    pub data: &'a [u8],
}

/// Buffers for a batch of datagrams, reused for any number of sockets.
#[derive(Debug)]
pub struct BatchReceiver {
    buffers: Vec<u8>,
    buffer_bytes: usize,
    // One per family: the kernel shortens a name length, and a longer name would then be cut in the next batch.
    v4: MultiHeaders<SockaddrIn>,
    v6: MultiHeaders<SockaddrIn6>,
    received: Vec<(SocketAddr, usize)>,
}

impl BatchReceiver {
    /// Room for `batch` datagrams (at most [`BATCH_MAX`]) of `datagram_bytes` each; longer ones are dropped.
    #[must_use]
    pub fn new(batch: usize, datagram_bytes: usize) -> Self {
        let batch = batch.clamp(1, BATCH_MAX);
        // One byte more shows that a datagram was longer.
        let buffer_bytes = datagram_bytes.max(1) + 1;
        Self {
            buffers: vec![0; batch * buffer_bytes],
            buffer_bytes,
            v4: MultiHeaders::preallocate(batch, None),
            v6: MultiHeaders::preallocate(batch, None),
            received: Vec::with_capacity(batch),
        }
    }

    /// Takes what has arrived at a socket, up to a full batch, in place of the batch before.
    ///
    /// Gives the count of datagrams; fewer than [`BatchReceiver::batch`] means the socket is empty.
    ///
    /// # Errors
    /// What the system says; an empty socket is no error.
    pub fn receive(&mut self, socket: &Socket) -> io::Result<usize> {
        self.received.clear();
        let chunks = self.buffers.chunks_exact_mut(self.buffer_bytes);
        let buffers = Buffers {
            chunks,
            received: &mut self.received,
        };
        let taken = match socket.local_address() {
            SocketAddr::V4(_) => take(socket, &mut self.v4, buffers),
            SocketAddr::V6(_) => take(socket, &mut self.v6, buffers),
        };
        match taken {
            Ok(()) => Ok(self.received.len()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// Takes one datagram; cheaper than a batch where one is all there is.
    ///
    /// # Errors
    /// What the system says; an empty socket is no error.
    pub fn receive_one(&mut self, socket: &Socket) -> io::Result<usize> {
        self.received.clear();
        match socket.receive_from(&mut self.buffers[..self.buffer_bytes]) {
            Ok((bytes, source)) => {
                self.received.push((source, bytes));
                Ok(1)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// The datagrams of the last batch; ones that did not fit are left out.
    pub fn datagrams(&self) -> impl Iterator<Item = Datagram<'_>> {
        let chunks = self.buffers.chunks_exact(self.buffer_bytes);
        let fits = |(_, bytes): &(SocketAddr, usize)| *bytes < self.buffer_bytes;
        chunks
            .zip(&self.received)
            .filter(move |(_, received)| fits(received))
            .map(|(chunk, (source, bytes))| Datagram {
                source: *source,
                data: &chunk[..*bytes],
            })
    }

    /// Datagrams taken at once at most.
    #[must_use]
    pub fn batch(&self) -> usize {
        self.buffers.len() / self.buffer_bytes
    }
}

fn take<S>(socket: &Socket, headers: &mut MultiHeaders<S>, buffers: Buffers<'_>) -> io::Result<()>
where
    S: SockaddrLike + Copy + Into<SocketAddr>,
{
    let Buffers { mut chunks, received } = buffers;
    let count = chunks.len();
    let mut slices: [[IoSliceMut<'_>; 1]; BATCH_MAX] =
        std::array::from_fn(|_| [IoSliceMut::new(chunks.next().unwrap_or_default())]);
    let batch = slices.iter_mut().take(count);
    for message in recvmmsg(socket.raw(), headers, batch, MsgFlags::MSG_DONTWAIT, None)? {
        if let Some(source) = message.address {
            received.push((source.into(), message.bytes));
        }
    }
    Ok(())
}

struct Buffers<'a> {
    chunks: std::slice::ChunksExactMut<'a, u8>,
    received: &'a mut Vec<(SocketAddr, usize)>,
}

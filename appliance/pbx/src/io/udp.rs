//! The datagram sockets.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};

use branchline_net::{BATCH_MAX, BatchReceiver, BatchSender, DATAGRAM_BYTES_MAX, Datagram, Outgoing, Socket};
use branchline_sip::{Transmit, stun};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// All of them, with the buffers they share.
#[derive(Debug)]
pub struct Udp {
    listeners: Vec<Listener>,
    receiver: BatchReceiver,
    sender: BatchSender,
    /// Datagrams that were not sent since start: the kernel had no room, or there was no way to the address.
    pub dropped: u64,
}

#[derive(Debug)]
struct Listener {
    fd: AsyncFd<Socket>,
    bound: SocketAddr,
}

/// Whether datagrams still wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// No.
    Nothing,
    /// At least one socket gave a full batch.
    More,
}

impl Udp {
    /// Takes over bound sockets; to be called inside of a tokio runtime.
    pub fn new(sockets: Vec<Socket>) -> io::Result<Udp> {
        let listener = |socket: Socket| {
            let bound = socket.local_address();
            Ok(Listener {
                fd: watched(socket)?,
                bound,
            })
        };
        Ok(Udp {
            listeners: sockets.into_iter().map(listener).collect::<io::Result<_>>()?,
            receiver: BatchReceiver::new(BATCH_MAX, DATAGRAM_BYTES_MAX),
            sender: BatchSender::new(),
            dropped: 0,
        })
    }

    /// Waits until a datagram waits. Safe to cancel.
    pub async fn readable(&self) {
        poll_fn(|context| self.poll_readable(context)).await;
    }

    fn poll_readable(&self, context: &mut Context<'_>) -> Poll<()> {
        // Every socket is asked, so that each of them wakes the loop.
        let ready = self
            .listeners
            .iter()
            .filter(|one| one.fd.poll_read_ready(context).is_ready())
            .count();
        if ready > 0 { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Takes one batch from every socket that has one; gives each datagram with the bound address of its socket.
    pub fn receive(&mut self, mut each: impl FnMut(SocketAddr, Datagram<'_>)) -> Left {
        let mut left = Left::Nothing;
        for listener in &self.listeners {
            match listener.take(&mut self.receiver) {
                Taken::Nothing => continue,
                Taken::Last => {}
                Taken::More => left = Left::More,
            }
            for datagram in self.receiver.datagrams() {
                if stun::is_stun(datagram.data) {
                    self.dropped += u64::from(!listener.answer(&mut self.sender, &datagram));
                } else if !is_blank(datagram.data) {
                    each(listener.bound, datagram);
                }
            }
        }
        left
    }

    /// Sends messages, each from the socket it belongs to, in order per socket.
    pub fn send(&mut self, messages: &[Transmit]) {
        let mut unsent = messages.len();
        for (index, listener) in self.listeners.iter().enumerate() {
            let mine = |message: &&Transmit| self.socket_of(message.flow.local) == Some(index);
            let batch: Vec<Outgoing<'_>> = messages
                .iter()
                .filter(mine)
                .map(|message| Outgoing {
                    to: message.flow.remote,
                    data: &message.bytes,
                })
                .collect();
            unsent -= self.sender.send(listener.fd.get_ref(), &batch).sent;
        }
        self.dropped += unsent as u64;
    }

    fn socket_of(&self, local: SocketAddr) -> Option<usize> {
        let fits: [fn(SocketAddr, SocketAddr) -> bool; 3] = [
            |bound, local| bound == local,
            |bound, local| bound.ip().is_unspecified() && bound.port() == local.port(),
            // The address has gone since the message was made; the peer learns the new one from the next.
            |_, _| true,
        ];
        let same_family = |bound: SocketAddr| bound.is_ipv4() == local.is_ipv4();
        fits.iter().find_map(|fits| {
            self.listeners
                .iter()
                .position(|one| same_family(one.bound) && fits(one.bound, local))
        })
    }
}

enum Taken {
    Nothing,
    Last,
    More,
}

impl Listener {
    /// Answers STUN at once; false if the kernel had no room.
    fn answer(&self, sender: &mut BatchSender, request: &Datagram<'_>) -> bool {
        let Some(answer) = stun::answer(request.data, request.source) else {
            return true;
        };
        let answer = Outgoing {
            to: request.source,
            data: &answer,
        };
        sender.send(self.fd.get_ref(), &[answer]).sent == 1
    }

    fn take(&self, receiver: &mut BatchReceiver) -> Taken {
        let mut taken = Taken::Nothing;
        let read = self.fd.try_io(Interest::READABLE, |socket| {
            let count = receiver.receive(socket)?;
            if count == receiver.batch() {
                taken = Taken::More;
                return Ok(());
            }
            if count > 0 {
                taken = Taken::Last;
            }
            // An unfilled batch says that the socket is empty: tokio is to wait for the kernel again.
            Err(io::ErrorKind::WouldBlock.into())
        });
        match read {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => tracing::debug!(bound = %self.bound, %error, "a datagram socket reports an error"),
        }
        taken
    }
}

#[expect(
    deprecated,
    reason = "its successor needs `unsafe` for types whose descriptor may change, and a `Socket` keeps its own for life; \
              tokio's UdpSocket would wake the loop for each datagram that leaves"
)]
fn watched(socket: Socket) -> io::Result<AsyncFd<Socket>> {
    AsyncFd::with_interest(socket, Interest::READABLE)
}

// Phones keep their way through a router open with line ends or zeros; they want no answer and are no broken message.
fn is_blank(data: &[u8]) -> bool {
    data.len() <= 8 && data.iter().all(|byte| matches!(byte, b'\r' | b'\n' | b' ' | 0))
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::time::Duration;

    use branchline_sip::Flow;
    use bytes::Bytes;

    use super::*;
    use crate::io::bind;

    fn phone(ip: &str) -> UdpSocket {
        let socket = UdpSocket::bind((ip, 0)).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        socket
    }

    fn transmit(local: SocketAddr, remote: SocketAddr, text: &str) -> Transmit {
        Transmit {
            flow: Flow::udp(local, remote),
            bytes: Bytes::copy_from_slice(text.as_bytes()),
        }
    }

    #[tokio::test]
    async fn what_comes_in_on_a_socket_goes_out_of_the_same_one() {
        let sockets: Vec<_> = ["127.9.4.11:0", "127.9.4.12:0"]
            .map(|text| bind::udp(text.parse().unwrap()).unwrap())
            .into();
        let bound: Vec<_> = sockets.iter().map(Socket::local_address).collect();
        let mut udp = Udp::new(sockets).unwrap();
        let phone = phone("127.9.4.21");
        for local in &bound {
            phone.send_to(b"\r\n\r\n", local).unwrap();
            phone.send_to(b"hello", local).unwrap();
        }
        let mut heard = Vec::new();
        while heard.len() < 2 {
            udp.readable().await;
            udp.receive(|local, datagram| {
                assert_eq!(datagram.data, b"hello");
                heard.push(transmit(local, datagram.source, &local.to_string()));
            });
        }
        udp.send(&heard);
        let mut buffer = [0; 64];
        for _ in &bound {
            let (bytes, from) = phone.recv_from(&mut buffer).unwrap();
            assert_eq!(std::str::from_utf8(&buffer[..bytes]).unwrap(), from.to_string());
        }
        assert_eq!(udp.dropped, 0);
    }

    #[tokio::test]
    async fn a_message_without_a_socket_of_its_family_is_counted_as_dropped() {
        let mut udp = Udp::new(vec![bind::udp("127.9.4.13:0".parse().unwrap()).unwrap()]).unwrap();
        udp.send(&[transmit(
            "[::1]:5060".parse().unwrap(),
            "[::1]:5061".parse().unwrap(),
            "x",
        )]);
        assert_eq!(udp.dropped, 1);
    }

    #[tokio::test]
    async fn a_backlog_is_taken_to_its_end() {
        let socket = bind::udp("127.9.4.14:0".parse().unwrap()).unwrap();
        let local = socket.local_address();
        let mut udp = Udp::new(vec![socket]).unwrap();
        let phone = phone("127.9.4.21");
        let all = 3 * BATCH_MAX + 5;
        for _ in 0..all {
            phone.send_to(b"x", local).unwrap();
        }
        let mut lefts = Vec::new();
        let mut heard = 0;
        while heard < all {
            udp.readable().await;
            lefts.push(udp.receive(|_, _| heard += 1));
        }
        assert_eq!(lefts, [Left::More, Left::More, Left::More, Left::Nothing]);
    }

    #[tokio::test]
    async fn a_stun_keep_alive_is_answered_from_the_same_socket_and_goes_no_further() {
        let socket = bind::udp("127.9.4.15:0".parse().unwrap()).unwrap();
        let local = socket.local_address();
        let mut udp = Udp::new(vec![socket]).unwrap();
        let phone = phone("127.9.4.21");
        let request = [&[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42][..], &[7; 12]].concat();
        phone.send_to(&request, local).unwrap();
        udp.readable().await;
        udp.receive(|_, datagram| panic!("{:?} was handed on", datagram.data));
        let mut buffer = [0; 64];
        let (bytes, from) = phone.recv_from(&mut buffer).unwrap();
        assert_eq!(from, local);
        assert_eq!((bytes, &buffer[..2], &buffer[8..20]), (32, &[1, 1][..], &[7; 12][..]));
    }

    #[test]
    fn keep_alives_are_told_from_messages() {
        let cases: [(&[u8], bool); 6] = [
            (b"", true),
            (b"\r\n\r\n", true),
            (b"\0\0\0\0", true),
            (b"OPTIONS sip:a SIP/2.0\r\n", false),
            (b"x", false),
            (b"\r\n\r\n\r\n\r\n\r\n", false),
        ];
        for (data, expected) in cases {
            assert_eq!(is_blank(data), expected, "{data:?}");
        }
    }
}

//! The rig's own few bytes of SIP over UDP: is anybody there, and raw requests for tests that want one.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::clock;

/// Port of SIP over UDP and TCP.
pub const PORT: u16 = 5060;
/// Port of SIP over TLS.
pub const TLS_PORT: u16 = 5061;

const DATAGRAM_BYTES_MAX: usize = 65_535;
static NEXT: AtomicU32 = AtomicU32::new(1);

/// A UDP socket that speaks SIP for a test.
pub struct Probe {
    socket: UdpSocket,
}

impl Probe {
    /// A socket on `from`, any port.
    pub fn new(from: Ipv4Addr) -> Probe {
        let socket = UdpSocket::bind((from, 0)).expect("a free port");
        Probe { socket }
    }

    /// Its own address.
    pub fn address(&self) -> SocketAddr {
        self.socket.local_addr().expect("it is bound")
    }

    /// An OPTIONS request to the server at `to` itself.
    pub fn options(&self, to: SocketAddr) -> String {
        self.request("OPTIONS", &format!("sip:{to}"), "probe")
    }

    /// A request outside any dialog, without body.
    pub fn request(&self, method: &str, uri: &str, from_user: &str) -> String {
        let us = self.address();
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let unique = format!("{:08x}{:04x}", std::process::id(), n);
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {us};rport;branch=z9hG4bK{unique}\r\nMax-Forwards: 70\r\n\
             From: <sip:{from_user}@{us}>;tag=t{unique}\r\nTo: <{uri}>\r\nCall-ID: c{unique}\r\nCSeq: 1 {method}\r\n\
             Contact: <sip:{from_user}@{us}>\r\nContent-Length: 0\r\n\r\n"
        )
    }

    /// Sends one datagram.
    pub fn send(&self, text: &str, to: SocketAddr) {
        // A server that is down answers with ICMP, which surfaces here: the reply, or its absence, tells.
        let _ = self.socket.send_to(text.as_bytes(), to);
    }

    /// The next datagram, `None` after `within`.
    pub fn receive(&self, within: Duration) -> Option<String> {
        self.socket.set_read_timeout(Some(within)).expect("a span above zero");
        let mut datagram = vec![0; DATAGRAM_BYTES_MAX];
        let (length, _) = self.socket.recv_from(&mut datagram).ok()?;
        Some(String::from_utf8_lossy(&datagram[..length]).into_owned())
    }

    /// Whether the server at `to` answers OPTIONS at once.
    pub fn answers(&self, to: SocketAddr) -> bool {
        self.send(&self.options(to), to);
        self.receive(Duration::from_millis(100)).is_some()
    }

    /// Sends `request` and returns the status of the first reply.
    pub fn status_of(&self, request: &str, to: SocketAddr) -> Option<u16> {
        self.send(request, to);
        let reply = self.receive(Duration::from_secs(2))?;
        reply.split(' ').nth(1)?.parse().ok()
    }
}

/// Waits until the server at `to` answers OPTIONS; false after `within`.
pub fn wait_until_answering(from: Ipv4Addr, to: SocketAddr, within: Duration) -> bool {
    let probe = Probe::new(from);
    clock::try_for(within, || probe.answers(to).then_some(())).is_some()
}

//! Which of the box's own addresses a peer sees; it stands in Contact, Via and the session description.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use branchline_sip::Transport;

/// Finds and remembers them.
#[derive(Debug)]
pub struct Facing {
    listening: Vec<(Transport, SocketAddr)>,
    /// Peers heard of lately; when it is full it becomes `older`, and what is in neither is forgotten.
    known: HashMap<SocketAddr, Known>,
    older: HashMap<SocketAddr, Known>,
    /// Times that the kernel was asked since start.
    pub asked: u64,
}

/// The address that faces a peer, and since when that is known.
#[derive(Clone, Copy, Debug)]
struct Known {
    local: IpAddr,
    found: Instant,
}

impl Facing {
    /// For a box that listens at these addresses.
    pub fn new(listening: Vec<(Transport, SocketAddr)>) -> Facing {
        Facing {
            listening,
            known: HashMap::new(),
            older: HashMap::new(),
            asked: 0,
        }
    }

    /// As [`of_socket`](Self::of_socket) for what has just come; the kernel is asked only if that is worth it.
    pub fn of_datagram(
        &mut self,
        now: Instant,
        (bound, remote): (SocketAddr, SocketAddr),
        is_worth_asking: impl FnOnce() -> bool,
    ) -> SocketAddr {
        let is_known = || self.known(now, remote).is_some() || is_worth_asking();
        if bound.ip().is_unspecified() && is_known() {
            self.of_socket(now, bound, remote)
        } else {
            bound
        }
    }

    /// The address a peer of a socket sees: what it is bound to, or the address of the interface towards the peer.
    pub fn of_socket(&mut self, now: Instant, bound: SocketAddr, remote: SocketAddr) -> SocketAddr {
        if !bound.ip().is_unspecified() {
            return bound;
        }
        let ip = self.towards(now, remote).unwrap_or_else(|| bound.ip());
        SocketAddr::new(ip, bound.port())
    }

    /// The address that faces a peer before there is a socket to it; `None` when the box listens to nothing of that
    /// transport and family, or there is no route.
    pub fn of_peer(&mut self, now: Instant, transport: Transport, remote: SocketAddr) -> Option<IpAddr> {
        let same = |(own, bound): &&(Transport, SocketAddr)| *own == transport && bound.is_ipv4() == remote.is_ipv4();
        let bound: Vec<IpAddr> = self
            .listening
            .iter()
            .filter(same)
            .map(|(_, bound)| bound.ip())
            .collect();
        let first = *bound.first()?;
        let routed = self.towards(now, remote);
        match routed {
            Some(routed) if bound.contains(&routed) || bound.iter().any(IpAddr::is_unspecified) => Some(routed),
            Some(_) => Some(first),
            None => None,
        }
    }

    fn towards(&mut self, now: Instant, remote: SocketAddr) -> Option<IpAddr> {
        let peer = host(remote);
        let found = match self.known(now, remote) {
            Some(known) if self.known.contains_key(&peer) => return Some(known.local),
            Some(known) => known,
            None => {
                self.asked += 1;
                Known {
                    local: routed(remote)?,
                    found: now,
                }
            }
        };
        if self.known.len() >= KNOWN_MAX / 2 {
            self.older = std::mem::take(&mut self.known);
        }
        self.known.insert(peer, found);
        Some(found.local)
    }

    fn known(&self, now: Instant, remote: SocketAddr) -> Option<Known> {
        let peer = host(remote);
        let is_fresh = |known: &&Known| now.saturating_duration_since(known.found) < REFRESH;
        let lately = self.known.get(&peer).filter(is_fresh);
        lately.or_else(|| self.older.get(&peer).filter(is_fresh)).copied()
    }
}

// An IPv6 link-local address is one host per interface.
fn host(mut remote: SocketAddr) -> SocketAddr {
    remote.set_port(0);
    remote
}

// Connecting a datagram socket sends nothing: the kernel only picks the route.
fn routed(remote: SocketAddr) -> Option<IpAddr> {
    let any: IpAddr = match remote {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect(remote).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// Peers remembered at once; a flood of made-up sources costs a few system calls each and no memory, and who is heard
/// meanwhile stays known.
pub const KNOWN_MAX: usize = 4096;
/// A changed route or address shows after this at the latest.
const REFRESH: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn a_wildcard_is_replaced_by_the_address_towards_the_peer() {
        let mut facing = Facing::new(vec![]);
        let remote = "127.0.0.9:40000".parse().unwrap();
        let wildcard = "0.0.0.0:5060".parse().unwrap();
        let local = facing.of_socket(clock::now(), wildcard, remote);
        assert!(local.ip().is_loopback());
        assert_eq!(local.port(), 5060);
        let bound = "127.0.0.4:5060".parse().unwrap();
        assert_eq!(facing.of_socket(clock::now(), bound, remote), bound);
    }

    #[test]
    fn a_peer_faces_an_address_the_box_listens_on() {
        let remote = "127.0.0.9:5060".parse().unwrap();
        let listening = |texts: &[&str]| {
            texts
                .iter()
                .map(|text| (Transport::Udp, text.parse().unwrap()))
                .collect()
        };
        let cases: [(Vec<_>, Option<&str>); 4] = [
            (listening(&["127.0.0.4:5060", "127.0.0.5:5060"]), Some("127.0.0.4")),
            (listening(&["0.0.0.0:5060"]), Some("127.0.0.1")),
            (listening(&["[::]:5060"]), None),
            (vec![(Transport::Tcp, "127.0.0.4:5060".parse().unwrap())], None),
        ];
        for (listening, expected) in cases {
            let mut facing = Facing::new(listening.clone());
            let found = facing
                .of_peer(clock::now(), Transport::Udp, remote)
                .map(|ip| ip.to_string());
            assert_eq!(found.as_deref(), expected, "{listening:?}");
        }
    }

    #[test]
    fn the_kernel_is_not_asked_for_what_is_dropped_anyway() {
        let mut facing = Facing::new(vec![]);
        let now = clock::now();
        let wildcard = "0.0.0.0:5060".parse().unwrap();
        let phone = "127.0.0.9:5060".parse().unwrap();
        for n in 0..1000 {
            let remote = SocketAddr::from((Ipv4Addr::from(0x7f01_0000 + n), 5060));
            assert_eq!(facing.of_datagram(now, (wildcard, remote), || false), wildcard);
        }
        assert_eq!(facing.asked, 0);
        for is_worth_asking in [true, false] {
            let local = facing.of_datagram(now, (wildcard, phone), || is_worth_asking);
            assert!(local.ip().is_loopback(), "known from the first one on");
        }
        assert_eq!(facing.asked, 1);
    }

    #[test]
    fn a_flood_of_peers_is_not_remembered_beyond_the_bound_and_pushes_out_nobody_who_talks() {
        let mut facing = Facing::new(vec![]);
        let now = clock::now();
        let wildcard = "0.0.0.0:5060".parse().unwrap();
        let phone = "127.0.0.9:5060".parse().unwrap();
        let made_up = 2 * KNOWN_MAX as u32;
        for n in 0..made_up {
            let remote = SocketAddr::from((Ipv4Addr::from(0x7f01_0000 + n), 5060));
            for remote in [remote, phone] {
                facing.of_socket(now, wildcard, remote);
            }
            assert!(facing.known.len() + facing.older.len() <= KNOWN_MAX);
        }
        assert_eq!(facing.asked, u64::from(made_up) + 1, "the phone stays known");
    }
}

//! Addresses of the loopback that one flow has for itself, so that flows play side by side.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

use branchline_ladder::flow::Ground;

/// A /16 of the loopback; it is free again when this goes.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) ground: Ground,
    _mark: UdpSocket,
}

/// Second bytes of the networks there are: 127.64.0.0/16 and on.
const NETWORKS: std::ops::RangeInclusive<u8> = 64..=223;
/// Whoever holds this port at a network's first address has the network.
const MARK_PORT: u16 = 5059;

/// Takes a network that nobody has.
pub(super) fn hold() -> io::Result<Held> {
    let mut fault = io::Error::from(io::ErrorKind::AddrInUse);
    for network in NETWORKS {
        let server = Ipv4Addr::new(127, network, 0, 1);
        match UdpSocket::bind((server, MARK_PORT)) {
            Ok(mark) => {
                return Ok(Held {
                    ground: Ground {
                        server: SocketAddr::from((server, 5060)),
                        phones: [127, network, 10],
                        trunks: [127, network, 11],
                    },
                    _mark: mark,
                });
            }
            Err(error) => fault = error,
        }
    }
    Err(fault)
}

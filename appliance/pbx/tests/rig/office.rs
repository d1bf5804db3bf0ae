//! Three extensions and the phones on them, as most tests want them.

use std::net::{Ipv6Addr, SocketAddr};

use super::daemon::Daemon;
use super::{Baresip, Phone, Pjsua, Rig, Transport};

/// Extensions and passwords.
pub const EXTENSIONS: [(&str, &str); 3] = [
    ("201", "alpha-secret"),
    ("202", "bravo-secret"),
    ("203", "charlie-secret"),
];

/// A registered baresip on extension `n` of the office.
pub fn baresip(rig: &Rig, daemon: &Daemon, n: u8) -> Baresip {
    baresip_at(rig, n, (daemon.address(), None), Transport::Udp)
}

/// A registered baresip of the office on IPv6, where each has a port of its own, for there is one address only.
pub fn baresip_on_ipv6(rig: &Rig, daemon: &Daemon, n: u8, transport: Transport) -> Baresip {
    let registrar = match transport {
        Transport::Udp | Transport::Tcp => daemon.ipv6_address(),
        Transport::Tls => daemon.ipv6_tls_address(),
    };
    let own = SocketAddr::from((Ipv6Addr::LOCALHOST, daemon.ipv6_address().port() + 2 + 2 * u16::from(n)));
    baresip_at(rig, n, (registrar, Some(own)), transport)
}

fn baresip_at(rig: &Rig, n: u8, (registrar, own): (SocketAddr, Option<SocketAddr>), transport: Transport) -> Baresip {
    let (extension, password) = EXTENSIONS[usize::from(n)];
    Baresip::start_registered(&Phone {
        own,
        registrar,
        transport,
        ..rig.phone(n, (extension, password))
    })
}

/// A registered PJSIP phone on extension `n` of the office.
pub fn pjsua(rig: &Rig, daemon: &Daemon, n: u8, transport: Transport) -> Pjsua {
    lossy_pjsua(rig, daemon, n, (transport, 0))
}

/// One whose packets get lost.
pub fn lossy_pjsua(rig: &Rig, daemon: &Daemon, n: u8, (transport, drops_percent): (Transport, u8)) -> Pjsua {
    let registrar = match transport {
        Transport::Udp | Transport::Tcp => daemon.address(),
        Transport::Tls => daemon.tls_address(),
    };
    let (extension, password) = EXTENSIONS[usize::from(n)];
    Pjsua::start_registered(&Phone {
        registrar,
        transport,
        drops_percent,
        ..rig.phone(n, (extension, password))
    })
}

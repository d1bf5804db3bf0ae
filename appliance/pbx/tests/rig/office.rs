//! Three extensions and the phones on them, as most tests want them.

use super::Rig;
use super::baresip::{self, Baresip};
use super::daemon::Daemon;
use super::pjsua::{self, Pjsua, Transport};

/// Extensions and passwords.
pub const EXTENSIONS: [(&str, &str); 3] = [
    ("201", "alpha-secret"),
    ("202", "bravo-secret"),
    ("203", "charlie-secret"),
];

/// The tone that phone `n` plays.
pub fn tone_hz(n: u8) -> u32 {
    400 + 300 * u32::from(n)
}

/// A registered baresip on extension `n` of the office.
pub fn baresip(rig: &Rig, daemon: &Daemon, n: u8) -> Baresip {
    let (extension, password) = EXTENSIONS[usize::from(n)];
    let phone = baresip::Phone {
        n,
        extension,
        password,
        registrar: daemon.address(),
        tone_hz: tone_hz(n),
    };
    Baresip::start_registered(rig, &phone)
}

/// A registered PJSIP phone on extension `n` of the office.
pub fn pjsua(rig: &Rig, daemon: &Daemon, n: u8, transport: Transport) -> Pjsua {
    let (extension, password) = EXTENSIONS[usize::from(n)];
    let registrar = match transport {
        Transport::Udp | Transport::Tcp => daemon.address(),
        Transport::Tls => daemon.tls_address(),
    };
    let phone = pjsua::Phone {
        n,
        extension,
        password,
        registrar,
        transport,
        tone_hz: tone_hz(n),
    };
    Pjsua::start_registered(rig, &phone)
}

//! Telephones of other makers in the branch: baresip and PJSIP.

use std::net::Ipv4Addr;
use std::path::Path;

use branchline_phones::{Baresip, Phone, Pjsua, Transport};

use super::namespace::Namespace;
use super::{BOX_INSIDE, sip};
use crate::Fault;

/// The telephones, each at an extension of its own.
pub struct RealPhones {
    /// From 201 on.
    pub baresip: Vec<Baresip>,
    /// After those.
    pub pjsip: Vec<Pjsua>,
}

/// Of baresip.
pub const BARESIPS: u8 = 4;
/// Of PJSIP.
pub const PJSIPS: u8 = 3;

impl RealPhones {
    /// Starts all and waits until they are registered.
    pub(super) fn start(namespace: &Namespace, folder: &Path) -> Result<RealPhones, Fault> {
        for at in 0..BARESIPS + PJSIPS {
            namespace.address("lo", ip(at))?;
            std::fs::create_dir_all(folder.join(number(at))).map_err(Fault::system("a telephone's folder"))?;
        }
        let folder = folder.to_owned();
        namespace.inside(move || RealPhones {
            baresip: (0..BARESIPS)
                .map(|at| start(&folder, at, Baresip::start_registered))
                .collect(),
            pjsip: (BARESIPS..BARESIPS + PJSIPS)
                .map(|at| start(&folder, at, Pjsua::start_registered))
                .collect(),
        })
    }
}

/// The tone that the telephone at an extension plays.
#[must_use]
pub fn tone_hz(number: &str) -> u32 {
    let at = number.bytes().last().map_or(0, |digit| u32::from(digit - b'0'));
    300 + 250 * at
}

fn start<P>(folder: &Path, at: u8, start: impl Fn(&Phone) -> P) -> P {
    let number = number(at);
    start(&Phone {
        folder: folder.join(&number),
        ip: ip(at).into(),
        extension: &number,
        password: &format!("secret-{number}"),
        registrar: sip(BOX_INSIDE),
        transport: Transport::Udp,
        own: None,
        drops_percent: 0,
        tone_hz: tone_hz(&number),
    })
}

fn number(at: u8) -> String {
    format!("{}", 201 + u16::from(at))
}

fn ip(at: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 98, 0, 150 + at)
}

//! Real clients and real peers around the daemon, on loopback.
//!
//! In: what a test wants to stand up (phones, a trunk, the daemon). Out: programs that are known to be ready, events,
//! and sound to measure. A program that outlives its test is stopped by its pid; a test that fails prints their logs.
#![allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    reason = "each test file uses its own part of the rig"
)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "the rig is test code: a step that fails ends the test with its cause"
)]

pub mod actor;
pub mod board;
pub mod card;
pub mod crowd;
pub mod daemon;
pub mod digest;
pub mod disk;
pub mod http;
pub mod kamailio;
pub mod loopback;
pub mod maker;
pub mod office;
pub mod pins;
pub mod scratch;
pub mod sip;
pub mod sipp;
pub mod supervised;
pub mod tls;
pub mod web;

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

pub use branchline_phones::{Baresip, Phone, Pjsua, Transport, baresip, clock, pjsua, program, sound};

use loopback::Loopback;
use scratch::Scratch;

/// One test's own piece of the world: loopback addresses nobody else uses, and a folder.
pub struct Rig {
    net: Loopback,
    scratch: Scratch,
}

impl Rig {
    /// Claims addresses and a folder for the test called `name`.
    pub fn new(name: &str) -> Rig {
        Rig {
            net: Loopback::claim(name),
            scratch: Scratch::new(name),
        }
    }

    /// The daemon's address, also that of a stand-in for it.
    pub fn box_ip(&self) -> Ipv4Addr {
        self.net.host(1)
    }

    /// The upstream's address.
    pub fn upstream_ip(&self) -> Ipv4Addr {
        self.net.host(2)
    }

    /// The address of phone `n`, `n` below 200.
    pub fn phone_ip(&self, n: u8) -> Ipv4Addr {
        self.net.host(n.checked_add(20).expect("fewer than 200 phones"))
    }

    /// Phone `n` on UDP at the daemon, in a folder of its own.
    pub fn phone<'a>(&self, n: u8, (extension, password): (&'a str, &'a str)) -> Phone<'a> {
        Phone {
            folder: self.subfolder(&format!("phone-{extension}")),
            ip: self.phone_ip(n).into(),
            extension,
            password,
            registrar: (self.box_ip(), sip::PORT).into(),
            transport: Transport::Udp,
            own: None,
            drops_percent: 0,
            tone_hz: tone_hz(n),
        }
    }

    /// The first of ten ports for what cannot have an address of the test's own.
    pub fn own_port(&self) -> u16 {
        self.net.own_port()
    }

    /// The test's folder; it goes with the test unless the test fails.
    pub fn folder(&self) -> &Path {
        self.scratch.path()
    }

    /// A new folder inside the test's folder.
    pub fn subfolder(&self, name: &str) -> PathBuf {
        let folder = self.scratch.path().join(name);
        std::fs::create_dir_all(&folder).expect("a folder in the temporary folder");
        folder
    }
}

/// The tone that phone `n` plays.
pub fn tone_hz(n: u8) -> u32 {
    400 + 300 * u32::from(n)
}

/// A file under `tests/phones`.
pub fn phone_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/phones").join(name)
}

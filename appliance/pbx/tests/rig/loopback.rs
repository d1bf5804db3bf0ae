//! A block of loopback addresses per test, so that tests run side by side on the standard ports.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{Ipv4Addr, UdpSocket};

/// Nothing in the rig uses this port: who holds it on the last address of a block holds the block.
const CLAIM_PORT: u16 = 5999;
const CLAIM_HOST: u8 = 254;
/// Blocks 127.16.0.0/24 to 127.249.255.0/24; 127.0.0.0/16 belongs to whatever else runs here.
const FIRST_NET: u32 = 16 << 8;
const NETS: u32 = 234 << 8;

const OWN_PORTS_FROM: u16 = 3_000;
const OWN_BLOCKS: u16 = 690;

/// 127.x.y.0/24, held until dropped.
pub struct Loopback {
    net: [u8; 3],
    _claim: UdpSocket,
}

impl Loopback {
    /// Claims a free block; the name and the process only choose where the search starts.
    pub fn claim(name: &str) -> Loopback {
        let mut hasher = DefaultHasher::new();
        (name, std::process::id()).hash(&mut hasher);
        let start = hasher.finish() as u32 % NETS;
        (0..NETS)
            .find_map(|step| {
                let [_, _, high, low] = (FIRST_NET + (start + step) % NETS).to_be_bytes();
                let claim = UdpSocket::bind((Ipv4Addr::new(127, high, low, CLAIM_HOST), CLAIM_PORT)).ok()?;
                Some(Loopback {
                    net: [127, high, low],
                    _claim: claim,
                })
            })
            .expect("one free block of loopback addresses")
    }

    /// The first of ten ports for what cannot have an address of the block; blocks side by side seldom share them.
    pub fn own_port(&self) -> u16 {
        let [_, high, low] = self.net;
        OWN_PORTS_FROM + 10 * (u16::from_be_bytes([high, low]) % OWN_BLOCKS)
    }

    /// Address `n` of the block.
    pub fn host(&self, n: u8) -> Ipv4Addr {
        let [a, b, c] = self.net;
        Ipv4Addr::new(a, b, c, n)
    }
}

//! A block of loopback addresses of our own, so that standard ports are free.

use std::net::{Ipv4Addr, UdpSocket};

use crate::Done;

/// Nothing else here uses this port: who holds it on the last address of a block holds the block.
const CLAIM_PORT: u16 = 5999;
const CLAIM_HOST: u8 = 254;
/// The third byte of the block; the second is 251.
const BLOCKS: std::ops::RangeInclusive<u8> = 0..=255;
const SECOND: u8 = 251;

/// 127.251.x.0/24, held until dropped.
pub(crate) struct Loopback {
    third: u8,
    _claim: UdpSocket,
}

impl Loopback {
    pub(crate) fn claim() -> Done<Loopback> {
        let mut blocks = BLOCKS;
        let claimed = blocks.find_map(|third| {
            let claim = UdpSocket::bind((Ipv4Addr::new(127, SECOND, third, CLAIM_HOST), CLAIM_PORT)).ok()?;
            Some(Loopback { third, _claim: claim })
        });
        claimed.ok_or_else(|| "no free block of loopback addresses".into())
    }

    pub(crate) fn host(&self, n: u8) -> Ipv4Addr {
        Ipv4Addr::new(127, SECOND, self.third, n)
    }
}

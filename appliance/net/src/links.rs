//! The box's own addresses and whether there is a network behind them.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;
use nix::sys::socket::{AddressFamily, MsgFlags, NetlinkAddr, SockaddrLike, SockaddrStorage, bind, recv};

use crate::netlink;

/// The addresses of the interfaces that are up and have a carrier, in order.
///
/// # Errors
/// The kernel's own.
pub fn linked_addresses() -> io::Result<Vec<IpAddr>> {
    let works = InterfaceFlags::IFF_UP | InterfaceFlags::IFF_RUNNING;
    let linked = getifaddrs()?.filter(|interface| interface.flags.contains(works));
    let mut addresses: Vec<IpAddr> = linked
        .filter_map(|interface| ip_of(&interface.address?))
        .take(ADDRESSES_MAX)
        .collect();
    addresses.sort_unstable();
    addresses.dedup();
    Ok(addresses)
}

fn ip_of(address: &SockaddrStorage) -> Option<IpAddr> {
    match address.family()? {
        AddressFamily::Inet => Some(address.as_sockaddr_in()?.ip().into()),
        AddressFamily::Inet6 => Some(address.as_sockaddr_in6()?.ip().into()),
        _ => None,
    }
}

/// Waits for changes of links and addresses (rtnetlink).
#[derive(Debug)]
pub struct LinkWatch {
    socket: OwnedFd,
}

/// What came of waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waited {
    /// A link or an address is another than before.
    Changed,
    /// Nothing happened.
    InVain,
}

impl LinkWatch {
    /// Changes count from now on; `patience` is how long one [`wait`](Self::wait) takes at most.
    ///
    /// # Errors
    /// The kernel's own.
    pub fn open(patience: Duration) -> io::Result<LinkWatch> {
        let socket = netlink::open(patience)?;
        bind(
            socket.as_raw_fd(),
            &NetlinkAddr::new(0, LINKS | ADDRESSES_V4 | ADDRESSES_V6),
        )?;
        Ok(LinkWatch { socket })
    }

    /// Waits for the next change; several at once are several.
    ///
    /// # Errors
    /// The kernel's own.
    pub fn wait(&self) -> io::Result<Waited> {
        let mut buffer = [0; 8192];
        match recv(self.socket.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
            // More happened than the socket holds.
            Ok(_) | Err(Errno::ENOBUFS) => Ok(Waited::Changed),
            Err(Errno::EAGAIN | Errno::EINTR) => Ok(Waited::InVain),
            Err(fault) => Err(fault.into()),
        }
    }
}

/// More addresses than any box has.
const ADDRESSES_MAX: usize = 1024;
// linux/rtnetlink.h: RTMGRP_LINK, RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR
const LINKS: u32 = 0x1;
const ADDRESSES_V4: u32 = 0x10;
const ADDRESSES_V6: u32 = 0x100;

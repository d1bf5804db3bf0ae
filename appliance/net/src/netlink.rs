//! A socket to ask the kernel about its networks (rtnetlink).

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use nix::sys::socket::sockopt::ReceiveTimeout;
use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, setsockopt, socket};
use nix::sys::time::{TimeVal, TimeValLike};

/// One on which reading takes no longer than `patience`.
pub(crate) fn open(patience: Duration) -> io::Result<OwnedFd> {
    let socket = socket(
        AddressFamily::Netlink,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::NetlinkRoute,
    )?;
    let patience_ms = i64::try_from(patience.as_millis()).unwrap_or(i64::MAX);
    setsockopt(&socket, ReceiveTimeout, &TimeVal::milliseconds(patience_ms))?;
    Ok(socket)
}

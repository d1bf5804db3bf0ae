//! Opening UDP sockets, with errors that say what to do.

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrStorage, bind, setsockopt, socket, sockopt};
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use thiserror::Error;

/// How packets are marked for routers and access points (RFC 4594).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TrafficClass {
    /// Not marked.
    #[default]
    Default,
    /// CS3, for call signalling.
    Signalling,
    /// EF, for speech.
    Voice,
}

/// How to open a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BindOptions {
    /// Local address and port; an IPv6 socket takes IPv6 only.
    pub address: SocketAddr,
    /// Receive buffer to ask for, in bytes; 4 MiB or more for SIP. The kernel may grant less.
    pub receive_buffer_bytes: usize,
    /// Marking of what is sent.
    pub traffic_class: TrafficClass,
}

/// Why a socket could not be opened, and what to do about it.
#[derive(Debug, Error)]
pub enum BindError {
    /// Somebody has the port.
    #[error("{address}: the port is in use by another program; stop it (`ss -ulpn` names it) or set another port")]
    InUse {
        /// What was asked for.
        address: SocketAddr,
    },
    /// The address is not one of this machine.
    #[error("{address}: this machine has no such address; `ip address` lists those it has")]
    NoSuchAddress {
        /// What was asked for.
        address: SocketAddr,
    },
    /// Not allowed.
    #[error("{address}: not permitted; ports below 1024 need CAP_NET_BIND_SERVICE")]
    NotPermitted {
        /// What was asked for.
        address: SocketAddr,
    },
    /// The process has too many files open.
    #[error("{address}: too many open files; raise the limit (LimitNOFILE= in the systemd unit, or `ulimit -n`)")]
    TooManyFiles {
        /// What was asked for.
        address: SocketAddr,
    },
    /// Anything else.
    #[error("{address}: cannot open a UDP socket")]
    Other {
        /// What was asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

/// A bound, non-blocking UDP socket. `AsFd` lets it go into epoll or tokio's `AsyncFd`.
#[derive(Debug)]
pub struct Socket {
    inner: UdpSocket,
    local: SocketAddr,
}

impl Socket {
    /// Opens and binds a socket.
    ///
    /// # Errors
    /// [`BindError`], with the address and what to do.
    pub fn bind(options: &BindOptions) -> Result<Self, BindError> {
        let inner = open(options).map_err(|errno| BindError::of(options.address, errno))?;
        let local = inner.local_addr().map_err(|source| BindError::Other {
            address: options.address,
            source,
        })?;
        Ok(Self { inner, local })
    }

    /// The bound address, with the port the system chose if none was asked for.
    #[must_use]
    pub fn local_address(&self) -> SocketAddr {
        self.local
    }

    /// Receives one datagram without waiting.
    ///
    /// # Errors
    /// `WouldBlock` when there is none, else what the system says.
    pub fn receive_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.inner.recv_from(buffer)
    }

    /// Sends one datagram without waiting.
    ///
    /// # Errors
    /// What the system says.
    pub fn send_to(&self, data: &[u8], to: SocketAddr) -> io::Result<()> {
        self.inner.send_to(data, to).map(drop)
    }

    pub(crate) fn raw(&self) -> RawFd {
        self.inner.as_raw_fd()
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.as_fd()
    }
}

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        self.inner.as_raw_fd()
    }
}

impl BindError {
    fn of(address: SocketAddr, errno: Errno) -> Self {
        match errno {
            Errno::EADDRINUSE => Self::InUse { address },
            Errno::EADDRNOTAVAIL => Self::NoSuchAddress { address },
            Errno::EACCES | Errno::EPERM => Self::NotPermitted { address },
            Errno::EMFILE | Errno::ENFILE => Self::TooManyFiles { address },
            other => Self::Other {
                address,
                source: other.into(),
            },
        }
    }
}

fn open(options: &BindOptions) -> Result<UdpSocket, Errno> {
    let family = match options.address {
        SocketAddr::V4(_) => AddressFamily::Inet,
        SocketAddr::V6(_) => AddressFamily::Inet6,
    };
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let fd = socket(family, SockType::Datagram, flags, None)?;
    let tos = options.traffic_class.tos();
    match options.address {
        SocketAddr::V4(_) => setsockopt(&fd, sockopt::Ipv4Tos, &tos)?,
        SocketAddr::V6(_) => {
            setsockopt(&fd, sockopt::Ipv6V6Only, &true)?;
            setsockopt(&fd, sockopt::Ipv6TClass, &tos)?;
        }
    }
    // Only root may pass net.core.rmem_max; others get what that allows.
    if setsockopt(&fd, sockopt::RcvBufForce, &options.receive_buffer_bytes).is_err() {
        setsockopt(&fd, sockopt::RcvBuf, &options.receive_buffer_bytes)?;
    }
    bind(fd.as_raw_fd(), &SockaddrStorage::from(options.address))?;
    Ok(UdpSocket::from(fd))
}

impl TrafficClass {
    fn tos(self) -> i32 {
        match self {
            Self::Default => 0,
            Self::Signalling => 0x60,
            Self::Voice => 0xb8,
        }
    }
}

//! Opening listening sockets, with faults that say what to do.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsRawFd;

use branchline_net::{BindError, BindOptions, Socket, TrafficClass};
use branchline_sip::Transport;
use nix::errno::Errno;
use nix::sys::socket::{self, AddressFamily, Backlog, SockFlag, SockType, SockaddrStorage, setsockopt, sockopt};

/// Why a place to listen could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum BindFault {
    /// Datagrams.
    #[error("sip.listen: udp {0}")]
    Udp(#[from] BindError),
    /// Streams.
    #[error("sip.listen: {} {address}: {}", .transport.param_name(), advice(*.errno))]
    Stream {
        /// TCP or TLS.
        transport: Transport,
        /// What was asked for.
        address: SocketAddr,
        /// What the system said.
        errno: Errno,
    },
}

/// A datagram socket for SIP.
pub fn udp(address: SocketAddr) -> Result<Socket, BindFault> {
    let options = BindOptions {
        address,
        receive_buffer_bytes: RECEIVE_BUFFER_BYTES,
        traffic_class: TrafficClass::Signalling,
    };
    Ok(Socket::bind(&options)?)
}

/// A listening stream socket; an IPv6 one takes IPv6 only, as the datagram sockets do.
pub fn stream(transport: Transport, address: SocketAddr) -> Result<TcpListener, BindFault> {
    open(address).map_err(|errno| BindFault::Stream {
        transport,
        address,
        errno,
    })
}

fn open(address: SocketAddr) -> Result<TcpListener, Errno> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::Inet,
        SocketAddr::V6(_) => AddressFamily::Inet6,
    };
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let fd = socket::socket(family, SockType::Stream, flags, None)?;
    // A restart must not wait for connections of the run before to time out.
    setsockopt(&fd, sockopt::ReuseAddr, &true)?;
    if address.is_ipv6() {
        setsockopt(&fd, sockopt::Ipv6V6Only, &true)?;
    }
    socket::bind(fd.as_raw_fd(), &SockaddrStorage::from(address))?;
    socket::listen(&fd, Backlog::new(BACKLOG).unwrap_or(Backlog::MAXCONN))?;
    Ok(TcpListener::from(fd))
}

fn advice(errno: Errno) -> String {
    match errno {
        Errno::EADDRINUSE => {
            "the port is in use by another program; stop it (`ss -tlnp` names it) or set another port".to_owned()
        }
        Errno::EADDRNOTAVAIL => "this machine has no such address; `ip address` lists those it has".to_owned(),
        Errno::EACCES | Errno::EPERM => "not permitted; ports below 1024 need CAP_NET_BIND_SERVICE".to_owned(),
        Errno::EMFILE | Errno::ENFILE => {
            "too many open files; raise the limit (LimitNOFILE= in the systemd unit, or `ulimit -n`)".to_owned()
        }
        other => io::Error::from(other).to_string(),
    }
}

// A thousand phones that come back after a power cut send a few thousand messages before the box is through the first.
const RECEIVE_BUFFER_BYTES: usize = 8 << 20;
// Phones that come back together; the kernel cuts it to net.core.somaxconn.
const BACKLOG: i32 = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_named_with_its_transport_and_the_fix() {
        let address: SocketAddr = "127.9.4.1:0".parse().unwrap();
        let taken = stream(Transport::Tls, address).unwrap();
        let again = stream(Transport::Tls, taken.local_addr().unwrap())
            .unwrap_err()
            .to_string();
        assert!(again.starts_with(&format!(
            "sip.listen: tls {}: the port is in use",
            taken.local_addr().unwrap()
        )));
        let taken = udp(address).unwrap();
        let again = udp(taken.local_address()).unwrap_err().to_string();
        assert!(
            again.starts_with(&format!(
                "sip.listen: udp {}: the port is in use",
                taken.local_address()
            )),
            "{again}"
        );
    }

    #[test]
    fn an_address_of_another_machine_is_refused_with_the_fix() {
        let foreign = "192.0.2.77:5060".parse().unwrap();
        let fault = stream(Transport::Tcp, foreign).unwrap_err().to_string();
        assert_eq!(
            fault,
            "sip.listen: tcp 192.0.2.77:5060: this machine has no such address; `ip address` lists those it has"
        );
    }
}

//! The network of a board: a namespace of its own with leases and telephones, and the board on its only wire.

use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use crate::Fault;
use crate::rig::namespace::Namespace;
use crate::rig::{Account, BOX_INSIDE, Office, sip};

pub(super) struct Wire {
    pub(super) namespace: Namespace,
    dhcp: Child,
}

/// What the board is plugged into.
pub(super) enum Plug<'a> {
    /// A TAP device of this name, made here.
    Tap(&'a str),
    /// An interface of this machine.
    Interface(&'a str),
}

/// This end of the wire: leases and files.
pub const HERE: Ipv4Addr = Ipv4Addr::new(10, 98, 0, 254);
/// Where questions come from that no telephone asks.
const STRANGER: Ipv4Addr = Ipv4Addr::new(10, 98, 0, 99);
const TELEPHONES: [u8; 2] = [11, 12];
/// Longer than a lost SYN takes to be sent again.
const CONNECT_WITHIN: Duration = Duration::from_millis(1500);
const PROBES_AT_ONCE: usize = 64;

impl Wire {
    pub(super) fn new(plug: &Plug<'_>, folder: &Path) -> Result<Wire, Fault> {
        let namespace = Namespace::new("board")?;
        let device = match plug {
            Plug::Tap(name) => {
                namespace.ip(&["tuntap", "add", "dev", name, "mode", "tap"])?;
                name
            }
            Plug::Interface(name) => {
                namespace.take_in(name)?;
                name
            }
        };
        namespace.address(device, HERE)?;
        namespace.address(device, STRANGER)?;
        for last in TELEPHONES {
            namespace.address(device, Ipv4Addr::new(10, 98, 0, last))?;
        }
        namespace.ip(&["link", "set", device, "up"])?;
        let dhcp = namespace
            .command("dnsmasq")
            .args(["--conf-file=/dev/null", "--keep-in-foreground", "--port=0"])
            .args([
                "--bind-dynamic",
                "--dhcp-authoritative",
                "--dhcp-option=3",
                "--dhcp-option=6",
            ])
            .args(["--pid-file=", "--log-facility=-"])
            .arg(format!("--interface={device}"))
            .arg(format!("--listen-address={HERE}"))
            .arg(format!("--dhcp-range={BOX_INSIDE},{BOX_INSIDE}"))
            .arg(format!("--dhcp-leasefile={}", folder.join("leases").display()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(Fault::system("dnsmasq"))?;
        Ok(Wire { namespace, dhcp })
    }

    pub(super) fn office(&self, accounts: &[Account]) -> Result<Office, Fault> {
        let seats = accounts.len().min(TELEPHONES.len());
        Office::new(&self.namespace, &accounts[..seats])
    }

    /// A socket of a stranger that waits `patience` for an answer.
    pub(super) fn stranger(&self, patience: Duration) -> Result<UdpSocket, Fault> {
        let socket = self.namespace.inside(|| UdpSocket::bind(sip(STRANGER)))?;
        let socket = socket.map_err(Fault::system("a socket"))?;
        socket
            .set_read_timeout(Some(patience))
            .map_err(Fault::system("a socket"))?;
        socket.connect(sip(BOX_INSIDE)).map_err(Fault::system("a socket"))?;
        Ok(socket)
    }

    /// Somebody answers at this end of the wire.
    pub(super) fn is_served(&self, port: u16) -> Result<bool, Fault> {
        let connect = move || TcpStream::connect_timeout(&SocketAddr::from((HERE, port)), CONNECT_WITHIN).is_ok();
        self.namespace.inside(connect)
    }

    /// Of these TCP ports, the ones where somebody listens.
    pub(super) fn listening(&self, ports: Vec<u16>) -> Result<Vec<u16>, Fault> {
        self.namespace.inside(move || {
            let share = ports.len().div_ceil(PROBES_AT_ONCE).max(1);
            std::thread::scope(|scope| {
                // A thread that a thread in a namespace begins is in it too.
                let probes: Vec<_> = ports.chunks(share).map(|some| scope.spawn(|| open_of(some))).collect();
                let found = probes.into_iter().filter_map(|probe| probe.join().ok());
                found.flatten().collect()
            })
        })
    }
}

fn open_of(ports: &[u16]) -> Vec<u16> {
    let is_open =
        |port: &u16| TcpStream::connect_timeout(&SocketAddr::from((BOX_INSIDE, *port)), CONNECT_WITHIN).is_ok();
    ports.iter().copied().filter(is_open).collect()
}

impl Drop for Wire {
    fn drop(&mut self) {
        let _ = self.dhcp.kill();
        let _ = self.dhcp.wait();
    }
}

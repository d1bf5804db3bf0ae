//! Which port of the box a neighbour is behind: the kernel's neighbour table and the forwarding tables of its bridges
//! (rtnetlink, RFC 3549).

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use nix::net::if_::if_indextoname;
use nix::sys::socket::{MsgFlags, recv, send};

use crate::netlink;

/// A host on one of the box's own networks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// Its address.
    pub address: IpAddr,
    /// The interface that the address is reached by, such as `eth0` or `br0`.
    pub interface: String,
    /// The port of a bridge that its packets come in by; the interface where that is no bridge.
    pub port: String,
}

/// All neighbours that the kernel knows, at most [`NEIGHBOURS_MAX`]. Takes about a millisecond.
///
/// # Errors
/// The kernel's own, and an answer that does not come within a second.
pub fn neighbours() -> io::Result<Vec<Neighbour>> {
    let hosts = dump(AF_UNSPEC)?;
    // A kernel without bridges has no table of theirs.
    let bridged = dump(AF_BRIDGE).unwrap_or_default();
    let mut names = Names::default();
    let ports: BTreeMap<(u32, &[u8]), u32> = bridged
        .iter()
        .filter(|entry| entry.state & PERMANENT == 0)
        .filter_map(|entry| Some(((entry.master?, entry.hardware.as_slice()), entry.interface)))
        .collect();
    let mut found = Vec::new();
    for host in &hosts {
        let Some(address) = host.address.filter(|_| host.is_there()) else {
            continue;
        };
        let port = ports.get(&(host.interface, host.hardware.as_slice()));
        let port = port.copied().unwrap_or(host.interface);
        if let (Some(interface), Some(port)) = (names.of(host.interface), names.of(port)) {
            found.push(Neighbour {
                address,
                interface,
                port,
            });
        }
    }
    Ok(found)
}

/// One entry of either table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Entry {
    interface: u32,
    state: u16,
    address: Option<IpAddr>,
    hardware: Vec<u8>,
    /// The bridge that the interface is a port of.
    master: Option<u32>,
}

impl Entry {
    fn is_there(&self) -> bool {
        self.state & (INCOMPLETE | FAILED | NO_ARP) == 0 && !self.hardware.is_empty()
    }
}

#[derive(Default)]
struct Names(HashMap<u32, Option<String>>);

impl Names {
    fn of(&mut self, index: u32) -> Option<String> {
        let ask = || if_indextoname(index).ok()?.into_string().ok();
        self.0.entry(index).or_insert_with(ask).clone()
    }
}

/// The kernel answers at once.
const PATIENCE: Duration = Duration::from_secs(1);

fn dump(family: u8) -> io::Result<Vec<Entry>> {
    let socket = netlink::open(PATIENCE)?;
    send(socket.as_raw_fd(), &request(family), MsgFlags::empty())?;
    let mut entries = Vec::new();
    while read(&socket, &mut entries)? == More::Yes {
        if entries.len() > NEIGHBOURS_MAX {
            entries.truncate(NEIGHBOURS_MAX);
            break;
        }
    }
    Ok(entries)
}

fn request(family: u8) -> [u8; 28] {
    let mut bytes = [0; 28];
    bytes[0..4].copy_from_slice(&28_u32.to_ne_bytes());
    bytes[4..6].copy_from_slice(&GET_NEIGHBOURS.to_ne_bytes());
    bytes[6..8].copy_from_slice(&(REQUEST | DUMP).to_ne_bytes());
    bytes[16] = family;
    bytes
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum More {
    Yes,
    No,
}

fn read(socket: &OwnedFd, entries: &mut Vec<Entry>) -> io::Result<More> {
    let mut buffer = vec![0; 65_536];
    let length = recv(socket.as_raw_fd(), &mut buffer, MsgFlags::empty())?;
    messages(&buffer[..length], entries)
}

/// Reads the messages of one datagram.
fn messages(mut bytes: &[u8], entries: &mut Vec<Entry>) -> io::Result<More> {
    while let Some(length) = u32_at(bytes, 0).and_then(|length| usize::try_from(length).ok()) {
        let Some(message) = bytes.get(..length).filter(|_| length >= HEADER) else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        match u16_at(message, 4) {
            Some(DONE) => return Ok(More::No),
            Some(ERROR) => {
                let code = u32_at(message, HEADER).map_or(0, |code| i32::from_ne_bytes(code.to_ne_bytes()));
                return Err(io::Error::from_raw_os_error(code.saturating_neg()));
            }
            Some(NEW_NEIGHBOUR) => entries.extend(entry(&message[HEADER..])),
            Some(_) | None => {}
        }
        let step = length.next_multiple_of(4).min(bytes.len());
        bytes = &bytes[step..];
    }
    Ok(More::Yes)
}

/// `ndmsg` and its attributes.
fn entry(message: &[u8]) -> Option<Entry> {
    let mut entry = Entry {
        interface: u32_at(message, 4)?,
        state: u16_at(message, 8)?,
        ..Entry::default()
    };
    let mut rest = message.get(12..)?;
    while let (Some(length), Some(kind)) = (u16_at(rest, 0), u16_at(rest, 2)) {
        let length = usize::from(length);
        let Some(value) = rest.get(4..length) else { break };
        match kind {
            DESTINATION => entry.address = address(value),
            HARDWARE => entry.hardware = value.to_vec(),
            MASTER => entry.master = u32_at(value, 0),
            _ => {}
        }
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Some(entry)
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return Some(Ipv4Addr::from(v4).into());
    }
    <[u8; 16]>::try_from(bytes).ok().map(|v6| Ipv6Addr::from(v6).into())
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// More hosts than any branch has.
pub const NEIGHBOURS_MAX: usize = 16_384;

// linux/netlink.h, linux/rtnetlink.h, linux/neighbour.h
const HEADER: usize = 16;
const REQUEST: u16 = 0x1;
const DUMP: u16 = 0x300;
const ERROR: u16 = 2;
const DONE: u16 = 3;
const NEW_NEIGHBOUR: u16 = 28;
const GET_NEIGHBOURS: u16 = 30;
const AF_UNSPEC: u8 = 0;
const AF_BRIDGE: u8 = 7;
const DESTINATION: u16 = 1;
const HARDWARE: u16 = 2;
const MASTER: u16 = 9;
const INCOMPLETE: u16 = 0x01;
const FAILED: u16 = 0x20;
const NO_ARP: u16 = 0x40;
const PERMANENT: u16 = 0x80;

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let length = u16::try_from(4 + value.len()).unwrap();
        let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn message(kind: u16, body: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; HEADER];
        bytes[0..4].copy_from_slice(&u32::try_from(HEADER + body.len()).unwrap().to_ne_bytes());
        bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
        bytes.extend(body);
        bytes
    }

    fn neighbour(interface: u32, state: u16, attributes: &[Vec<u8>]) -> Vec<u8> {
        let mut body = vec![0; 12];
        body[4..8].copy_from_slice(&interface.to_ne_bytes());
        body[8..10].copy_from_slice(&state.to_ne_bytes());
        body.extend(attributes.concat());
        message(NEW_NEIGHBOUR, &body)
    }

    #[test]
    fn a_table_is_read_as_the_kernel_writes_it() {
        let hardware = [2, 0, 0, 0, 0, 1];
        let mut bytes = neighbour(
            3,
            0x02,
            &[attribute(DESTINATION, &[192, 0, 2, 9]), attribute(HARDWARE, &hardware)],
        );
        bytes.extend(neighbour(
            5,
            0x04,
            &[attribute(HARDWARE, &hardware), attribute(MASTER, &3_u32.to_ne_bytes())],
        ));
        bytes.extend(message(DONE, &[0; 4]));
        let mut entries = Vec::new();
        assert_eq!(messages(&bytes, &mut entries).unwrap(), More::No);
        let host = Entry {
            interface: 3,
            state: 0x02,
            address: Some([192, 0, 2, 9].into()),
            hardware: hardware.to_vec(),
            master: None,
        };
        let bridged = Entry {
            interface: 5,
            state: 0x04,
            address: None,
            hardware: hardware.to_vec(),
            master: Some(3),
        };
        assert_eq!(entries, [host, bridged]);
    }

    #[test]
    fn what_is_cut_short_or_refused_is_an_error_and_does_no_harm() {
        let whole = neighbour(
            3,
            0x02,
            &[attribute(DESTINATION, &[192, 0, 2, 9]), attribute(HARDWARE, &[1; 6])],
        );
        for end in 0..whole.len() {
            let read = messages(&whole[..end], &mut Vec::new());
            assert_eq!(read.is_err(), end >= 4, "{end}");
            let mut changed = whole.clone();
            changed[end] ^= 0xff;
            let _ = messages(&changed, &mut Vec::new());
        }
        let refused = messages(&message(ERROR, &(-1_i32).to_ne_bytes()), &mut Vec::new());
        assert_eq!(refused.unwrap_err().raw_os_error(), Some(1));
    }
}

//! Media in the middle of the hosted PBX: a port of its own for each port of the box it was told.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

#[derive(Debug)]
pub(super) struct Anchors {
    ip: IpAddr,
    /// Own port for each port of the box.
    own: BTreeMap<u16, u16>,
}

const FIRST_PORT: u16 = 40_000;

impl Anchors {
    pub(super) fn new(ip: IpAddr) -> Anchors {
        Anchors {
            ip,
            own: BTreeMap::new(),
        }
    }

    /// A description with the box's address and port replaced by its own.
    pub(super) fn anchor(&mut self, body: &str) -> String {
        let ip = self.ip.to_string();
        let line = |line: &str| {
            let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            if line.starts_with("c=") || line.starts_with("o=") {
                if let Some(last) = words.last_mut() {
                    last.clone_from(&ip);
                }
            } else if line.starts_with("m=audio")
                && let Some(port) = words.get_mut(1)
                && let Ok(known) = port.parse::<u16>()
                && known > 0
            {
                let next = FIRST_PORT + 2 * u16::try_from(self.own.len()).unwrap_or(0);
                *port = self.own.entry(known).or_insert(next).to_string();
            }
            words.join(" ")
        };
        let lines: Vec<String> = body.split("\r\n").map(line).collect();
        lines.join("\r\n")
    }

    pub(super) fn ports(&self) -> impl Iterator<Item = u16> {
        self.own.values().copied()
    }

    pub(super) fn relays(&self, to: SocketAddr, from_port: u16) -> Option<(u16, SocketAddr)> {
        if to.ip() != self.ip {
            return None;
        }
        let port = self
            .own
            .iter()
            .find(|(_, own)| **own == to.port())
            .map(|(port, _)| *port)?;
        let source = self.own.get(&from_port)?;
        Some((port, SocketAddr::new(self.ip, *source)))
    }
}

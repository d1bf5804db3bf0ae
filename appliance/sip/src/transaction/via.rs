//! The top Via: ours on requests, the source written into those of the peer, and the way back it describes (RFC 3261 section 18.2,
//! RFC 3581).

use std::io::Write;
use std::net::SocketAddr;

use crate::flow::{Flow, Transport};
use crate::message::Via;

/// How responses to one request travel.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReturnPath {
    arrived_on: Flow,
    /// Port for datagrams, and for a new connection once the request's own is lost.
    port: u16,
    lost: bool,
}

impl ReturnPath {
    // `maddr` is not followed: multicast is not offered, and it would let anyone aim our responses at a third party.
    pub(super) fn of(via: &Via<'_>, flow: Flow) -> ReturnPath {
        let asked = via.port.unwrap_or_else(|| flow.transport.default_port());
        let port = match flow.transport {
            Transport::Udp if via.params.has("rport") => flow.remote.port(),
            Transport::Udp | Transport::Tcp | Transport::Tls => asked,
        };
        ReturnPath {
            arrived_on: flow,
            port,
            lost: false,
        }
    }

    pub(super) fn arrived_on(&self) -> Flow {
        self.arrived_on
    }

    pub(super) fn flow(&self) -> Flow {
        let mut flow = self.arrived_on;
        match flow.transport {
            Transport::Udp => flow.remote.set_port(self.port),
            Transport::Tcp | Transport::Tls if self.lost => {
                flow.remote.set_port(self.port);
                flow.connection = None;
            }
            Transport::Tcp | Transport::Tls => {}
        }
        flow
    }

    /// The connection is gone: later responses ask for a new one (RFC 3261 section 18.2.2).
    pub(super) fn lose(&mut self, failed: Flow) {
        self.lost |= self.arrived_on.connection.is_some() && self.arrived_on.connection == failed.connection;
    }
}

/// The Via value with `received`, and `rport` if asked for; `None` if it needs neither.
pub(super) fn stamped(value: &[u8], source: SocketAddr) -> Option<Vec<u8>> {
    let via = Via::parse(value).ok()?;
    let symmetric = via.params.has("rport");
    if !symmetric && via.host.ip() == Some(source.ip()) {
        return None;
    }
    let head = value.iter().position(|&byte| byte == b';').unwrap_or(value.len());
    let mut text = Vec::with_capacity(value.len() + STAMP_BYTES_MAX);
    text.extend_from_slice(&value[..head]);
    for param in via.params.iter() {
        if ["received", "rport"]
            .iter()
            .any(|ours| param.name.eq_ignore_ascii_case(ours))
        {
            continue;
        }
        text.push(b';');
        text.extend_from_slice(param.name.as_bytes());
        if let Some(raw) = param.raw {
            text.push(b'=');
            text.extend_from_slice(raw);
        }
    }
    // Writing to a Vec cannot fail.
    let _ = write!(text, ";received={}", source.ip());
    if symmetric {
        let _ = write!(text, ";rport={}", source.port());
    }
    Some(text)
}

// ";received=" with the longest IPv6 address and ";rport=65535".
const STAMP_BYTES_MAX: usize = 68;

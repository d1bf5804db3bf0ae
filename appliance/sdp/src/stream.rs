//! An `m=` section seen with what it inherits from the session.

use crate::line::{self, Line};
use crate::{Abilities, Address, Direction, Media, Sdp};
use std::net::SocketAddr;

/// One stream of a description.
#[derive(Debug, Clone, Copy)]
pub struct Stream<'a> {
    /// The whole description.
    pub session: &'a Sdp,
    /// The `m=` section.
    pub media: &'a Media,
    /// Its place among the `m=` lines, from 0.
    pub index: usize,
}

impl Stream<'_> {
    /// `c=` of the section, else of the session.
    #[must_use]
    pub fn connection(&self) -> Option<Address> {
        match line::first_text(&self.media.lines, b'c') {
            Some(value) => Address::from_connection(value),
            None => self.session.connection(),
        }
    }

    /// Direction of the section, else of the session; `c=0.0.0.0` takes receiving away (RFC 3264 section 8.4).
    #[must_use]
    pub fn direction(&self) -> Direction {
        let written = self.written_direction();
        Direction::from_abilities(Abilities {
            sends: written.sends(),
            receives: written.receives() && !self.is_old_hold(),
        })
    }

    /// Where RTP is to be sent; `None` for a name, an unspecified address or port 0.
    #[must_use]
    pub fn rtp_address(&self) -> Option<SocketAddr> {
        let ip = self.connection()?.ip().filter(|ip| !ip.is_unspecified())?;
        (self.media.port != 0).then(|| SocketAddr::new(ip, self.media.port))
    }

    /// Where RTCP is to be sent: `a=rtcp` (RFC 3605), the RTP port with `a=rtcp-mux`, else the next port.
    #[must_use]
    pub fn rtcp_address(&self) -> Option<SocketAddr> {
        let rtp = self.rtp_address()?;
        if self.media.has_rtcp_mux() {
            return Some(rtp);
        }
        let next = rtp.port().checked_add(1).map(|port| SocketAddr::new(rtp.ip(), port));
        let Some(value) = self.media.attribute("rtcp") else {
            return next;
        };
        let (port, connection) = value.split_once(' ').unwrap_or((value, ""));
        let port = port.parse().ok().filter(|port| *port != 0)?;
        let ip = Address::from_connection(connection)
            .and_then(|address| address.ip())
            .unwrap_or(rtp.ip());
        Some(SocketAddr::new(ip, port))
    }

    /// Whether the old hold of RFC 2543 is used.
    #[must_use]
    pub fn is_old_hold(&self) -> bool {
        self.connection().is_some_and(|address| address.is_unspecified())
    }

    fn written_direction(&self) -> Direction {
        direction_of(&self.media.lines)
            .or_else(|| direction_of(&self.session.session))
            .unwrap_or_default()
    }
}

fn direction_of(lines: &[Line]) -> Option<Direction> {
    lines
        .iter()
        .filter_map(Line::attribute)
        .find_map(|(name, _)| Direction::from_attribute(name))
}

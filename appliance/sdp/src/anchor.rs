//! The rewrite of a description that puts the box in the middle of the media.

use crate::address::connection_value;
use crate::line::Line;
use crate::{Direction, Media, Sdp, Stream};
use std::net::IpAddr;

/// The `o=` line of the box; the user name is always `-`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// Stays the same for the life of a dialog.
    pub session_id: u64,
    /// Goes up by one each time the content changes, and only then ([`Sdp::is_same_content`]).
    pub version: u64,
}

/// How the box appears in a description it sends on.
///
/// `o=`, `c=`, ports and `a=rtcp` become the box's own; ICE, bundling, multiplexing and keys are taken out, because
/// the relay uses one port pair per stream and plain RTP; streams it does not carry get port 0.
#[derive(Debug, Clone, Copy)]
pub struct Anchor<'a> {
    /// Address of the box on this leg's network.
    pub address: IpAddr,
    /// Identity and version of the description.
    pub origin: Origin,
    /// RTP port of the box for each `m=` line; `None` or missing declines it. See [`Sdp::ports_for_carried`].
    pub ports: &'a [Option<u16>],
}

pub(crate) fn anchor(sdp: &Sdp, anchor: &Anchor<'_>) -> Sdp {
    let mut session: Vec<Line> = sdp.session.iter().filter(|line| is_kept(line)).cloned().collect();
    for line in &mut session {
        if line.is(b'o') {
            *line = origin_line(anchor.origin, anchor.address);
        }
    }
    // RFC 8866 section 5: c= comes after v o s i u e p and before everything else.
    let at = session
        .iter()
        .position(|line| !b"vosiuep".iter().any(|kind| line.is(*kind)))
        .unwrap_or(session.len());
    session.insert(at, Line::new(b'c', connection_value(anchor.address)));
    let media = sdp.streams().map(|stream| anchor_stream(&stream, anchor)).collect();
    Sdp { session, media }
}

pub(crate) fn origin_line(origin: Origin, address: IpAddr) -> Line {
    Line::new(
        b'o',
        format!(
            "- {} {} {}",
            origin.session_id,
            origin.version,
            connection_value(address)
        ),
    )
}

fn anchor_stream(stream: &Stream<'_>, anchor: &Anchor<'_>) -> Media {
    let port = anchor
        .ports
        .get(stream.index)
        .copied()
        .flatten()
        .filter(|_| stream.media.is_carriable());
    let Some(port) = port else {
        return stream.media.declined();
    };
    let mut lines: Vec<Line> = stream
        .media
        .lines
        .iter()
        .filter(|line| is_kept(line))
        .cloned()
        .collect();
    for line in &mut lines {
        if line.attribute().is_some_and(|(name, _)| name == "rtcp") {
            let rtcp = port.saturating_add(1);
            *line = Line::new(b'a', format!("rtcp:{rtcp} {}", connection_value(anchor.address)));
        }
    }
    if stream.is_old_hold() {
        // Our c= is a real address, so the hold has to be said with a direction.
        set_direction(&mut lines, stream.direction());
    }
    Media {
        port,
        port_count: None,
        lines,
        ..stream.media.clone()
    }
}

fn set_direction(lines: &mut Vec<Line>, direction: Direction) {
    lines.retain(|line| {
        line.attribute()
            .is_none_or(|(name, _)| Direction::from_attribute(name).is_none())
    });
    lines.push(Line::new(b'a', direction.as_str()));
}

fn is_kept(line: &Line) -> bool {
    if line.is(b'c') {
        return false;
    }
    match line.attribute() {
        Some((name, _)) => !STRIPPED.contains(&name) && !name.starts_with("ice-"),
        None => true,
    }
}

const STRIPPED: [&str; 14] = [
    "candidate",
    "remote-candidates",
    "end-of-candidates",
    "rtcp-mux",
    "rtcp-mux-only",
    "group",
    "mid",
    "bundle-only",
    "crypto",
    "fingerprint",
    "setup",
    "tls-id",
    "source-filter",
    "altc",
];

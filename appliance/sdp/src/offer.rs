//! A description made from nothing but a list of codecs.

use crate::address::connection_value;
use crate::anchor::{Origin, origin_line};
use crate::codec::printable;
use crate::line::Line;
use crate::{Codec, Direction, Media, Sdp};
use std::net::IpAddr;

/// What goes into a new offer with one audio stream.
#[derive(Debug, Clone, Copy)]
pub struct FreshOffer<'a> {
    /// Address of the box on this leg's network.
    pub address: IpAddr,
    /// Identity and version of the description.
    pub origin: Origin,
    /// RTP port of the box.
    pub port: u16,
    /// Codecs in order of preference.
    pub codecs: &'a [Codec],
    /// What the box does with the stream.
    pub direction: Direction,
}

pub(crate) fn build(fresh: &FreshOffer<'_>) -> Sdp {
    let session = vec![
        Line::new(b'v', "0"),
        origin_line(fresh.origin, fresh.address),
        Line::new(b's', "-"),
        Line::new(b'c', connection_value(fresh.address)),
        Line::new(b't', "0 0"),
    ];
    let codecs = &fresh.codecs[..fresh.codecs.len().min(crate::FORMATS_MAX)];
    let mut lines = Vec::with_capacity(codecs.len() * 2 + 1);
    for codec in codecs {
        lines.push(Line::new(b'a', format!("rtpmap:{}", codec.rtpmap_value())));
        if let Some(fmtp) = &codec.fmtp {
            lines.push(Line::new(b'a', format!("fmtp:{} {}", codec.payload, printable(fmtp))));
        }
    }
    lines.push(Line::new(b'a', fresh.direction.as_str()));
    let mut formats: Vec<String> = codecs.iter().map(|codec| codec.payload.to_string()).collect();
    if formats.is_empty() {
        // An m= line must name a format; without codecs the stream is declined.
        formats.push("0".to_owned());
    }
    let port = if codecs.is_empty() { 0 } else { fresh.port };
    let (kind, protocol) = ("audio".to_owned(), "RTP/AVP".to_owned());
    Sdp {
        session,
        media: vec![Media {
            kind,
            port,
            port_count: None,
            protocol,
            formats,
            lines,
        }],
    }
}

//! One `m=` section.

use crate::codec::{self, Codec};
use crate::line::{self, Line};
use bytes::{BufMut, BytesMut};

/// An `m=` line and the lines under it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Media {
    pub(crate) kind: String,
    pub(crate) port: u16,
    pub(crate) port_count: Option<u16>,
    pub(crate) protocol: String,
    pub(crate) formats: Vec<String>,
    pub(crate) lines: Vec<Line>,
}

impl Media {
    /// `audio`, `video`, `image`, ...
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// Port of the stream; 0 means declined.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Transport, such as `RTP/AVP`.
    #[must_use]
    pub fn protocol(&self) -> &str {
        &self.protocol
    }

    /// Formats as written; payload types for RTP.
    #[must_use]
    pub fn formats(&self) -> &[String] {
        &self.formats
    }

    /// The lines under the `m=` line.
    #[must_use]
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// Whether this is an `audio` section.
    #[must_use]
    pub fn is_audio(&self) -> bool {
        self.kind.eq_ignore_ascii_case("audio")
    }

    /// Whether the relay can carry it: audio over plain RTP with a port.
    #[must_use]
    pub fn is_carriable(&self) -> bool {
        self.is_audio() && self.protocol.eq_ignore_ascii_case("RTP/AVP") && self.port != 0
    }

    /// Whether the formats are RTP payload types.
    #[must_use]
    pub fn is_rtp(&self) -> bool {
        self.protocol.split('/').any(|part| part.eq_ignore_ascii_case("RTP"))
    }

    /// First value of an attribute; empty for a flag.
    #[must_use]
    pub fn attribute<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        line::attributes(&self.lines, name).next()
    }

    /// `a=rtpmap` of a payload type, such as `opus/48000/2`.
    #[must_use]
    pub fn rtpmap(&self, payload: u8) -> Option<&str> {
        codec::mapped(&self.lines, "rtpmap", payload)
    }

    /// `a=fmtp` of a payload type.
    #[must_use]
    pub fn fmtp(&self, payload: u8) -> Option<&str> {
        codec::mapped(&self.lines, "fmtp", payload)
    }

    /// `a=ptime` in milliseconds.
    #[must_use]
    pub fn ptime_ms(&self) -> Option<u32> {
        // Some phones write a fraction, which RFC 8866 allows.
        self.attribute("ptime")?.split('.').next()?.parse().ok()
    }

    /// Whether `a=rtcp-mux` is present (RFC 5761).
    #[must_use]
    pub fn has_rtcp_mux(&self) -> bool {
        self.attribute("rtcp-mux").is_some()
    }

    /// The codecs in order of preference; formats without a known mapping are left out.
    #[must_use]
    pub fn codecs(&self) -> Vec<Codec> {
        if !self.is_rtp() {
            return Vec::new();
        }
        self.formats
            .iter()
            .filter_map(|format| Codec::described(format.parse().ok()?, &self.lines))
            .collect()
    }

    /// Payload type of `telephone-event` (RFC 4733).
    #[must_use]
    pub fn telephone_event_payload(&self) -> Option<u8> {
        self.codecs()
            .into_iter()
            .find(Codec::is_telephone_event)
            .map(|codec| codec.payload)
    }

    /// The same section with port 0 and no attributes (RFC 3264 section 6).
    #[must_use]
    pub fn declined(&self) -> Self {
        Self {
            kind: self.kind.clone(),
            port: 0,
            port_count: None,
            protocol: self.protocol.clone(),
            formats: self.formats.clone(),
            lines: Vec::new(),
        }
    }

    pub(crate) fn write(&self, out: &mut BytesMut) {
        let count = self.port_count.map(|count| format!("/{count}")).unwrap_or_default();
        let head = format!(
            "m={} {}{count} {} {}\r\n",
            self.kind,
            self.port,
            self.protocol,
            self.formats.join(" ")
        );
        out.put_slice(head.as_bytes());
        for line in &self.lines {
            line.write(out);
        }
    }
}

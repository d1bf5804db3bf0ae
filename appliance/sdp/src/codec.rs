//! Codecs: dynamic payload types by `a=rtpmap`, static ones by RFC 3551 tables 4 and 5.

use crate::line::{self, Line};

/// One payload type and what it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Codec {
    /// RTP payload type, 0 to 127.
    pub payload: u8,
    /// Encoding name as written, such as `PCMA`.
    pub name: String,
    /// RTP clock in Hz (8000 for G.722 by RFC 3551, although it samples at 16 kHz).
    pub clock_hz: u32,
    /// Audio channels.
    pub channels: u8,
    /// Format parameters, without the payload type.
    pub fmtp: Option<String>,
}

impl Codec {
    /// A codec without parameters.
    #[must_use]
    pub fn new(payload: u8, name: &str, clock_hz: u32) -> Self {
        Self {
            payload,
            name: name.to_owned(),
            clock_hz,
            channels: 1,
            fmtp: None,
        }
    }

    /// The codec behind a static payload type (RFC 3551 section 6).
    #[must_use]
    pub fn of_static_payload(payload: u8) -> Option<Self> {
        let (_, name, clock_hz, channels) = STATIC.iter().find(|entry| entry.0 == payload)?;
        Some(Self {
            channels: *channels,
            ..Self::new(payload, name, *clock_hz)
        })
    }

    /// Whether this is `telephone-event` (RFC 4733).
    #[must_use]
    pub fn is_telephone_event(&self) -> bool {
        self.name.eq_ignore_ascii_case("telephone-event")
    }

    /// Whether two payload types carry the same encoding, whatever their numbers.
    #[must_use]
    pub fn is_same_encoding(&self, other: &Self) -> bool {
        self.name.eq_ignore_ascii_case(&other.name)
            && self.clock_hz == other.clock_hz
            && self.channels == other.channels
            && self.variant() == other.variant()
    }

    pub(crate) fn described(payload: u8, lines: &[Line]) -> Option<Self> {
        if payload > 127 {
            return None;
        }
        let mut codec = match mapped(lines, "rtpmap", payload) {
            Some(map) => Self::from_rtpmap(payload, map)?,
            None => Self::of_static_payload(payload)?,
        };
        codec.fmtp = mapped(lines, "fmtp", payload).map(str::to_owned);
        Some(codec)
    }

    /// Value of the `a=rtpmap` line.
    pub(crate) fn rtpmap_value(&self) -> String {
        let channels = if self.channels > 1 {
            format!("/{}", self.channels)
        } else {
            String::new()
        };
        format!("{} {}/{}{channels}", self.payload, printable(&self.name), self.clock_hz)
    }

    fn from_rtpmap(payload: u8, map: &str) -> Option<Self> {
        let mut parts = map.split_ascii_whitespace().next()?.split('/');
        let name = parts.next().filter(|name| !name.is_empty())?;
        let clock_hz = parts.next()?.parse().ok().filter(|hz| *hz > 0)?;
        let channels = parts.next().and_then(|text| text.parse().ok()).unwrap_or(1);
        Some(Self {
            channels,
            ..Self::new(payload, name, clock_hz)
        })
    }

    /// The parameter without which two payload types of one name are different codecs.
    fn variant(&self) -> Option<String> {
        let (wanted, default) = match self.name.to_ascii_lowercase().as_str() {
            "g7221" => ("bitrate", None),
            "ilbc" => ("mode", Some("30")),
            "amr" | "amr-wb" => ("octet-align", Some("0")),
            _ => return None,
        };
        let found = self.fmtp.as_deref().unwrap_or("").split(';').find_map(|pair| {
            let (name, value) = pair.split_once('=')?;
            name.trim()
                .eq_ignore_ascii_case(wanted)
                .then(|| value.trim().to_owned())
        });
        found.or(default.map(str::to_owned))
    }
}

/// The codecs of `offered` that `accepted` also has, with the numbers, parameters and order of `offered`.
#[must_use]
pub fn intersect(offered: &[Codec], accepted: &[Codec]) -> Vec<Codec> {
    offered
        .iter()
        .filter(|codec| accepted.iter().any(|other| codec.is_same_encoding(other)))
        .cloned()
        .collect()
}

/// The rest of `a=<attribute>:<payload> <rest>`.
pub(crate) fn mapped<'a>(lines: &'a [Line], attribute: &'a str, payload: u8) -> Option<&'a str> {
    line::attributes(lines, attribute).find_map(|value| {
        let (number, rest) = value.split_once([' ', '\t'])?;
        (number.parse() == Ok(payload)).then(|| rest.trim())
    })
}

/// Text that cannot end its line early.
pub(crate) fn printable(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).collect()
}

/// Payload type, name, clock in Hz, channels.
const STATIC: [(u8, &str, u32, u8); 19] = [
    (0, "PCMU", 8000, 1),
    (3, "GSM", 8000, 1),
    (4, "G723", 8000, 1),
    (5, "DVI4", 8000, 1),
    (6, "DVI4", 16000, 1),
    (7, "LPC", 8000, 1),
    (8, "PCMA", 8000, 1),
    (9, "G722", 8000, 1),
    (10, "L16", 44100, 2),
    (11, "L16", 44100, 1),
    (12, "QCELP", 8000, 1),
    (13, "CN", 8000, 1),
    (14, "MPA", 90000, 1),
    (15, "G728", 8000, 1),
    (16, "DVI4", 11025, 1),
    (17, "DVI4", 22050, 1),
    (18, "G729", 8000, 1),
    (26, "JPEG", 90000, 1),
    (34, "H263", 90000, 1),
];

//! What can be read of a description that is not in order, for calls that must not fail over it.

use bytes::Bytes;
use std::net::IpAddr;

use crate::anchor::Origin;
use crate::parse::{accept, check_connection, split_line};
use crate::{Codec, Direction, FreshOffer, LINES_MAX, SIZE_MAX, Sdp};

/// The head is made new, lines that cannot be read are left out, and it ends before the first `m=` line that cannot be: what
/// is below would go to the stream above.
pub(crate) fn salvage(data: &[u8], describer: IpAddr) -> Sdp {
    let mut sdp = Sdp::offer(&FreshOffer {
        address: describer,
        origin: Origin {
            session_id: 1,
            version: 1,
        },
        port: DISCARD,
        codecs: &spoken_everywhere(),
        direction: Direction::SendRecv,
    });
    let made = std::mem::take(&mut sdp.media);
    let body = Bytes::copy_from_slice(data.get(..SIZE_MAX).unwrap_or(data));
    for (index, raw) in body.split(|byte| *byte == b'\n').take(LINES_MAX).enumerate() {
        let Some(line) = split_line(&body, raw.trim_ascii()) else {
            continue;
        };
        if check_connection(&line, index).is_err()
            || (sdp.media.is_empty() && b"vost".iter().any(|kind| line.is(*kind)))
        {
            continue;
        }
        if sdp.media.is_empty() && line.is(b'c') {
            sdp.session.retain(|known| !known.is(b'c'));
        }
        if accept(&mut sdp, line, index).is_err() {
            break;
        }
    }
    if sdp.media.is_empty() {
        sdp.media = made;
    }
    sdp
}

/// ITU-T G.711 and keys (RFC 4733): what every telephone and every network has.
fn spoken_everywhere() -> [Codec; 3] {
    [
        Codec::new(0, "PCMU", 8000),
        Codec::new(8, "PCMA", 8000),
        Codec {
            fmtp: Some("0-15".to_owned()),
            ..Codec::new(101, "telephone-event", 8000)
        },
    ]
}

/// Discard (RFC 863): sound for a telephone that did not say where it listens, until the sound that it sends tells.
const DISCARD: u16 = 9;

#[cfg(test)]
mod tests {
    use super::*;

    const PHONE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 11));

    #[test]
    fn what_can_be_read_is_kept_and_the_rest_is_made_good() {
        let stream = "c=IN IP4 192.0.2.12\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\na=sendrecv\r\n";
        let cases = [
            (
                "no version",
                format!("o=- 1 1 IN IP4 192.0.2.12\r\ns=-\r\n{stream}"),
                "192.0.2.12:4000",
                "PCMA",
            ),
            (
                "a space in the name",
                format!("v=0\r\no=desk phone 1 1 IN IP4 192.0.2.12\r\ns=-\r\n{stream}"),
                "192.0.2.12:4000",
                "PCMA",
            ),
            (
                "words behind it",
                format!("v=0\r\no=- 1 1 IN IP4 192.0.2.12\r\ns=-\r\n{stream}-- \r\nsent by desk\r\n"),
                "192.0.2.12:4000",
                "PCMA",
            ),
            (
                "no address",
                "v=0\r\nm=audio 4000 RTP/AVP 8\r\n".to_owned(),
                "192.0.2.11:4000",
                "PCMA",
            ),
            (
                "a second stream that makes no sense",
                format!("v=0\r\n{stream}m=video 99999 RTP/AVP 96\r\na=inactive\r\n"),
                "192.0.2.12:4000",
                "PCMA",
            ),
            (
                "a port out of range",
                "v=0\r\nm=audio 400000 RTP/AVP 8\r\n".to_owned(),
                "192.0.2.11:9",
                "PCMU",
            ),
            ("nothing", String::new(), "192.0.2.11:9", "PCMU"),
        ];
        for (name, text, address, codec) in cases {
            assert!(Sdp::parse(text.as_bytes()).is_err(), "{name} is in order");
            let sdp = Sdp::salvage(text.as_bytes(), PHONE);
            let stream = sdp.carried().unwrap_or_else(|| panic!("{name}: no sound"));
            assert_eq!(stream.rtp_address(), Some(address.parse().unwrap()), "{name}");
            assert_eq!(stream.direction(), Direction::SendRecv, "{name}");
            assert_eq!(sdp.codecs()[0].name, codec, "{name}");
            assert_eq!(Sdp::parse(&sdp.to_bytes()), Ok(sdp), "{name}");
        }
    }
}

//! RTP packets (RFC 3550 section 5.1), read in place.

/// The fields of an RTP header that the relay looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rtp<'a> {
    /// Marker bit.
    pub marker: bool,
    /// Payload type, 0 to 127.
    pub payload_type: u8,
    /// Sequence number.
    pub sequence: u16,
    /// Timestamp in units of the payload's clock.
    pub timestamp: u32,
    /// Synchronisation source.
    pub ssrc: u32,
    /// Payload without header extension and padding.
    pub payload: &'a [u8],
}

impl<'a> Rtp<'a> {
    /// Reads a packet; `None` if it is not RTP or its lengths do not add up.
    #[must_use]
    pub fn parse(data: &'a [u8]) -> Option<Self> {
        let (head, rest) = data.split_first_chunk::<HEADER_BYTES>()?;
        if head[0] >> 6 != VERSION || crate::rtcp::is_rtcp(data) {
            return None;
        }
        let mut payload = rest.get(usize::from(head[0] & 0x0f) * 4..)?;
        if head[0] & EXTENSION != 0 {
            let (extension, rest) = payload.split_first_chunk::<4>()?;
            let words = usize::from(u16::from_be_bytes([extension[2], extension[3]]));
            payload = rest.get(words * 4..)?;
        }
        if head[0] & PADDING != 0 {
            let padding = usize::from(*payload.last()?);
            let kept = payload.len().checked_sub(padding).filter(|_| padding != 0)?;
            payload = &payload[..kept];
        }
        Some(Self {
            marker: head[1] & 0x80 != 0,
            payload_type: head[1] & 0x7f,
            sequence: u16::from_be_bytes([head[2], head[3]]),
            timestamp: u32::from_be_bytes([head[4], head[5], head[6], head[7]]),
            ssrc: u32::from_be_bytes([head[8], head[9], head[10], head[11]]),
            payload,
        })
    }
}

/// Writes another SSRC into a packet that [`Rtp::parse`] has read.
pub fn set_ssrc(data: &mut [u8], ssrc: u32) {
    if let Some(place) = data.get_mut(8..HEADER_BYTES) {
        place.copy_from_slice(&ssrc.to_be_bytes());
    }
}

const VERSION: u8 = 2;
const HEADER_BYTES: usize = 12;
const EXTENSION: u8 = 0x10;
const PADDING: u8 = 0x20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_that_do_not_add_up_are_refused() {
        let head = |first: u8| [first, 8, 0, 7, 0, 0, 0, 9, 0, 0, 0, 5];
        let with = |first: u8, rest: &[u8]| [&head(first)[..], rest].concat();
        let cases: [(&str, Vec<u8>, Option<usize>); 12] = [
            ("plain", with(0x80, &[1, 2, 3]), Some(3)),
            ("no payload", with(0x80, &[]), Some(0)),
            ("short header", head(0x80)[..11].to_vec(), None),
            ("version 1", with(0x40, &[1]), None),
            ("stun", with(0x00, &[1]), None),
            ("two csrc", with(0x82, &[0; 9]), Some(1)),
            ("csrc cut off", with(0x82, &[0; 7]), None),
            ("extension", with(0x90, &[0xbe, 0xde, 0, 1, 0, 0, 0, 0, 7]), Some(1)),
            ("extension cut off", with(0x90, &[0xbe, 0xde, 0, 2, 0, 0, 0, 0]), None),
            ("padding", with(0xa0, &[1, 0, 0, 3]), Some(1)),
            ("padding of nothing", with(0xa0, &[1, 0]), None),
            ("padding beyond the start", with(0xa0, &[1, 9]), None),
        ];
        for (name, data, expected) in cases {
            assert_eq!(Rtp::parse(&data).map(|rtp| rtp.payload.len()), expected, "{name}");
        }
    }

    #[test]
    fn header_fields_are_big_endian() {
        let data = [0x80, 0x80 | 96, 0x12, 0x34, 1, 2, 3, 4, 5, 6, 7, 8, 0xff];
        let rtp = Rtp::parse(&data).unwrap();
        let expected = Rtp {
            marker: true,
            payload_type: 96,
            sequence: 0x1234,
            timestamp: 0x0102_0304,
            ssrc: 0x0506_0708,
            payload: &[0xff],
        };
        assert_eq!(rtp, expected);
    }
}

//! Compound RTCP packets (RFC 3550 section 6), read in place.

/// One packet of a compound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rtcp<'a> {
    /// Sender report.
    Sender {
        /// Who reports.
        ssrc: u32,
        /// Middle 32 bits of its NTP time, which a report block gives back.
        stamp: u32,
        /// Report blocks.
        reports: Reports<'a>,
    },
    /// Receiver report.
    Receiver {
        /// Who reports.
        ssrc: u32,
        /// Report blocks.
        reports: Reports<'a>,
    },
    /// Any other packet type.
    Other {
        /// Packet type.
        kind: u8,
    },
}

/// What a receiver says about one source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// The source it is about.
    pub ssrc: u32,
    /// Loss since the report before, in 1/256.
    pub fraction_lost: u8,
    /// Middle 32 bits of the NTP time in the last sender report; 0 for none.
    pub last_sender_report: u32,
    /// Time since that report arrived, in 1/65536 s.
    pub delay: u32,
}

/// Whether the first packet looks like RTCP: version 2 and a packet type of RFC 5761 section 4.
#[must_use]
pub fn is_rtcp(data: &[u8]) -> bool {
    matches!(data, [first, kind, ..] if first >> 6 == 2 && (192..=223).contains(kind))
}

/// SSRC of the sender of a compound; `None` if the compound is not valid (RFC 3550 appendix A.2).
#[must_use]
pub fn sender_ssrc(data: &[u8]) -> Option<u32> {
    let first = *data.first()?;
    let is_report = matches!(data.get(1)?, 200 | 201);
    if !is_rtcp(data) || !is_report || first & PADDING != 0 && packet_bytes(data)? != data.len() {
        return None;
    }
    let mut rest = data;
    while !rest.is_empty() {
        rest = rest.get(packet_bytes(rest)?..)?;
    }
    word(data, 4)
}

/// The packets of a compound; ends at the first one whose length does not fit.
pub fn packets(data: &[u8]) -> impl Iterator<Item = Rtcp<'_>> {
    let mut rest = data;
    std::iter::from_fn(move || {
        let (packet, after) = rest.split_at_checked(packet_bytes(rest)?)?;
        rest = after;
        read(packet)
    })
}

/// Report blocks of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reports<'a>(&'a [u8]);

impl Reports<'_> {
    /// The blocks in order.
    pub fn iter(&self) -> impl Iterator<Item = Report> {
        self.0.as_chunks::<BLOCK_BYTES>().0.iter().map(|block| Report {
            ssrc: word(block, 0).unwrap_or(0),
            fraction_lost: block[4],
            last_sender_report: word(block, 16).unwrap_or(0),
            delay: word(block, 20).unwrap_or(0),
        })
    }
}

fn read(packet: &[u8]) -> Option<Rtcp<'_>> {
    let count = usize::from(packet.first()? & 0x1f);
    let blocks = |from: usize| packet.get(from..from + count * BLOCK_BYTES).map(Reports);
    match *packet.get(1)? {
        200 => {
            let (high, low) = (word(packet, 8)?, word(packet, 12)?);
            let stamp = high << 16 | low >> 16;
            Some(Rtcp::Sender {
                ssrc: word(packet, 4)?,
                stamp,
                reports: blocks(28)?,
            })
        }
        201 => Some(Rtcp::Receiver {
            ssrc: word(packet, 4)?,
            reports: blocks(8)?,
        }),
        kind => Some(Rtcp::Other { kind }),
    }
}

/// Size of the first packet in bytes, if it is there in full.
fn packet_bytes(data: &[u8]) -> Option<usize> {
    let (head, _) = data.split_first_chunk::<4>()?;
    let bytes = (usize::from(u16::from_be_bytes([head[2], head[3]])) + 1) * 4;
    (head[0] >> 6 == 2 && bytes <= data.len()).then_some(bytes)
}

fn word(data: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*data.get(at..)?.first_chunk()?))
}

const BLOCK_BYTES: usize = 24;
const PADDING: u8 = 0x20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_report_gives_its_stamp_and_blocks() {
        let data = compound();
        assert_eq!(sender_ssrc(&data), Some(7));
        let mut found = packets(&data);
        let Some(Rtcp::Sender { ssrc, stamp, reports }) = found.next() else {
            panic!("no sender report")
        };
        assert_eq!((ssrc, stamp), (7, 0xbbbb_cccc));
        let report = Report {
            ssrc: 9,
            fraction_lost: 64,
            last_sender_report: 0x11,
            delay: 0x22,
        };
        assert_eq!(reports.iter().collect::<Vec<_>>(), [report]);
        assert_eq!(found.next(), Some(Rtcp::Other { kind: 202 }));
        assert_eq!(found.next(), None);
    }

    #[test]
    fn a_compound_that_is_cut_anywhere_is_refused() {
        let data = compound();
        for length in 0..data.len() {
            // Cut between the two packets it is still a valid compound.
            let is_whole = length == 52;
            assert_eq!(sender_ssrc(&data[..length]).is_some(), is_whole, "{length} bytes");
        }
    }

    fn compound() -> Vec<u8> {
        let mut data = vec![
            0x81, 200, 0, 12, 0, 0, 0, 7, 0xaa, 0xaa, 0xbb, 0xbb, 0xcc, 0xcc, 0xdd, 0xdd,
        ];
        data.extend([0; 12]);
        data.extend([0, 0, 0, 9, 64, 0, 0, 1]);
        data.extend([0; 8]);
        data.extend([0, 0, 0, 0x11, 0, 0, 0, 0x22]);
        data.extend([0x81, 202, 0, 1, 0, 0, 0, 7]);
        data
    }
}

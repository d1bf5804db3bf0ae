//! Entries as bytes: `[length u32 LE][crc32c u32 LE][JSON]`, and back past damage.

use thiserror::Error;

use crate::Entry;

/// Bytes before the JSON: its length and the checksum of length and JSON.
pub const HEADER_BYTES: usize = 8;
/// Longest JSON of one entry, bytes.
pub const FRAME_BYTES_MAX: usize = 64 * 1024;
const FRAME_BYTES_MIN: usize = 2;

/// Why an entry cannot be framed.
#[derive(Debug, Error)]
pub enum FrameError {
    /// It is longer than a frame may be.
    #[error("entry of {bytes} bytes is longer than a frame of {FRAME_BYTES_MAX}")]
    TooLarge {
        /// Length of the JSON, bytes.
        bytes: usize,
    },
    /// It has no JSON form.
    #[error("entry cannot be written as JSON")]
    Json(#[from] serde_json::Error),
}

/// Appends the frame of `entry` to `out`, which is left as it was on an error.
pub fn encode(entry: &Entry, out: &mut Vec<u8>) -> Result<(), FrameError> {
    let start = out.len();
    out.extend_from_slice(&[0; HEADER_BYTES]);
    let framed = serde_json::to_writer(&mut *out, entry)
        .map_err(FrameError::from)
        .and_then(|()| {
            let bytes = out.len() - start - HEADER_BYTES;
            if bytes > FRAME_BYTES_MAX {
                Err(FrameError::TooLarge { bytes })
            } else {
                Ok(bytes)
            }
        });
    match framed {
        Ok(bytes) => {
            let length = (bytes as u32).to_le_bytes();
            let crc = checksum(length, &out[start + HEADER_BYTES..]);
            out[start..start + 4].copy_from_slice(&length);
            out[start + 4..start + HEADER_BYTES].copy_from_slice(&crc.to_le_bytes());
            Ok(())
        }
        Err(error) => {
            out.truncate(start);
            Err(error)
        }
    }
}

/// An entry and where its frame lies in the bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Framed {
    /// The entry.
    pub entry: Entry,
    /// Offset of its frame.
    pub start: usize,
    /// Offset after its frame.
    pub end: usize,
}

/// What a [`Decoder`] met; complete once it has returned `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Entries read.
    pub entries: u64,
    /// Offset after the last frame that checks: where a torn tail begins.
    pub good_end: usize,
    /// Bytes after the last frame that checks.
    pub torn_bytes: usize,
    /// Damaged stretches with good frames after them.
    pub corrupt_regions: u64,
    /// Their bytes together.
    pub corrupt_bytes: usize,
    /// Frames that check but hold no entry this version can read.
    pub unreadable: u64,
}

/// Reads frames from bytes in order, skipping what does not check.
#[derive(Debug)]
pub struct Decoder<'a> {
    bytes: &'a [u8],
    at: usize,
    report: Report,
}

impl<'a> Decoder<'a> {
    /// Reads `bytes` from their start.
    pub fn new(bytes: &'a [u8]) -> Self {
        Decoder {
            bytes,
            at: 0,
            report: Report::default(),
        }
    }

    /// What has been met so far.
    pub fn report(&self) -> Report {
        self.report
    }

    fn next_good(&mut self) -> Option<(usize, &'a [u8])> {
        let start = self.at;
        while self.at < self.bytes.len() {
            if let Some(json) = frame_at(self.bytes, self.at) {
                if self.at > start {
                    self.report.corrupt_regions += 1;
                    self.report.corrupt_bytes += self.at - start;
                }
                let frame_start = self.at;
                self.at += HEADER_BYTES + json.len();
                self.report.good_end = self.at;
                return Some((frame_start, json));
            }
            self.at += 1;
        }
        self.report.torn_bytes = self.bytes.len() - self.report.good_end;
        None
    }
}

impl Iterator for Decoder<'_> {
    type Item = Framed;

    fn next(&mut self) -> Option<Framed> {
        while let Some((start, json)) = self.next_good() {
            match serde_json::from_slice(json) {
                Ok(entry) => {
                    self.report.entries += 1;
                    return Some(Framed {
                        entry,
                        start,
                        end: self.at,
                    });
                }
                Err(_) => self.report.unreadable += 1,
            }
        }
        None
    }
}

fn frame_at(bytes: &[u8], at: usize) -> Option<&[u8]> {
    let rest = bytes.get(at..)?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let (crc, rest) = rest.split_first_chunk::<4>()?;
    let count = u32::from_le_bytes(*length) as usize;
    if !(FRAME_BYTES_MIN..=FRAME_BYTES_MAX).contains(&count) {
        return None;
    }
    let json = rest.get(..count)?;
    // Cheap look first: garbage that passes for a length would cost a checksum of 64 kB at each byte.
    if json.first() != Some(&b'{') || json.last() != Some(&b'}') {
        return None;
    }
    (checksum(*length, json) == u32::from_le_bytes(*crc)).then_some(json)
}

fn checksum(length: [u8; 4], json: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&length), json)
}

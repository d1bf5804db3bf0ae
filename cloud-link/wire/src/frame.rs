//! Messages as bytes: `[length u32 BE][form u8][body]`, where the body is JSON, plain or deflated (RFC 1951).

use std::io::Read;

use flate2::Compression;
use flate2::read::{DeflateDecoder, DeflateEncoder};
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

/// Bytes before the body.
pub const HEADER_BYTES: usize = 5;
/// Longest body as it is sent, bytes.
pub const BODY_BYTES_MAX: usize = 1 << 20;
/// Longest message as JSON, bytes; a body that unfolds to more is refused.
pub const MESSAGE_BYTES_MAX: usize = 4 << 20;
/// Shorter messages are sent plain: deflating them costs more than it saves.
const DEFLATE_FROM_BYTES: usize = 512;

const PLAIN: u8 = 0;
const DEFLATED: u8 = 1;

/// Why a message cannot be sent, or bytes are no message. The stream cannot go on after it.
#[derive(Debug, Error)]
pub enum FrameError {
    /// The message is longer than a frame may be.
    #[error("message of {bytes} bytes; a frame holds {MESSAGE_BYTES_MAX}, and {BODY_BYTES_MAX} deflated")]
    TooLarge {
        /// Its length, bytes.
        bytes: usize,
    },
    /// The form is none of this version.
    #[error("frame of form {form}; 0 is plain, 1 is deflated")]
    Form {
        /// As it came.
        form: u8,
    },
    /// The body does not unfold.
    #[error("deflated body is damaged")]
    Deflate(#[source] std::io::Error),
    /// It is no message.
    #[error("body is no message")]
    Json(#[from] serde_json::Error),
}

/// Appends the frame of `message` to `out`, which is left as it was on an error.
pub fn encode<M: Serialize>(message: &M, out: &mut Vec<u8>) -> Result<(), FrameError> {
    let json = serde_json::to_vec(message)?;
    if json.len() > MESSAGE_BYTES_MAX {
        return Err(FrameError::TooLarge { bytes: json.len() });
    }
    let (form, body) = if json.len() < DEFLATE_FROM_BYTES {
        (PLAIN, json)
    } else {
        (DEFLATED, deflate(&json)?)
    };
    if body.len() > BODY_BYTES_MAX {
        return Err(FrameError::TooLarge { bytes: body.len() });
    }
    out.extend_from_slice(&(body.len() as u32).to_be_bytes());
    out.push(form);
    out.extend_from_slice(&body);
    Ok(())
}

/// Takes messages from the bytes of one stream, in whatever pieces they come.
#[derive(Debug, Default)]
pub struct Decoder {
    bytes: Vec<u8>,
}

impl Decoder {
    /// At the start of a stream.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// More bytes came. Hand over what is read before reading more: the decoder then holds one frame at most.
    pub fn handle_bytes(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole message, or `None` until more bytes come.
    pub fn poll_message<M: DeserializeOwned>(&mut self) -> Result<Option<M>, FrameError> {
        let Some((header, rest)) = self.bytes.split_first_chunk::<HEADER_BYTES>() else {
            return Ok(None);
        };
        let [a, b, c, d, form] = *header;
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        if length > BODY_BYTES_MAX {
            return Err(FrameError::TooLarge { bytes: length });
        }
        let Some(body) = rest.get(..length) else {
            return Ok(None);
        };
        let message = match form {
            PLAIN => serde_json::from_slice(body)?,
            DEFLATED => serde_json::from_slice(&inflate(body)?)?,
            form => return Err(FrameError::Form { form }),
        };
        self.bytes.drain(..HEADER_BYTES + length);
        Ok(Some(message))
    }
}

fn deflate(json: &[u8]) -> Result<Vec<u8>, FrameError> {
    let mut body = Vec::with_capacity(json.len() / 4);
    DeflateEncoder::new(json, Compression::fast())
        .read_to_end(&mut body)
        .map_err(FrameError::Deflate)?;
    Ok(body)
}

fn inflate(body: &[u8]) -> Result<Vec<u8>, FrameError> {
    let mut json = Vec::with_capacity(body.len() * 4);
    let read = DeflateDecoder::new(body)
        .take(MESSAGE_BYTES_MAX as u64 + 1)
        .read_to_end(&mut json)
        .map_err(FrameError::Deflate)?;
    match read > MESSAGE_BYTES_MAX {
        true => Err(FrameError::TooLarge { bytes: read }),
        false => Ok(json),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn messages_come_back_whole_however_the_stream_is_cut() {
        let messages = ["short".to_owned(), "long ".repeat(2000), String::new()];
        let mut stream = Vec::new();
        for message in &messages {
            encode(message, &mut stream).unwrap();
        }
        assert!(stream.len() < 200, "{} bytes: the long one is deflated", stream.len());
        for piece in [1, 2, 7, stream.len()] {
            let mut decoder = Decoder::new();
            let mut read: Vec<String> = Vec::new();
            for bytes in stream.chunks(piece) {
                decoder.handle_bytes(bytes);
                while let Some(message) = decoder.poll_message().unwrap() {
                    read.push(message);
                }
            }
            assert_eq!(read, messages);
        }
    }

    #[test]
    fn a_body_that_unfolds_to_too_much_is_refused() {
        let bomb = vec![b' '; MESSAGE_BYTES_MAX + 1];
        let body = deflate(&bomb).unwrap();
        let mut stream = (body.len() as u32).to_be_bytes().to_vec();
        stream.push(DEFLATED);
        stream.extend(body);
        let mut decoder = Decoder::new();
        decoder.handle_bytes(&stream);
        let error = decoder.poll_message::<String>().unwrap_err();
        assert!(matches!(error, FrameError::TooLarge { .. }), "{error}");
    }

    #[test]
    fn a_length_beyond_the_bound_is_refused_before_its_body_comes() {
        let mut decoder = Decoder::new();
        decoder.handle_bytes(&[0xff, 0xff, 0xff, 0xff, 0]);
        assert!(matches!(
            decoder.poll_message::<String>(),
            Err(FrameError::TooLarge { .. })
        ));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), form in 0u8..3) {
            let mut stream = (bytes.len() as u32).to_be_bytes().to_vec();
            stream.push(form);
            stream.extend(&bytes);
            let mut decoder = Decoder::new();
            decoder.handle_bytes(&stream);
            let _ = decoder.poll_message::<crate::v1::Up>();
        }
    }
}

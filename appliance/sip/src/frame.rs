//! Messages out of a byte stream (RFC 3261 section 18.3) and its keep-alive (RFC 5626 section 4.4.1). Bytes in, frames out.

use bytes::{Bytes, BytesMut};

use crate::message::{MESSAGE_BYTES_MAX, ParseError, StreamHead};

/// Who opened the connection: only the opener is answered with a lone CRLF.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// We opened it: a lone CRLF is the pong to our ping.
    Opened,
    /// The peer opened it: a lone CRLF may be half a ping.
    Accepted,
}

/// What a stream carried.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Framed {
    /// The bytes of one message, for [`crate::Message::parse`].
    Message(Bytes),
    /// CRLFCRLF: the peer wants [`PONG`].
    Ping,
    /// CRLF: the peer answered our [`PING`].
    Pong,
}

/// What a client sends to keep its flow open.
pub const PING: &[u8] = b"\r\n\r\n";
/// The answer to [`PING`].
pub const PONG: &[u8] = b"\r\n";

/// Why a stream can't be read any further; the connection is to be closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FrameError {
    /// Head or body too long, or Content-Length malformed or contradictory.
    #[error(transparent)]
    Head(#[from] ParseError),
    /// Content-Length is mandatory on streams (RFC 3261 section 20.14).
    #[error("message on a stream without Content-Length")]
    LengthMissing,
}

/// Cuts a stream into messages. Holds at most one message of 65,535 bytes and what one call of `handle_bytes` brought beyond it.
#[derive(Debug)]
pub struct Framer {
    side: Side,
    buffer: BytesMut,
    head: StreamHead,
    whole: Option<usize>,
    failed: Option<FrameError>,
}

impl Framer {
    /// A framer for a new connection.
    pub fn new(side: Side) -> Framer {
        Framer {
            side,
            buffer: BytesMut::new(),
            head: StreamHead::default(),
            whole: None,
            failed: None,
        }
    }

    /// Takes what was read. Poll all frames before the next call.
    pub fn handle_bytes(&mut self, bytes: &[u8]) {
        if self.failed.is_some() {
            return;
        }
        if self.buffer.len() > MESSAGE_BYTES_MAX {
            self.failed = Some(ParseError::TooLong.into());
            return;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next frame. After an error the framer takes nothing more and repeats the error.
    pub fn poll_frame(&mut self) -> Option<Result<Framed, FrameError>> {
        if let Some(fault) = self.failed {
            return Some(Err(fault));
        }
        match self.advance() {
            Ok(frame) => frame.map(Ok),
            Err(fault) => {
                self.failed = Some(fault);
                self.buffer = BytesMut::new();
                Some(Err(fault))
            }
        }
    }

    /// Bytes that wait for the rest of a message; the shell closes a connection that stays half-way for long.
    pub fn buffered_bytes(&self) -> usize {
        self.buffer.len()
    }

    fn advance(&mut self) -> Result<Option<Framed>, FrameError> {
        let whole = match self.whole {
            Some(whole) => whole,
            None => {
                if self.head.is_fresh() {
                    let keep_alive = self.keep_alive();
                    if keep_alive.is_some() || PING.starts_with(&self.buffer) {
                        return Ok(keep_alive);
                    }
                }
                let Some(whole) = self.message_bytes()? else {
                    return Ok(None);
                };
                self.whole = Some(whole);
                whole
            }
        };
        if self.buffer.len() < whole {
            return Ok(None);
        }
        self.whole = None;
        self.head = StreamHead::default();
        Ok(Some(Framed::Message(self.buffer.split_to(whole).freeze())))
    }

    fn message_bytes(&mut self) -> Result<Option<usize>, FrameError> {
        let found = self.head.advance(&self.buffer)?;
        if found.is_none() && self.buffer.len() >= MESSAGE_BYTES_MAX {
            return Err(ParseError::TooLong.into());
        }
        let Some(head_bytes) = found else { return Ok(None) };
        let body_bytes = self.head.content_length().ok_or(FrameError::LengthMissing)?;
        let whole = head_bytes.saturating_add(body_bytes as usize);
        if whole > MESSAGE_BYTES_MAX {
            return Err(ParseError::TooLong.into());
        }
        Ok(Some(whole))
    }

    // Line ends between messages: a ping, a pong, or slack that RFC 3261 section 7.5 says to skip.
    fn keep_alive(&mut self) -> Option<Framed> {
        loop {
            match (&self.buffer[..], self.side) {
                ([b'\r', b'\n', b'\r', b'\n', ..], _) => {
                    let _ = self.buffer.split_to(PING.len());
                    return Some(Framed::Ping);
                }
                // Could still become a ping.
                ([b'\r', b'\n', b'\r'], _) | ([b'\r', b'\n'], Side::Accepted) | ([b'\r'], _) => return None,
                ([b'\r', b'\n', ..], Side::Opened) => {
                    let _ = self.buffer.split_to(PONG.len());
                    return Some(Framed::Pong);
                }
                ([b'\r', b'\n', ..], Side::Accepted) => {
                    let _ = self.buffer.split_to(PONG.len());
                }
                ([b'\n', ..], _) => {
                    let _ = self.buffer.split_to(1);
                }
                _ => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Message;

    const OPTIONS: &str = "OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\nl: 3\r\n\r\nabc";

    fn frames(side: Side, chunks: &[&[u8]]) -> Vec<Result<Framed, FrameError>> {
        let mut framer = Framer::new(side);
        let mut all = Vec::new();
        for chunk in chunks {
            framer.handle_bytes(chunk);
            while let Some(frame) = framer.poll_frame() {
                let failed = frame.is_err();
                all.push(frame);
                if failed {
                    return all;
                }
            }
        }
        all
    }

    fn message() -> Result<Framed, FrameError> {
        Ok(Framed::Message(Bytes::from_static(OPTIONS.as_bytes())))
    }

    #[test]
    fn messages_are_cut_the_same_however_the_stream_is_chopped() {
        let stream = [OPTIONS.as_bytes(), PING, OPTIONS.as_bytes(), OPTIONS.as_bytes()].concat();
        let expected = vec![message(), Ok(Framed::Ping), message(), message()];
        for step in 1..stream.len() {
            assert_eq!(
                frames(Side::Accepted, &stream.chunks(step).collect::<Vec<_>>()),
                expected,
                "{step}"
            );
        }
    }

    #[test]
    fn a_lone_line_end_is_a_pong_only_where_we_opened_the_connection() {
        assert_eq!(
            frames(Side::Opened, &[PONG, OPTIONS.as_bytes()]),
            [Ok(Framed::Pong), message()]
        );
        assert_eq!(frames(Side::Accepted, &[PONG, OPTIONS.as_bytes()]), [message()]);
        assert_eq!(frames(Side::Accepted, &[PONG, PONG]), [Ok(Framed::Ping)]);
    }

    #[test]
    fn a_stream_that_cannot_be_cut_is_given_up() {
        let cases: [(String, FrameError); 6] = [
            (OPTIONS.replace("l: 3\r\n", ""), FrameError::LengthMissing),
            (
                OPTIONS.replace("l: 3", "l: -3"),
                ParseError::Malformed("Content-Length").into(),
            ),
            (
                OPTIONS.replace("l: 3", "l: 3\r\nContent-Length: 4"),
                ParseError::LengthConflict.into(),
            ),
            (OPTIONS.replace("l: 3", "l: 65500"), ParseError::TooLong.into()),
            (
                OPTIONS.replace("l: 3", "l: 99999999999"),
                ParseError::Malformed("Content-Length").into(),
            ),
            (format!("OPTIONS {}", "a".repeat(70_000)), ParseError::TooLong.into()),
        ];
        for (text, fault) in cases {
            assert_eq!(
                frames(Side::Accepted, &[text.as_bytes()]),
                [Err(fault)],
                "{}",
                &text[..40]
            );
        }
    }

    #[test]
    fn framer_and_parser_agree_on_where_a_message_ends() {
        for tail in [
            "l: 3",
            "Content-Length\t: 003",
            "CONTENT-LENGTH:\r\n 3",
            "l: 3\nl: 3",
            "X: 1\n  Content-Length: 9\r\nl: 3",
        ] {
            let text = OPTIONS.replace("l: 3", tail);
            let all = frames(Side::Accepted, &[text.as_bytes(), OPTIONS.as_bytes()]);
            assert_eq!(all.len(), 2, "{tail}");
            let Ok(Framed::Message(bytes)) = &all[0] else {
                panic!("{tail}")
            };
            assert_eq!(Message::parse(bytes.clone()).unwrap().body(), b"abc", "{tail}");
        }
    }
}

//! Answers to requests that could not be parsed, as far as their sender can still recognise them (RFC 3261 section 8.2, RFC 4475).

use std::net::SocketAddr;

use bytes::Bytes;

use super::via::stamped;
use crate::message::{Name, ParseError, Via, reason_phrase};

/// The 400 or 505 to a malformed request; `None` for a response, an ACK, or what lacks a header that the answer must repeat.
pub(super) fn answer_malformed(bytes: &[u8], source: SocketAddr, fault: ParseError) -> Option<Bytes> {
    let head = &bytes[..bytes.len().min(HEAD_BYTES_MAX)];
    let mut lines = unfolded_lines(head);
    let start = lines.next()?;
    let method = start.split(|&byte| byte == b' ').next()?;
    if method.len() >= 4 && method[..4].eq_ignore_ascii_case(b"SIP/") || method == b"ACK" || start.len() == method.len()
    {
        return None;
    }
    let status = match fault {
        ParseError::Version => 505,
        _ => 400,
    };
    let mut repeated = Repeated::default();
    for line in lines {
        if line.is_empty() {
            break;
        }
        repeated.take(line);
    }
    repeated.print(status, source)
}

/// The lines that a response repeats.
#[derive(Default)]
struct Repeated<'a> {
    vias: Vec<&'a [u8]>,
    from: Option<&'a [u8]>,
    to: Option<&'a [u8]>,
    call_id: Option<&'a [u8]>,
    cseq: Option<&'a [u8]>,
}

impl<'a> Repeated<'a> {
    fn take(&mut self, line: &'a [u8]) {
        let Some(colon) = line.iter().position(|&byte| byte == b':') else {
            return;
        };
        let Ok(name) = std::str::from_utf8(line[..colon].trim_ascii()) else {
            return;
        };
        let value = line[colon + 1..].trim_ascii();
        let name = Name::of(name);
        if name == Name::Via {
            self.vias.push(value);
        }
        for (ours, place) in [
            (Name::From, &mut self.from),
            (Name::To, &mut self.to),
            (Name::CallId, &mut self.call_id),
            (Name::CSeq, &mut self.cseq),
        ] {
            if name == ours {
                place.get_or_insert(value);
            }
        }
    }

    fn print(&self, status: u16, source: SocketAddr) -> Option<Bytes> {
        let (top, others) = self.vias.split_first()?;
        let (top, rest) = top.split_at(top.iter().position(|&byte| byte == b',').unwrap_or(top.len()));
        Via::parse(top.trim_ascii()).ok()?;
        let top = stamped(top.trim_ascii(), source).unwrap_or_else(|| top.to_vec());
        let mut text = format!("SIP/2.0 {status} {}\r\nVia: ", reason_phrase(status)).into_bytes();
        text.extend_from_slice(&[&top, rest, b"\r\n"].concat());
        for via in others {
            text.extend_from_slice(&[b"Via: ", *via, b"\r\n"].concat());
        }
        for (name, value) in [
            ("From", self.from?),
            ("To", self.to?),
            ("Call-ID", self.call_id?),
            ("CSeq", self.cseq?),
        ] {
            text.extend_from_slice(&[name.as_bytes(), b": ", value].concat());
            if name == "To" && !value.to_ascii_lowercase().windows(5).any(|part| part == b";tag=") {
                text.extend_from_slice(b";tag=malformed");
            }
            text.extend_from_slice(b"\r\n");
        }
        text.extend_from_slice(b"Content-Length: 0\r\n\r\n");
        Some(Bytes::from(text))
    }
}

// Lines without their ends; a line that the next one continues keeps the fold inside.
fn unfolded_lines(head: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = head;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let mut at = 0;
        while let Some(next) = rest[at..].iter().position(|&byte| byte == b'\n') {
            at += next + 1;
            if at <= 2 || !matches!(rest.get(at), Some(b' ' | b'\t')) {
                break;
            }
        }
        let end = if at == 0 { rest.len() } else { at };
        let (line, after) = rest.split_at(end);
        rest = after;
        Some(line.trim_ascii_end())
    })
}

// More than this is not repeated to a sender whose address nobody has checked.
const HEAD_BYTES_MAX: usize = 4096;

//! Answers to requests that do not parse but whose head can still be read (RFC 3261 sections 8.2 and 16.3).

use bytes::Bytes;

use super::error::ParseError;
use super::field::{Id, lookup};
use super::lex::{is_token, is_token_byte};
use super::parse::{HEADER_LINES_MAX, leading_line_ends, line_end};

/// What to answer to a malformed request.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// 400, 501, 505 or 513.
    pub status: u16,
    /// What is wrong with the request.
    pub why: ParseError,
    via: Vec<Vec<u8>>,
    once: [Option<Vec<u8>>; 4],
    to_tagged: bool,
}

const ONCE: [u8; 4] = [Id::From as u8, Id::To as u8, Id::CallId as u8, Id::CSeq as u8];
const TO: usize = 1;

impl Refusal {
    /// Reads what an answer needs from `bytes` that did not parse. `None` if they are no request, are an ACK, or bring no Via.
    pub fn for_bytes(bytes: &[u8], why: ParseError) -> Option<Refusal> {
        let bytes = &bytes[leading_line_ends(bytes)..];
        let start = line_end(bytes, 0).ok()?;
        let line = &bytes[..start.text];
        let method = line.split(|&byte| byte == b' ').next()?;
        if !is_token(method) || method == b"ACK" || line.get(..4).is_some_and(|word| word.eq_ignore_ascii_case(b"SIP/"))
        {
            return None;
        }
        let known = super::Method::of(std::str::from_utf8(method).ok()?);
        let status = match (why, known) {
            (ParseError::Version, _) => 505,
            (ParseError::MethodMismatch, super::Method::Other(_)) => 501,
            (ParseError::TooManyLines | ParseError::TooLong, _) => 513,
            (ParseError::Truncated | ParseError::BareReturn | ParseError::Empty, _) => return None,
            (
                ParseError::StartLine
                | ParseError::RequestUri
                | ParseError::HeaderLine
                | ParseError::Missing(_)
                | ParseError::Repeated(_)
                | ParseError::Malformed(_)
                | ParseError::MethodMismatch
                | ParseError::LengthConflict
                | ParseError::LengthBeyondEnd
                | ParseError::Uri
                | ParseError::Address
                | ParseError::Parameter,
                _,
            ) => 400,
        };
        let mut refusal = Refusal {
            status,
            why,
            via: Vec::new(),
            once: [const { None }; 4],
            to_tagged: false,
        };
        refusal.collect(bytes, start.next)?;
        Some(refusal)
    }

    fn collect(&mut self, bytes: &[u8], mut at: usize) -> Option<()> {
        for _ in 0..HEADER_LINES_MAX {
            let mut end = line_end(bytes, at).ok()?;
            if end.text == at {
                break;
            }
            while matches!(bytes.get(end.next), Some(b' ' | b'\t')) {
                end = line_end(bytes, end.next).ok()?;
            }
            self.take(&bytes[at..end.text]);
            at = end.next;
        }
        (!self.via.is_empty()).then_some(())
    }

    fn take(&mut self, line: &[u8]) {
        let name = line.iter().take_while(|&&byte| is_token_byte(byte)).count();
        let id = lookup(&line[..name]);
        let one_line = || {
            line.iter()
                .map(|&byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { byte })
                .collect()
        };
        if id == Id::Via as u8 {
            self.via.push(one_line());
        } else if let Some(at) = ONCE.iter().position(|&once| once == id)
            && self.once[at].is_none()
        {
            let line: Vec<u8> = one_line();
            let compact: Vec<u8> = line
                .iter()
                .filter(|byte| !byte.is_ascii_whitespace())
                .map(u8::to_ascii_lowercase)
                .collect();
            self.to_tagged |= at == TO && compact.windows(5).any(|window| window == b";tag=");
            self.once[at] = Some(line);
        }
    }

    /// The response, with the fault in a Warning. `to_tag` goes to a To that has none.
    pub fn response(&self, to_tag: &str) -> Bytes {
        let mut text = format!("SIP/2.0 {} {}\r\n", self.status, super::reason_phrase(self.status)).into_bytes();
        for line in &self.via {
            text.extend_from_slice(line);
            text.extend_from_slice(b"\r\n");
        }
        for (at, line) in self.once.iter().enumerate() {
            let Some(line) = line else { continue };
            text.extend_from_slice(line);
            if at == TO && !self.to_tagged {
                text.extend_from_slice(format!(";tag={to_tag}").as_bytes());
            }
            text.extend_from_slice(b"\r\n");
        }
        text.extend_from_slice(format!("Warning: 399 - \"{}\"\r\nContent-Length: 0\r\n\r\n", self.why).as_bytes());
        Bytes::from(text)
    }
}

//! Builds messages of our own: lines in call order, then Content-Length and the body.

use std::fmt::{self, Display, Write};
use std::sync::Arc;

use bytes::Bytes;

use super::error::ParseError;
use super::field::{Id, Name};
use super::method::Method;
use super::parse::{Head, Line, Span, Start};
use super::{Message, status};

/// A message in the making; headers stand in the order of the calls.
#[derive(Clone, Debug)]
pub struct Builder {
    start: Start,
    method: Method,
    text: Vec<u8>,
    first_line_bytes: usize,
    body: Vec<u8>,
}

// Enough for an INVITE without its body, so that most messages grow no buffer.
const HEAD_BYTES: usize = 1024;
const DIGITS_MAX: usize = 20;

impl Builder {
    /// A request; blanks and line ends in `uri` are escaped so that it stays one word.
    pub fn request(method: &Method, uri: &str) -> Builder {
        let mut text = Vec::with_capacity(HEAD_BYTES);
        text.extend_from_slice(method.as_str().as_bytes());
        text.push(b' ');
        let uri_start = text.len();
        if uri.bytes().any(is_unfit) {
            escape(&mut text, uri);
        } else {
            text.extend_from_slice(uri.as_bytes());
        }
        let uri = Span {
            start: uri_start as u32,
            end: text.len() as u32,
        };
        text.extend_from_slice(b" SIP/2.0\r\n");
        Builder {
            start: Start::Request { uri },
            method: method.clone(),
            first_line_bytes: text.len(),
            text,
            body: Vec::new(),
        }
    }

    /// A response with the usual reason phrase. Copies every Via, From, To, Call-ID and CSeq byte for byte; Timestamp on a 100;
    /// Record-Route on 101 to 299 to a request that can form a dialog.
    pub fn response(request: &Message, status: u16) -> Builder {
        Builder::answer(request, status, None)
    }

    /// As [`Builder::response`], with `;tag=` added to a To that has none.
    pub fn response_with_tag(request: &Message, status: u16, to_tag: &str) -> Builder {
        Builder::answer(request, status, request.to_tag().is_none().then_some(to_tag))
    }

    fn answer(request: &Message, status: u16, to_tag: Option<&str>) -> Builder {
        let mut text = Vec::with_capacity(HEAD_BYTES);
        let status = status.clamp(100, 699);
        text.extend_from_slice(b"SIP/2.0 ");
        text.extend_from_slice(&[100, 10, 1].map(|place| b'0' + (status / place % 10) as u8));
        text.push(b' ');
        let start = Start::Response {
            status,
            reason: Span {
                start: text.len() as u32,
                end: text.len() as u32,
            },
        };
        let mut builder = Builder {
            start,
            method: request.method().clone(),
            text,
            first_line_bytes: 0,
            body: Vec::new(),
        };
        builder.text.extend_from_slice(b"\r\n");
        builder.first_line_bytes = builder.text.len();
        let mut builder = builder
            .reason_phrase(status::reason_phrase(status))
            .copy(request, Name::Via)
            .copy(request, Name::From)
            .copy(request, Name::To);
        if let Some(tag) = to_tag {
            builder.text.truncate(builder.text.len() - 2);
            builder = builder.write(format_args!(";tag={tag}"));
        }
        let mut builder = builder.copy(request, Name::CallId).copy(request, Name::CSeq);
        if status == 100 {
            builder = builder.copy(request, Name::Timestamp);
        }
        let dialog_forming = matches!(
            request.method(),
            Method::Invite | Method::Subscribe | Method::Refer | Method::Notify
        );
        if (101..300).contains(&status) && dialog_forming {
            builder = builder.copy(request, Name::RecordRoute);
        }
        builder
    }

    /// Replaces the reason phrase; no effect on a request.
    pub fn reason_phrase(mut self, phrase: &str) -> Builder {
        match self.start {
            Start::Request { .. } => {}
            Start::Response { status, reason } => {
                let clean = phrase.bytes().map(|byte| if byte < b' ' { b' ' } else { byte });
                let start = reason.start as usize;
                self.text.splice(start..self.first_line_bytes - 2, clean);
                self.first_line_bytes = start + phrase.len() + 2;
                self.start = Start::Response {
                    status,
                    reason: Span {
                        start: reason.start,
                        end: (start + phrase.len()) as u32,
                    },
                };
            }
        }
        self
    }

    /// The method: of the request, or of the request that is answered.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// Status code; 0 for a request.
    pub fn status(&self) -> u16 {
        match self.start {
            Start::Request { .. } => 0,
            Start::Response { status, .. } => status,
        }
    }

    /// The request URI; empty for a response.
    pub fn request_uri(&self) -> &str {
        match self.start {
            Start::Request { uri } => uri.of_str(&self.text),
            Start::Response { .. } => "",
        }
    }

    /// Adds one line. Line ends and NUL in the value become blanks. Content-Length is left to `finish`.
    pub fn header(mut self, name: Name<'_>, value: impl Display) -> Builder {
        if name == Name::ContentLength {
            return self;
        }
        self.text.extend_from_slice(name.as_str().as_bytes());
        self.text.extend_from_slice(b": ");
        self.write(value)
    }

    /// Adds one line right after the start line: a Via over all others.
    pub fn header_on_top(mut self, name: Name<'_>, value: impl Display) -> Builder {
        let rest = self.text.split_off(self.first_line_bytes);
        self = self.header(name, value);
        self.text.extend_from_slice(&rest);
        self
    }

    /// Adds one line whose value is copied byte for byte, whatever its character set. Line ends become blanks.
    pub fn header_bytes(mut self, name: Name<'_>, value: &[u8]) -> Builder {
        if name == Name::ContentLength {
            return self;
        }
        self.text.extend_from_slice(name.as_str().as_bytes());
        self.text.extend_from_slice(b": ");
        self.text.extend(value.iter().map(|&byte| clean(byte)));
        self.text.extend_from_slice(b"\r\n");
        self
    }

    fn write(mut self, value: impl Display) -> Builder {
        // Writing to a Vec cannot fail; a Display that fails leaves its value short.
        let _ = write!(OneLine(&mut self.text), "{value}");
        self.text.extend_from_slice(b"\r\n");
        self
    }

    /// Copies all lines of one name, byte for byte. Content-Length is left to `finish`.
    pub fn copy(mut self, from: &Message, name: Name<'_>) -> Builder {
        let lines = from.lines_of(name);
        if lines.id == Id::ContentLength as u8 {
            return self;
        }
        for line in lines {
            copy_line(&mut self.text, &from.bytes, line);
        }
        self
    }

    /// Copies, byte for byte and in order, the lines that `keep` accepts. Lines that each side of a call writes for itself are never
    /// copied: Via, From, To, Call-ID, CSeq, Contact, Max-Forwards, Route, Record-Route, Path, credentials and those of the body.
    pub fn copy_unknown(mut self, from: &Message, keep: impl Fn(Name<'_>) -> bool) -> Builder {
        for line in &from.head.lines {
            if !OWN[usize::from(line.id)] && keep(from.field(line).name) {
                copy_line(&mut self.text, &from.bytes, line);
            }
        }
        self
    }

    /// The same request with another number in its CSeq.
    pub(crate) fn renumbered(mut self, cseq: u32) -> Builder {
        const LINE: &[u8] = b"\r\nCSeq: ";
        if let Some(at) = memchr::memmem::find(&self.text, LINE) {
            let start = at + LINE.len();
            let digits = self.text.iter().skip(start).take_while(|byte| byte.is_ascii_digit());
            let end = start + digits.count();
            self.text.splice(start..end, cseq.to_string().into_bytes());
        }
        self
    }

    /// Sets the body and adds its Content-Type.
    pub fn body(mut self, content_type: &str, body: &[u8]) -> Builder {
        self.body = body.to_vec();
        self.header(Name::ContentType, content_type)
    }

    /// Sets the body without a Content-Type, which `copy` has brought along.
    pub fn body_only(mut self, body: &[u8]) -> Builder {
        self.body = body.to_vec();
        self
    }

    /// Completes the message. One that lacks a mandatory header or has a malformed one is still printed, with empty accessors;
    /// [`Builder::try_finish`] tells.
    pub fn finish(self) -> Message {
        let (start, method) = (self.start, self.method.clone());
        let bytes = self.print();
        Message::parse_any_length(bytes.clone()).unwrap_or_else(|_| {
            let end = Span {
                start: bytes.len() as u32,
                end: bytes.len() as u32,
            };
            let head = Head {
                start,
                method,
                lines: Vec::new(),
                call_id: end,
                cseq: 0,
                from_tag: None,
                to_tag: None,
                body: end,
            };
            Message {
                bytes,
                head: Arc::new(head),
            }
        })
    }

    /// Completes the message and refuses one that a peer would refuse.
    pub fn try_finish(self) -> Result<Message, ParseError> {
        Message::parse(self.print())
    }

    /// The bytes alone, for a message that nobody here reads again; nothing is checked.
    pub fn print(mut self) -> Bytes {
        let mut digits = [0; DIGITS_MAX];
        let length = decimal(self.body.len(), &mut digits);
        let (name, ends) = (b"Content-Length: ", b"\r\n\r\n");
        // Bytes of exact length are shared without another allocation.
        let rest = name.len() + length.len() + ends.len() + self.body.len();
        self.text.reserve_exact(rest);
        self.text.extend_from_slice(name);
        self.text.extend_from_slice(length);
        self.text.extend_from_slice(ends);
        self.text.append(&mut self.body);
        Bytes::from(self.text)
    }
}

const OWN: [bool; 256] = {
    let own = [
        Id::Via,
        Id::From,
        Id::To,
        Id::CallId,
        Id::CSeq,
        Id::Contact,
        Id::MaxForwards,
        Id::Route,
        Id::RecordRoute,
        Id::Path,
        Id::Authorization,
        Id::ProxyAuthorization,
        Id::WwwAuthenticate,
        Id::ProxyAuthenticate,
        Id::ContentLength,
        Id::ContentType,
        Id::ContentEncoding,
        Id::RSeq,
        Id::RAck,
    ];
    let mut table = [false; 256];
    let mut at = 0;
    while at < own.len() {
        table[own[at] as usize] = true;
        at += 1;
    }
    table
};

fn decimal(mut number: usize, digits: &mut [u8; DIGITS_MAX]) -> &[u8] {
    let mut start = DIGITS_MAX;
    loop {
        start -= 1;
        digits[start] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 || start == 0 {
            return &digits[start..];
        }
    }
}

fn is_unfit(byte: u8) -> bool {
    matches!(byte, 0..=b' ' | b'<' | b'>' | b'"')
}

fn escape(text: &mut Vec<u8>, uri: &str) {
    for byte in uri.bytes() {
        if is_unfit(byte) {
            text.extend_from_slice(format!("%{byte:02X}").as_bytes());
        } else {
            text.push(byte);
        }
    }
}

fn clean(byte: u8) -> u8 {
    if matches!(byte, b'\r' | b'\n' | 0) { b' ' } else { byte }
}

// A fold that ended in a lone line feed would end the message for stricter peers.
fn copy_line(text: &mut Vec<u8>, bytes: &[u8], line: &Line) {
    let raw = line.whole.of_bytes(bytes);
    if line.folded {
        let mut last = 0;
        for &byte in raw {
            if byte == b'\n' && last != b'\r' {
                text.push(b'\r');
            }
            text.push(byte);
            last = byte;
        }
    } else {
        text.extend_from_slice(raw);
    }
    text.extend_from_slice(b"\r\n");
}

struct OneLine<'a>(&'a mut Vec<u8>);

impl Write for OneLine<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend(text.bytes().map(clean));
        Ok(())
    }
}

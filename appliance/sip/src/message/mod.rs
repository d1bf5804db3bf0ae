//! Messages: bytes in, typed views out, and the builder for messages of our own.

mod compose;
mod cseq;
mod error;
mod field;
pub(crate) mod lex;
mod method;
mod name_addr;
mod params;
mod parse;
mod refusal;
mod status;
mod stream_head;
mod uri;
mod via;
mod view;
pub mod vocabulary;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

pub use compose::Builder;
pub use error::ParseError;
pub use field::{Field, Name};
pub use method::Method;
pub use name_addr::NameAddr;
pub use params::{Param, Params};
pub(crate) use parse::via_and_to;
pub use parse::{HEADER_LINES_MAX, MESSAGE_BYTES_MAX};
pub use refusal::Refusal;
pub use status::reason_phrase;
pub(crate) use stream_head::StreamHead;
pub use uri::{Host, Scheme, Uri, unescape};
pub use via::Via;
pub use view::*;

use field::{Shape, shape};
use lex::{find_outside, trim, unfold};
use parse::{Head, Line, Start, first_element, index, leading_line_ends};

/// A validated message: its bytes and the places of its parts. Clones share both.
#[derive(Clone)]
pub struct Message {
    bytes: Bytes,
    head: Arc<Head>,
}

impl Message {
    /// Parses one datagram or framed message; validates start line, the mandatory headers (Via, From, To, Call-ID, CSeq), that CSeq
    /// names the request's method, and Content-Length. Bounded to 65,535 bytes and 256 header lines; nothing is half-parsed.
    pub fn parse(bytes: Bytes) -> Result<Message, ParseError> {
        if bytes.len() > MESSAGE_BYTES_MAX {
            return Err(ParseError::TooLong);
        }
        Message::parse_any_length(bytes)
    }

    fn parse_any_length(mut bytes: Bytes) -> Result<Message, ParseError> {
        let skipped = leading_line_ends(&bytes);
        if skipped > 0 {
            bytes = bytes.slice(skipped..);
        }
        let head = index(&bytes)?;
        bytes.truncate(head.body.end as usize);
        Ok(Message {
            bytes,
            head: Arc::new(head),
        })
    }

    /// The exact bytes of the message, without leading line ends and without what followed its body.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// True for a request, false for a response.
    pub fn is_request(&self) -> bool {
        match self.head.start {
            Start::Request { .. } => true,
            Start::Response { .. } => false,
        }
    }

    /// A request's method; a response's CSeq method.
    pub fn method(&self) -> &Method {
        &self.head.method
    }

    /// The request URI as written; empty for a response.
    pub fn request_uri(&self) -> &str {
        match self.head.start {
            Start::Request { uri } => uri.of_str(&self.bytes),
            Start::Response { .. } => "",
        }
    }

    /// Status code; 0 for a request.
    pub fn status(&self) -> u16 {
        match self.head.start {
            Start::Request { .. } => 0,
            Start::Response { status, .. } => status,
        }
    }

    /// Reason phrase, lossily as UTF-8; empty for a request.
    pub fn reason_phrase(&self) -> Cow<'_, str> {
        match self.head.start {
            Start::Request { .. } => Cow::Borrowed(""),
            Start::Response { reason, .. } => String::from_utf8_lossy(reason.of_bytes(&self.bytes)),
        }
    }

    /// Call-ID as written.
    pub fn call_id(&self) -> &str {
        self.head.call_id.of_str(&self.bytes)
    }

    /// CSeq number.
    pub fn cseq(&self) -> u32 {
        self.head.cseq
    }

    /// `tag` of From.
    #[expect(clippy::wrong_self_convention, reason = "From is the RFC's noun here")]
    pub fn from_tag(&self) -> Option<&str> {
        self.head.from_tag.map(|tag| tag.of_str(&self.bytes))
    }

    /// `tag` of To.
    pub fn to_tag(&self) -> Option<&str> {
        self.head.to_tag.map(|tag| tag.of_str(&self.bytes))
    }

    /// The topmost Via.
    pub fn top_via(&self) -> Via<'_> {
        self.value(Name::Via)
            .and_then(|value| Via::parse(value).ok())
            .unwrap_or(Via::none())
    }

    /// From.
    pub fn from(&self) -> NameAddr<'_> {
        self.address(Name::From)
    }

    /// To.
    pub fn to(&self) -> NameAddr<'_> {
        self.address(Name::To)
    }

    fn address(&self, name: Name<'_>) -> NameAddr<'_> {
        self.value(name)
            .and_then(|value| NameAddr::parse(value).ok())
            .unwrap_or(NameAddr::none())
    }

    /// The first Contact; its URI text is `*` where the wildcard stands.
    pub fn contact(&self) -> Option<Result<NameAddr<'_>, ParseError>> {
        self.value(Name::Contact).map(NameAddr::parse)
    }

    /// Values of a header in order, one per element where the header is a comma list; folds are left in.
    pub fn values<'a>(&'a self, name: Name<'a>) -> Values<'a> {
        let lines = self.lines_of(name);
        Values {
            shape: shape(lines.id),
            lines,
            rest: None,
        }
    }

    /// The first value of a header.
    pub fn value(&self, name: Name<'_>) -> Option<&[u8]> {
        let line = self.lines_of(name).next()?;
        Some(first_element(line.value.of_bytes(&self.bytes), shape(line.id)))
    }

    /// The first value of a header on one line, lossily as UTF-8.
    pub fn text(&self, name: Name<'_>) -> Option<Cow<'_, str>> {
        self.value(name).map(unfold)
    }

    /// The first value's leading number (Expires, Min-SE, RSeq and so on); `None` if absent or malformed.
    pub fn number(&self, name: Name<'_>) -> Option<u32> {
        let value = self.value(name)?;
        let end = value
            .iter()
            .position(|&byte| matches!(byte, b';' | b'('))
            .unwrap_or(value.len());
        lex::number(&value[..end])
    }

    /// Every header line in order.
    pub fn fields(&self) -> impl Iterator<Item = Field<'_>> {
        self.head.lines.iter().map(|line| self.field(line))
    }

    fn field(&self, line: &Line) -> Field<'_> {
        let raw = line.whole.of_bytes(&self.bytes);
        let name = Name::known(line.id).unwrap_or_else(|| {
            Name::Other(std::str::from_utf8(&raw[..usize::from(line.name_bytes)]).unwrap_or_default())
        });
        Field {
            name,
            raw,
            value: line.value.of_bytes(&self.bytes),
        }
    }

    /// True if a list header (Supported, Require, Allow and so on) holds the token, in any case; parameters are ignored.
    pub fn has_token(&self, name: Name<'_>, token: &str) -> bool {
        self.values(name).any(|value| {
            let end = value.iter().position(|&byte| byte == b';').unwrap_or(value.len());
            trim(&value[..end]).eq_ignore_ascii_case(token.as_bytes())
        })
    }

    /// The body; empty if there is none.
    pub fn body(&self) -> &[u8] {
        self.head.body.of_bytes(&self.bytes)
    }

    /// Content-Type with its parameters.
    pub fn content_type(&self) -> Option<Cow<'_, str>> {
        self.text(Name::ContentType)
    }

    fn lines_of<'a>(&'a self, name: Name<'a>) -> Lines<'a> {
        Lines {
            message: self,
            rest: self.head.lines.iter(),
            name,
            id: name.id(),
        }
    }

    // Out of line: nearly all names are known by number, and the search for those stays a tight loop.
    #[inline(never)]
    fn is_named(&self, line: &Line, name: Name<'_>) -> bool {
        self.field(line).name == name
    }
}

impl fmt::Debug for Message {
    /// The start line and Call-ID only: bodies and credentials stay out of logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.head.start {
            Start::Request { .. } => write!(f, "{} {} ({})", self.method(), self.request_uri(), self.call_id()),
            Start::Response { status, .. } => write!(f, "{status} to {} ({})", self.method(), self.call_id()),
        }
    }
}

/// Values of one header; see [`Message::values`].
#[derive(Clone)]
pub struct Values<'a> {
    lines: Lines<'a>,
    shape: Shape,
    rest: Option<&'a [u8]>,
}

impl<'a> Iterator for Values<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        loop {
            if let Some(rest) = self.rest.take() {
                let (element, after) = match find_outside(rest, b',') {
                    Some(comma) => (trim(&rest[..comma]), Some(&rest[comma + 1..])),
                    None => (trim(rest), None),
                };
                self.rest = after;
                if !element.is_empty() {
                    return Some(element);
                }
                continue;
            }
            let line = self.lines.next()?;
            let value = line.value.of_bytes(&self.lines.message.bytes);
            match self.shape {
                Shape::One => return Some(value),
                Shape::List => self.rest = Some(value),
            }
        }
    }
}

/// Lines of one name, in order.
#[derive(Clone)]
struct Lines<'a> {
    message: &'a Message,
    rest: std::slice::Iter<'a, Line>,
    name: Name<'a>,
    id: u8,
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a Line;

    fn next(&mut self) -> Option<&'a Line> {
        loop {
            let line = self.rest.next()?;
            if line.id == self.id && (line.id != field::OTHER || self.message.is_named(line, self.name)) {
                return Some(line);
            }
        }
    }
}

//! One pass over the bytes of a message: start line, header lines, body. Values stay unread except the mandatory ones.

use super::error::ParseError;
use super::field::{self, Shape};
use super::lex::{find_outside, is_blank, is_token, is_token_byte, number, trim};
use super::method::Method;
use super::name_addr::NameAddr;
use super::uri::Uri;
use super::via::Via;

/// Longest message, in bytes.
pub const MESSAGE_BYTES_MAX: usize = 65_535;
/// Most header lines of a message.
pub const HEADER_LINES_MAX: usize = 256;

/// Part of the message bytes.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) end: u32,
}

impl Span {
    fn new(start: usize, end: usize) -> Span {
        Span {
            start: start as u32,
            end: end as u32,
        }
    }

    // Where `part` lies in `whole`; both come from the same buffer.
    fn of(whole: &[u8], part: &[u8]) -> Span {
        let start = (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize);
        Span::new(start, start + part.len())
    }

    pub(crate) fn of_bytes(self, bytes: &[u8]) -> &[u8] {
        bytes.get(self.start as usize..self.end as usize).unwrap_or_default()
    }

    pub(crate) fn of_str(self, bytes: &[u8]) -> &str {
        std::str::from_utf8(self.of_bytes(bytes)).unwrap_or_default()
    }
}

/// A header line: name, value and the whole.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    pub(crate) id: u8,
    pub(crate) folded: bool,
    pub(crate) name_bytes: u16,
    pub(crate) value: Span,
    pub(crate) whole: Span,
}

/// First line of a message.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Start {
    Request { uri: Span },
    Response { status: u16, reason: Span },
}

/// Everything known of a message besides its bytes.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) start: Start,
    pub(crate) method: Method,
    pub(crate) lines: Vec<Line>,
    pub(crate) call_id: Span,
    pub(crate) cseq: u32,
    pub(crate) from_tag: Option<Span>,
    pub(crate) to_tag: Option<Span>,
    pub(crate) body: Span,
}

/// Bytes of leading line ends, which RFC 3261 section 7.5 says to skip.
pub(crate) fn leading_line_ends(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|&&byte| matches!(byte, b'\r' | b'\n')).count()
}

/// Indexes `bytes`, which start at the start line, and validates the mandatory headers.
pub(crate) fn index(bytes: &[u8]) -> Result<Head, ParseError> {
    if bytes.is_empty() {
        return Err(ParseError::Empty);
    }
    let start_end = line_end(bytes, 0)?;
    let (start, request_method) = start_line(bytes, start_end.text)?;
    let (lines, body_start) = header_lines(bytes, start_end.next)?;
    let mut head = Head {
        start,
        method: Method::Invite,
        lines,
        call_id: Span::default(),
        cseq: 0,
        from_tag: None,
        to_tag: None,
        body: Span::new(body_start, bytes.len()),
    };
    validate(&mut head, bytes, request_method)?;
    Ok(head)
}

pub(crate) struct LineEnd {
    pub(crate) text: usize,
    pub(crate) next: usize,
}

pub(crate) fn line_end(bytes: &[u8], from: usize) -> Result<LineEnd, ParseError> {
    let rest = bytes.get(from..).unwrap_or_default();
    let at = from + memchr::memchr2(b'\r', b'\n', rest).ok_or(ParseError::Truncated)?;
    match (bytes[at], bytes.get(at + 1)) {
        (b'\n', _) => Ok(LineEnd { text: at, next: at + 1 }),
        (b'\r', Some(b'\n')) => Ok(LineEnd { text: at, next: at + 2 }),
        (b'\r', None) => Err(ParseError::Truncated),
        _ => Err(ParseError::BareReturn),
    }
}

fn start_line(bytes: &[u8], end: usize) -> Result<(Start, Option<Method>), ParseError> {
    let line = &bytes[..end];
    let first = memchr::memchr(b' ', line).ok_or(ParseError::StartLine)?;
    if line.get(..4).is_some_and(|word| word.eq_ignore_ascii_case(b"SIP/")) {
        return status_line(line, first).map(|start| (start, None));
    }
    let last = memchr::memrchr(b' ', line).ok_or(ParseError::StartLine)?;
    let (method, version) = (&line[..first], &line[last + 1..]);
    if first == last || !is_token(method) {
        return Err(ParseError::StartLine);
    }
    if !version.eq_ignore_ascii_case(b"SIP/2.0") {
        let other = version.get(..4).is_some_and(|word| word.eq_ignore_ascii_case(b"SIP/"));
        return Err(if other {
            ParseError::Version
        } else {
            ParseError::StartLine
        });
    }
    let uri = std::str::from_utf8(&line[first + 1..last]).map_err(|_| ParseError::RequestUri)?;
    Uri::parse(uri).map_err(|_| ParseError::RequestUri)?;
    let method = std::str::from_utf8(method).map_err(|_| ParseError::StartLine)?;
    Ok((
        Start::Request {
            uri: Span::new(first + 1, last),
        },
        Some(Method::of(method)),
    ))
}

fn status_line(line: &[u8], first: usize) -> Result<Start, ParseError> {
    if !line[..first].eq_ignore_ascii_case(b"SIP/2.0") {
        return Err(ParseError::Version);
    }
    let rest = &line[first + 1..];
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let status = number(&rest[..digits])
        .and_then(|status| u16::try_from(status).ok())
        .ok_or(ParseError::StartLine)?;
    let reason = match &rest[digits..] {
        [] => line.len(),
        [b' ', ..] => first + 1 + digits + 1,
        _ => return Err(ParseError::StartLine),
    };
    if digits != 3 || !(100..700).contains(&status) {
        return Err(ParseError::StartLine);
    }
    Ok(Start::Response {
        status,
        reason: Span::new(reason, line.len()),
    })
}

fn header_lines(bytes: &[u8], mut at: usize) -> Result<(Vec<Line>, usize), ParseError> {
    let mut lines = Vec::with_capacity(20);
    loop {
        let (line, next) = next_line(bytes, at)?;
        let Some(line) = line else {
            return Ok((lines, next));
        };
        if lines.len() == HEADER_LINES_MAX {
            return Err(ParseError::TooManyLines);
        }
        lines.push(line);
        at = next;
    }
}

/// The header line at `at` with its folds, and where the next one starts; no line where the headers end.
fn next_line(bytes: &[u8], at: usize) -> Result<(Option<Line>, usize), ParseError> {
    let mut end = line_end(bytes, at)?;
    if end.text == at {
        return Ok((None, end.next));
    }
    let mut folded = false;
    while matches!(bytes.get(end.next), Some(b' ' | b'\t')) {
        folded = true;
        end = line_end(bytes, end.next)?;
    }
    let line = Line {
        folded,
        ..header_line(bytes, Span::new(at, end.text))?
    };
    Ok((Some(line), end.next))
}

/// The values of the top Via and of To, where a response has both; the search ends there.
pub(crate) fn via_and_to(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut at = line_end(bytes, 0).ok()?.next;
    let (mut via, mut to) = (None, None);
    loop {
        let (line, next) = next_line(bytes, at).ok()?;
        let line = line?;
        match line.id {
            VIA => {
                via.get_or_insert(line.value);
            }
            TO => to = Some(line.value),
            _ => {}
        }
        if let (Some(via), Some(to)) = (via, to) {
            return Some((first_element(via.of_bytes(bytes), Shape::List), to.of_bytes(bytes)));
        }
        at = next;
    }
}

fn header_line(bytes: &[u8], whole: Span) -> Result<Line, ParseError> {
    let text = whole.of_bytes(bytes);
    let name_bytes = text.iter().take_while(|&&byte| is_token_byte(byte)).count();
    let blanks = text[name_bytes..].iter().take_while(|&&byte| is_blank(byte)).count();
    let colon = name_bytes + blanks;
    if name_bytes == 0 || text.get(colon) != Some(&b':') {
        return Err(ParseError::HeaderLine);
    }
    let mut start = colon + 1;
    let mut end = text.len();
    while start < end && is_blank(text[start]) {
        start += 1;
    }
    while end > start && is_blank(text[end - 1]) {
        end -= 1;
    }
    let offset = whole.start as usize;
    Ok(Line {
        id: field::lookup(&text[..name_bytes]),
        folded: false,
        name_bytes: u16::try_from(name_bytes).map_err(|_| ParseError::HeaderLine)?,
        value: Span::new(offset + start, offset + end),
        whole,
    })
}

#[derive(Default)]
struct Found {
    via: Option<Span>,
    from: Option<Span>,
    to: Option<Span>,
    call_id: Option<Span>,
    cseq: Option<Span>,
    max_forwards: Option<Span>,
    length: Option<u32>,
}

const VIA: u8 = field::Id::Via as u8;
const FROM: u8 = field::Id::From as u8;
const TO: u8 = field::Id::To as u8;
const CALL_ID: u8 = field::Id::CallId as u8;
const CSEQ: u8 = field::Id::CSeq as u8;
const MAX_FORWARDS: u8 = field::Id::MaxForwards as u8;
const CONTENT_LENGTH: u8 = field::Id::ContentLength as u8;

fn once(slot: &mut Option<Span>, value: Span, name: &'static str) -> Result<(), ParseError> {
    if slot.replace(value).is_some() {
        Err(ParseError::Repeated(name))
    } else {
        Ok(())
    }
}

fn find(lines: &[Line], bytes: &[u8]) -> Result<Found, ParseError> {
    let mut found = Found::default();
    for line in lines {
        match line.id {
            VIA => {
                found.via.get_or_insert(line.value);
            }
            FROM => once(&mut found.from, line.value, "From")?,
            TO => once(&mut found.to, line.value, "To")?,
            CALL_ID => once(&mut found.call_id, line.value, "Call-ID")?,
            CSEQ => once(&mut found.cseq, line.value, "CSeq")?,
            MAX_FORWARDS => once(&mut found.max_forwards, line.value, "Max-Forwards")?,
            CONTENT_LENGTH => {
                let length = number(line.value.of_bytes(bytes)).ok_or(ParseError::Malformed("Content-Length"))?;
                if found.length.replace(length).is_some_and(|earlier| earlier != length) {
                    return Err(ParseError::LengthConflict);
                }
            }
            _ => {}
        }
    }
    Ok(found)
}

fn validate(head: &mut Head, bytes: &[u8], request_method: Option<Method>) -> Result<(), ParseError> {
    let found = find(&head.lines, bytes)?;
    let via = found.via.ok_or(ParseError::Missing("Via"))?.of_bytes(bytes);
    Via::parse(first_element(via, Shape::List))?;
    head.from_tag = address(bytes, found.from, "From")?;
    head.to_tag = address(bytes, found.to, "To")?;
    let call_id = found.call_id.ok_or(ParseError::Missing("Call-ID"))?;
    let text = call_id.of_bytes(bytes);
    if text.is_empty() || text.iter().any(|&byte| !(0x21..0x7f).contains(&byte)) {
        return Err(ParseError::Malformed("Call-ID"));
    }
    head.call_id = call_id;
    let cseq = found.cseq.ok_or(ParseError::Missing("CSeq"))?.of_bytes(bytes);
    let (sequence, method) = super::cseq::split(cseq).ok_or(ParseError::Malformed("CSeq"))?;
    head.cseq = sequence;
    head.method = match request_method {
        Some(request) if request.as_str() == method => request,
        Some(_) => return Err(ParseError::MethodMismatch),
        None => Method::of(method),
    };
    if let Some(value) = found.max_forwards
        && number(value.of_bytes(bytes)).is_none_or(|hops| hops > 255)
    {
        return Err(ParseError::Malformed("Max-Forwards"));
    }
    if let Some(length) = found.length {
        let end = head
            .body
            .start
            .checked_add(length)
            .filter(|&end| end as usize <= bytes.len());
        head.body.end = end.ok_or(ParseError::LengthBeyondEnd)?;
    }
    Ok(())
}

fn address(bytes: &[u8], value: Option<Span>, name: &'static str) -> Result<Option<Span>, ParseError> {
    let value = value.ok_or(ParseError::Missing(name))?.of_bytes(bytes);
    let address = NameAddr::parse(value).map_err(|_| ParseError::Malformed(name))?;
    let tag = address.tag();
    if tag.is_some_and(|tag| !is_token(tag.as_bytes())) {
        return Err(ParseError::Malformed(name));
    }
    Ok(tag.map(|tag| Span::of(bytes, tag.as_bytes())))
}

/// First element of a comma list, or the whole of a single value.
pub(crate) fn first_element(value: &[u8], shape: Shape) -> &[u8] {
    match shape {
        Shape::One => value,
        // Nearly every list has one element.
        Shape::List if memchr::memchr(b',', value).is_none() => trim(value),
        Shape::List => trim(&value[..find_outside(value, b',').unwrap_or(value.len())]),
    }
}

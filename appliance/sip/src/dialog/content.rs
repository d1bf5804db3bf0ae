//! Bodies and extra headers as the caller gives and gets them.

use std::fmt::Display;

use bytes::Bytes;

use super::multipart;
use crate::message::{Builder, Message, Name};

/// A message body with its type. The agent never reads inside except to see whether it is a session description.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Body {
    /// Content-Type.
    pub content_type: Box<str>,
    /// The bytes as on the wire.
    pub bytes: Bytes,
}

impl Body {
    /// A session description.
    pub fn sdp(bytes: impl Into<Bytes>) -> Body {
        Body {
            content_type: "application/sdp".into(),
            bytes: bytes.into(),
        }
    }

    /// The body of `message`; shares its buffer. `None` if it is empty.
    pub fn of(message: &Message) -> Option<Body> {
        let body = message.body();
        if body.is_empty() {
            return None;
        }
        let content_type = message.content_type().unwrap_or_default();
        Some(Body {
            content_type: content_type.as_ref().into(),
            bytes: message.bytes().slice_ref(body),
        })
    }

    /// True for application/sdp, alone or as a part of a multipart body.
    pub fn is_description(&self) -> bool {
        let kind = self.content_type.split(';').next().unwrap_or_default().trim();
        if kind.eq_ignore_ascii_case("application/sdp") {
            return true;
        }
        self.is_multipart() && contains_ignoring_case(&self.bytes, b"application/sdp")
    }

    /// True for several parts (RFC 2046 section 5.1).
    pub fn is_multipart(&self) -> bool {
        let prefix = self.content_type.get(..10).unwrap_or_default();
        prefix.eq_ignore_ascii_case("multipart/")
    }

    /// The bytes of the session description in it, alone or a part of a multipart body (RFC 2046 section 5.1).
    pub fn session_description(&self) -> Option<Bytes> {
        multipart::session_description(self)
    }

    /// The session description of `message`, if it carries one.
    pub(crate) fn description(message: &Message) -> Option<Body> {
        Body::of(message).filter(Body::is_description)
    }

    /// A number that changes when the body does.
    pub(crate) fn fingerprint(&self) -> u64 {
        // FNV-1a: only compared with what the same peer sent before.
        self.bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
    }
}

fn contains_ignoring_case(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|window| window.eq_ignore_ascii_case(word))
}

/// What an INVITE carries besides its description (RFC 5621): a header can point to it by its Content-ID.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Attachment {
    /// Content-ID without angle brackets, `local@host` (RFC 2392); the boundary between the parts is made from it.
    pub content_id: Box<str>,
    /// What it is.
    pub body: Body,
}

impl Attachment {
    /// Writes `description` and this as one multipart/mixed body (RFC 2046 section 5.1.3).
    pub(crate) fn write(&self, builder: Builder, description: Option<&Body>) -> Builder {
        let boundary: String = self
            .content_id
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .take(60)
            .collect();
        let mut bytes = Vec::new();
        let mut part = |head: &str, body: &Body| {
            let head = format!("--{boundary}\r\nContent-Type: {}\r\n{head}\r\n", body.content_type);
            bytes.extend_from_slice(head.as_bytes());
            bytes.extend_from_slice(&body.bytes);
            bytes.extend_from_slice(b"\r\n");
        };
        if let Some(description) = description {
            part("", description);
        }
        part(&format!("Content-ID: <{}>\r\n", self.content_id), &self.body);
        bytes.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
        builder.body(&format!("multipart/mixed;boundary={boundary}"), &bytes)
    }
}

/// Extra headers for a message that the agent composes, in order.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Headers(Vec<(Box<str>, Box<str>)>);

impl Headers {
    /// No headers.
    pub fn new() -> Headers {
        Headers::default()
    }

    /// Adds one header at the end.
    pub fn push(&mut self, name: Name<'_>, value: impl Display) {
        self.0.push((name.as_str().into(), value.to_string().into()));
    }

    /// Adds one header at the end.
    #[must_use]
    pub fn with(mut self, name: Name<'_>, value: impl Display) -> Headers {
        self.push(name, value);
        self
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// True if `name` is among them.
    pub fn has(&self, name: Name<'_>) -> bool {
        self.iter().any(|(known, _)| known == name)
    }

    /// Those of the given names.
    pub(crate) fn only(&self, names: &[Name<'_>]) -> Headers {
        let kept = self.0.iter().filter(|(name, _)| names.contains(&Name::of(name)));
        Headers(kept.cloned().collect())
    }

    /// All of them in order.
    pub fn iter(&self) -> impl Iterator<Item = (Name<'_>, &str)> {
        self.0.iter().map(|(name, value)| (Name::of(name), &**value))
    }

    /// These headers with `newer` in place of the ones of the same names.
    #[must_use]
    pub fn replaced_by(mut self, newer: Headers) -> Headers {
        self.0.retain(|(name, _)| !newer.has(Name::of(name)));
        self.0.extend(newer.0);
        self
    }

    pub(crate) fn write(&self, builder: Builder) -> Builder {
        self.iter()
            .fold(builder, |builder, (name, value)| builder.header(name, value))
    }
}

impl<'a> FromIterator<(Name<'a>, String)> for Headers {
    fn from_iter<I: IntoIterator<Item = (Name<'a>, String)>>(lines: I) -> Headers {
        let mut headers = Headers::new();
        for (name, value) in lines {
            headers.push(name, value);
        }
        headers
    }
}

/// Adds `body` where there is one.
pub(crate) fn with_body(builder: Builder, body: Option<&Body>) -> Builder {
    match body {
        Some(body) => builder.body(&body.content_type, &body.bytes),
        None => builder,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_description_is_seen_alone_and_inside_multipart() {
        let cases: [(&str, &[u8], bool); 6] = [
            ("application/sdp", b"v=0", true),
            ("Application/SDP ; charset=utf-8", b"v=0", true),
            (
                "multipart/mixed;boundary=x",
                b"--x\r\nContent-Type: application/SDP\r\n\r\nv=0\r\n--x--",
                true,
            ),
            (
                "multipart/mixed;boundary=x",
                b"--x\r\nContent-Type: text/plain\r\n\r\nv=0\r\n--x--",
                false,
            ),
            ("text/plain", b"application/sdp", false),
            ("", b"v=0", false),
        ];
        for (content_type, bytes, expected) in cases {
            let body = Body {
                content_type: content_type.into(),
                bytes: Bytes::copy_from_slice(bytes),
            };
            assert_eq!(body.is_description(), expected, "{content_type}");
        }
    }

    #[test]
    fn headers_keep_their_order_and_are_found_in_any_case() {
        let headers = Headers::new()
            .with(Name::Reason, "Q.850;cause=16")
            .with(Name::Other("X-Branch"), 7);
        assert!(
            headers.has(Name::Other("x-branch")) && headers.has(Name::Other("reason")) && !headers.has(Name::Contact)
        );
        let lines: Vec<_> = headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        assert_eq!(lines, ["Reason: Q.850;cause=16", "X-Branch: 7"]);
    }
}

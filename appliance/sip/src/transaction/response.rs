//! A response on its way out: what is written into it last, in one go.

use std::borrow::Cow;
use std::net::SocketAddr;

use bytes::Bytes;

use super::via::stamped;
use crate::message::{Builder, Message, NameAddr, via_and_to};

/// A response to be sent. One that nobody here reads again is made from its [`Builder`], without being parsed.
#[derive(Clone, Debug)]
pub struct Response {
    status: u16,
    bytes: Bytes,
}

impl From<Message> for Response {
    fn from(message: Message) -> Response {
        Response {
            status: message.status(),
            bytes: message.bytes().clone(),
        }
    }
}

impl From<Builder> for Response {
    fn from(builder: Builder) -> Response {
        Response {
            status: builder.status(),
            bytes: builder.print(),
        }
    }
}

/// A response as it goes on the wire, and what the machines need of it.
pub(super) struct Answer<'a> {
    pub(super) status: u16,
    pub(super) to_tag: Option<Cow<'a, str>>,
    pub(super) bytes: Bytes,
}

impl Response {
    /// Writes the source of the request into the top Via where its sender needs it (RFC 3581), and a tag into a To that
    /// has none from 101 up (RFC 3261 section 8.2.6.2).
    pub(super) fn seal(&self, source: SocketAddr, tag: impl FnOnce() -> String) -> Answer<'_> {
        let Some((via, to)) = via_and_to(&self.bytes) else {
            return Answer {
                status: self.status,
                to_tag: None,
                bytes: self.bytes.clone(),
            };
        };
        let given = NameAddr::parse(to).ok().and_then(|to| to.tag()).map(Cow::Borrowed);
        let (added, to_tag) = match given {
            None if self.status > 100 => {
                let tag = tag();
                (format!(";tag={tag}"), Some(Cow::Owned(tag)))
            }
            given => (String::new(), given),
        };
        let via_at = place(&self.bytes, via);
        let to_end = place(&self.bytes, to) + to.len();
        let stamped = stamped(via, source).unwrap_or_else(|| via.to_vec());
        let mut changes = [
            (via_at..via_at + via.len(), stamped.as_slice()),
            (to_end..to_end, added.as_bytes()),
        ];
        changes.sort_by_key(|(place, _)| place.start);
        let mut text = Vec::with_capacity(self.bytes.len() - via.len() + stamped.len() + added.len());
        let mut copied = 0;
        for (place, instead) in changes {
            text.extend_from_slice(&self.bytes[copied..place.start]);
            text.extend_from_slice(instead);
            copied = place.end;
        }
        text.extend_from_slice(&self.bytes[copied..]);
        Answer {
            status: self.status,
            to_tag,
            bytes: Bytes::from(text),
        }
    }
}

// `part` borrows from `whole`, so the distance of their starts is its place.
fn place(whole: &[u8], part: &[u8]) -> usize {
    (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize)
}

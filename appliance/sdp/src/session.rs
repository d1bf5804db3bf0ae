//! A whole description.

use crate::anchor::{self, Anchor};
use crate::line::{self, Line};
use crate::offer::{self, FreshOffer};
use crate::{Address, Codec, Media, SdpError, Stream, answer, parse, salvage};
use bytes::{Bytes, BytesMut};
use std::net::IpAddr;

/// A parsed description.
///
/// - reading: [`Sdp::parse`], [`Sdp::to_bytes`], [`Sdp::streams`], [`Sdp::carried`], [`Sdp::codecs`], [`Sdp::is_hold`]
/// - making another one: [`Sdp::anchor`], [`Sdp::align_to_offer`], [`Sdp::offer`]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sdp {
    pub(crate) session: Vec<Line>,
    pub(crate) media: Vec<Media>,
}

impl Sdp {
    /// Reads a description; LF line ends and blank lines are tolerated.
    ///
    /// # Errors
    /// [`SdpError`] names the line; nothing is accepted half-read.
    pub fn parse(data: &[u8]) -> Result<Self, SdpError> {
        parse::parse(data)
    }

    /// Makes an offer out of what can be read of one that [`Sdp::parse`] refuses: where the address is missing it is
    /// `describer`'s, and where the sound is, it is G.711.
    #[must_use]
    pub fn salvage(data: &[u8], describer: IpAddr) -> Self {
        salvage::salvage(data, describer)
    }

    /// A new offer from a list of codecs, for late offers and transfers.
    #[must_use]
    pub fn offer(fresh: &FreshOffer<'_>) -> Self {
        offer::build(fresh)
    }

    /// Prints the description with CRLF line ends.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(512);
        for line in &self.session {
            line.write(&mut out);
        }
        for media in &self.media {
            media.write(&mut out);
        }
        out.freeze()
    }

    /// Lines before the first `m=`.
    #[must_use]
    pub fn session_lines(&self) -> &[Line] {
        &self.session
    }

    /// The `m=` sections in order.
    #[must_use]
    pub fn media(&self) -> &[Media] {
        &self.media
    }

    /// Session name, `s=`.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        line::first_text(&self.session, b's')
    }

    /// Session id and address in the `o=` line (RFC 8866 section 5.2), where the id is a number and the address no name.
    #[must_use]
    pub fn origin(&self) -> Option<(u64, IpAddr)> {
        let mut words = line::first_text(&self.session, b'o')?.split_ascii_whitespace();
        let id = words.nth(1)?.parse().ok()?;
        Some((id, words.nth(3)?.parse().ok()?))
    }

    /// Version in the `o=` line.
    #[must_use]
    pub fn version(&self) -> Option<u64> {
        line::first_text(&self.session, b'o')?
            .split_ascii_whitespace()
            .nth(2)?
            .parse()
            .ok()
    }

    /// Session-level `c=` address.
    #[must_use]
    pub fn connection(&self) -> Option<Address> {
        Address::from_connection(line::first_text(&self.session, b'c')?)
    }

    /// First value of a session-level attribute; empty for a flag.
    #[must_use]
    pub fn attribute<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        line::attributes(&self.session, name).next()
    }

    /// Every `m=` section together with what it inherits from the session.
    pub fn streams(&self) -> impl Iterator<Item = Stream<'_>> {
        (0..self.media.len()).filter_map(|index| self.stream(index))
    }

    /// One `m=` section together with what it inherits from the session.
    #[must_use]
    pub fn stream(&self, index: usize) -> Option<Stream<'_>> {
        Some(Stream {
            session: self,
            media: self.media.get(index)?,
            index,
        })
    }

    /// The stream the relay carries: the first audio over plain RTP that is not declined.
    #[must_use]
    pub fn carried(&self) -> Option<Stream<'_>> {
        self.streams().find(|stream| stream.media.is_carriable())
    }

    /// Codecs of the carried stream in order of preference; empty without one.
    #[must_use]
    pub fn codecs(&self) -> Vec<Codec> {
        self.carried().map(|stream| stream.media.codecs()).unwrap_or_default()
    }

    /// Whether the describer understands all that it may be sent by whoever has heard `other` instead: each codec of it, under
    /// the same payload type.
    #[must_use]
    pub fn understands(&self, other: &Self) -> bool {
        let known = self.codecs();
        let same = |codec: &Codec| {
            known
                .iter()
                .any(|own| own.payload == codec.payload && own.is_same_encoding(codec))
        };
        other.carried().is_some() && other.codecs().iter().all(same)
    }

    /// Payload type of `telephone-event` in the carried stream (RFC 4733).
    #[must_use]
    pub fn telephone_event_payload(&self) -> Option<u8> {
        self.carried()?.media.telephone_event_payload()
    }

    /// Whether the describer puts its peer on hold: `sendonly`, `inactive`, or the old `c=0.0.0.0`.
    #[must_use]
    pub fn is_hold(&self) -> bool {
        self.carried().is_some_and(|stream| !stream.direction().receives())
    }

    /// Whether only the `o=` line differs: then the version must stay as it is (RFC 3264 section 8).
    #[must_use]
    pub fn is_same_content(&self, other: &Self) -> bool {
        let mut ours = self.session.iter().filter(|line| !line.is(b'o'));
        let mut theirs = other.session.iter().filter(|line| !line.is(b'o'));
        self.media == other.media && ours.by_ref().eq(theirs.by_ref())
    }

    /// The description the box sends on in its own name; see [`Anchor`].
    #[must_use]
    pub fn anchor(&self, anchor: &Anchor<'_>) -> Self {
        anchor::anchor(self, anchor)
    }

    /// The value for [`Anchor::ports`] that gives `port` to the carried stream and declines the others.
    #[must_use]
    pub fn ports_for_carried(&self, port: u16) -> Vec<Option<u16>> {
        let carried = self.carried().map(|stream| stream.index);
        (0..self.media.len())
            .map(|index| (Some(index) == carried).then_some(port))
            .collect()
    }

    /// This answer, lined up with the `m=` lines of another offer.
    ///
    /// Its carried stream goes where the offer has its own; every other offered stream is declined.
    #[must_use]
    pub fn align_to_offer(&self, offer: &Self) -> Self {
        answer::align(self, offer)
    }
}

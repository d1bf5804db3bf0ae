//! Session descriptions (RFC 8866) and the offer/answer rules (RFC 3264), as data.
//!
//! In: the body of a SIP message. Out: a [`Sdp`] that keeps every line it does not know, byte for byte and in order,
//! and the few rewrites a back-to-back user agent needs: [`Sdp::anchor`], [`Sdp::align_to_offer`], [`Sdp::offer`].

mod address;
mod anchor;
mod answer;
mod codec;
mod direction;
mod error;
mod exercise;
mod line;
mod media;
mod offer;
mod parse;
mod resume;
mod salvage;
mod session;
mod stream;

pub use address::Address;
pub use anchor::{Anchor, Origin};
pub use answer::check_answer;
pub use codec::{Codec, intersect};
pub use direction::{Abilities, Direction};
pub use error::{AnswerError, SdpError};
pub use exercise::exercise;
pub use line::Line;
pub use media::Media;
pub use offer::FreshOffer;
pub use session::Sdp;
pub use stream::Stream;

/// Largest description accepted, in bytes.
pub const SIZE_MAX: usize = 64 * 1024;
/// Most lines accepted in one description.
pub const LINES_MAX: usize = 1024;
/// Most `m=` lines accepted in one description.
pub const MEDIA_MAX: usize = 64;
/// Most formats accepted on one `m=` line; RTP has 128 payload types.
pub const FORMATS_MAX: usize = 128;

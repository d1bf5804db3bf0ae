//! What a request is looked over for before anything is done about it (RFC 3261 section 8.2).

use std::net::IpAddr;

use branchline_sdp::Sdp;
use branchline_sip::agent::Body;
use branchline_sip::message::{Message, Name, Scheme, Uri};

/// Bodies that the box reads.
pub(crate) const ACCEPT: &str = "application/sdp, multipart/mixed";

/// The status that refuses a call, whoever makes it and wherever it goes.
pub(crate) fn unacceptable(invite: &Message) -> Option<u16> {
    if invite.number(Name::MaxForwards) == Some(0) {
        Some(483)
    } else if !is_known_scheme(invite) {
        Some(416)
    } else if !takes_descriptions(invite) {
        Some(406)
    } else {
        None
    }
}

/// A description that cannot be read is refused before anything rings.
pub(crate) fn offer(request: &Message) -> Result<Option<Sdp>, u16> {
    let Some(body) = Body::of(request) else { return Ok(None) };
    match body.session_description() {
        Some(bytes) => Sdp::parse(&bytes).map(Some).map_err(|_| 488),
        None if body.is_description() || !may_be_ignored(request, &body) => Err(415),
        None => Ok(None),
    }
}

/// What a call for help makes of a body that cannot be read: a description out of as much of it as can be, so that both ends
/// have one. `describer` is where it came from.
pub(crate) fn salvaged(body: &Body, describer: IpAddr) -> Option<Sdp> {
    let bytes = body.session_description().unwrap_or_default();
    body.is_description().then(|| Sdp::salvage(&bytes, describer))
}

/// A body of another kind has to be understood unless it says otherwise (RFC 3261 section 20.11); parts that come with no
/// description, such as a place, are read by who knows them.
fn may_be_ignored(request: &Message, body: &Body) -> bool {
    let is_plain = request.value(Name::ContentEncoding).is_none();
    let disposition = request.text(Name::ContentDisposition).unwrap_or_default();
    is_plain && (body.is_multipart() || disposition.to_ascii_lowercase().contains("handling=optional"))
}

/// Whether the caller reads what the answer will carry (RFC 3261 section 20.1).
fn takes_descriptions(request: &Message) -> bool {
    let mut values = request.values(Name::Accept).peekable();
    values.peek().is_none()
        || values.any(|value| {
            let kind = value
                .split(|byte| *byte == b';')
                .next()
                .unwrap_or_default()
                .trim_ascii();
            let is = |wanted: &str| kind.eq_ignore_ascii_case(wanted.as_bytes());
            is("application/sdp") || is("application/*") || is("*/*")
        })
}

/// Whether a request is for a kind of address that the box knows (RFC 3261 section 8.2.2.1).
pub(crate) fn is_known_scheme(request: &Message) -> bool {
    Uri::parse(request.request_uri()).is_ok_and(|uri| matches!(uri.scheme, Scheme::Sip | Scheme::Sips | Scheme::Tel))
}

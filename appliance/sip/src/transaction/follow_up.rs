//! Requests that an INVITE client transaction sends by itself: the ACK to a refusal and the CANCEL.

use bytes::Bytes;

use crate::message::{Builder, Message, Method, Name};

/// ACK to a non-2xx final (RFC 3261 section 17.1.1.3): the INVITE's URI, Via, Route and sequence number, the response's To.
pub(super) fn ack_for(invite: &Message, response: &Message) -> Bytes {
    let ack = on_the_branch(invite, &Method::Ack, response);
    ack.finish().bytes().clone()
}

/// CANCEL of an INVITE (RFC 3261 section 9.1), with a Reason (RFC 3326) if there is one.
pub(super) fn cancel_for(invite: &Message, reason: Option<&str>) -> Bytes {
    let cancel = on_the_branch(invite, &Method::Cancel, invite);
    let cancel = match reason {
        Some(reason) => cancel.header(Name::Reason, reason),
        None => cancel,
    };
    cancel.finish().bytes().clone()
}

fn on_the_branch(invite: &Message, method: &Method, to_of: &Message) -> Builder {
    let via = invite.value(Name::Via).unwrap_or_default();
    Builder::request(method, invite.request_uri())
        .header_bytes(Name::Via, via)
        .header(Name::MaxForwards, MAX_FORWARDS)
        .copy(invite, Name::Route)
        .copy(invite, Name::From)
        .copy(to_of, Name::To)
        .copy(invite, Name::CallId)
        .header(Name::CSeq, format_args!("{} {method}", invite.cseq()))
}

const MAX_FORWARDS: u8 = 70;

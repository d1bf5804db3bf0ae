//! What an endpoint tells its user.

use super::table::Key;
use crate::flow::Flow;
use crate::message::{Message, ParseError};

/// A server transaction. A stale key is ignored.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ServerKey(pub(super) Key);

/// A client transaction. A stale key is ignored.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ClientKey(pub(super) Key);

/// News for the user of an endpoint.
#[derive(Clone, Debug)]
pub enum Event {
    /// A new request. Exactly one final response is owed; a second one is ignored.
    Request {
        /// Its transaction.
        key: ServerKey,
        /// Where it came from.
        flow: Flow,
        /// The request as it arrived; `flow.remote` is its RFC 3581 source.
        request: Message,
    },
    /// An ACK that is not absorbed by a transaction: to a 2xx, or to a final that was sent statelessly.
    Ack {
        /// Where it came from.
        flow: Flow,
        /// The ACK.
        request: Message,
    },
    /// An unanswered INVITE was cancelled; the CANCEL has its 200, the INVITE awaits its 487.
    Cancelled {
        /// The INVITE's transaction.
        key: ServerKey,
        /// The CANCEL.
        cancel: Message,
    },
    /// A response. A final one ends the transaction, but an INVITE's further 2xx still come for 64 T1 (RFC 6026).
    Response {
        /// Its transaction.
        key: ClientKey,
        /// Where it came from.
        flow: Flow,
        /// The response.
        response: Message,
    },
    /// A client transaction ended without a final response.
    Failed {
        /// Its transaction.
        key: ClientKey,
        /// Why.
        why: Failure,
    },
    /// A non-2xx final to an INVITE never got its ACK (timer H).
    Unacknowledged {
        /// Its transaction, gone by now.
        key: ServerKey,
    },
    /// A 2xx to an INVITE of ours whose transaction is over: it may be acknowledged and hung up.
    Stray {
        /// Where it came from.
        flow: Flow,
        /// The response.
        response: Message,
    },
    /// A request was refused here, or a message dropped.
    Refused {
        /// Where it came from.
        flow: Flow,
        /// Why.
        why: Refusal,
    },
}

/// Why a client transaction failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failure {
    /// No final response in time; to be treated as a 408 (RFC 3261 section 8.1.3.1).
    Timeout,
    /// The transport failed; to be treated as a 503 (RFC 3261 section 8.1.3.1).
    Flow,
}

/// Why the endpoint refused a message by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// A copy of a request in progress that took another path: 482 (RFC 3261 section 8.2.2.2).
    Merged,
    /// No room: 503 with Retry-After.
    Overload,
    /// Not a SIP message: 400 or 505 if it could be answered, else dropped.
    Malformed(ParseError),
    /// A CANCEL without its INVITE: 481 (RFC 3261 section 9.2).
    NothingToCancel,
}

//! What a telephone saw.

use std::time::Instant;

use bytes::Bytes;

use super::call::CallHandle;

/// One thing a telephone saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// When.
    pub at: Instant,
    /// What.
    pub what: What,
}

/// What a telephone can see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A request of the box, by its method; a change of a session is `re-INVITE`.
    Request {
        /// Method.
        method: String,
        /// The call it belongs to.
        call: Option<CallHandle>,
        /// The whole message.
        message: Bytes,
    },
    /// A response of the box.
    Response {
        /// Status.
        status: u16,
        /// Method of the request.
        method: String,
        /// The call it belongs to.
        call: Option<CallHandle>,
        /// It came with a description.
        described: bool,
    },
    /// A request of ours got no answer.
    NoAnswer {
        /// Method.
        method: String,
    },
    /// Our answer to an INVITE was never acknowledged.
    NoAck,
    /// Bytes that are no message.
    Garbage,
    /// The box broke a rule that telephones rely on.
    Fault(String),
}

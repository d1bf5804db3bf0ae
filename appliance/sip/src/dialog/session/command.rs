//! What the caller hands to a session.

use std::time::Duration;

use crate::flow::Flow;
use crate::message::{Message, Method};
use crate::transaction::ServerKey;

use super::super::{Attachment, Body, Headers, NextHop};

/// A new outgoing call.
#[derive(Clone, Debug)]
pub struct Invitation {
    /// Where the INVITE is sent.
    pub flow: Flow,
    /// Where requests inside the dialog are sent.
    pub next_hop: NextHop,
    /// Request URI.
    pub request_uri: String,
    /// Value of From, without tag.
    pub from: String,
    /// Value of To.
    pub to: String,
    /// Value of Contact, such as `<sip:box@192.0.2.1:5060>`.
    pub contact: String,
    /// Values of Route, top first.
    pub route: Vec<String>,
    /// Max-Forwards; 70 for a call that starts here, one less than on the other side for one that passes through.
    pub max_forwards: u32,
    /// Further headers. Via, CSeq, Call-ID, Supported, Allow, User-Agent and the session timer are the agent's.
    pub headers: Headers,
    /// The offer; `None` leaves it to the peer.
    pub body: Option<Body>,
    /// What goes along with the INVITE and is no description, such as a location (RFC 6442).
    pub attachment: Option<Attachment>,
    /// Longest time that it may stay unanswered; `None` is the agent's `ring_max`.
    pub ring_max: Option<Duration>,
}

/// An INVITE to take as a session.
#[derive(Clone, Debug)]
pub struct IncomingInvite {
    /// Its server transaction.
    pub key: ServerKey,
    /// Where it came from.
    pub flow: Flow,
    /// Where requests inside the dialog are sent.
    pub next_hop: NextHop,
    /// The INVITE.
    pub request: Message,
    /// Value of our Contact, such as `<sip:box@192.0.2.1:5060>`.
    pub local_contact: String,
    /// Longest time that it may stay unanswered; `None` is the agent's `ring_max`.
    pub ring_max: Option<Duration>,
}

/// A provisional answer.
#[derive(Clone, Debug)]
pub struct Progress {
    /// 101 to 199.
    pub status: u16,
    /// Early answer; dropped when the caller made no offer.
    pub body: Option<Body>,
    /// Further headers.
    pub headers: Headers,
}

impl Progress {
    /// Nothing but a status.
    pub fn status(status: u16) -> Progress {
        Progress {
            status,
            body: None,
            headers: Headers::new(),
        }
    }
}

/// A 200 to the INVITE.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// Answer, or offer when the INVITE had none. Left out when a reliable provisional carried the answer already.
    pub body: Option<Body>,
    /// Further headers.
    pub headers: Headers,
}

/// A final refusal of an INVITE.
#[derive(Clone, Debug)]
pub struct Rejection {
    /// 300 to 699.
    pub status: u16,
    /// Text instead of the usual one.
    pub reason_phrase: Option<String>,
    /// Further headers: Retry-After, Reason, Warning, Contact for 3xx.
    pub headers: Headers,
}

impl Rejection {
    /// Nothing but a status.
    pub fn status(status: u16) -> Rejection {
        Rejection {
            status,
            reason_phrase: None,
            headers: Headers::new(),
        }
    }
}

/// A request inside the dialog that has no rule of its own: INFO, MESSAGE, OPTIONS.
#[derive(Clone, Debug)]
pub struct InDialogRequest {
    /// Its method.
    pub method: Method,
    /// Further headers.
    pub headers: Headers,
    /// Its body.
    pub body: Option<Body>,
}

/// A transfer that the box asks for (RFC 3515).
#[derive(Clone, Debug)]
pub struct Referral {
    /// Value of Refer-To.
    pub refer_to: String,
    /// Value of Referred-By (RFC 3892).
    pub referred_by: Option<String>,
}

/// What becomes of a REFER.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// 202, and progress follows by `notify_refer`.
    Accept,
    /// A final status from 300 up.
    Refuse {
        /// The status.
        status: u16,
    },
}

/// Progress of an accepted REFER.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TransferProgress {
    /// Status of the new call.
    pub status: u16,
    /// Whether more will come.
    pub finality: Finality,
}

/// Whether a report is the last one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Finality {
    /// More will come.
    Interim,
    /// The last one.
    Final,
}

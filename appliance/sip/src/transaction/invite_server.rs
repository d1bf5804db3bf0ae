//! Server side of an INVITE transaction (RFC 3261 section 17.2.1, RFC 6026 section 7.1).

use std::time::Instant;

use bytes::Bytes;

use super::outcome::{Outcome, Tell};
use super::timers::{Clock, Reason, Resend, earlier};
use crate::message::Message;

#[derive(Debug)]
pub(super) enum InviteServer {
    Proceeding(Proceeding),
    Completed {
        response: Bytes,
        resend: Option<Resend>,
        give_up_at: Instant,
    },
    Confirmed {
        until: Instant,
    },
    Accepted {
        until: Instant,
    },
    Terminated,
}

#[derive(Debug)]
pub(super) struct Proceeding {
    pub(super) request: Message,
    last: Option<Bytes>,
    trying_at: Option<Instant>,
    to_tag: Option<Box<str>>,
    cancelled: bool,
}

/// A response on its way out: what the machines need of it.
pub(super) struct Answer<'a> {
    pub(super) status: u16,
    pub(super) to_tag: Option<&'a str>,
    /// As it goes on the wire.
    pub(super) bytes: Bytes,
}

/// What a CANCEL found.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum CancelFound {
    /// Still unanswered, and the first CANCEL: the user is to answer 487.
    First,
    /// A repeated CANCEL, or one that lost its race with the final response.
    Late,
}

impl InviteServer {
    pub(super) fn start(clock: Clock<'_>, request: Message) -> InviteServer {
        let trying_at = Some(clock.after(clock.timing.trying));
        InviteServer::Proceeding(Proceeding {
            request,
            last: None,
            trying_at,
            to_tag: None,
            cancelled: false,
        })
    }

    /// The INVITE, while it has no final response.
    pub(super) fn request(&self) -> Option<&Message> {
        match self {
            InviteServer::Proceeding(proceeding) => Some(&proceeding.request),
            InviteServer::Completed { .. }
            | InviteServer::Confirmed { .. }
            | InviteServer::Accepted { .. }
            | InviteServer::Terminated => None,
        }
    }

    /// The To tag of the latest provisional response; a CANCEL is answered with the same one (RFC 3261 section 9.2).
    pub(super) fn to_tag(&self) -> Option<&str> {
        match self {
            InviteServer::Proceeding(proceeding) => proceeding.to_tag.as_deref(),
            InviteServer::Completed { .. }
            | InviteServer::Confirmed { .. }
            | InviteServer::Accepted { .. }
            | InviteServer::Terminated => None,
        }
    }

    /// The same INVITE again.
    pub(super) fn handle_request(&mut self) -> Outcome {
        match self {
            InviteServer::Proceeding(Proceeding {
                last: Some(response), ..
            })
            | InviteServer::Completed { response, .. } => Outcome::again(response.clone()),
            InviteServer::Proceeding(Proceeding { last: None, .. })
            | InviteServer::Confirmed { .. }
            | InviteServer::Accepted { .. }
            | InviteServer::Terminated => Outcome::NOTHING,
        }
    }

    pub(super) fn handle_ack(&mut self, clock: Clock<'_>) -> Outcome {
        match self {
            InviteServer::Completed { .. } => {
                *self = InviteServer::confirmed(clock);
                Outcome::NOTHING
            }
            // RFC 2543 clients acknowledge a 2xx on the INVITE's own branch.
            InviteServer::Accepted { .. } => Outcome::tell(Tell::Ack),
            InviteServer::Proceeding(_) | InviteServer::Confirmed { .. } | InviteServer::Terminated => Outcome::NOTHING,
        }
    }

    pub(super) fn handle_cancel(&mut self) -> CancelFound {
        match self {
            InviteServer::Proceeding(proceeding) if !proceeding.cancelled => {
                proceeding.cancelled = true;
                CancelFound::First
            }
            InviteServer::Proceeding(_)
            | InviteServer::Completed { .. }
            | InviteServer::Confirmed { .. }
            | InviteServer::Accepted { .. }
            | InviteServer::Terminated => CancelFound::Late,
        }
    }

    pub(super) fn handle_answer(&mut self, clock: Clock<'_>, answer: Answer<'_>) -> Outcome {
        match (&mut *self, answer.status) {
            (InviteServer::Proceeding(proceeding), 100..=199) => {
                proceeding.trying_at = None;
                proceeding.last = Some(answer.bytes.clone());
                if let Some(tag) = answer.to_tag
                    && proceeding.to_tag.as_deref() != Some(tag)
                {
                    proceeding.to_tag = Some(tag.into());
                }
            }
            (InviteServer::Proceeding(_), 200..=299) => {
                *self = InviteServer::Accepted {
                    until: clock.patience_ends(),
                }
            }
            (InviteServer::Proceeding(_), _) => {
                *self = InviteServer::Completed {
                    response: answer.bytes.clone(),
                    resend: Resend::start(clock),
                    give_up_at: clock.patience_ends(),
                };
            }
            // The session repeats its 2xx until the ACK comes; each goes straight out (RFC 6026 section 7.1).
            (InviteServer::Accepted { .. }, 200..=299) => return Outcome::again(answer.bytes),
            (
                InviteServer::Completed { .. }
                | InviteServer::Confirmed { .. }
                | InviteServer::Accepted { .. }
                | InviteServer::Terminated,
                _,
            ) => return Outcome::NOTHING,
        }
        Outcome::first(answer.bytes)
    }

    pub(super) fn handle_timeout(&mut self, clock: Clock<'_>) -> Outcome {
        match self {
            InviteServer::Proceeding(proceeding) if proceeding.trying_at.is_some_and(|at| at <= clock.now) => {
                proceeding.trying_at = None;
                Outcome::tell(Tell::Trying)
            }
            InviteServer::Completed { give_up_at, .. } if *give_up_at <= clock.now => {
                *self = InviteServer::Terminated;
                Outcome::tell(Tell::Unacknowledged)
            }
            InviteServer::Completed {
                response,
                resend: Some(resend),
                ..
            } if resend.at <= clock.now => {
                resend.again(clock, clock.timing.t2);
                Outcome::again(response.clone())
            }
            InviteServer::Confirmed { until } | InviteServer::Accepted { until } if *until <= clock.now => {
                *self = InviteServer::Terminated;
                Outcome::NOTHING
            }
            InviteServer::Proceeding(_)
            | InviteServer::Completed { .. }
            | InviteServer::Confirmed { .. }
            | InviteServer::Accepted { .. }
            | InviteServer::Terminated => Outcome::NOTHING,
        }
    }

    pub(super) fn deadline(&self) -> Option<(Instant, Reason)> {
        match self {
            InviteServer::Proceeding(proceeding) => proceeding.trying_at.map(|at| (at, Reason::Trying)),
            InviteServer::Completed { resend, give_up_at, .. } => {
                Some(earlier((*give_up_at, Reason::H), resend.as_ref(), Reason::G))
            }
            InviteServer::Confirmed { until } => Some((*until, Reason::I)),
            InviteServer::Accepted { until } => Some((*until, Reason::L)),
            InviteServer::Terminated => None,
        }
    }

    pub(super) fn is_terminated(&self) -> bool {
        matches!(self, InviteServer::Terminated)
    }

    // Timer I is 0 on a reliable transport.
    fn confirmed(clock: Clock<'_>) -> InviteServer {
        match clock.transport.reliable() {
            true => InviteServer::Terminated,
            false => InviteServer::Confirmed {
                until: clock.after(clock.timing.t4),
            },
        }
    }
}

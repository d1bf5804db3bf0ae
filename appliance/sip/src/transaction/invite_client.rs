//! Client side of an INVITE transaction (RFC 3261 section 17.1.1, RFC 6026 section 7.2).

use std::time::Instant;

use bytes::Bytes;

use super::follow_up::ack_for;
use super::outcome::{Outcome, Send, Tell};
use super::timers::{Clock, Reason, Resend, earlier};
use crate::message::Message;

#[derive(Debug)]
pub(super) enum InviteClient {
    Calling {
        request: Message,
        resend: Option<Resend>,
        give_up_at: Instant,
    },
    Proceeding {
        request: Message,
    },
    Completed {
        ack: Bytes,
        until: Instant,
    },
    Accepted {
        until: Instant,
    },
    Terminated,
}

impl InviteClient {
    pub(super) fn start(clock: Clock<'_>, request: Message) -> (InviteClient, Outcome) {
        let send = Outcome::first(request.bytes().clone());
        let machine = InviteClient::Calling {
            request,
            resend: Resend::start(clock),
            give_up_at: clock.patience_ends(),
        };
        (machine, send)
    }

    /// The INVITE, while no final response has come.
    pub(super) fn request(&self) -> Option<&Message> {
        match self {
            InviteClient::Calling { request, .. } | InviteClient::Proceeding { request } => Some(request),
            InviteClient::Completed { .. } | InviteClient::Accepted { .. } | InviteClient::Terminated => None,
        }
    }

    pub(super) fn handle_response(&mut self, clock: Clock<'_>, response: &Message) -> Outcome {
        match (&*self, response.status()) {
            (InviteClient::Calling { request, .. }, 100..=199) => {
                *self = InviteClient::Proceeding {
                    request: request.clone(),
                };
                Outcome::tell(Tell::Response)
            }
            (InviteClient::Proceeding { .. }, 100..=199) => Outcome::tell(Tell::Response),
            (InviteClient::Calling { .. } | InviteClient::Proceeding { .. }, 200..=299) => {
                *self = InviteClient::Accepted {
                    until: clock.patience_ends(),
                };
                Outcome::tell(Tell::Response)
            }
            (InviteClient::Accepted { .. }, 200..=299) => Outcome::tell(Tell::Response),
            (InviteClient::Calling { request, .. } | InviteClient::Proceeding { request }, 300..=699) => {
                let ack = ack_for(request, response);
                *self = InviteClient::completed(clock, ack.clone());
                Outcome {
                    send: Send::First(ack),
                    tell: Tell::Response,
                }
            }
            (InviteClient::Completed { ack, .. }, 300..=699) => Outcome::again(ack.clone()),
            // A branch of a fork may still answer after another's refusal was final here; its callee must not hang.
            (InviteClient::Completed { .. }, 200..=299) => Outcome::tell(Tell::Stray),
            (InviteClient::Completed { .. } | InviteClient::Accepted { .. } | InviteClient::Terminated, _) => {
                Outcome::NOTHING
            }
            (InviteClient::Calling { .. } | InviteClient::Proceeding { .. }, _) => Outcome::NOTHING,
        }
    }

    pub(super) fn handle_timeout(&mut self, clock: Clock<'_>) -> Outcome {
        match self {
            InviteClient::Calling { give_up_at, .. } if *give_up_at <= clock.now => {
                *self = InviteClient::Terminated;
                Outcome::tell(Tell::Timeout)
            }
            InviteClient::Calling {
                request,
                resend: Some(resend),
                ..
            } if resend.at <= clock.now => {
                resend.again(clock, clock.timing.patience());
                Outcome::again(request.bytes().clone())
            }
            InviteClient::Completed { until, .. } | InviteClient::Accepted { until } if *until <= clock.now => {
                *self = InviteClient::Terminated;
                Outcome::NOTHING
            }
            InviteClient::Calling { .. }
            | InviteClient::Proceeding { .. }
            | InviteClient::Completed { .. }
            | InviteClient::Accepted { .. }
            | InviteClient::Terminated => Outcome::NOTHING,
        }
    }

    pub(super) fn deadline(&self) -> Option<(Instant, Reason)> {
        match self {
            InviteClient::Calling { resend, give_up_at, .. } => {
                Some(earlier((*give_up_at, Reason::B), resend.as_ref(), Reason::A))
            }
            InviteClient::Completed { until, .. } => Some((*until, Reason::D)),
            InviteClient::Accepted { until } => Some((*until, Reason::M)),
            InviteClient::Proceeding { .. } | InviteClient::Terminated => None,
        }
    }

    pub(super) fn is_terminated(&self) -> bool {
        matches!(self, InviteClient::Terminated)
    }

    // Timer D is 0 on a reliable transport.
    fn completed(clock: Clock<'_>, ack: Bytes) -> InviteClient {
        match clock.transport.reliable() {
            true => InviteClient::Terminated,
            false => InviteClient::Completed {
                ack,
                until: clock.patience_ends(),
            },
        }
    }
}

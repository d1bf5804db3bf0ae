//! An INVITE client transaction together with its CANCEL (RFC 3261 section 9.1). The CANCEL is a transaction of its own on the same
//! branch; it lives and ends here, so that it needs no table entry and cannot outlive its INVITE.

use std::time::Instant;

use super::client::Client;
use super::follow_up::cancel_for;
use super::invite_client::InviteClient;
use super::outcome::{Outcome, Send, Tell};
use super::timers::{Clock, Reason};
use crate::message::Message;

#[derive(Debug)]
pub(super) struct Invitation {
    machine: InviteClient,
    cancel: Cancel,
}

#[derive(Debug)]
enum Cancel {
    Unasked,
    /// No provisional yet: the CANCEL could overtake the INVITE.
    Held {
        reason: Option<Box<str>>,
    },
    Sent(Box<Cancelling>),
}

#[derive(Debug)]
struct Cancelling {
    machine: Client,
    abandon_at: Instant,
}

impl Invitation {
    pub(super) fn start(clock: Clock<'_>, invite: Message) -> (Invitation, Outcome) {
        let (machine, outcome) = InviteClient::start(clock, invite);
        (
            Invitation {
                machine,
                cancel: Cancel::Unasked,
            },
            outcome,
        )
    }

    pub(super) fn handle_response(&mut self, clock: Clock<'_>, response: &Message) -> Outcome {
        let outcome = self.machine.handle_response(clock, response);
        if self.machine.request().is_none() {
            // The final response wins; a CANCEL has no effect any more.
            self.cancel = Cancel::Unasked;
            return outcome;
        }
        match std::mem::replace(&mut self.cancel, Cancel::Unasked) {
            Cancel::Held { reason } => Outcome {
                send: self.send_cancel(clock, reason.as_deref()),
                tell: outcome.tell,
            },
            other @ (Cancel::Unasked | Cancel::Sent(_)) => {
                self.cancel = other;
                outcome
            }
        }
    }

    /// A response to the CANCEL: it only stops the CANCEL's retransmission.
    pub(super) fn handle_cancel_response(&mut self, clock: Clock<'_>, status: u16) {
        match &mut self.cancel {
            Cancel::Sent(cancelling) => {
                cancelling.machine.handle_response(clock, status);
            }
            Cancel::Unasked | Cancel::Held { .. } => {}
        }
    }

    pub(super) fn cancel(&mut self, clock: Clock<'_>, reason: Option<&str>) -> Outcome {
        match (&self.cancel, &self.machine) {
            (Cancel::Unasked, InviteClient::Calling { .. }) => {
                self.cancel = Cancel::Held {
                    reason: reason.map(Box::from),
                };
                Outcome::NOTHING
            }
            (Cancel::Unasked, InviteClient::Proceeding { .. }) => Outcome {
                send: self.send_cancel(clock, reason),
                tell: Tell::Nothing,
            },
            (
                Cancel::Unasked,
                InviteClient::Completed { .. } | InviteClient::Accepted { .. } | InviteClient::Terminated,
            )
            | (Cancel::Held { .. } | Cancel::Sent(_), _) => Outcome::NOTHING,
        }
    }

    fn send_cancel(&mut self, clock: Clock<'_>, reason: Option<&str>) -> Send {
        let Some(invite) = self.machine.request() else {
            return Send::Nothing;
        };
        let (machine, outcome) = Client::start(clock, cancel_for(invite, reason));
        self.cancel = Cancel::Sent(Box::new(Cancelling {
            machine,
            abandon_at: clock.patience_ends(),
        }));
        outcome.send
    }

    pub(super) fn handle_timeout(&mut self, clock: Clock<'_>) -> Outcome {
        if let Cancel::Sent(cancelling) = &mut self.cancel {
            if cancelling.abandon_at <= clock.now {
                self.machine = InviteClient::Terminated;
                self.cancel = Cancel::Unasked;
                return Outcome::tell(Tell::Timeout);
            }
            if is_due(cancelling.machine.deadline(), clock.now) {
                return Outcome {
                    send: cancelling.machine.handle_timeout(clock).send,
                    tell: Tell::Nothing,
                };
            }
        }
        self.machine.handle_timeout(clock)
    }

    pub(super) fn deadline(&self) -> Option<(Instant, Reason)> {
        let of_cancel = match &self.cancel {
            Cancel::Sent(cancelling) => {
                let abandon = (cancelling.abandon_at, Reason::Abandon);
                Some(
                    cancelling
                        .machine
                        .deadline()
                        .map_or(abandon, |deadline| deadline.min(abandon)),
                )
            }
            Cancel::Unasked | Cancel::Held { .. } => None,
        };
        [self.machine.deadline(), of_cancel].into_iter().flatten().min()
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.machine.request().is_some()
    }

    pub(super) fn is_terminated(&self) -> bool {
        self.machine.is_terminated()
    }
}

fn is_due(deadline: Option<(Instant, Reason)>, now: Instant) -> bool {
    deadline.is_some_and(|(at, _)| at <= now)
}

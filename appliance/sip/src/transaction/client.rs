//! Client side of a non-INVITE transaction (RFC 3261 section 17.1.2).

use std::time::Instant;

use bytes::Bytes;

use super::outcome::{Outcome, Tell};
use super::timers::{Clock, Reason, Resend, earlier};

#[derive(Debug)]
pub(super) enum Client {
    Trying(Waiting),
    Proceeding(Waiting),
    Completed { until: Instant },
    Terminated,
}

/// A request without a final response.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    request: Bytes,
    resend: Option<Resend>,
    give_up_at: Instant,
}

impl Client {
    pub(super) fn start(clock: Clock<'_>, request: Bytes) -> (Client, Outcome) {
        let send = Outcome::first(request.clone());
        (
            Client::Trying(Waiting {
                request,
                resend: Resend::start(clock),
                give_up_at: clock.patience_ends(),
            }),
            send,
        )
    }

    pub(super) fn handle_response(&mut self, clock: Clock<'_>, status: u16) -> Outcome {
        match (&*self, status) {
            (Client::Trying(waiting), 100..=199) => *self = Client::Proceeding(waiting.clone()),
            (Client::Proceeding(_), 100..=199) => {}
            (Client::Trying(_) | Client::Proceeding(_), _) => *self = Client::completed(clock),
            (Client::Completed { .. } | Client::Terminated, _) => return Outcome::NOTHING,
        }
        Outcome::tell(Tell::Response)
    }

    pub(super) fn handle_timeout(&mut self, clock: Clock<'_>) -> Outcome {
        let (waiting, in_proceeding) = match self {
            Client::Trying(waiting) => (waiting, false),
            Client::Proceeding(waiting) => (waiting, true),
            Client::Completed { until } if *until <= clock.now => {
                *self = Client::Terminated;
                return Outcome::NOTHING;
            }
            Client::Completed { .. } | Client::Terminated => return Outcome::NOTHING,
        };
        if waiting.give_up_at <= clock.now {
            *self = Client::Terminated;
            return Outcome::tell(Tell::Timeout);
        }
        match &mut waiting.resend {
            Some(resend) if resend.at <= clock.now => {
                match in_proceeding {
                    true => resend.again_after(clock, clock.timing.t2),
                    false => resend.again(clock, clock.timing.t2),
                }
                Outcome::again(waiting.request.clone())
            }
            Some(_) | None => Outcome::NOTHING,
        }
    }

    pub(super) fn deadline(&self) -> Option<(Instant, Reason)> {
        match self {
            Client::Trying(waiting) | Client::Proceeding(waiting) => Some(earlier(
                (waiting.give_up_at, Reason::F),
                waiting.resend.as_ref(),
                Reason::E,
            )),
            Client::Completed { until } => Some((*until, Reason::K)),
            Client::Terminated => None,
        }
    }

    pub(super) fn is_waiting(&self) -> bool {
        match self {
            Client::Trying(_) | Client::Proceeding(_) => true,
            Client::Completed { .. } | Client::Terminated => false,
        }
    }

    pub(super) fn is_terminated(&self) -> bool {
        matches!(self, Client::Terminated)
    }

    // Timer K is 0 on a reliable transport.
    fn completed(clock: Clock<'_>) -> Client {
        match clock.transport.reliable() {
            true => Client::Terminated,
            false => Client::Completed {
                until: clock.after(clock.timing.t4),
            },
        }
    }
}

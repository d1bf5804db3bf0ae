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

    /// Sent once and given up soon: for whoever asks again by another request.
    pub(super) fn start_once(clock: Clock<'_>, request: Bytes) -> (Client, Outcome) {
        let send = Outcome::first(request.clone());
        (
            Client::Trying(Waiting {
                request,
                resend: None,
                give_up_at: clock.after(clock.timing.t1 * ONCE_PATIENCE),
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

/// Times T1; an answer that comes later tells nothing.
const ONCE_PATIENCE: u32 = 16;

#[cfg(test)]
mod tests {
    use super::super::stage::{Row, Stage, request};
    use super::*;
    use crate::flow::Transport;
    use crate::message::Method;

    #[derive(Debug)]
    enum Input {
        Response(u16),
        Wake,
    }
    use Input::{Response, Wake};

    fn run(transport: Transport, start_due: &'static str, rows: &[Row<Input>]) {
        let stage = Stage::new(transport);
        let (mut machine, outcome) = Client::start(stage.at(0), request(&Method::Bye).bytes().clone());
        stage.check(
            &(0, Wake, "BYE", "Trying", start_due),
            &outcome,
            &machine,
            machine.deadline(),
        );
        for row in rows {
            let outcome = match row.1 {
                Response(status) => machine.handle_response(stage.at(row.0), status),
                Wake => machine.handle_timeout(stage.at(row.0)),
            };
            stage.check(row, &outcome, &machine, machine.deadline());
        }
    }

    #[test]
    fn an_unanswered_request_is_resent_with_pauses_up_to_t2_and_given_up_at_timer_f() {
        run(
            Transport::Udp,
            "E 500",
            &[
                (500, Wake, "BYE again", "Trying", "E 1500"),
                (1_500, Wake, "BYE again", "Trying", "E 3500"),
                (3_500, Wake, "BYE again", "Trying", "E 7500"),
                (7_500, Wake, "BYE again", "Trying", "E 11500"),
                (11_500, Wake, "BYE again", "Trying", "E 15500"),
                (15_500, Wake, "BYE again", "Trying", "E 19500"),
                (19_500, Wake, "BYE again", "Trying", "E 23500"),
                (23_500, Wake, "BYE again", "Trying", "E 27500"),
                (27_500, Wake, "BYE again", "Trying", "E 31500"),
                (31_500, Wake, "BYE again", "Trying", "F 32000"),
                (32_000, Wake, "tell Timeout", "Terminated", ""),
                (32_001, Response(200), "", "Terminated", ""),
            ],
        );
    }

    #[test]
    fn after_a_provisional_the_pause_is_t2_and_timer_f_still_runs() {
        run(
            Transport::Udp,
            "E 500",
            &[
                (100, Response(100), "tell Response", "Proceeding", "E 500"),
                (500, Wake, "BYE again", "Proceeding", "E 4500"),
                (600, Response(182), "tell Response", "Proceeding", "E 4500"),
                (4_500, Wake, "BYE again", "Proceeding", "E 8500"),
                (32_000, Wake, "tell Timeout", "Terminated", ""),
            ],
        );
    }

    #[test]
    fn a_final_goes_up_once_and_its_repetitions_are_absorbed_until_timer_k() {
        for status in [200, 302, 401, 503, 603] {
            for provisional in [None, Some((10, Response(100), "tell Response", "Proceeding", "E 500"))] {
                let mut rows: Vec<Row<Input>> = provisional.into_iter().collect();
                rows.extend([
                    (100, Response(status), "tell Response", "Completed", "K 5100"),
                    (200, Response(status), "", "Completed", "K 5100"),
                    (300, Response(100), "", "Completed", "K 5100"),
                    (5_100, Wake, "", "Terminated", ""),
                ]);
                run(Transport::Udp, "E 500", &rows);
            }
        }
    }

    #[test]
    fn a_reliable_transport_needs_neither_timer_e_nor_k() {
        run(
            Transport::Tcp,
            "F 32000",
            &[
                (10, Response(100), "tell Response", "Proceeding", "F 32000"),
                (100, Response(200), "tell Response", "Terminated", ""),
            ],
        );
        run(
            Transport::Tcp,
            "F 32000",
            &[(32_000, Wake, "tell Timeout", "Terminated", "")],
        );
    }
}

//! Server side of a non-INVITE transaction (RFC 3261 section 17.2.2, RFC 4320).

use std::time::Instant;

use bytes::Bytes;

use super::outcome::Outcome;
use super::response::Answer;
use super::timers::{Clock, Reason};
use crate::message::Message;

#[derive(Debug)]
pub(super) enum Server {
    Trying {
        request: Message,
        give_up_at: Instant,
    },
    Proceeding {
        request: Message,
        last: Bytes,
        give_up_at: Instant,
    },
    Completed {
        response: Bytes,
        until: Instant,
    },
    Terminated,
}

impl Server {
    pub(super) fn start(clock: Clock<'_>, request: Message) -> Server {
        Server::Trying {
            request,
            give_up_at: clock.patience_ends(),
        }
    }

    /// The request, while it has no final response.
    pub(super) fn request(&self) -> Option<&Message> {
        match self {
            Server::Trying { request, .. } | Server::Proceeding { request, .. } => Some(request),
            Server::Completed { .. } | Server::Terminated => None,
        }
    }

    /// The same request again.
    pub(super) fn handle_request(&self) -> Outcome {
        match self {
            Server::Proceeding { last: response, .. } | Server::Completed { response, .. } => {
                Outcome::again(response.clone())
            }
            Server::Trying { .. } | Server::Terminated => Outcome::NOTHING,
        }
    }

    pub(super) fn handle_answer(&mut self, clock: Clock<'_>, answer: Answer<'_>) -> Outcome {
        let bytes = answer.bytes;
        match (&*self, answer.status) {
            (
                Server::Trying { request, give_up_at }
                | Server::Proceeding {
                    request, give_up_at, ..
                },
                100..=199,
            ) => {
                *self = Server::Proceeding {
                    request: request.clone(),
                    last: bytes.clone(),
                    give_up_at: *give_up_at,
                };
            }
            (Server::Trying { .. } | Server::Proceeding { .. }, _) => *self = Server::completed(clock, bytes.clone()),
            (Server::Completed { .. } | Server::Terminated, _) => return Outcome::NOTHING,
        }
        Outcome::first(bytes)
    }

    pub(super) fn handle_timeout(&mut self, clock: Clock<'_>) -> Outcome {
        if self.deadline().is_some_and(|(at, _)| at <= clock.now) {
            *self = Server::Terminated;
        }
        Outcome::NOTHING
    }

    pub(super) fn deadline(&self) -> Option<(Instant, Reason)> {
        match self {
            // The client has given up by then, and a late answer would only be stray (RFC 4320 section 4.2).
            Server::Trying { give_up_at, .. } | Server::Proceeding { give_up_at, .. } => {
                Some((*give_up_at, Reason::Unanswered))
            }
            Server::Completed { until, .. } => Some((*until, Reason::J)),
            Server::Terminated => None,
        }
    }

    pub(super) fn is_terminated(&self) -> bool {
        matches!(self, Server::Terminated)
    }

    // Timer J is 0 on a reliable transport.
    fn completed(clock: Clock<'_>, response: Bytes) -> Server {
        match clock.transport.reliable() {
            true => Server::Terminated,
            false => Server::Completed {
                response,
                until: clock.patience_ends(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::stage::{Row, Stage, request, response};
    use super::*;
    use crate::flow::Transport;
    use crate::message::Method;

    #[derive(Debug)]
    enum Input {
        Answer(u16),
        Request,
        Wake,
    }
    use Input::{Answer, Request, Wake};

    fn run(transport: Transport, rows: &[Row<Input>]) {
        let stage = Stage::new(transport);
        let mut machine = Server::start(stage.at(0), request(&Method::Options));
        for row in rows {
            let clock = stage.at(row.0);
            let outcome = match row.1 {
                Answer(status) => {
                    let bytes = response(&Method::Options, status).bytes().clone();
                    machine.handle_answer(
                        clock,
                        super::super::response::Answer {
                            status,
                            to_tag: None,
                            bytes,
                        },
                    )
                }
                Request => machine.handle_request(),
                Wake => machine.handle_timeout(clock),
            };
            stage.check(row, &outcome, &machine, machine.deadline());
        }
    }

    #[test]
    fn a_repeated_request_gets_the_latest_answer_until_timer_j() {
        run(
            Transport::Udp,
            &[
                (10, Request, "", "Trying", "Unanswered 32000"),
                (20, Answer(100), "100", "Proceeding", "Unanswered 32000"),
                (30, Request, "100 again", "Proceeding", "Unanswered 32000"),
                (40, Answer(182), "182", "Proceeding", "Unanswered 32000"),
                (50, Request, "182 again", "Proceeding", "Unanswered 32000"),
                (60, Answer(404), "404", "Completed", "J 32060"),
                (70, Request, "404 again", "Completed", "J 32060"),
                (80, Answer(200), "", "Completed", "J 32060"),
                (32_059, Wake, "", "Completed", "J 32060"),
                (32_060, Wake, "", "Terminated", ""),
                (32_061, Request, "", "Terminated", ""),
                (32_061, Answer(200), "", "Terminated", ""),
            ],
        );
    }

    #[test]
    fn timer_j_is_zero_on_a_reliable_transport() {
        for transport in [Transport::Tcp, Transport::Tls] {
            run(transport, &[(60, Answer(200), "200", "Terminated", "")]);
        }
    }

    #[test]
    fn a_request_that_nobody_answers_is_dropped_when_its_client_has_given_up() {
        run(Transport::Udp, &[(32_000, Wake, "", "Terminated", "")]);
        run(
            Transport::Tcp,
            &[
                (10, Answer(100), "100", "Proceeding", "Unanswered 32000"),
                (32_000, Wake, "", "Terminated", ""),
            ],
        );
    }
}

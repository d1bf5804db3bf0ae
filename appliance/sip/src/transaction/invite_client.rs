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

#[cfg(test)]
mod tests {
    use super::super::stage::{Row, Stage, request, response};
    use super::*;
    use crate::flow::Transport;
    use crate::message::{Method, Name};

    #[derive(Debug)]
    enum Input {
        Response(u16),
        Wake,
    }
    use Input::{Response, Wake};

    fn run(transport: Transport, start_due: &'static str, rows: &[Row<Input>]) {
        let stage = Stage::new(transport);
        let (mut machine, outcome) = InviteClient::start(stage.at(0), request(&Method::Invite));
        stage.check(
            &(0, Wake, "INVITE", "Calling", start_due),
            &outcome,
            &machine,
            machine.deadline(),
        );
        for row in rows {
            let outcome = match row.1 {
                Response(status) => machine.handle_response(stage.at(row.0), &response(&Method::Invite, status)),
                Wake => machine.handle_timeout(stage.at(row.0)),
            };
            stage.check(row, &outcome, &machine, machine.deadline());
        }
    }

    #[test]
    fn an_unanswered_invite_is_sent_seven_times_and_given_up_after_64_t1() {
        run(
            Transport::Udp,
            "A 500",
            &[
                (499, Wake, "", "Calling", "A 500"),
                (500, Wake, "INVITE again", "Calling", "A 1500"),
                (1_500, Wake, "INVITE again", "Calling", "A 3500"),
                (3_500, Wake, "INVITE again", "Calling", "A 7500"),
                (7_500, Wake, "INVITE again", "Calling", "A 15500"),
                (15_500, Wake, "INVITE again", "Calling", "A 31500"),
                (31_500, Wake, "INVITE again", "Calling", "B 32000"),
                (32_000, Wake, "tell Timeout", "Terminated", ""),
                (32_001, Response(200), "", "Terminated", ""),
                (32_001, Wake, "", "Terminated", ""),
            ],
        );
    }

    #[test]
    fn a_reliable_transport_is_trusted_with_the_invite_but_not_waited_for_longer() {
        for transport in [Transport::Tcp, Transport::Tls] {
            run(
                transport,
                "B 32000",
                &[
                    (500, Wake, "", "Calling", "B 32000"),
                    (32_000, Wake, "tell Timeout", "Terminated", ""),
                ],
            );
        }
    }

    #[test]
    fn a_provisional_ends_the_resending_and_the_waiting() {
        run(
            Transport::Udp,
            "A 500",
            &[
                (100, Response(100), "tell Response", "Proceeding", ""),
                (200, Response(180), "tell Response", "Proceeding", ""),
                (400_000, Wake, "", "Proceeding", ""),
                (400_001, Response(183), "tell Response", "Proceeding", ""),
            ],
        );
    }

    #[test]
    fn a_refusal_is_acknowledged_each_time_it_comes_until_timer_d() {
        for (before, first_due) in [(None, "A 500"), (Some(180), "A 500")] {
            let mut rows = Vec::new();
            if let Some(status) = before {
                rows.push((10, Response(status), "tell Response", "Proceeding", ""));
            }
            rows.extend([
                (20, Response(486), "ACK, tell Response", "Completed", "D 32020"),
                (520, Response(486), "ACK again", "Completed", "D 32020"),
                (530, Response(180), "", "Completed", "D 32020"),
                (540, Response(200), "tell Stray", "Completed", "D 32020"),
                (32_020, Wake, "", "Terminated", ""),
            ]);
            run(Transport::Udp, first_due, &rows);
        }
    }

    #[test]
    fn timer_d_is_zero_on_a_reliable_transport() {
        run(
            Transport::Tcp,
            "B 32000",
            &[(20, Response(603), "ACK, tell Response", "Terminated", "")],
        );
    }

    #[test]
    fn every_2xx_goes_up_until_timer_m_and_nothing_else_does() {
        for transport in [Transport::Udp, Transport::Tcp] {
            let due = if transport.reliable() { "B 32000" } else { "A 500" };
            run(
                transport,
                due,
                &[
                    (20, Response(200), "tell Response", "Accepted", "M 32020"),
                    (520, Response(200), "tell Response", "Accepted", "M 32020"),
                    (530, Response(486), "", "Accepted", "M 32020"),
                    (540, Response(183), "", "Accepted", "M 32020"),
                    (32_020, Wake, "", "Terminated", ""),
                ],
            );
        }
    }

    #[test]
    fn the_ack_repeats_the_invite_and_takes_the_to_of_the_response() {
        let invite = request(&Method::Invite);
        let ack = Message::parse(ack_for(&invite, &response(&Method::Invite, 404))).unwrap();
        assert_eq!(
            (ack.method(), ack.cseq(), ack.request_uri()),
            (&Method::Ack, 7, invite.request_uri())
        );
        assert_eq!(
            (ack.call_id(), ack.from_tag(), ack.to_tag()),
            ("call-1", Some("a"), Some("b"))
        );
        for name in [Name::Via, Name::Route] {
            assert_eq!(ack.value(name), invite.value(name));
        }
        assert_eq!(ack.values(Name::Via).count(), 1);
    }
}

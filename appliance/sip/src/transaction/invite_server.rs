//! Server side of an INVITE transaction (RFC 3261 section 17.2.1, RFC 6026 section 7.1).

use std::time::Instant;

use bytes::Bytes;

use super::outcome::{Outcome, Tell};
use super::response::Answer;
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
                if let Some(tag) = answer.to_tag.as_deref()
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

#[cfg(test)]
mod tests {
    use super::super::stage::{Row, Stage, request, response};
    use super::*;
    use crate::flow::Transport;
    use crate::message::Method;

    #[derive(Debug)]
    enum Input {
        Answer(u16),
        Invite,
        Ack,
        Wake,
    }
    use Input::{Ack, Answer, Invite, Wake};

    fn run(transport: Transport, rows: &[Row<Input>]) {
        let stage = Stage::new(transport);
        let mut machine = InviteServer::start(stage.at(0), request(&Method::Invite));
        assert_eq!(machine.deadline(), Some((stage.at(200).now, Reason::Trying)));
        for row in rows {
            let clock = stage.at(row.0);
            let outcome = match row.1 {
                Answer(status) => machine.handle_answer(clock, answer(status)),
                Invite => machine.handle_request(),
                Ack => machine.handle_ack(clock),
                Wake => machine.handle_timeout(clock),
            };
            stage.check(row, &outcome, &machine, machine.deadline());
        }
    }

    fn answer(status: u16) -> super::super::response::Answer<'static> {
        let bytes = response(&Method::Invite, status).bytes().clone();
        super::super::response::Answer {
            status,
            to_tag: Some("b".into()),
            bytes,
        }
    }

    #[test]
    fn an_invite_left_alone_for_200_ms_calls_for_a_100() {
        run(
            Transport::Udp,
            &[
                (100, Invite, "", "Proceeding", "Trying 200"),
                (199, Wake, "", "Proceeding", "Trying 200"),
                (200, Wake, "tell Trying", "Proceeding", ""),
                (200, Answer(100), "100", "Proceeding", ""),
                (500, Invite, "100 again", "Proceeding", ""),
                (600, Answer(180), "180", "Proceeding", ""),
                (700, Invite, "180 again", "Proceeding", ""),
                (800, Ack, "", "Proceeding", ""),
                (900_000, Wake, "", "Proceeding", ""),
            ],
        );
    }

    #[test]
    fn an_early_answer_spares_the_100() {
        run(
            Transport::Udp,
            &[
                (50, Answer(180), "180", "Proceeding", ""),
                (200, Wake, "", "Proceeding", ""),
            ],
        );
    }

    #[test]
    fn a_refusal_is_repeated_with_doubling_pauses_up_to_t2_until_timer_h() {
        run(
            Transport::Udp,
            &[
                (100, Answer(486), "486", "Completed", "G 600"),
                (600, Wake, "486 again", "Completed", "G 1600"),
                (1_600, Wake, "486 again", "Completed", "G 3600"),
                (3_600, Wake, "486 again", "Completed", "G 7600"),
                (7_600, Wake, "486 again", "Completed", "G 11600"),
                (11_600, Wake, "486 again", "Completed", "G 15600"),
                (15_600, Wake, "486 again", "Completed", "G 19600"),
                (19_600, Wake, "486 again", "Completed", "G 23600"),
                (23_600, Wake, "486 again", "Completed", "G 27600"),
                (27_600, Wake, "486 again", "Completed", "G 31600"),
                (31_600, Wake, "486 again", "Completed", "H 32100"),
                (32_100, Wake, "tell Unacknowledged", "Terminated", ""),
                (32_101, Invite, "", "Terminated", ""),
            ],
        );
    }

    #[test]
    fn the_ack_of_a_refusal_ends_it_after_timer_i() {
        run(
            Transport::Udp,
            &[
                (100, Answer(486), "486", "Completed", "G 600"),
                (150, Invite, "486 again", "Completed", "G 600"),
                (160, Answer(200), "", "Completed", "G 600"),
                (200, Ack, "", "Confirmed", "I 5200"),
                (210, Ack, "", "Confirmed", "I 5200"),
                (220, Invite, "", "Confirmed", "I 5200"),
                (230, Answer(500), "", "Confirmed", "I 5200"),
                (5_200, Wake, "", "Terminated", ""),
            ],
        );
    }

    #[test]
    fn a_reliable_transport_needs_timer_h_but_neither_g_nor_i() {
        run(
            Transport::Tls,
            &[
                (100, Answer(486), "486", "Completed", "H 32100"),
                (200, Ack, "", "Terminated", ""),
            ],
        );
        run(
            Transport::Tls,
            &[
                (100, Answer(486), "486", "Completed", "H 32100"),
                (32_100, Wake, "tell Unacknowledged", "Terminated", ""),
            ],
        );
    }

    #[test]
    fn after_a_2xx_repeated_invites_are_absorbed_and_acks_go_up_until_timer_l() {
        for transport in [Transport::Udp, Transport::Tcp] {
            run(
                transport,
                &[
                    (100, Answer(200), "200", "Accepted", "L 32100"),
                    (200, Invite, "", "Accepted", "L 32100"),
                    (600, Answer(200), "200 again", "Accepted", "L 32100"),
                    (610, Answer(486), "", "Accepted", "L 32100"),
                    (620, Answer(180), "", "Accepted", "L 32100"),
                    (700, Ack, "tell Ack", "Accepted", "L 32100"),
                    (32_100, Wake, "", "Terminated", ""),
                ],
            );
        }
    }

    #[test]
    fn only_the_first_cancel_of_an_unanswered_invite_counts() {
        let stage = Stage::new(Transport::Udp);
        let mut machine = InviteServer::start(stage.at(0), request(&Method::Invite));
        assert_eq!(machine.handle_cancel(), CancelFound::First);
        assert_eq!(machine.handle_cancel(), CancelFound::Late);
        for status in [200, 486] {
            let mut machine = InviteServer::start(stage.at(0), request(&Method::Invite));
            machine.handle_answer(stage.at(10), answer(status));
            assert_eq!(machine.handle_cancel(), CancelFound::Late, "after {status}");
        }
    }

    #[test]
    fn the_to_tag_of_a_provisional_is_kept_for_the_answer_to_a_cancel() {
        let stage = Stage::new(Transport::Udp);
        let mut machine = InviteServer::start(stage.at(0), request(&Method::Invite));
        assert_eq!(machine.to_tag(), None);
        machine.handle_answer(stage.at(10), answer(180));
        assert_eq!(machine.to_tag(), Some("b"));
    }
}

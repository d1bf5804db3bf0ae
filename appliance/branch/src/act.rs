//! Call actions become SIP: each leg hears the other party in the box's own words.

use std::net::IpAddr;

use branchline_call::{Action, CallId, Cause, LegEvent, LegId};
use branchline_sdp::Sdp;
use branchline_sip::agent::SessionId;
use branchline_sip::agent::{Answer, Body, Finality, Headers, Progress, Rejection, TransferProgress};
use branchline_sip::message::Name;

use crate::Branch;
use crate::anchor::Silence;
use crate::invite::NewLeg;
use crate::now::Now;
use crate::output::Output;
use crate::targets::Target;

/// What a description goes out with.
#[derive(Clone, Copy, Debug)]
enum Saying {
    /// A provisional response of this status.
    Progress(u16),
    Answer,
    Acknowledge,
    Reoffer,
    AnswerReoffer,
    AcknowledgeReoffer,
}

impl Branch {
    /// Carries out what the calls want until they want nothing more.
    pub(crate) fn drain_calls(&mut self, now: Now) {
        while let Some(action) = self.calls.poll_action() {
            self.act(now, action);
        }
    }

    fn act(&mut self, now: Now, action: Action<Target>) {
        match action {
            Action::Invite {
                call,
                leg,
                caller,
                target,
                offer,
            } => {
                self.invite(now, NewLeg { call, id: leg, caller }, &target, offer.as_ref());
            }
            Action::Progress { leg, status, early } => self.say(now, leg, early.as_ref(), Saying::Progress(status)),
            Action::Answer { leg, body } => self.say(now, leg, body.as_ref(), Saying::Answer),
            Action::Refuse { leg, cause } => self.refuse(now, leg, cause),
            Action::Acknowledge { leg, answer } => self.say(now, leg, answer.as_ref(), Saying::Acknowledge),
            Action::Reoffer { leg, offer } if self.anchors.own(leg).is_some() => {
                self.echo_reoffered(now, leg, offer.as_ref());
            }
            Action::Reoffer { leg, offer } => self.say(now, leg, offer.as_ref(), Saying::Reoffer),
            Action::AnswerReoffer { leg, body } => self.say(now, leg, body.as_ref(), Saying::AnswerReoffer),
            Action::RefuseReoffer { leg, status } => {
                self.anchors.forget_offer(leg);
                if let Some(session) = self.session_of(leg) {
                    self.agent.refuse_reoffer(now.mono, session, reoffer_status(status));
                }
            }
            Action::AcknowledgeReoffer { leg, answer } => {
                self.say(now, leg, answer.as_ref(), Saying::AcknowledgeReoffer);
            }
            Action::HangUp { leg, cause } => {
                if let Some(session) = self.session_of(leg) {
                    self.agent.hang_up(now.mono, session, Some(&reasons(cause)));
                }
                self.forget_leg(now, leg);
            }
            Action::TransferProgress { leg, status } => {
                if let Some(session) = self.session_of(leg) {
                    let finality = if status >= 200 {
                        Finality::Final
                    } else {
                        Finality::Interim
                    };
                    self.agent
                        .notify_refer(now.mono, session, TransferProgress { status, finality });
                }
            }
            Action::MediaChanged(call) => {
                self.plan_media(call);
                self.probe_unwatched(now, call);
            }
            Action::Answered { call, by } => self.call_answered(now, call, by),
            Action::Finished(summary) => self.call_finished(now, *summary),
        }
    }

    fn plan_media(&mut self, call: CallId) {
        let silence = if self.calls.is_talking(call) {
            Silence::EndsCall
        } else {
            Silence::IsNormal
        };
        if let Some(mut plan) = self.anchors.plan(call, &self.calls.bridge(call), silence) {
            self.watch_loops(&mut plan);
            self.outputs.push_back(Output::Media(plan));
        }
    }

    /// Says `description` to a leg as the box's own; without a port for it the call cannot go on.
    fn say(&mut self, now: Now, leg: LegId, description: Option<&Sdp>, saying: Saying) {
        let Some(session) = self.session_of(leg) else { return };
        let Some(address) = self.leg_address(leg) else { return };
        let body = match self.body_facing(leg, description, address) {
            Ok(body) => body,
            Err(cause) => {
                if let Some(call) = self.calls.call_of(leg) {
                    self.calls.hang_up(now.mono, call, cause);
                }
                return;
            }
        };
        match saying {
            Saying::Progress(status) => {
                self.agent.progress(
                    now.mono,
                    session,
                    Progress {
                        status,
                        body,
                        headers: Headers::new(),
                    },
                );
            }
            Saying::Answer => self.agent.answer(
                now.mono,
                session,
                Answer {
                    body,
                    headers: Headers::new(),
                },
            ),
            Saying::Acknowledge => self.agent.acknowledge(now.mono, session, body),
            Saying::Reoffer => self.agent.reoffer(now.mono, session, body),
            Saying::AnswerReoffer => self.agent.answer_reoffer(now.mono, session, body),
            Saying::AcknowledgeReoffer => self.agent.acknowledge_reoffer(now.mono, session, body),
        }
    }

    /// A description as the box says it to `leg`, whose media faces `address`.
    pub(crate) fn body_facing(
        &mut self,
        leg: LegId,
        description: Option<&Sdp>,
        address: IpAddr,
    ) -> Result<Option<Body>, Cause> {
        let Some(description) = description else {
            return Ok(None);
        };
        let said = self
            .anchors
            .describe(leg, description, address)
            .map_err(|_| Cause::NO_RESOURCE)?;
        Ok(Some(Body::sdp(said.to_bytes())))
    }

    fn refuse(&mut self, now: Now, leg: LegId, cause: Cause) {
        if let Some(session) = self.session_of(leg) {
            let headers = Headers::new().with(Name::Reason, reason(cause));
            let status = caller_status(cause);
            self.agent.reject(
                now.mono,
                session,
                &Rejection {
                    status,
                    reason_phrase: None,
                    headers,
                },
            );
        }
        self.forget_leg(now, leg);
    }

    pub(crate) fn session_of(&self, leg: LegId) -> Option<SessionId> {
        self.legs.entry(leg).map(|entry| entry.session)
    }

    /// An outgoing leg could not even be tried.
    pub(crate) fn invite_failed(&mut self, now: Now, leg: LegId, cause: Cause) {
        self.forget_loop(now, leg);
        self.anchors.release(now.mono, leg);
        self.calls.handle_leg(now.mono, leg, LegEvent::Refused(cause));
    }
}

/// The status a caller can make sense of: what concerned only the box and the other side does not pass (a challenge, a
/// redirection, an extension the caller never asked for), nor does a 503, which would make the phone leave the box.
fn caller_status(cause: Cause) -> u16 {
    match cause.status {
        404 | 408 | 410 | 403 | 415 | 480 | 484 | 486 | 487 | 488 => cause.status,
        500..=699 if cause.status != 503 => cause.status,
        503 => 500,
        _ => 480,
    }
}

/// The status for an offer inside a call that the other party, or the box, refused: one that ends neither the dialog nor
/// its use (RFC 5057 section 5.1), and nothing of what concerned only the box and the other party.
pub(crate) fn reoffer_status(status: u16) -> u16 {
    match status {
        403 | 406 | 415 | 486 | 488 | 491 | 500 | 600 | 603 | 606 => status,
        _ => 488,
    }
}

/// The Reason of a hang-up; a phone that hears that another took the call shows no missed call (RFC 3326 section 3).
fn reasons(cause: Cause) -> String {
    if cause == Cause::ANSWERED_ELSEWHERE {
        format!("SIP;cause=200;text=\"Call completed elsewhere\", {}", reason(cause))
    } else if cause == Cause::PREEMPTED {
        // RFC 4411 section 5.
        format!(
            "preemption;cause=5;text=\"Channel needed for an emergency call\", {}",
            reason(cause)
        )
    } else {
        reason(cause)
    }
}

/// A Reason header with the Q.850 cause (RFC 3326).
pub(crate) fn reason(cause: Cause) -> String {
    let text = match cause.q850 {
        1 => "Unallocated number",
        8 => "Preemption",
        16 => "Normal call clearing",
        17 => "User busy",
        18 => "No user responding",
        19 => "No answer from user",
        20 => "Subscriber absent",
        21 => "Call rejected",
        26 => "Answered elsewhere",
        28 => "Invalid number format",
        31 => "Normal, unspecified",
        34 => "No circuit available",
        38 => "Network out of order",
        41 => "Temporary failure",
        47 => "Resource unavailable",
        65 => "Bearer capability not implemented",
        102 => "Recovery on timer expiry",
        _ => "Interworking",
    };
    format!("Q.850;cause={};text=\"{text}\"", cause.q850)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_offer_ends_no_call_and_asks_for_no_password() {
        for status in 300..700 {
            let passed = reoffer_status(status);
            assert!(
                !matches!(passed, 300..=402 | 404 | 405 | 407..=410 | 481..=485 | 501..=599 | 604),
                "{status} becomes {passed}"
            );
        }
        for kept in [415, 488, 491] {
            assert_eq!(reoffer_status(kept), kept);
        }
    }
}

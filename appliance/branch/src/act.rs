//! Call actions become SIP: each leg hears the other party in the box's own words.

use std::net::IpAddr;

use branchline_call::{Action, Cause, LegEvent, LegId};
use branchline_sdp::Sdp;
use branchline_sip::agent::SessionId;
use branchline_sip::agent::{Answer, Body, Finality, Headers, Progress, Rejection, TransferProgress};
use branchline_sip::message::Name;

use crate::Branch;
use crate::now::Now;
use crate::output::Output;
use crate::targets::{NewLeg, Target};

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
                self.invite(now, NewLeg { call, id: leg, caller }, target, offer.as_ref());
            }
            Action::Progress { leg, status, early } => {
                self.with_body(now, leg, early.as_ref(), |branch, session, body| {
                    branch.agent.progress(
                        now.mono,
                        session,
                        Progress {
                            status,
                            body,
                            headers: Headers::new(),
                        },
                    );
                })
            }
            Action::Answer { leg, body } => self.with_body(now, leg, body.as_ref(), |branch, session, body| {
                branch.agent.answer(
                    now.mono,
                    session,
                    Answer {
                        body,
                        headers: Headers::new(),
                    },
                );
            }),
            Action::Refuse { leg, cause } => self.refuse(now, leg, cause),
            Action::Acknowledge { leg, answer } => {
                self.with_body(now, leg, answer.as_ref(), |branch, session, body| {
                    branch.agent.acknowledge(now.mono, session, body);
                })
            }
            Action::Reoffer { leg, offer } => self.with_body(now, leg, offer.as_ref(), |branch, session, body| {
                branch.agent.reoffer(now.mono, session, body);
            }),
            Action::AnswerReoffer { leg, body } => self.with_body(now, leg, body.as_ref(), |branch, session, body| {
                branch.agent.answer_reoffer(now.mono, session, body);
            }),
            Action::RefuseReoffer { leg, status } => {
                if let Some(session) = self.session_of(leg) {
                    self.agent.refuse_reoffer(now.mono, session, status);
                }
            }
            Action::AcknowledgeReoffer { leg, answer } => {
                self.with_body(now, leg, answer.as_ref(), |branch, session, body| {
                    branch.agent.acknowledge_reoffer(now.mono, session, body);
                });
            }
            Action::HangUp { leg, cause } => {
                if let Some(session) = self.session_of(leg) {
                    self.agent.hang_up(now.mono, session, Some(&reason(cause)));
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
                let pair = self.calls.bridge(call);
                if let Some(plan) = self.anchors.plan(call, pair) {
                    self.outputs.push_back(Output::Media(plan));
                }
            }
            Action::Answered { call, by } => self.call_answered(now, call, by),
            Action::Finished(summary) => self.call_finished(now, *summary),
        }
    }

    /// Says `description` to a leg as the box's own and hands it on; without a port the call cannot go on.
    fn with_body(
        &mut self,
        now: Now,
        leg: LegId,
        description: Option<&Sdp>,
        say: impl FnOnce(&mut Branch, SessionId, Option<Body>),
    ) {
        let Some(session) = self.session_of(leg) else { return };
        let body = match self.leg_address(leg) {
            Some(address) => self.body_facing(leg, description, address),
            None => return,
        };
        match body {
            Ok(body) => say(self, session, body),
            Err(cause) => {
                if let Some(call) = self.calls.call_of(leg) {
                    self.calls.hang_up(now.mono, call, cause);
                }
            }
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
            let status = if cause.status >= 300 { cause.status } else { 480 };
            let headers = Headers::new().with(Name::Reason, reason(cause));
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
        self.anchors.release(now.mono, leg);
        self.calls.handle_leg(now.mono, leg, LegEvent::Refused(cause));
    }
}

/// A Reason header with the Q.850 cause (RFC 3326).
pub(crate) fn reason(cause: Cause) -> String {
    let text = match cause.q850 {
        1 => "Unallocated number",
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

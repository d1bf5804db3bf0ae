//! SIP session events become leg events.

use branchline_call::{Cause, LegEvent, LegId};
use branchline_sdp::Sdp;
use branchline_sip::agent::SessionId;
use branchline_sip::agent::{Body, End, Refusal, SessionEvent, Verdict};
use branchline_sip::message::{Message, ReasonProtocol};

use crate::Branch;
use crate::act::reoffer_status;
use crate::hosted::Reached;
use crate::inspect::salvaged;
use crate::legs::Party;
use crate::now::Now;
use crate::targets::{ContactTarget, Target};
use crate::transfer::ReferTo;

impl Branch {
    pub(crate) fn handle_session(&mut self, now: Now, id: SessionId, event: SessionEvent) {
        let Some(leg) = self.legs.of_session(id) else {
            self.answer_orphan(now, id, &event);
            return;
        };
        match event {
            SessionEvent::Trying => {
                self.hosted_heard(now, leg);
                self.calls.handle_leg(now.mono, leg, LegEvent::Trying);
            }
            SessionEvent::Progress { status, body, .. } => self.leg_progress(now, (leg, status), body),
            SessionEvent::Challenged { .. } => self.challenged(now, leg),
            SessionEvent::Answered { body, needs_answer, .. } => {
                let heard = if needs_answer { Heard::Offer } else { Heard::Answer }(body);
                self.leg_described(now, leg, &heard, |body| LegEvent::Answered { body, needs_answer });
            }
            SessionEvent::Refused { status, response, why } => {
                self.leg_refused(now, leg, (status, why), response.as_ref());
            }
            SessionEvent::Cancelled { .. } => self.leg_over(now, leg, LegEvent::Ended(Cause::CANCELLED)),
            SessionEvent::AnswerSent => self.calls.handle_leg(now.mono, leg, LegEvent::AnswerSent),
            SessionEvent::Acknowledged { body } => {
                self.leg_described(now, leg, &Heard::Answer(body), |answer| LegEvent::Acknowledged {
                    answer,
                });
            }
            SessionEvent::Reoffer { body, .. } => match self.hear(leg, &Heard::Offer(body)) {
                Ok(offer) => self.calls.handle_leg(now.mono, leg, LegEvent::Reoffer { offer }),
                // The call goes on as it was (RFC 3261 section 14.2).
                Err(cause) => self.agent.refuse_reoffer(now.mono, id, reoffer_status(cause.status)),
            },
            SessionEvent::ReofferAnswered { body, needs_answer } => {
                let heard = if needs_answer { Heard::Offer } else { Heard::Answer }(body);
                self.leg_described(now, leg, &heard, |body| LegEvent::ReofferAnswered {
                    body,
                    needs_answer,
                });
            }
            SessionEvent::ReofferRefused { status } => {
                self.calls
                    .handle_leg(now.mono, leg, LegEvent::ReofferRefused { status });
            }
            SessionEvent::ReofferWithdrawn => {
                self.anchors.forget_offer(leg);
                self.calls.handle_leg(now.mono, leg, LegEvent::ReofferWithdrawn);
            }
            SessionEvent::ReofferAcknowledged { body } => {
                self.leg_described(now, leg, &Heard::Answer(body), |answer| LegEvent::ReofferAcknowledged {
                    answer,
                });
            }
            SessionEvent::Refer {
                key,
                refer_to,
                replaces,
                request,
                ..
            } => self.refer(now, leg, (key, ReferTo::new(refer_to, replaces, &request))),
            SessionEvent::Redirected { .. } | SessionEvent::ReferProgress { .. } => {}
            SessionEvent::InDialogAnswered { key, status, response } => {
                if !self.message_answered(now, key, status) {
                    self.probe_answered(now, leg, (key, status, response.as_ref()));
                }
            }
            SessionEvent::Info { key, request } | SessionEvent::InDialog { key, request } => {
                self.pass_in_dialog(now, leg, key, &request);
            }
            SessionEvent::Ended { why } => self.leg_ended(now, leg, &why),
        }
    }

    /// A session whose call is gone: what it still asks is refused, nothing waits for it.
    fn answer_orphan(&mut self, now: Now, id: SessionId, event: &SessionEvent) {
        match event {
            SessionEvent::Reoffer { .. } => self.agent.refuse_reoffer(now.mono, id, 481),
            SessionEvent::Answered { .. } | SessionEvent::Challenged { .. } => self.agent.hang_up(now.mono, id, None),
            SessionEvent::Refer { key, .. } => {
                self.agent
                    .answer_refer(now.mono, id, *key, Verdict::Refuse { status: 481 });
            }
            SessionEvent::Info { key, .. } | SessionEvent::InDialog { key, .. } => {
                self.agent.respond_in_dialog(now.mono, *key, 481);
            }
            SessionEvent::Refused {
                response: Some(response),
                ..
            } => self.hosted_took_back(now, response),
            SessionEvent::Trying
            | SessionEvent::Progress { .. }
            | SessionEvent::Redirected { .. }
            | SessionEvent::Refused { response: None, .. }
            | SessionEvent::Cancelled { .. }
            | SessionEvent::AnswerSent
            | SessionEvent::Acknowledged { .. }
            | SessionEvent::ReofferAnswered { .. }
            | SessionEvent::ReofferRefused { .. }
            | SessionEvent::ReofferWithdrawn
            | SessionEvent::ReofferAcknowledged { .. }
            | SessionEvent::ReferProgress { .. }
            | SessionEvent::InDialogAnswered { .. }
            | SessionEvent::Ended { .. } => {}
        }
    }

    /// Lets a session answer the challenges of its trunk by itself.
    pub(crate) fn give_account(&mut self, session: SessionId, party: &Party) {
        if let Party::Trunk(name) = party
            && let Some(answerer) = self.trunks.answerer(name)
        {
            self.agent.set_account(session, answerer);
        }
        if let Party::Hosted(line) = party
            && let Some(answerer) = self.hosted.answerer(line)
        {
            self.agent.set_account(session, answerer);
        }
    }

    /// Whoever wants a password that we have not got, or do not accept ours, is no way to go.
    fn challenged(&mut self, now: Now, leg: LegId) {
        self.hosted_heard(now, leg);
        if let Some(session) = self.session_of(leg) {
            self.agent.hang_up(now.mono, session, None);
        }
        let refused = LegEvent::Refused(Cause::of_status(503));
        self.calls.handle_leg(now.mono, leg, refused);
        self.drain_calls(now);
        self.forget_leg(now, leg);
    }

    fn leg_progress(&mut self, now: Now, (leg, status): (LegId, u16), body: Option<Body>) {
        self.hosted_heard(now, leg);
        if let Some(Party::Trunk(trunk)) = self.legs.entry(leg).map(|entry| &entry.party) {
            self.trunks.handle_alive(now.mono, trunk);
        }
        if let Some(Party::Extension(_)) = self.legs.entry(leg).map(|entry| &entry.party)
            && let Some(call) = self.calls.call_of(leg)
        {
            self.drill_call_reached(now, call, Reached::Ringing);
        }
        let early = self.hear(leg, &Heard::Answer(body)).unwrap_or(None);
        // 181, 182 and 199 tell the caller nothing it can show; they pass as ringing goes on.
        let status = if (180..=183).contains(&status) { status } else { 183 };
        self.calls
            .handle_leg(now.mono, leg, LegEvent::Progress { status, early });
    }

    /// Reads the description that came with an event; one that cannot be read ends the leg.
    fn leg_described(&mut self, now: Now, leg: LegId, heard: &Heard, event: impl FnOnce(Option<Sdp>) -> LegEvent) {
        match self.hear(leg, heard) {
            Ok(description) => self.calls.handle_leg(now.mono, leg, event(description)),
            Err(cause) => {
                if let Some(call) = self.calls.call_of(leg) {
                    self.calls.hang_up(now.mono, call, cause);
                }
            }
        }
    }

    fn hear(&mut self, leg: LegId, heard: &Heard) -> Result<Option<Sdp>, Cause> {
        let (Heard::Offer(body) | Heard::Answer(body)) = heard;
        let Some(sdp) = self.read(leg, body.as_ref())? else {
            return Ok(None);
        };
        match heard {
            Heard::Offer(_) => {
                let address = self.leg_address(leg).ok_or(Cause::NO_RESOURCE)?;
                self.anchors
                    .heard_offer(leg, &sdp, address)
                    .map_err(|_| Cause::NO_RESOURCE)?;
            }
            Heard::Answer(_) => self.anchors.heard_answer(leg, &sdp),
        }
        Ok(Some(sdp))
    }

    /// An operator or a caller in need is understood as far as can be; of others only what is in order counts.
    fn read(&self, leg: LegId, body: Option<&Body>) -> Result<Option<Sdp>, Cause> {
        let Some(body) = body else { return Ok(None) };
        let read = body.session_description().map(|bytes| Sdp::parse(&bytes)).transpose();
        match (read, self.legs.entry(leg)) {
            (Ok(Some(sdp)), _) => Ok(Some(sdp)),
            (Ok(None) | Err(_), Some(entry)) if self.is_for_help(entry.call) => {
                Ok(salvaged(body, entry.flow.remote.ip()))
            }
            (Ok(None), _) => Ok(None),
            (Err(_), _) => Err(Cause::NOT_ACCEPTABLE),
        }
    }

    /// Only a BYE is the wish of a party; a dialog that dies with the way to the hosted PBX is not.
    fn leg_ended(&mut self, now: Now, leg: LegId, why: &End) {
        if matches!(why, End::Bye { .. }) || !self.bypass_leg(now, leg) {
            self.leg_over(now, leg, LegEvent::Ended(end_cause(why)));
        }
    }

    /// What a refusal means for the search: a trunk that rejects our credentials is a broken path, not a wish of the party.
    fn refusal(&self, leg: LegId, (status, why): (u16, Refusal), response: Option<&Message>) -> Cause {
        let from_trunk = matches!(
            self.legs.entry(leg).map(|entry| &entry.party),
            Some(Party::Trunk(_) | Party::Hosted(_))
        );
        match why {
            Refusal::Peer if from_trunk && matches!(status, 401 | 407) => Cause::of_status(503),
            Refusal::Peer => Cause::of_status(status).with_q850(response.and_then(reason_q850)),
            Refusal::Timeout => Cause::of_status(408),
            Refusal::Flow => Cause::of_status(503),
        }
    }

    fn leg_refused(&mut self, now: Now, leg: LegId, (status, why): (u16, Refusal), response: Option<&Message>) {
        self.explain_leg(leg, status);
        if response.is_some() {
            self.hosted_heard(now, leg);
            self.hosted_refused(leg, status);
        }
        let cause = self.refusal(leg, (status, why), response);
        self.note_congestion(leg, cause);
        if !self.try_other_flow(leg, (status, why)) {
            self.leg_over(now, leg, LegEvent::Refused(cause));
        }
    }

    /// A phone whose flow is dead rings by its next one (RFC 5626 section 5.3).
    fn try_other_flow(&mut self, leg: LegId, (status, why): (u16, Refusal)) -> bool {
        let dead = match why {
            Refusal::Peer => status == 430,
            Refusal::Timeout | Refusal::Flow => true,
        };
        let spare = self.legs.entry(leg).map(|entry| entry.spare.as_slice());
        let Some([next, rest @ ..]) = spare.filter(|_| dead) else {
            return false;
        };
        let next = ContactTarget {
            spare: rest.to_vec(),
            ..next.clone()
        };
        self.legs.remove(leg);
        self.calls.invite_instead(leg, Target::Contact(next))
    }

    pub(crate) fn leg_over(&mut self, now: Now, leg: LegId, event: LegEvent) {
        self.calls.handle_leg(now.mono, leg, event);
        // The plan that no longer names the leg goes out before its port is given back.
        self.drain_calls(now);
        self.forget_leg(now, leg);
    }

    pub(crate) fn forget_leg(&mut self, now: Now, leg: LegId) {
        if let Some(entry) = self.legs.remove(leg) {
            self.session_left(now, entry.session);
        }
        self.hold_probes.forget(leg);
        self.forget_loop(now, leg);
        self.anchors.release(now.mono, leg);
    }
}

/// A body that came with a session event, and what it is in the exchange.
enum Heard {
    Offer(Option<Body>),
    Answer(Option<Body>),
}

fn end_cause(why: &End) -> Cause {
    match why {
        End::Bye { request, .. } => Cause::CLEARED.with_q850(reason_q850(request)),
        End::ByBox => Cause::CLEARED,
        End::Expired => Cause::of_q850(102),
        End::Unacknowledged => Cause::of_status(408),
        End::PeerGone => Cause::of_q850(41),
    }
}

/// The Q.850 value among the Reasons (RFC 3326).
fn reason_q850(message: &Message) -> Option<u8> {
    let mut reasons = message.reasons();
    let reason = reasons.find(|reason| reason.protocol == ReasonProtocol::Q850)?;
    u8::try_from(reason.cause?).ok()
}

#[cfg(test)]
mod tests {
    use branchline_sip::message::{Builder, Method, Name};

    use super::reason_q850;

    #[test]
    fn the_q850_cause_is_found_among_several_reasons() {
        let cases: [(&[&str], _); 5] = [
            (&["Q.850;cause=17;text=\"User busy\""], Some(17)),
            (
                &["SIP;cause=200;text=\"Call completed elsewhere\", Q.850;cause=26"],
                Some(26),
            ),
            (&["SIP;cause=200", "q.850 ;cause=26"], Some(26)),
            (&["SIP;cause=486"], None),
            (&["Q.850;cause=1000"], None),
        ];
        for (reasons, expected) in cases {
            let bye = Builder::request(&Method::Bye, "sip:a")
                .header(Name::Via, "SIP/2.0/UDP a;branch=z9hG4bK1")
                .header(Name::From, "<sip:a>;tag=1")
                .header(Name::To, "<sip:b>;tag=2")
                .header(Name::CallId, "c")
                .header(Name::CSeq, "1 BYE");
            let bye = reasons.iter().fold(bye, |bye, reason| bye.header(Name::Reason, reason));
            assert_eq!(reason_q850(&bye.finish()), expected, "{reasons:?}");
        }
    }
}

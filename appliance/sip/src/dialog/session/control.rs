//! Commands of the caller, sorted by how far the session is.

use crate::agent::{End, SessionEvent};
use crate::message::Method;
use crate::transaction::{ClientKey, ServerKey};

use super::super::{Body, Headers, Purpose, Turn, with_body};
use super::established::{Established, Rest};
use super::incoming;
use super::reoffer::{Attempt, Cause};
use super::{
    Answer, InDialogRequest, Phase, Progress, Referral, Rejection, Session, TransferProgress, Usage, Verdict, outgoing,
    refer,
};

impl Session {
    pub(crate) fn progress(&mut self, turn: &mut Turn<'_>, progress: Progress) {
        match &mut self.phase {
            Phase::Incoming(incoming) => incoming.progress(turn, progress),
            Phase::Outgoing(_) | Phase::Established(_) | Phase::Over => {}
        }
    }

    pub(crate) fn answer(&mut self, turn: &mut Turn<'_>, answer: Answer) {
        match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Incoming(incoming) => self.stepped(incoming.answer(turn, answer)),
            other @ (Phase::Outgoing(_) | Phase::Established(_) | Phase::Over) => self.phase = other,
        }
    }

    pub(super) fn stepped(&mut self, step: incoming::Step) {
        self.phase = match step {
            incoming::Step::Stays(incoming) => Phase::Incoming(incoming),
            incoming::Step::Answered(established) => Phase::Established(established),
        };
    }

    pub(crate) fn reject(&mut self, turn: &mut Turn<'_>, rejection: &Rejection) {
        match &mut self.phase {
            Phase::Incoming(incoming) => {
                incoming.reject(turn, rejection);
                turn.emit(SessionEvent::Ended { why: End::ByBox });
                self.phase = Phase::Over;
            }
            Phase::Outgoing(_) | Phase::Established(_) | Phase::Over => {}
        }
    }

    pub(crate) fn retry_invite(&mut self, turn: &mut Turn<'_>, headers: Headers) {
        if let Phase::Outgoing(outgoing) = &mut self.phase {
            let step = outgoing.retry(turn, headers);
            self.outgoing_stepped(turn, step);
        }
    }

    pub(super) fn outgoing_stepped(&mut self, turn: &mut Turn<'_>, step: outgoing::Step) {
        match step {
            outgoing::Step::Stays => {}
            outgoing::Step::Answered(established) => self.phase = Phase::Established(established),
            outgoing::Step::Unwanted(mut established) => {
                let rest = established.hang_up(turn, None);
                self.phase = Phase::Established(established);
                self.rested(rest);
            }
            outgoing::Step::Over => self.phase = Phase::Over,
        }
    }

    pub(super) fn rested(&mut self, rest: Rest) {
        match rest {
            Rest::Stays => {}
            Rest::Over => self.phase = Phase::Over,
        }
    }

    pub(crate) fn hang_up(&mut self, turn: &mut Turn<'_>, reason: Option<&str>) {
        match &mut self.phase {
            Phase::Incoming(incoming) => {
                let mut rejection = Rejection::status(480);
                if let Some(reason) = reason {
                    rejection.headers.push(crate::message::Name::Reason, reason);
                }
                incoming.reject(turn, &rejection);
                turn.emit(SessionEvent::Ended { why: End::ByBox });
                self.phase = Phase::Over;
            }
            Phase::Outgoing(outgoing) => {
                let step = outgoing.cancel(turn, reason);
                self.outgoing_stepped(turn, step);
            }
            Phase::Established(established) => {
                let rest = established.hang_up(turn, reason);
                self.rested(rest);
            }
            Phase::Over => {}
        }
    }

    fn open(&mut self) -> Option<&mut Established> {
        match &mut self.phase {
            Phase::Established(established) if established.is_open() => Some(established),
            Phase::Established(_) | Phase::Incoming(_) | Phase::Outgoing(_) | Phase::Over => None,
        }
    }

    pub(crate) fn acknowledge(&mut self, turn: &mut Turn<'_>, body: Option<Body>) {
        if let Some(established) = self.open() {
            established.usage.acknowledge_owed(turn, body);
            established.usage.pump(turn);
        }
    }

    pub(crate) fn reoffer(&mut self, turn: &mut Turn<'_>, body: Option<Body>) {
        let is_early = match &self.phase {
            Phase::Incoming(_) | Phase::Outgoing(_) => true,
            Phase::Established(_) | Phase::Over => false,
        };
        if let Some(established) = self.open() {
            return established
                .usage
                .offer(turn, Attempt::new(Method::Invite, Cause::Caller, body));
        }
        // Before the 2xx only an UPDATE may offer, and only once the first exchange is through (RFC 3311 section 5.1).
        let usage = self
            .usage_mut()
            .filter(|usage| is_early && usage.peer_updates && usage.is_quiet());
        match usage {
            Some(usage) if body.is_some() => usage.offer(turn, Attempt::new(Method::Update, Cause::Caller, body)),
            Some(_) | None => turn.emit(SessionEvent::ReofferRefused { status: 491 }),
        }
    }

    pub(crate) fn answer_reoffer(&mut self, turn: &mut Turn<'_>, body: Option<Body>) {
        if let Some(usage) = self.usage_owing() {
            usage.answer_owed(turn, body);
            usage.pump(turn);
        }
    }

    pub(crate) fn refuse_reoffer(&mut self, turn: &mut Turn<'_>, status: u16) {
        if let Some(usage) = self.usage_owing() {
            usage.refuse_owed(turn, status);
            usage.pump(turn);
        }
    }

    fn usage_owing(&mut self) -> Option<&mut Usage> {
        match &mut self.phase {
            Phase::Outgoing(outgoing) => outgoing.forks.iter_mut().find(|usage| usage.owed.is_some()),
            Phase::Incoming(incoming) => Some(&mut incoming.usage),
            Phase::Established(established) => Some(&mut established.usage),
            Phase::Over => None,
        }
    }

    pub(crate) fn refer(&mut self, turn: &mut Turn<'_>, referral: &Referral) {
        let sent = self.open().is_some_and(|established| {
            let is_free = established.asked == refer::Asked::Nothing;
            let sent = is_free && refer::send_refer(turn, &mut established.usage.dialog, referral);
            if sent {
                established.asked = refer::Asked::Sent;
            }
            sent
        });
        if !sent {
            turn.emit(SessionEvent::ReferProgress {
                status: 491,
                ended: true,
            });
        }
    }

    pub(crate) fn answer_refer(&mut self, turn: &mut Turn<'_>, key: ServerKey, verdict: Verdict) {
        let Phase::Established(established) = &mut self.phase else {
            return;
        };
        let Some(reported) = established
            .reported
            .as_mut()
            .filter(|reported| reported.is_asked_by(key))
        else {
            return;
        };
        if !reported.answer(turn, &mut established.usage.dialog, verdict) {
            established.reported = None;
        }
    }

    pub(crate) fn notify_refer(&mut self, turn: &mut Turn<'_>, progress: TransferProgress) {
        let Phase::Established(established) = &mut self.phase else {
            return;
        };
        if let Some(reported) = &mut established.reported {
            reported.report(turn, &mut established.usage.dialog, progress);
        }
    }

    /// Sends a request in the dialog; `None` if there is no dialog or no room.
    pub(crate) fn send_in_dialog(&mut self, turn: &mut Turn<'_>, request: &InDialogRequest) -> Option<ClientKey> {
        let composed = match &mut self.phase {
            Phase::Established(established) if established.is_open() => {
                established.compose(&request.method, &request.headers)
            }
            Phase::Incoming(_) | Phase::Outgoing(_) => {
                request.headers.write(self.usage_mut()?.dialog.request(&request.method))
            }
            Phase::Established(_) | Phase::Over => return None,
        };
        let composed = with_body(composed, request.body.as_ref());
        let usage = self.usage()?;
        turn.send(&usage.dialog, composed, Purpose::Caller)
    }
}

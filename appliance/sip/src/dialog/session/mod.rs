//! One INVITE usage from its first message to its last: incoming or outgoing, then established.

mod command;
mod established;
mod incoming;
mod outgoing;
mod refer;
mod reliable;
mod reoffer;
mod requests;
mod usage;

use std::time::Instant;

use crate::agent::{End, SessionEvent};
use crate::flow::Flow;
use crate::message::{Message, Method};
use crate::transaction::{ClientKey, Failure, Full, ServerKey};

use super::{Body, Headers, Purpose, Replaces, ReplacesFault, Tag, Turn, with_body};
pub use command::{
    Answer, Finality, InDialogRequest, IncomingInvite, Invitation, Progress, Referral, Rejection, TransferProgress,
    Verdict,
};
use established::{Done, Established, Rest, Stage};
use incoming::Incoming;
use outgoing::Outgoing;
use reoffer::{Attempt, Cause};
use usage::Usage;

/// Who started a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// The peer.
    Incoming,
    /// We.
    Outgoing,
}

/// How far a session is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SessionState {
    /// No final response yet.
    Early,
    /// Answered.
    Established,
    /// On its way out.
    Ending,
}

/// What can be seen of a session.
#[derive(Clone, Copy, Debug)]
pub struct SessionView<'a> {
    /// Call-ID.
    pub call_id: &'a str,
    /// Our tag.
    pub local_tag: u64,
    /// The peer's tag; empty while an outgoing call has no early dialog.
    pub remote_tag: &'a str,
    /// The flow of its next request.
    pub flow: Flow,
    /// The peer's Contact; the request URI while an outgoing call has no early dialog.
    pub remote_target: &'a str,
    /// Who started it.
    pub direction: Direction,
    /// How far it is.
    pub state: SessionState,
}

impl SessionView<'_> {
    /// Our tag as it stands in messages.
    pub fn local_tag_text(&self) -> String {
        Tag(self.local_tag).to_string()
    }
}

pub(crate) struct Session {
    pub(crate) tag: Tag,
    direction: Direction,
    phase: Phase,
    /// The entry in the agent's timer queue.
    pub(crate) scheduled: Option<Instant>,
}

enum Phase {
    Incoming(Box<Incoming>),
    Outgoing(Box<Outgoing>),
    Established(Box<Established>),
    Over,
}

impl Session {
    pub(crate) fn incoming(turn: &mut Turn<'_>, invite: IncomingInvite) -> Session {
        let tag = turn.tag;
        let phase = Phase::Incoming(Box::new(Incoming::new(turn, tag, invite)));
        Session {
            tag,
            direction: Direction::Incoming,
            phase,
            scheduled: None,
        }
    }

    pub(crate) fn outgoing(turn: &mut Turn<'_>, invitation: Invitation, call_id: &str) -> Result<Session, Full> {
        let tag = turn.tag;
        let phase = Phase::Outgoing(Box::new(Outgoing::start(turn, invitation, call_id)?));
        Ok(Session {
            tag,
            direction: Direction::Outgoing,
            phase,
            scheduled: None,
        })
    }

    pub(crate) fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over)
    }

    fn usage(&self) -> Option<&Usage> {
        match &self.phase {
            Phase::Incoming(incoming) => Some(&incoming.usage),
            Phase::Outgoing(outgoing) => outgoing.forks.last().map(|fork| &fork.usage),
            Phase::Established(established) => Some(&established.usage),
            Phase::Over => None,
        }
    }

    fn usage_mut(&mut self) -> Option<&mut Usage> {
        match &mut self.phase {
            Phase::Incoming(incoming) => Some(&mut incoming.usage),
            Phase::Outgoing(outgoing) => outgoing.forks.last_mut().map(|fork| &mut fork.usage),
            Phase::Established(established) => Some(&mut established.usage),
            Phase::Over => None,
        }
    }

    /// The dialog with the peer's tag `remote_tag`.
    fn usage_with(&mut self, remote_tag: &str) -> Option<&mut Usage> {
        match &mut self.phase {
            Phase::Incoming(incoming) => Some(&mut incoming.usage),
            Phase::Outgoing(outgoing) => {
                let mut usages = outgoing.forks.iter_mut().map(|fork| &mut fork.usage);
                return usages.find(|usage| usage.dialog.remote_tag() == remote_tag);
            }
            Phase::Established(established) => Some(&mut established.usage),
            Phase::Over => None,
        }
        .filter(|usage| usage.dialog.remote_tag() == remote_tag)
    }

    pub(crate) fn call_id(&self) -> &str {
        match &self.phase {
            Phase::Outgoing(outgoing) => outgoing.call_id(),
            Phase::Incoming(incoming) => incoming.usage.dialog.call_id(),
            Phase::Established(established) => established.usage.dialog.call_id(),
            Phase::Over => "",
        }
    }

    pub(crate) fn view(&self) -> Option<SessionView<'_>> {
        let state = match &self.phase {
            Phase::Incoming(_) | Phase::Outgoing(_) => SessionState::Early,
            Phase::Established(established) => match &established.stage {
                Stage::Open => SessionState::Established,
                Stage::HangingUp { .. } | Stage::Leaving => SessionState::Ending,
                Stage::Lingering { .. } => return None,
            },
            Phase::Over => return None,
        };
        let (remote_tag, flow, remote_target) = match (&self.phase, self.usage()) {
            (_, Some(usage)) => (
                usage.dialog.remote_tag(),
                usage.dialog.flow(),
                usage.dialog.remote_target(),
            ),
            (Phase::Outgoing(outgoing), None) => ("", outgoing.flow(), outgoing.request_uri()),
            (Phase::Incoming(_) | Phase::Established(_) | Phase::Over, None) => return None,
        };
        let (call_id, local_tag, direction) = (self.call_id(), self.tag.0, self.direction);
        Some(SessionView {
            call_id,
            local_tag,
            remote_tag,
            flow,
            remote_target,
            direction,
            state,
        })
    }

    /// Whether this session, found by our tag, may be replaced (RFC 3891 section 3).
    pub(crate) fn replaceable(&self, replaces: &Replaces) -> Result<(), ReplacesFault> {
        let is_its_peer = match &self.phase {
            Phase::Outgoing(outgoing) => outgoing
                .forks
                .iter()
                .any(|fork| fork.usage.dialog.remote_tag() == replaces.from_tag),
            Phase::Incoming(_) | Phase::Established(_) | Phase::Over => self
                .usage()
                .is_some_and(|usage| usage.dialog.remote_tag() == replaces.from_tag),
        };
        if !is_its_peer || self.call_id() != replaces.call_id {
            return Err(ReplacesFault::NotFound);
        }
        match &self.phase {
            Phase::Outgoing(_) => Ok(()),
            Phase::Incoming(_) => Err(ReplacesFault::NotFound),
            Phase::Established(established) if !established.is_open() => Err(ReplacesFault::Ended),
            Phase::Established(_) if replaces.early_only => Err(ReplacesFault::Answered),
            Phase::Established(_) => Ok(()),
            Phase::Over => Err(ReplacesFault::Ended),
        }
    }
}

// Commands.
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

    fn stepped(&mut self, (stays, step): (Option<Box<Incoming>>, incoming::Step)) {
        self.phase = match (step, stays) {
            (incoming::Step::Answered(established), _) => Phase::Established(established),
            (incoming::Step::Stays, Some(incoming)) => Phase::Incoming(incoming),
            (incoming::Step::Stays, None) | (incoming::Step::Over, _) => Phase::Over,
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

    fn outgoing_stepped(&mut self, turn: &mut Turn<'_>, step: outgoing::Step) {
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

    fn rested(&mut self, rest: Rest) {
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
            Phase::Outgoing(outgoing) => outgoing
                .forks
                .iter_mut()
                .map(|fork| &mut fork.usage)
                .find(|usage| usage.owed.is_some()),
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

// Inputs.
impl Session {
    pub(crate) fn handle_ack(&mut self, turn: &mut Turn<'_>, flow: Flow, ack: &Message) {
        if let Phase::Established(established) = &mut self.phase
            && ack.from_tag().unwrap_or_default() == established.usage.dialog.remote_tag()
        {
            let rest = established.handle_ack(turn, flow, ack);
            self.rested(rest);
        }
    }

    pub(crate) fn handle_cancelled(&mut self, turn: &mut Turn<'_>, key: ServerKey, cancel: Message) {
        match &mut self.phase {
            Phase::Incoming(incoming) if incoming.key() == key => {
                incoming.end(turn, 487, SessionEvent::Cancelled { cancel });
                self.phase = Phase::Over;
            }
            Phase::Established(established) => {
                established.usage.handle_cancelled(turn, key);
                established.usage.pump(turn);
            }
            Phase::Incoming(_) | Phase::Outgoing(_) | Phase::Over => {}
        }
    }

    /// A response to a request of ours.
    pub(crate) fn handle_response(&mut self, turn: &mut Turn<'_>, reply: Reply) {
        let Reply {
            key,
            flow,
            purpose,
            response,
        } = reply;
        if purpose == Purpose::Invite {
            return match &mut self.phase {
                Phase::Outgoing(outgoing) => {
                    let step = outgoing.handle_response(turn, flow, response);
                    self.outgoing_stepped(turn, step);
                }
                Phase::Established(established) if (200..300).contains(&response.status()) => {
                    established.handle_late_success(turn, flow, &response);
                }
                Phase::Established(_) | Phase::Incoming(_) | Phase::Over => {}
            };
        }
        if response.status() >= 200 {
            self.finished(turn, (key, purpose), Ok(&response));
        }
    }

    pub(crate) fn handle_failed(&mut self, turn: &mut Turn<'_>, done: (ClientKey, Purpose), why: Failure) {
        if done.1 != Purpose::Invite {
            return self.finished(turn, done, Err(why));
        }
        if let Phase::Outgoing(outgoing) = &mut self.phase {
            let step = outgoing.handle_failed(turn, why);
            self.outgoing_stepped(turn, step);
        }
    }

    fn finished(&mut self, turn: &mut Turn<'_>, done: (ClientKey, Purpose), outcome: Result<&Message, Failure>) {
        let ((key, purpose), direction) = (done, self.direction);
        let done = Done {
            key,
            purpose,
            direction,
            outcome,
        };
        match &mut self.phase {
            Phase::Established(established) => {
                let rest = established.handle_final(turn, done);
                self.rested(rest);
            }
            Phase::Incoming(incoming) => early_final(&mut incoming.usage, turn, &done),
            Phase::Outgoing(outgoing) => {
                let mut usages = outgoing.forks.iter_mut().map(|fork| &mut fork.usage);
                let mine = match purpose {
                    Purpose::Offer => usages.find(|usage| usage.ours.is_in_flight(key)),
                    Purpose::Invite | Purpose::Prack | Purpose::Bye => None,
                    Purpose::Refer | Purpose::Notify | Purpose::Caller => usages.next(),
                };
                if let Some(usage) = mine {
                    early_final(usage, turn, &done);
                }
            }
            Phase::Over => {}
        }
        if let Some(usage) = self.usage_mut() {
            usage.pump(turn);
        }
    }

    /// A 2xx to an INVITE of ours that is no news to its transaction.
    pub(crate) fn handle_late_success(&mut self, turn: &mut Turn<'_>, flow: Flow, response: &Message) {
        if let Phase::Established(established) = &mut self.phase {
            established.handle_late_success(turn, flow, response);
        }
    }

    pub(crate) fn due_at(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Incoming(incoming) => Some(incoming.due_at()),
            Phase::Outgoing(outgoing) => Some(outgoing.due_at()),
            Phase::Established(established) => established.due_at(),
            Phase::Over => None,
        }
    }

    pub(crate) fn handle_timeout(&mut self, turn: &mut Turn<'_>) {
        match &mut self.phase {
            Phase::Incoming(incoming) => match incoming.handle_timeout(turn) {
                incoming::Step::Stays | incoming::Step::Answered(_) => {}
                incoming::Step::Over => self.phase = Phase::Over,
            },
            Phase::Outgoing(outgoing) => {
                let step = outgoing.handle_timeout(turn);
                self.outgoing_stepped(turn, step);
            }
            Phase::Established(established) => {
                let rest = established.handle_timeout(turn);
                self.rested(rest);
            }
            Phase::Over => {}
        }
    }
}

// An early dialog does not end by what happens to a request inside it; the INVITE decides.
fn early_final(usage: &mut Usage, turn: &mut Turn<'_>, done: &Done<'_>) {
    match (done.purpose, done.outcome) {
        (Purpose::Offer, Ok(response)) => {
            let _ = usage.handle_offer_response(turn, response, done.direction);
        }
        (Purpose::Offer, Err(why)) => {
            let _ = usage.handle_offer_failed(turn, why);
        }
        (Purpose::Caller, outcome) => {
            let event = SessionEvent::InDialogAnswered {
                key: done.key,
                status: done.status(),
                response: outcome.ok().cloned(),
            };
            turn.emit(event);
        }
        (Purpose::Invite | Purpose::Prack | Purpose::Bye | Purpose::Refer | Purpose::Notify, _) => {}
    }
}

/// A response to a request of a session.
pub(crate) struct Reply {
    pub(crate) key: ClientKey,
    pub(crate) flow: Flow,
    pub(crate) purpose: Purpose,
    pub(crate) response: Message,
}

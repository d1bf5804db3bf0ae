//! What the caller can ask of the agent.

use std::collections::btree_map::Entry;
use std::time::Instant;

use crate::dialog::session::{Early, Session};
use crate::dialog::signer::Signer;
use crate::dialog::{SessionId, Tag, Turn};
use crate::digest::Answerer;
use crate::flow::Flow;
use crate::message::{Builder, Message, Name};
use crate::subscription::Subscription;
use crate::transaction::{ClientKey, Priority, Room, ServerKey};

use super::{
    Acceptance, Agent, Answer, Body, Full, Headers, Holder, InDialogRequest, IncomingInvite, Invitation, Notice,
    Progress, Referral, Rejection, Replaces, ReplacesFault, Response, SessionView, SubscriptionId, SubscriptionRequest,
    TransferProgress, Verdict,
};

// Outside of sessions.
impl Agent {
    /// Answers a request that was handed up.
    pub fn respond(&mut self, now: Instant, key: ServerKey, response: impl Into<Response>) {
        self.core.endpoint.respond(now, key, response);
    }

    /// Answers a request without keeping anything of it (RFC 3261 section 8.2.7): for challenges and floods.
    pub fn respond_and_forget(&mut self, key: ServerKey, response: impl Into<Response>) {
        self.core.endpoint.respond_and_forget(key, response);
    }

    /// The request of a server transaction, until its final response.
    pub fn server_request(&self, key: ServerKey) -> Option<&Message> {
        self.core.endpoint.server_request(key)
    }

    /// Sends a request outside of any dialog (not an INVITE); `Response` or `Failed` follows. From, To, Call-ID, CSeq and
    /// Max-Forwards are the caller's.
    pub fn request(&mut self, now: Instant, flow: Flow, request: Builder) -> Result<ClientKey, Full> {
        let request = request.header(Name::UserAgent, &self.core.settings.user_agent);
        self.core.endpoint.request(now, flow, request)
    }

    /// As [`Agent::request`], but sent once only and given up after 8 s: for a probe that the next one follows anyway.
    pub fn probe(&mut self, now: Instant, flow: Flow, request: Builder) -> Result<ClientKey, Full> {
        let request = request.header(Name::UserAgent, &self.core.settings.user_agent);
        self.core.endpoint.request_once(now, flow, request)
    }

    /// A From tag of its own for a request outside of any dialog.
    pub fn fresh_tag(&mut self) -> String {
        self.core.fresh_tag().to_string()
    }

    /// A Call-ID of its own.
    pub fn fresh_call_id(&mut self) -> String {
        self.core.fresh_call_id()
    }
}

impl Agent {
    /// From now on these requests have priority.
    pub fn handle_priority(&mut self, priority: Priority) {
        self.core.endpoint.handle_priority(priority);
    }
}

// Sessions.
impl Agent {
    /// Takes an INVITE as an incoming session; 100 is sent. Beyond `sessions_max`, or beyond its open part if it has no priority, it
    /// is answered 503 and refused. One that was cancelled meanwhile ends at once.
    pub fn accept_invite(&mut self, now: Instant, invite: IncomingInvite) -> Result<SessionId, Full> {
        let is_admitted = match self.room() {
            Room::Open => true,
            Room::Reserved => self.core.endpoint.is_priority(&invite.request),
            Room::Nothing => false,
        };
        if !is_admitted {
            let tag = self.core.fresh_tag().to_string();
            let wait_s = 5 + self.core.below(5);
            let response = Builder::response_with_tag(&invite.request, 503, &tag).header(Name::RetryAfter, wait_s);
            self.core.endpoint.respond(now, invite.key, response);
            return Err(Full);
        }
        let (id, tag) = self.fresh_session();
        let was_cancelled = self.core.endpoint.server_request(invite.key).is_none();
        let session = Session::incoming(
            &mut Turn {
                now,
                id,
                tag,
                core: &mut self.core,
            },
            invite,
        );
        self.insert_session(now, id, session);
        if was_cancelled {
            self.hang_up(now, id, None);
        }
        Ok(id)
    }

    /// Starts an outgoing session; refused beyond `sessions_max`, or beyond its open part if its INVITE has no priority.
    pub fn invite(&mut self, now: Instant, invitation: Invitation) -> Result<SessionId, Full> {
        let room = self.room();
        let (id, tag) = self.fresh_session();
        let call_id = self.core.fresh_call_id();
        let session = Session::outgoing(
            &mut Turn {
                now,
                id,
                tag,
                core: &mut self.core,
            },
            invitation,
            (&call_id, room),
        )?;
        self.insert_session(now, id, session);
        Ok(id)
    }

    fn room(&self) -> Room {
        let settings = &self.core.settings;
        settings.limits.room(settings.sessions_max, self.sessions.len())
    }

    fn fresh_session(&mut self) -> (SessionId, Tag) {
        let mut tag = self.core.fresh_tag();
        while self.tags.contains_key(&tag) {
            tag = self.core.fresh_tag();
        }
        (SessionId(self.fresh_id()), tag)
    }

    fn insert_session(&mut self, now: Instant, id: SessionId, session: Session) {
        self.tags.insert(session.tag, Holder::Session(id));
        self.sessions.insert(id, Box::new(session));
        // Puts its first deadline into the queue.
        self.with_session(now, id, |_, _| ());
    }

    /// Gives a session the account that its peer may ask for: 401 and 407 to its requests are answered inside, and further requests
    /// carry credentials at once. For the INVITE set it before the answer; then no `Challenged` comes, and `Refused` if the account
    /// is not accepted.
    pub fn set_account(&mut self, id: SessionId, answerer: Answerer) {
        if !self.sessions.contains_key(&id) {
            return;
        }
        match self.core.signers.entry(id) {
            Entry::Occupied(known) => known.into_mut().answerer = answerer,
            Entry::Vacant(place) => {
                place.insert(Box::new(Signer::new(answerer)));
            }
        }
    }

    /// Sends the INVITE again with credentials after `Challenged`; headers of the same name are replaced.
    pub fn retry_invite(&mut self, now: Instant, id: SessionId, headers: Headers) {
        self.with_session(now, id, |session, turn| session.retry_invite(turn, headers));
    }

    /// Incoming: a provisional response, sent reliably when the caller asks for that and there is a body.
    pub fn progress(&mut self, now: Instant, id: SessionId, progress: Progress) {
        self.with_session(now, id, |session, turn| session.progress(turn, progress));
    }

    /// Incoming: 200, repeated until its ACK; waits for the PRACK of an early answer. `AnswerSent` tells when it leaves.
    pub fn answer(&mut self, now: Instant, id: SessionId, answer: Answer) {
        self.with_session(now, id, |session, turn| session.answer(turn, answer));
    }

    /// Incoming: a final refusal; `Ended` follows at once.
    pub fn reject(&mut self, now: Instant, id: SessionId, rejection: &Rejection) {
        self.with_session(now, id, |session, turn| session.reject(turn, rejection));
    }

    /// Ends a session in any state by CANCEL, BYE or 480, with a Reason value (RFC 3326) if given. The BYE waits up to 2 s for the
    /// answers to reports on a transfer. `Ended` follows when the peer's answer is in.
    pub fn hang_up(&mut self, now: Instant, id: SessionId, reason: Option<&str>) {
        self.with_session(now, id, |session, turn| session.hang_up(turn, reason));
    }

    /// Outgoing: the ACK with the answer, after `Answered { needs_answer: true }`.
    pub fn acknowledge(&mut self, now: Instant, id: SessionId, body: Option<Body>) {
        self.with_session(now, id, |session, turn| session.acknowledge(turn, body));
    }

    /// Offers anew by re-INVITE, or asks for an offer (`None`); before the answer by UPDATE. One of `ReofferAnswered` and
    /// `ReofferRefused` follows unless the session ends; collisions are retried inside.
    pub fn reoffer(&mut self, now: Instant, id: SessionId, body: Option<Body>) {
        self.with_session(now, id, |session, turn| session.reoffer(turn, body));
    }

    /// Answers `Reoffer`.
    pub fn answer_reoffer(&mut self, now: Instant, id: SessionId, body: Option<Body>) {
        self.with_session(now, id, |session, turn| session.answer_reoffer(turn, body));
    }

    /// Refuses `Reoffer` with a final status from 300 up; the session goes on as it was.
    pub fn refuse_reoffer(&mut self, now: Instant, id: SessionId, status: u16) {
        self.with_session(now, id, |session, turn| session.refuse_reoffer(turn, status));
    }

    /// The ACK with the answer, after `ReofferAnswered { needs_answer: true }`.
    pub fn acknowledge_reoffer(&mut self, now: Instant, id: SessionId, body: Option<Body>) {
        self.acknowledge(now, id, body);
    }

    /// Asks the peer to call someone else (RFC 3515); `ReferProgress` follows.
    pub fn refer(&mut self, now: Instant, id: SessionId, referral: &Referral) {
        self.with_session(now, id, |session, turn| session.refer(turn, referral));
    }

    /// Answers `Refer`.
    pub fn answer_refer(&mut self, now: Instant, id: SessionId, key: ServerKey, verdict: Verdict) {
        self.with_session(now, id, |session, turn| session.answer_refer(turn, key, verdict));
    }

    /// Reports on an accepted REFER; works for two minutes after the end of the session as well.
    pub fn notify_refer(&mut self, now: Instant, id: SessionId, progress: TransferProgress) {
        self.with_session(now, id, |session, turn| session.notify_refer(turn, progress));
    }

    /// Sends INFO, MESSAGE or OPTIONS in the dialog; `InDialogAnswered` follows unless the session ends. `None` if it cannot
    /// be sent.
    pub fn send_in_dialog(&mut self, now: Instant, id: SessionId, request: &InDialogRequest) -> Option<ClientKey> {
        self.with_session(now, id, |session, turn| session.send_in_dialog(turn, request))
            .flatten()
    }

    /// Answers `Info` or `InDialog` with nothing but a status.
    pub fn respond_in_dialog(&mut self, now: Instant, key: ServerKey, status: u16) {
        if let Some(request) = self.core.endpoint.server_request(key) {
            let response = Builder::response(request, status);
            self.core.endpoint.respond(now, key, response);
        }
    }

    /// The session that a Replaces names (RFC 3891 section 3); the fault tells the status to refuse with.
    pub fn find_dialog(&self, replaces: &Replaces) -> Result<SessionId, ReplacesFault> {
        self.find_named(replaces, Early::Outgoing)
    }

    /// The session that the Replaces in a Refer-To names: as [`Agent::find_dialog`], but it may also be a call that the peer started
    /// and nobody has answered yet, because a transferor names its own consultation call (RFC 5589 section 7).
    pub fn find_consultation(&self, replaces: &Replaces) -> Result<SessionId, ReplacesFault> {
        self.find_named(replaces, Early::Any)
    }

    fn find_named(&self, replaces: &Replaces, early: Early) -> Result<SessionId, ReplacesFault> {
        let holder = Tag::of(&replaces.to_tag).and_then(|tag| self.tags.get(&tag));
        let Some(Holder::Session(id)) = holder else {
            return Err(ReplacesFault::NotFound);
        };
        let session = self.sessions.get(id).ok_or(ReplacesFault::NotFound)?;
        session.replaceable(replaces, early).map(|()| *id)
    }

    /// What can be seen of a session; `None` once it has ended.
    pub fn session(&self, id: SessionId) -> Option<SessionView<'_>> {
        self.sessions.get(&id)?.view()
    }
}

// Subscriptions (RFC 6665).
impl Agent {
    /// Takes a SUBSCRIBE that was handed up: 200 is sent, and [`Agent::notify`] is owed at once. Beyond `subscriptions_max` it
    /// is answered 503 and refused.
    pub fn accept_subscription(&mut self, now: Instant, acceptance: Acceptance) -> Result<SubscriptionId, Full> {
        if self.subscriptions.len() >= self.core.settings.subscriptions_max {
            let tag = self.core.fresh_tag().to_string();
            let response = Builder::response_with_tag(&acceptance.request, 503, &tag).header(Name::RetryAfter, 30);
            self.core.endpoint.respond(now, acceptance.key, response);
            return Err(Full);
        }
        let (SessionId(id), tag) = self.fresh_session();
        let id = SubscriptionId(id);
        let subscription = Subscription::accept(&mut self.core, now, (id, tag), acceptance);
        self.insert_subscription(id, subscription);
        Ok(id)
    }

    /// Sends a SUBSCRIBE.
    pub fn subscribe(&mut self, now: Instant, request: SubscriptionRequest) -> Result<SubscriptionId, Full> {
        if self.subscriptions.len() >= self.core.settings.subscriptions_max {
            return Err(Full);
        }
        let (SessionId(id), tag) = self.fresh_session();
        let id = SubscriptionId(id);
        let subscription = Subscription::subscribe(&mut self.core, now, (id, tag), request)?;
        self.insert_subscription(id, subscription);
        Ok(id)
    }

    fn insert_subscription(&mut self, id: SubscriptionId, subscription: Subscription) {
        self.tags.insert(subscription.tag, Holder::Subscription(id));
        self.subscriptions.insert(id, Box::new(subscription));
        // Puts its first deadline into the queue.
        self.with_subscription(id, |_, _| ());
    }

    /// Notifier: sends the state, now and again at each refresh. One NOTIFY is in the air at a time; a newer state replaces one
    /// that waits.
    pub fn notify(&mut self, now: Instant, id: SubscriptionId, notice: Notice) {
        self.with_subscription(id, |subscription, core| subscription.notify(core, now, notice));
    }

    /// Subscriber: ends the subscription by a SUBSCRIBE with Expires 0.
    pub fn unsubscribe(&mut self, now: Instant, id: SubscriptionId) {
        self.with_subscription(id, |subscription, core| subscription.unsubscribe(core, now));
    }
}

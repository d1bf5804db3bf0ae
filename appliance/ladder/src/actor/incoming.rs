//! What the box asks of a telephone.

use std::time::Instant;

use branchline_sip::message::{Builder, Message, Method, Name};

use super::call::without_tag;
use super::digest::proves;
use super::offer;
use super::wire::Purpose;
use super::{Actor, Call, CallHandle, Cancel, Deed, Role, Side, Stage, Way, What, is_method};

impl Actor {
    pub(super) fn handle_request(&mut self, now: Instant, request: &Message) {
        if self.setup.features.deaf {
            return;
        }
        if is_method(request, &Method::Ack) {
            return self.handle_ack(now, request);
        }
        if self.wire.served_before(request) || self.is_ringing_for(request) {
            return;
        }
        let handle = self.calls.iter().find(|call| call.is(request)).map(|call| call.handle);
        let method = match (request.method(), handle) {
            (Method::Invite, Some(_)) => "re-INVITE".to_owned(),
            (method, _) => method.as_str().to_owned(),
        };
        if *request.method() != Method::Register && *request.method() != Method::Options {
            self.hear(
                now,
                What::Request {
                    method,
                    call: handle,
                    message: request.bytes().clone(),
                },
            );
        }
        match (request.method(), handle) {
            (Method::Invite, None) if request.to_tag().is_none() => self.handle_invite(now, request),
            (Method::Invite, Some(handle)) => self.handle_reoffer(now, handle, request),
            (Method::Update, Some(handle)) => self.handle_update(now, handle, request),
            (Method::Bye, Some(handle)) => self.handle_bye(now, handle, request),
            (Method::Cancel, _) => self.handle_cancel(now, request),
            (Method::Register, None) if self.setup.role == Role::Trunk => self.handle_register(now, request),
            (Method::Message, None) => self.reply(now, request, 200),
            (Method::Notify, Some(handle)) => self.handle_notify(now, handle, request),
            (Method::Prack, Some(_)) => self.reply(now, request, 200),
            (Method::Options, None) if request.to_tag().is_none() => self.reply(now, request, 200),
            (Method::Options, None) => self.reply(now, request, 481),
            (Method::Info | Method::Message | Method::Options, Some(handle)) => {
                let alive = self.call(handle).is_some_and(Call::is_alive);
                self.reply(now, request, if alive { 200 } else { 481 });
            }
            (Method::Invite | Method::Bye | Method::Update | Method::Info | Method::Notify | Method::Prack, None) => {
                self.reply(now, request, 481);
            }
            (method, _) => {
                let method = method.as_str().to_owned();
                self.hear(now, What::Fault(format!("{method} that no telephone expects")));
                self.reply(now, request, 501);
            }
        }
    }

    fn reply(&mut self, now: Instant, request: &Message, status: u16) {
        let tag = self.token();
        self.respond(now, request, Builder::response_with_tag(request, status, &tag));
    }

    /// A copy of an INVITE that is being rung for, or was answered long ago.
    fn is_ringing_for(&self, request: &Message) -> bool {
        is_method(request, &Method::Invite)
            && self.calls.iter().filter_map(|call| call.invite.as_ref()).any(|invite| {
                invite.top_via().branch() == request.top_via().branch() && invite.call_id() == request.call_id()
            })
    }

    fn handle_invite(&mut self, now: Instant, request: &Message) {
        if self.setup.features.challenges {
            let nonce = format!("nonce-{}", self.setup.seed);
            if !proves(&self.account(), request, &nonce) {
                let value = format!("Digest realm=\"provider\", nonce=\"{nonce}\", qop=\"auth\", algorithm=MD5");
                let tag = self.token();
                let refused = Builder::response_with_tag(request, 407, &tag).header(Name::ProxyAuthenticate, value);
                return self.respond(now, request, refused);
            }
        }
        let handle = CallHandle(self.next_call);
        self.next_call += 1;
        let offered = offer::read(request.body());
        let peer = request
            .from()
            .uri()
            .map(|uri| uri.user_unescaped().into_owned())
            .unwrap_or_default();
        let mut call = Call {
            handle,
            side: Side::Callee,
            stage: Stage::Ringing,
            peer,
            began: now,
            answered: None,
            way: Way::SendRecv,
            remote: offered,
            media: self.media_for(handle),
            moved: false,
            replacing: false,
            referring: false,
            call_id: request.call_id().to_owned(),
            local: request.text(Name::To).map(|to| without_tag(&to)).unwrap_or_default(),
            remote_party: Actor::remote_party_of(request),
            local_tag: self.token(),
            remote_tag: None,
            target: String::new(),
            routes: Vec::new(),
            cseq: 0,
            remote_cseq: request.cseq(),
            version: 1,
            rseq: 0,
            invite: Some(request.clone()),
            offer_in_answer: offered.is_none(),
            cancel: Cancel::No,
            wish: Way::SendRecv,
        };
        call.learn(request);
        self.keep(call);
        let reaction = self.setup.reaction;
        if let Some((after, status)) = reaction.provisional {
            self.later(now + after, Deed::Provisional(handle, status));
        }
        if let Some((after, status)) = reaction.finally {
            self.later(now + after, Deed::Finally(handle, status));
        }
        self.act_at_once(now);
    }

    fn act_at_once(&mut self, now: Instant) {
        let (due, later): (Vec<_>, Vec<_>) = self.deeds.drain(..).partition(|(at, _)| *at <= now);
        self.deeds = later;
        for (_, deed) in due {
            self.act(now, deed);
        }
    }

    /// Rings; 183 brings early media.
    pub fn ring(&mut self, now: Instant, handle: CallHandle, status: u16) {
        let body = (status == 183).then(|| self.answer_or_offer(handle));
        self.say(now, handle, (status, body));
    }

    /// Answers.
    pub fn answer(&mut self, now: Instant, handle: CallHandle) {
        if self.call(handle).is_none_or(|call| call.stage != Stage::Ringing) {
            return;
        }
        let body = self.answer_or_offer(handle);
        self.say(now, handle, (200, Some(body)));
        if let Some(call) = self.call_mut(handle) {
            call.stage = Stage::Up;
        }
    }

    /// Refuses.
    pub fn refuse(&mut self, now: Instant, handle: CallHandle, status: u16) {
        self.say(now, handle, (status, None));
        self.end(now, handle, status);
    }

    fn answer_or_offer(&mut self, handle: CallHandle) -> String {
        let Some(call) = self.call(handle) else {
            return String::new();
        };
        match call.remote {
            Some(offered) => self.answer_to(handle, offered),
            None => self.describe(handle, Way::SendRecv, 1),
        }
    }

    fn say(&mut self, now: Instant, handle: CallHandle, (status, body): (u16, Option<String>)) {
        let Some(call) = self.call(handle) else { return };
        if call.stage != Stage::Ringing {
            return;
        }
        let Some(invite) = call.invite.clone() else { return };
        let mut response = Builder::response_with_tag(&invite, status, &call.local_tag.clone());
        if status < 300 {
            response = response
                .header(Name::Contact, self.contact())
                .header(Name::Allow, self.allow());
        }
        if status == 200 {
            response = self.with_timer(&invite, response);
        }
        let is_described = !call.offer_in_answer;
        if status < 200 && self.setup.features.prack && is_described && invite.has_token(Name::Supported, "100rel") {
            let rseq = self.call_mut(handle).map_or(1, |call| {
                call.rseq += 1;
                call.rseq
            });
            response = response.header(Name::Require, "100rel").header(Name::RSeq, rseq);
        }
        if let Some(body) = body {
            response = response.body("application/sdp", body.as_bytes());
        }
        self.respond(now, &invite, response);
    }

    fn allow(&self) -> &'static str {
        match self.setup.features.update {
            true => "INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, PRACK, REFER, NOTIFY, MESSAGE, UPDATE",
            false => "INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, REFER, NOTIFY, MESSAGE",
        }
    }

    /// Leaves the refreshing to the box where it offered to (RFC 4028 section 9).
    fn with_timer(&self, request: &Message, response: Builder) -> Builder {
        match request.number(Name::SessionExpires) {
            Some(expires_s) if self.setup.features.timer => response
                .header(Name::Supported, "timer")
                .header(Name::Require, "timer")
                .header(Name::SessionExpires, format_args!("{expires_s};refresher=uac")),
            Some(_) | None => response,
        }
    }

    fn handle_ack(&mut self, now: Instant, ack: &Message) {
        if !self.wire.confirmed(ack) {
            return;
        }
        let handle = self.calls.iter().find(|call| call.is(ack)).map(|call| call.handle);
        self.hear(
            now,
            What::Request {
                method: "ACK".to_owned(),
                call: handle,
                message: ack.bytes().clone(),
            },
        );
        let Some(call) = handle.and_then(|handle| self.call_mut(handle)) else {
            return;
        };
        if call.stage == Stage::Up {
            call.answered = call.answered.or(Some(now));
        }
        if call.offer_in_answer
            && let Some(handle) = handle
        {
            match offer::read(ack.body()) {
                Some(answer) => {
                    call.offer_in_answer = false;
                    call.remote = Some(answer);
                }
                // A caller that is gone has no answer; then a BYE follows at once.
                None => self.later(now + BYE_AFTER, Deed::Unanswered(handle)),
            }
        }
    }

    fn handle_reoffer(&mut self, now: Instant, handle: CallHandle, request: &Message) {
        let busy = self.wire.has_pending(Purpose::Reoffer(handle));
        let Some(call) = self.call_mut(handle) else { return };
        if request.cseq() <= call.remote_cseq {
            return self.reply(now, request, 500);
        }
        call.remote_cseq = request.cseq();
        let stage = call.stage;
        if stage != Stage::Up {
            return self.reply(now, request, if stage == Stage::Ringing { 491 } else { 481 });
        }
        if busy {
            return self.reply(now, request, 491);
        }
        let offered = offer::read(request.body());
        call.offer_in_answer = offered.is_none();
        if let Some(Ok(contact)) = request.contact() {
            call.target = contact.uri_text.to_owned();
        }
        let body = match offered {
            Some(offered) => self.answer_to(handle, offered),
            None => {
                if let Some(call) = self.call_mut(handle) {
                    call.way = Way::SendRecv;
                }
                self.describe(handle, Way::SendRecv, 1)
            }
        };
        let response = Builder::response(request, 200)
            .header(Name::Contact, self.contact())
            .header(Name::Allow, self.allow());
        let response = self
            .with_timer(request, response)
            .body("application/sdp", body.as_bytes());
        self.respond(now, request, response);
    }

    fn handle_update(&mut self, now: Instant, handle: CallHandle, request: &Message) {
        if !self.setup.features.update {
            return self.reply(now, request, 405);
        }
        let Some(call) = self.call_mut(handle) else { return };
        if !call.is_alive() {
            return self.reply(now, request, 481);
        }
        call.remote_cseq = call.remote_cseq.max(request.cseq());
        let offered = offer::read(request.body());
        if offered.is_some() && self.wire.has_pending(Purpose::Reoffer(handle)) {
            return self.reply(now, request, 491);
        }
        let response = Builder::response(request, 200).header(Name::Contact, self.contact());
        let mut response = self.with_timer(request, response);
        if let Some(offered) = offered {
            let body = self.answer_to(handle, offered);
            response = response.body("application/sdp", body.as_bytes());
        }
        self.respond(now, request, response);
    }

    fn handle_bye(&mut self, now: Instant, handle: CallHandle, request: &Message) {
        let alive = self.call(handle).is_some_and(Call::is_alive);
        self.reply(now, request, if alive { 200 } else { 481 });
        self.end(now, handle, 0);
    }

    fn handle_cancel(&mut self, now: Instant, request: &Message) {
        let branch = request.top_via().branch().unwrap_or_default();
        let meant = self.calls.iter().find(|call| {
            let invite = call.invite.as_ref();
            call.side == Side::Callee && invite.is_some_and(|invite| invite.top_via().branch() == Some(branch))
        });
        let Some((handle, stage)) = meant.map(|call| (call.handle, call.stage)) else {
            let known = self.wire.status_of_invite(branch).is_some();
            return self.reply(now, request, if known { 200 } else { 481 });
        };
        self.reply(now, request, 200);
        if stage == Stage::Ringing {
            self.refuse(now, handle, 487);
        }
    }

    fn handle_notify(&mut self, now: Instant, handle: CallHandle, request: &Message) {
        self.reply(now, request, 200);
        let status = reported_status(request);
        let Some(call) = self.call_mut(handle) else { return };
        call.referring &= status < 200;
        // The transfer is done: telephones hang up on it.
        if (200..300).contains(&status) && call.is_alive() {
            self.hang_up(now, handle);
        }
    }

    pub(super) fn unacknowledged(&mut self, now: Instant, call_id: &str, status: u16) {
        if status >= 300 {
            return;
        }
        self.hear(now, What::NoAck);
        let handle = self
            .calls
            .iter()
            .find(|call| call.call_id == call_id && call.is_alive());
        if let Some(handle) = handle.map(|call| call.handle) {
            self.hang_up(now, handle);
        }
    }
}

/// How long an answer without a description may stand before its BYE.
const BYE_AFTER: std::time::Duration = std::time::Duration::from_secs(35);

/// DTMF digit of an INFO, status of a NOTIFY about a transfer.
/// The status in the body of a NOTIFY about a transfer (RFC 3515 section 2.4.5).
fn reported_status(notify: &Message) -> u16 {
    let body = String::from_utf8_lossy(notify.body());
    body.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or(0)
}

//! What a telephone starts: calls, changes, transfers, ends.

use std::time::{Duration, Instant};

use branchline_sip::message::{Builder, Message, Method, Name};

use super::call::without_tag;
use super::offer::{self, Described};
use super::wire::{Pending, Purpose};
use super::{Actor, Call, CallHandle, Cancel, Deed, Role, Side, Stage, UNHEARD, Way, What, ends_dialog};

/// A number to call and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dial {
    /// What is dialled.
    pub to: String,
    /// Caller shown by a trunk; a telephone is itself.
    pub from: Option<String>,
    /// When the description goes.
    pub offer: Offer,
    /// Further headers, such as Replaces.
    pub headers: Vec<(String, String)>,
}

/// When a caller describes itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// In the INVITE.
    Early,
    /// In the ACK.
    Late,
}

impl Dial {
    /// An ordinary call.
    pub fn new(to: &str) -> Dial {
        Dial {
            to: to.to_owned(),
            from: None,
            offer: Offer::Early,
            headers: Vec::new(),
        }
    }
}

impl Actor {
    /// Calls a number.
    pub fn dial(&mut self, now: Instant, dial: &Dial) -> CallHandle {
        let handle = CallHandle(self.next_call);
        self.next_call += 1;
        let host = self.setup.server.ip();
        let own_host = match self.setup.role {
            Role::Phone => host,
            Role::Trunk => self.setup.address.ip(),
        };
        let from = dial.from.clone().unwrap_or_else(|| self.setup.number.clone());
        let call = Call {
            handle,
            side: Side::Caller,
            stage: Stage::Inviting,
            peer: dial.to.clone(),
            began: now,
            answered: None,
            way: Way::SendRecv,
            remote: None,
            media: self.media_for(handle),
            moved: false,
            replacing: dial.headers.iter().any(|(name, _)| name == "Replaces"),
            call_id: format!("{}@{}", self.token(), own_host),
            local: format!("<sip:{from}@{own_host}>"),
            remote_party: format!("<sip:{}@{host}>", dial.to),
            local_tag: self.token(),
            remote_tag: None,
            target: format!("sip:{}@{}", dial.to, self.setup.server),
            routes: Vec::new(),
            cseq: 1,
            remote_cseq: 0,
            version: 1,
            invite: None,
            offer_in_answer: dial.offer == Offer::Late,
            cancel: Cancel::No,
            wish: Way::SendRecv,
        };
        self.keep(call);
        let mut request = self
            .request_in(handle, &Method::Invite)
            .unwrap_or_else(|| self.nothing());
        for (name, value) in &dial.headers {
            request = request.header(Name::of(name), value);
        }
        if let Some(mut challenge) = self.challenge.take()
            && self.setup.role == Role::Phone
        {
            let uri = request.request_uri().to_owned();
            let (name, value) = challenge.answer(&self.account(), "INVITE", &uri);
            self.challenge = Some(challenge);
            request = request.header(name, value);
        }
        let request = match dial.offer {
            Offer::Early => self.with_offer(handle, request),
            Offer::Late => request,
        };
        self.send_invite(now, Purpose::Invite(handle), request);
        handle
    }

    fn send_invite(&mut self, now: Instant, purpose: Purpose, request: Builder) {
        let request = match (self.setup.features.timer, purpose) {
            // The box asks for signs of life: its clock is the better one (RFC 4028 section 7.1).
            (true, Purpose::Invite(_)) => request
                .header(Name::Supported, "replaces, timer")
                .header(Name::SessionExpires, format_args!("{SESSION_S};refresher=uas")),
            (true | false, _) => request.header(Name::Supported, "replaces"),
        };
        let request = request.header(
            Name::Allow,
            "INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, REFER, NOTIFY, MESSAGE",
        );
        self.send(now, purpose, request);
        if let Purpose::Invite(handle) | Purpose::Reoffer(handle) = purpose {
            let sent = self.wire.pending_mut(purpose).map(|pending| pending.request.clone());
            if let Some(call) = self.call_mut(handle) {
                call.invite = sent;
            }
        }
    }

    /// Takes a call back, refuses it or ends it, whatever fits.
    pub fn hang_up(&mut self, now: Instant, handle: CallHandle) {
        let Some(call) = self.call_mut(handle) else { return };
        match call.stage {
            Stage::Inviting => self.cancel(now, handle),
            Stage::Ringing => self.refuse(now, handle, 480),
            Stage::Up => {
                if let Some(request) = self.request_in(handle, &Method::Bye) {
                    self.send(now, Purpose::Bye(handle), request);
                }
                self.end(now, handle, 0);
            }
            Stage::Over { .. } => {}
        }
    }

    fn cancel(&mut self, now: Instant, handle: CallHandle) {
        let heard_of = self
            .wire
            .pending_mut(Purpose::Invite(handle))
            .map(|pending| pending.provisional);
        let Some(call) = self.call_mut(handle) else { return };
        if call.cancel == Cancel::Sent {
            return;
        }
        call.cancel = Cancel::Wanted;
        let invite = call.invite.clone();
        if let (Some(true), Some(invite)) = (heard_of, invite) {
            call.cancel = Cancel::Sent;
            let mut request = Builder::request(&Method::Cancel, invite.request_uri());
            for name in [Name::Via, Name::From, Name::To, Name::CallId, Name::Route] {
                request = request.copy(&invite, name);
            }
            let request = request
                .header(Name::CSeq, format_args!("{} CANCEL", invite.cseq()))
                .header(Name::MaxForwards, 70);
            self.send(now, Purpose::Cancel, request);
            self.wire.hurry(now, Purpose::Invite(handle));
        }
    }

    /// Offers a change: hold, resume. While another change is under way it waits.
    pub fn reoffer(&mut self, now: Instant, handle: CallHandle, way: Way) {
        let busy = self.wire.has_pending(Purpose::Reoffer(handle));
        let Some(call) = self.call_mut(handle) else { return };
        if call.stage != Stage::Up {
            return;
        }
        if busy {
            return self.later(now + Duration::from_secs(1), Deed::Reoffer(handle, way));
        }
        call.version += 1;
        call.wish = way;
        call.offer_in_answer = false;
        let Some(request) = self.request_in(handle, &Method::Invite) else {
            return;
        };
        let body = self.describe(handle, way, 1);
        self.send_invite(
            now,
            Purpose::Reoffer(handle),
            request.body("application/sdp", body.as_bytes()),
        );
    }

    /// Sends the other party to a number (RFC 5589 section 6).
    pub fn transfer_blind(&mut self, now: Instant, handle: CallHandle, to: &str) {
        let target = match to.contains('@') {
            true => format!("<sip:{to}>"),
            false => format!("<sip:{to}@{}>", self.setup.server.ip()),
        };
        self.refer(now, handle, &target);
    }

    /// Joins the other party with that of a second call of this telephone (RFC 5589 section 7).
    pub fn transfer_attended(&mut self, now: Instant, handle: CallHandle, consultation: CallHandle) {
        let Some(call) = self.call(consultation) else { return };
        let (call_id, own, other) = call.dialog();
        let call_id = call_id.replace('@', "%40");
        let target = format!(
            "<{}?Replaces={call_id}%3Bto-tag%3D{other}%3Bfrom-tag%3D{own}>",
            call.target
        );
        self.refer(now, handle, &target);
        if let Some(call) = self.call_mut(consultation) {
            call.moved = true;
        }
    }

    fn refer(&mut self, now: Instant, handle: CallHandle, target: &str) {
        let by = self.call(handle).map(|call| call.local.clone()).unwrap_or_default();
        let Some(request) = self.request_in(handle, &Method::Refer) else {
            return;
        };
        let request = request.header(Name::ReferTo, target).header(Name::ReferredBy, by);
        self.send(now, Purpose::Refer(handle), request);
        if let Some(call) = self.call_mut(handle) {
            call.moved = true;
        }
    }

    /// Presses a key (INFO, application/dtmf-relay).
    pub fn press(&mut self, now: Instant, handle: CallHandle, digit: char) {
        let body = format!("Signal={digit}\r\nDuration=160\r\n");
        if let Some(request) = self.request_in(handle, &Method::Info) {
            self.send(
                now,
                Purpose::Other,
                request.body("application/dtmf-relay", body.as_bytes()),
            );
        }
    }

    /// A request inside a call, or the INVITE that begins it.
    fn request_in(&mut self, handle: CallHandle, method: &Method) -> Option<Builder> {
        let (via, contact) = (self.via(), self.contact());
        let call = self.call_mut(handle)?;
        if call.invite.is_some() || call.side == Side::Callee {
            call.cseq += 1;
        }
        let mut request = Builder::request(method, &call.target)
            .header(Name::Via, via)
            .header(Name::MaxForwards, 70)
            .header(Name::From, call.from_header())
            .header(Name::To, call.to_header())
            .header(Name::CallId, &call.call_id)
            .header(Name::CSeq, format_args!("{} {}", call.cseq, method.as_str()));
        for route in &call.routes {
            request = request.header(Name::Route, route);
        }
        Some(if *method == Method::Bye {
            request
        } else {
            request.header(Name::Contact, contact)
        })
    }

    fn nothing(&self) -> Builder {
        Builder::request(&Method::Options, "sip:nobody.invalid")
    }

    fn with_offer(&mut self, handle: CallHandle, request: Builder) -> Builder {
        let body = self.describe(handle, Way::SendRecv, 1);
        request.body("application/sdp", body.as_bytes())
    }

    pub(super) fn media_for(&self, handle: CallHandle) -> std::net::SocketAddr {
        let mut media = self.setup.media;
        let offset = u16::try_from(handle.0 % 100).unwrap_or(0) * 2;
        media.set_port(media.port().saturating_add(offset));
        media
    }

    pub(super) fn describe(&self, handle: CallHandle, way: Way, streams: usize) -> String {
        let (media, version) = self
            .call(handle)
            .map_or((self.setup.media, 1), |call| (call.media, call.version));
        offer::write(Described { media, way, streams }, version)
    }

    pub(super) fn handle_response(&mut self, now: Instant, response: &Message) {
        let Some(pending) = self.wire.answered(now, response) else {
            if response.status() >= 200 && *response.method() == Method::Invite {
                self.wire.acknowledged_before(response);
            }
            return;
        };
        let call = match pending.purpose {
            Purpose::Invite(call) | Purpose::Reoffer(call) | Purpose::Bye(call) | Purpose::Refer(call) => Some(call),
            Purpose::Register | Purpose::Cancel | Purpose::Other => None,
        };
        self.hear(
            now,
            What::Response {
                status: response.status(),
                method: response.method().as_str().to_owned(),
                call,
                described: offer::read(response.body()).is_some(),
            },
        );
        match pending.purpose {
            Purpose::Invite(handle) => self.invite_answered(now, (handle, &pending), response),
            Purpose::Reoffer(handle) => self.reoffer_answered(now, (handle, &pending), response),
            Purpose::Register => {
                if response.status() >= 200 {
                    self.register_answered(now, (&pending.request, pending.signed), response);
                }
            }
            Purpose::Refer(handle) | Purpose::Bye(handle) => {
                if response.status() >= 300 && ends_dialog(response.status()) {
                    self.end(now, handle, 0);
                }
            }
            Purpose::Cancel | Purpose::Other => {}
        }
    }

    fn invite_answered(&mut self, now: Instant, (handle, pending): (CallHandle, &Pending), response: &Message) {
        let status = response.status();
        if status < 200 {
            if let Some(call) = self.call_mut(handle) {
                if status > 100 {
                    call.learn(response);
                    call.remote = offer::read(response.body()).or(call.remote);
                }
                if call.cancel == Cancel::Wanted {
                    self.cancel(now, handle);
                }
            }
            return;
        }
        if status >= 300 {
            self.ack_refusal(now, &pending.request, response);
            if matches!(status, 401 | 407) && !pending_signed_again(pending, response) {
                let Some(call) = self.call_mut(handle) else { return };
                if call.cancel != Cancel::No {
                    return self.end(now, handle, 487);
                }
                call.cseq += 1;
                call.remote_tag = None;
                let cseq = call.cseq;
                if let Some(again) = self.sign((&pending.request, response), cseq) {
                    return self.invite_again(now, handle, again);
                }
            }
            return self.end(now, handle, status);
        }
        let Some(call) = self.call_mut(handle) else { return };
        let was_over = !call.is_alive();
        let cancelled = call.cancel != Cancel::No;
        call.learn(response);
        let described = offer::read(response.body());
        let late = call.offer_in_answer;
        call.remote = described.or(call.remote);
        if !was_over {
            call.stage = Stage::Up;
            call.answered = Some(now);
        }
        if described.is_none() && call.remote.is_none() {
            self.hear(now, What::Fault("a 200 without a description".to_owned()));
        }
        let answer = match (late, described) {
            (true, Some(described)) => Some(self.answer_to(handle, described)),
            (true, None) | (false, Some(_) | None) => None,
        };
        self.ack_answer(now, handle, (response, answer));
        if cancelled || was_over {
            if let Some(call) = self.call_mut(handle) {
                call.stage = Stage::Up;
            }
            self.hang_up(now, handle);
        }
    }

    fn invite_again(&mut self, now: Instant, handle: CallHandle, request: Builder) {
        self.send(now, Purpose::Invite(handle), request);
        let sent = self
            .wire
            .pending_mut(Purpose::Invite(handle))
            .map(|it| it.request.clone());
        if let Some(call) = self.call_mut(handle) {
            call.invite = sent;
        }
    }

    fn reoffer_answered(&mut self, now: Instant, (handle, pending): (CallHandle, &Pending), response: &Message) {
        let status = response.status();
        if status < 200 {
            return;
        }
        if status >= 300 {
            self.ack_refusal(now, &pending.request, response);
            if matches!(status, 401 | 407) {
                self.hear(now, What::Fault(format!("a {status} to a change inside a call")));
            }
            let Some(call) = self.call(handle) else { return };
            let (wish, side) = (call.wish, call.side);
            if status == 491 {
                // RFC 3261 section 14.1.
                let wait = match side {
                    Side::Caller => Duration::from_millis(2100) + self.random(Duration::from_millis(1900)),
                    Side::Callee => self.random(Duration::from_secs(2)),
                };
                self.later(now + wait, Deed::Reoffer(handle, wish));
            } else if ends_dialog(status) {
                self.hang_up(now, handle);
            }
            return;
        }
        if let Some(call) = self.call_mut(handle) {
            call.remote = offer::read(response.body()).or(call.remote);
            call.way = call.wish;
        }
        self.ack_answer(now, handle, (response, None));
    }

    fn ack_refusal(&mut self, now: Instant, invite: &Message, response: &Message) {
        let mut ack = Builder::request(&Method::Ack, invite.request_uri()).header(Name::MaxForwards, 70);
        for (from, name) in [
            (invite, Name::Via),
            (invite, Name::From),
            (response, Name::To),
            (invite, Name::CallId),
            (invite, Name::Route),
        ] {
            ack = ack.copy(from, name);
        }
        let ack = ack.header(Name::CSeq, format_args!("{} ACK", invite.cseq())).finish();
        self.wire.acknowledge(now, response, ack.bytes().clone());
    }

    fn ack_answer(&mut self, now: Instant, handle: CallHandle, (response, body): (&Message, Option<String>)) {
        let via = self.via();
        if self.setup.features.never_acks {
            return;
        }
        let Some(call) = self.call(handle) else { return };
        let mut ack = Builder::request(&Method::Ack, &call.target)
            .header(Name::Via, via)
            .header(Name::MaxForwards, 70)
            .header(Name::From, call.from_header())
            .header(Name::To, call.to_header())
            .header(Name::CallId, &call.call_id)
            .header(Name::CSeq, format_args!("{} ACK", response.cseq()));
        for route in &call.routes {
            ack = ack.header(Name::Route, route);
        }
        let ack = match body {
            Some(body) => ack.body("application/sdp", body.as_bytes()),
            None => ack,
        };
        self.wire.acknowledge(now, response, ack.finish().bytes().clone());
    }

    /// Our answer to a description that came, by what we want.
    pub(super) fn answer_to(&mut self, handle: CallHandle, offered: Described) -> String {
        if let Some(call) = self.call_mut(handle) {
            call.remote = Some(offered);
            let wish = if call.way == Way::Inactive || !call.way.sends() {
                Way::SendRecv
            } else {
                call.way
            };
            call.way = offered.way.answer(wish);
        }
        let way = self.call(handle).map_or(Way::SendRecv, |call| call.way);
        self.describe(handle, way, offered.streams)
    }

    pub(super) fn unanswered(&mut self, now: Instant, pending: &Pending) {
        self.hear(
            now,
            What::NoAnswer {
                method: pending.request.method().as_str().to_owned(),
            },
        );
        match pending.purpose {
            Purpose::Register => {
                self.challenge = None;
                self.register_later(now, Duration::from_secs(5));
            }
            Purpose::Invite(handle) => self.end(now, handle, UNHEARD),
            Purpose::Reoffer(handle) => self.hang_up(now, handle),
            Purpose::Bye(_) | Purpose::Cancel | Purpose::Refer(_) | Purpose::Other => {}
        }
    }

    pub(super) fn remote_party_of(request: &Message) -> String {
        request
            .text(Name::From)
            .map(|from| without_tag(&from))
            .unwrap_or_default()
    }
}

/// Session timer that a caller asks for.
const SESSION_S: u32 = 1800;

/// Credentials went with this request and were not good enough, and the challenge does not say that they are stale.
fn pending_signed_again(pending: &Pending, response: &Message) -> bool {
    let asked = [Name::WwwAuthenticate, Name::ProxyAuthenticate];
    let texts = asked.iter().filter_map(|name| response.value(*name));
    let stale = texts
        .map(String::from_utf8_lossy)
        .any(|text| text.to_ascii_lowercase().contains("stale=true"));
    // A nonce of before a restart of the box is unknown, and not always called stale.
    let tries = pending.request.cseq();
    pending.signed && !stale && tries > 2
}

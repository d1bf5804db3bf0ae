//! What a telephone starts: calls, changes, transfers, ends.

use std::time::{Duration, Instant};

use branchline_sip::message::{Builder, Message, Method, Name};

use super::call::without_tag;
use super::offer::{self, Described};
use super::wire::Purpose;
use super::{Actor, Call, CallHandle, Cancel, Deed, Role, Side, Stage, Way};

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
    /// In the INVITE, and not in order: without `v=`, and with a name of two words.
    Odd,
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
            Role::Trunk | Role::Beyond => self.setup.address.ip(),
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
            referring: false,
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
            rseq: 0,
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
            Offer::Early if self.setup.features.prack => {
                self.with_offer(handle, request).header(Name::Supported, "100rel")
            }
            Offer::Early => self.with_offer(handle, request),
            Offer::Late => request,
            Offer::Odd => {
                let body = self.describe(handle, Way::SendRecv, 1);
                let body = body.replacen("v=0\r\no=-", "o=desk phone", 1);
                request.body("application/sdp", body.as_bytes())
            }
        };
        self.send_invite(now, Purpose::Invite(handle), request);
        handle
    }

    pub(super) fn send_invite(&mut self, now: Instant, purpose: Purpose, request: Builder) {
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

    /// Acknowledges a reliable provisional response (RFC 3262 section 4), once; the box repeats it until then.
    pub(super) fn acknowledge_ringing(&mut self, now: Instant, handle: CallHandle, response: &Message) {
        let rseq = response.number(Name::RSeq).filter(|_| self.setup.features.prack);
        let Some((rseq, call)) = rseq.zip(self.call_mut(handle)) else {
            return;
        };
        if call.rseq != 0 && rseq != call.rseq + 1 {
            return;
        }
        call.rseq = rseq;
        let rack = format!("{rseq} {} INVITE", response.cseq());
        if let Some(prack) = self.request_in(handle, &Method::Prack) {
            self.send(now, Purpose::Other, prack.header(Name::RAck, rack));
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

    pub(super) fn cancel(&mut self, now: Instant, handle: CallHandle) {
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
            call.referring = true;
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
    pub(super) fn request_in(&mut self, handle: CallHandle, method: &Method) -> Option<Builder> {
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

    pub(super) fn with_offer(&mut self, handle: CallHandle, request: Builder) -> Builder {
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

    pub(super) fn remote_party_of(request: &Message) -> String {
        request
            .text(Name::From)
            .map(|from| without_tag(&from))
            .unwrap_or_default()
    }
}

/// Session timer that a caller asks for.
const SESSION_S: u32 = 1800;

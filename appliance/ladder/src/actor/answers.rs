//! What comes back to a telephone for what it started.

use std::time::{Duration, Instant};

use branchline_sip::message::{Builder, Message, Method, Name};

use super::offer::{self, Described};
use super::wire::{Pending, Purpose};
use super::{Actor, CallHandle, Cancel, Deed, Side, Stage, UNHEARD, Way, What, ends_dialog};

impl Actor {
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
                if response.status() >= 300
                    && let Some(call) = self.call_mut(handle)
                {
                    call.referring = false;
                }
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
            return self.invite_progressed(now, handle, response);
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

    fn invite_progressed(&mut self, now: Instant, handle: CallHandle, response: &Message) {
        let Some(call) = self.call_mut(handle) else { return };
        if response.status() > 100 {
            call.learn(response);
            call.remote = offer::read(response.body()).or(call.remote);
        }
        if call.cancel == Cancel::Wanted {
            self.cancel(now, handle);
        } else {
            self.acknowledge_ringing(now, handle, response);
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
}

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

//! The telephone's calls: made, taken, held, toggled, joined.

use std::time::Instant;

use branchline_media::tone::{CallerId, Presented};
use branchline_sdp::Direction;
use branchline_sip::agent::{Referral, SessionEvent, SessionId, Verdict};
use branchline_sip::message::{Message, Uri};
use branchline_sip::transaction::ServerKey;

use super::{Call, Heard, HookState, Ringing, Slot, Station, Waiting};
use crate::description::talk_of;
use crate::uplink::News;

impl Station {
    pub(super) fn lifted(&mut self, now: Instant) {
        self.hook = HookState::Off;
        if let Some(ringing) = self.ringing.take() {
            ringing.stop(&mut self.outputs);
        }
        self.return_or_dial(now);
    }

    /// Hanging up ends the call, or joins it with the one that is held; one that waits rings, and so does one that is held
    /// by a handset that was only dialling.
    pub(super) fn put_down(&mut self, now: Instant) {
        self.hook = HookState::On;
        match (std::mem::replace(&mut self.slot, Slot::Idle), self.held.take()) {
            (Slot::Talking(call) | Slot::Calling { call, .. }, Some(held)) => {
                self.join(now, held.session, call.session);
            }
            (Slot::Talking(call) | Slot::Calling { call, .. }, None) => self.uplink.hang_up(now, call.session),
            (Slot::Idle | Slot::Dialling { .. } | Slot::Ended { .. }, held) => self.held = held,
        }
        if let Some(waiting) = &self.waiting {
            let caller = waiting.caller.clone();
            self.ring(caller);
        } else if self.held.is_some() {
            self.ring(nobody());
        }
    }

    pub(super) fn recalled(&mut self, now: Instant) {
        if self.hook == HookState::On {
            return;
        }
        match std::mem::replace(&mut self.slot, Slot::Idle) {
            Slot::Talking(call) => self.recalled_in_call(now, call),
            Slot::Calling { call, .. } => {
                self.uplink.hang_up(now, call.session);
                self.return_or_dial(now);
            }
            Slot::Idle | Slot::Dialling { .. } | Slot::Ended { .. } => self.return_or_dial(now),
        }
    }

    fn recalled_in_call(&mut self, now: Instant, mut call: Call) {
        match (self.held.take(), self.waiting.take()) {
            (None, Some(waiting)) => {
                self.hold(now, call);
                self.take(now, waiting);
            }
            (None, None) => {
                self.hold(now, call);
                self.dial_tone(now);
            }
            (Some(mut held), waiting) => {
                self.waiting = waiting;
                self.uplink
                    .offer(now, call.session, (&mut call.describer, Direction::SendOnly));
                self.uplink
                    .offer(now, held.session, (&mut held.describer, Direction::SendRecv));
                self.held = Some(call);
                self.slot = Slot::Talking(held);
            }
        }
    }

    fn return_or_dial(&mut self, now: Instant) {
        if let Some(waiting) = self.waiting.take() {
            self.take(now, waiting);
        } else if self.held.is_some() {
            self.resume(now);
        } else {
            self.dial_tone(now);
        }
    }

    fn hold(&mut self, now: Instant, mut call: Call) {
        self.uplink
            .offer(now, call.session, (&mut call.describer, Direction::SendOnly));
        self.held = Some(call);
    }

    fn resume(&mut self, now: Instant) {
        if let Some(mut held) = self.held.take() {
            self.uplink
                .offer(now, held.session, (&mut held.describer, Direction::SendRecv));
            self.slot = Slot::Talking(held);
        }
    }

    fn take(&mut self, now: Instant, Waiting { mut call, answer, .. }: Waiting) {
        let body = answer.unwrap_or_else(|| call.describer.offer(Direction::SendRecv));
        self.uplink.answer(now, call.session, Some(body));
        self.slot = Slot::Talking(call);
    }

    /// The party on hold gets the other one (RFC 5589 section 7); the branch ends both calls of the telephone.
    fn join(&mut self, now: Instant, held: SessionId, other: SessionId) {
        let agent = self.uplink.agent();
        let refer_to = agent.session(other).map(|view| {
            let escaped = view.call_id.replace('@', "%40");
            let (own, far) = (view.local_tag_text(), view.remote_tag);
            let target = view.remote_target;
            format!("<{target}?Replaces={escaped}%3Bto-tag%3D{far}%3Bfrom-tag%3D{own}>")
        });
        match refer_to {
            Some(refer_to) => {
                let referred_by = None;
                agent.refer(now, held, &Referral { refer_to, referred_by });
                self.joining = Some([held, other]);
            }
            None => {
                agent.hang_up(now, held, None);
                agent.hang_up(now, other, None);
            }
        }
    }

    pub(super) fn call(&mut self, now: Instant) {
        let Slot::Dialling { digits, .. } = &self.slot else {
            return;
        };
        let number = digits.clone();
        let mut describer = self.uplink.describer();
        let body = describer.offer(Direction::SendRecv);
        self.slot = match self.uplink.invite(now, &number, (None, body)) {
            Some(session) => Slot::Calling {
                call: Call {
                    session,
                    describer,
                    talk: None,
                },
                heard: Heard::Nothing,
            },
            None => Slot::Idle,
        };
        if matches!(self.slot, Slot::Idle) {
            self.end(now, Some(self.analog.congestion));
        }
    }

    fn ring(&mut self, caller: CallerId) {
        self.ringing = Some(Ringing::begin(self.analog, caller, &mut self.outputs));
    }

    pub(super) fn handle_news(&mut self, now: Instant, news: News) {
        match news {
            News::Invite { key, request } => self.invited(now, (key, request)),
            News::Session { id, event } => self.session(now, id, event),
        }
    }

    fn invited(&mut self, now: Instant, (key, request): (ServerKey, Message)) {
        let has_room = match &self.slot {
            Slot::Idle | Slot::Talking(_) => self.waiting.is_none() && self.held.is_none(),
            Slot::Dialling { .. } | Slot::Calling { .. } | Slot::Ended { .. } => false,
        };
        if !has_room {
            self.uplink.refuse(now, (key, &request), BUSY);
            return;
        }
        let mut describer = self.uplink.describer();
        let offer = branchline_sip::agent::Body::of(&request);
        let answer = offer.map(|offer| describer.answer(&offer, Direction::SendRecv));
        let answer = match answer {
            Some(None) => {
                self.uplink.refuse(now, (key, &request), NOT_ACCEPTABLE);
                return;
            }
            Some(Some((body, talk))) => Some((body, talk)),
            None => None,
        };
        let caller = caller_id(&request);
        let Some(session) = self.uplink.accept(now, key, request) else {
            return;
        };
        self.uplink.ringing(now, session);
        let (answer, talk) = answer.unzip();
        let call = Call {
            session,
            describer,
            talk,
        };
        if self.hook == HookState::On {
            self.ring(caller.clone());
        }
        self.waiting = Some(Waiting { call, caller, answer });
    }

    fn session(&mut self, now: Instant, id: SessionId, event: SessionEvent) {
        match event {
            SessionEvent::Trying => {}
            SessionEvent::Progress { status, body, .. } => self.progress(id, (status, body.as_ref())),
            SessionEvent::Answered { body, .. } => {
                if let Slot::Calling { call, .. } = &mut self.slot
                    && call.session == id
                {
                    let talk = body.as_ref().and_then(talk_of).or(call.talk);
                    let old = std::mem::replace(&mut self.slot, Slot::Idle);
                    if let Slot::Calling { call, .. } = old {
                        self.slot = Slot::Talking(Call { talk, ..call });
                    }
                }
            }
            SessionEvent::Acknowledged { body } | SessionEvent::ReofferAcknowledged { body } => {
                self.described(id, body.as_ref());
            }
            SessionEvent::ReofferAnswered { body, .. } => self.described(id, body.as_ref()),
            SessionEvent::Reoffer { body, .. } => self.reoffered(now, (id, body.as_ref())),
            SessionEvent::Refused { status, .. } => self.over(now, id, status),
            SessionEvent::Cancelled { .. } | SessionEvent::Ended { .. } => self.over(now, id, BUSY),
            SessionEvent::Refer { key, .. } => {
                self.uplink
                    .agent()
                    .answer_refer(now, id, key, Verdict::Refuse { status: DECLINED });
            }
            SessionEvent::Info { key, .. } | SessionEvent::InDialog { key, .. } => {
                self.uplink.agent().respond_in_dialog(now, key, 200);
            }
            SessionEvent::Challenged { .. } => self.uplink.hang_up(now, id),
            // A transfer that the branch would not make: nobody is left to talk to.
            SessionEvent::ReferProgress { status, .. } if status >= 300 => {
                for session in self.joining.take().into_iter().flatten() {
                    self.uplink.hang_up(now, session);
                }
            }
            SessionEvent::ReferProgress { .. }
            | SessionEvent::Redirected { .. }
            | SessionEvent::AnswerSent
            | SessionEvent::ReofferRefused { .. }
            | SessionEvent::ReofferWithdrawn
            | SessionEvent::InDialogAnswered { .. } => {}
        }
    }

    fn progress(&mut self, id: SessionId, (status, body): (u16, Option<&branchline_sip::agent::Body>)) {
        if let Slot::Calling { call, heard } = &mut self.slot
            && call.session == id
        {
            if let Some(talk) = body.and_then(talk_of) {
                call.talk = Some(talk);
                *heard = Heard::Far;
            } else if status == 180 && *heard == Heard::Nothing {
                *heard = Heard::Ringback;
            }
        }
    }

    /// The far end said where and how it speaks.
    fn described(&mut self, id: SessionId, body: Option<&branchline_sip::agent::Body>) {
        let talk = body.and_then(talk_of);
        if let (Some(call), Some(talk)) = (self.find(id), talk) {
            call.talk = Some(talk);
        }
    }

    fn reoffered(&mut self, now: Instant, (id, offer): (SessionId, Option<&branchline_sip::agent::Body>)) {
        let is_held = self.held.as_ref().is_some_and(|held| held.session == id);
        let wish = if is_held {
            Direction::SendOnly
        } else {
            Direction::SendRecv
        };
        let Some(call) = self.find(id) else {
            self.uplink.agent().refuse_reoffer(now, id, NOT_ACCEPTABLE);
            return;
        };
        let body = match offer {
            None => Some(call.describer.offer(wish)),
            Some(offer) => call.describer.answer(offer, wish).map(|(body, talk)| {
                call.talk = Some(talk);
                body
            }),
        };
        match body {
            Some(body) => self.uplink.agent().answer_reoffer(now, id, Some(body)),
            None => self.uplink.agent().refuse_reoffer(now, id, NOT_ACCEPTABLE),
        }
    }

    fn over(&mut self, now: Instant, id: SessionId, status: u16) {
        let is = |call: &Call| call.session == id;
        if self.waiting.as_ref().is_some_and(|waiting| is(&waiting.call)) {
            self.waiting = None;
            self.fall_silent();
        } else if self.held.as_ref().is_some_and(is) {
            self.held = None;
            self.fall_silent();
        } else if let Slot::Talking(call) | Slot::Calling { call, .. } = &self.slot
            && is(call)
        {
            let tone = match status {
                BUSY | BUSY_EVERYWHERE | DECLINED => self.analog.busy,
                _ => self.analog.congestion,
            };
            self.end(now, Some(tone));
        }
    }

    /// Nobody rings any longer.
    fn fall_silent(&mut self) {
        if let Some(ringing) = self.ringing.take() {
            ringing.stop(&mut self.outputs);
        }
    }

    fn find(&mut self, id: SessionId) -> Option<&mut Call> {
        let slot = match &mut self.slot {
            Slot::Talking(call) | Slot::Calling { call, .. } => Some(call),
            Slot::Idle | Slot::Dialling { .. } | Slot::Ended { .. } => None,
        };
        let waiting = self.waiting.as_mut().map(|waiting| &mut waiting.call);
        let mut calls = slot.into_iter().chain(&mut self.held).chain(waiting);
        calls.find(|call| call.session == id)
    }
}

/// What is told of a caller.
fn caller_id(request: &Message) -> CallerId {
    let from = request.from();
    let user = Uri::parse(from.uri_text).ok().filter(|uri| uri.user.is_some());
    let number = user.map(|uri| uri.user_unescaped().into_owned());
    let is_number = |text: &String| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || b"+*#".contains(&b));
    let is_private = number.as_deref() == Some("anonymous");
    let shown = |text: Option<String>| match text {
        _ if is_private => Presented::Private,
        Some(text) => Presented::Given(text),
        None => Presented::Unavailable,
    };
    CallerId {
        when: None,
        name: shown(from.display.as_ref().map(|name| name.clone().into_owned())),
        number: shown(number.filter(is_number)),
    }
}

fn nobody() -> CallerId {
    CallerId {
        when: None,
        number: Presented::Unavailable,
        name: Presented::Unavailable,
    }
}

const BUSY: u16 = 486;
const BUSY_EVERYWHERE: u16 = 600;
const DECLINED: u16 = 603;
const NOT_ACCEPTABLE: u16 = 488;

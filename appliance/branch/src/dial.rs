//! An INVITE comes in: who calls, what was dialled, where it goes.

use std::fmt::Display;

use branchline_call::{CallId, Cause, LegId, NewCall};
use branchline_journal::{CallbackLine, Direction, EmergencyCall, Mode, RecordedParty, WanMode};
use branchline_route::{ArrivalKind, Loop, Request};
use branchline_sdp::Sdp;
use branchline_sip::agent::{Body, IncomingInvite, NextHop, Replaces};
use branchline_sip::message::{Builder, Message, Name, Uri};
use branchline_sip::transaction::ServerKey;
use branchline_sip::{Flow, Transport, message::Scheme};
use uuid::Uuid;

use crate::Branch;
use crate::act::reason;
use crate::course::Course;
use crate::echo::ECHO;
use crate::emergency::{HELP_RING, Voice};
use crate::hosted::{Return, Returned};
use crate::identity::{Shown, contact};
use crate::inspect::{self, ACCEPT, offer};
use crate::legs::{LegEntry, Party};
use crate::now::Now;
use crate::records::CallFacts;
use crate::requests::OVERLOAD;
use crate::targets::Urgency;

/// An INVITE with what has been found out about it.
pub(crate) struct Incoming {
    pub(crate) key: ServerKey,
    pub(crate) flow: Flow,
    pub(crate) request: Message,
    pub(crate) party: Party,
    pub(crate) dialled: String,
}

impl Branch {
    pub(crate) fn handle_invite(&mut self, now: Now, (key, flow): (ServerKey, Flow), request: Message) {
        let dialled = dialled(&request);
        let is_emergency = self.is_emergency(&request) && !self.came_round(flow, &request);
        if is_emergency && self.came_back(now, flow, &request) {
            // The hosted PBX knows no other way out; the box tries its own.
            let response = Builder::response(&request, 482).finish();
            return self.agent.respond_and_forget(key, response);
        }
        if is_emergency {
            self.end_drill(now, "a call for help");
            let party = self.caller_for_help(flow, &request);
            return self.route(
                now,
                &Incoming {
                    key,
                    flow,
                    request,
                    party,
                    dialled,
                },
            );
        }
        let party = match self.identify(now, flow, &request) {
            Ok(party) => party,
            Err(challenge) => return self.agent.respond_and_forget(key, challenge),
        };
        let incoming = Incoming {
            key,
            flow,
            request,
            party,
            dialled,
        };
        if let Some(call) = self.help_returned(now, &incoming)
            && !self.goes_round(&incoming, &call)
        {
            return self.route_back(now, &incoming, &call);
        }
        let replaces = incoming
            .request
            .text(Name::Replaces)
            .and_then(|value| Replaces::parse(&value));
        if let Some(replaces) = replaces {
            self.take_over(now, &incoming, &replaces);
        } else if let Some(retry_after_s) = self.admit(now, incoming.flow.remote.ip(), ArrivalKind::Call) {
            self.shed_call(now, &incoming, retry_after_s);
        } else if let Some(status) = inspect::unacceptable(&incoming.request) {
            let why = "its headers ask for what the box does not do";
            self.refuse_call(now, &incoming, (Cause::of_status(status), &why));
        } else if self.is_busy(&incoming.party) {
            self.refuse_call(
                now,
                &incoming,
                (Cause::BUSY, &"the caller has all the calls it may have"),
            );
        } else {
            self.route(now, &incoming);
        }
    }

    /// A trunk brings a call that has been through all it may go through: two boxes that are each other's trunk.
    fn came_round(&self, flow: Flow, request: &Message) -> bool {
        request.number(Name::MaxForwards) == Some(0) && self.trunks.has_address(flow.remote)
    }

    /// The hosted PBX brings our own call for help.
    fn came_back(&mut self, now: Now, flow: Flow, request: &Message) -> bool {
        let dialled = dialled(request);
        self.hosted.is_at(flow.remote)
            && self
                .recognise(
                    now,
                    &Return {
                        request,
                        offer: offer(request).ok().flatten().as_ref(),
                        line: &dialled,
                    },
                )
                .is_some()
    }

    /// A number that everybody calls may lead round as well; one of an operator's alone leads to a phone.
    fn goes_round(&self, incoming: &Incoming, call: &EmergencyCall) -> bool {
        call.line == CallbackLine::Shared
            && (incoming.request.number(Name::MaxForwards) == Some(0) || self.looped(incoming) == Loop::Seen)
    }

    /// Who calls for help: the extension that registered from there, so that it can be called back. Nobody is asked for a
    /// password (RFC 6881 section 9, ED-73), and no right comes with the name.
    fn caller_for_help(&self, flow: Flow, request: &Message) -> Party {
        let user = request
            .from()
            .uri()
            .ok()
            .map(|uri| uri.user_unescaped().into_owned())
            .unwrap_or_default();
        let registered = self
            .bindings
            .lookup(&user)
            .iter()
            .any(|binding| is_of_phone(binding.flow, flow));
        if registered {
            Party::Extension(user)
        } else {
            Party::Stranger
        }
    }

    pub(crate) fn turn_away(&mut self, now: Now, key: ServerKey, response: Builder) {
        self.agent.respond(now.mono, key, response);
    }

    /// The extension's own bound on calls at once.
    fn is_busy(&self, party: &Party) -> bool {
        let Party::Extension(number) = party else {
            return false;
        };
        let bound = self.config.extension(number).map_or(1, |extension| extension.max_calls);
        // A consultation for a transfer takes one line more than the phone takes calls on.
        self.legs.calls_of(party) > bound
    }

    /// Overload (RFC 7339 in spirit).
    fn shed_call(&mut self, now: Now, incoming: &Incoming, retry_after_s: u32) {
        self.last_shed = Some(now.mono);
        self.counters.calls_shed += 1;
        self.explain_refusal(incoming, (503, &OVERLOAD));
        if self.shed_records.allows(now.mono) {
            self.record_refusal(now, incoming, Cause::of_status(503));
        }
        let response = Builder::response(&incoming.request, 503).header(Name::RetryAfter, retry_after_s);
        // A flood that never acknowledges would be remembered and answered for half a minute.
        self.agent.respond_and_forget(incoming.key, response);
    }

    /// The way out for a call that was let in and goes nowhere: it leaves a record, and the caller hears why.
    fn refuse_call(&mut self, now: Now, incoming: &Incoming, (cause, why): (Cause, &dyn Display)) {
        self.explain_refusal(incoming, (cause.status, why));
        self.record_refusal(now, incoming, cause);
        let mut response = Builder::response(&incoming.request, cause.status).header(Name::Reason, reason(cause));
        match cause.status {
            503 => response = response.header(Name::RetryAfter, RETRY_AFTER_S),
            415 => {
                response = response
                    .header(Name::Accept, ACCEPT)
                    .header(Name::AcceptEncoding, "identity");
            }
            _ => {}
        }
        self.turn_away(now, incoming.key, response);
    }

    fn route(&mut self, now: Now, incoming: &Incoming) {
        let looped = if self.hosted.is_at(incoming.flow.remote) {
            Loop::FromHosted
        } else {
            self.looped(incoming)
        };
        let request = Request {
            looped,
            ..Request::new(self.caller(&incoming.party), &incoming.dialled)
        };
        match self.course(&request) {
            Ok(course) => self.start(now, incoming, course),
            Err(why) => {
                let (status, q850) = why.codes();
                self.refuse_call(now, incoming, (Cause { status, q850 }, &why));
            }
        }
    }

    /// An operator calls back: nothing that would turn an ordinary call away counts.
    fn route_back(&mut self, now: Now, incoming: &Incoming, call: &EmergencyCall) {
        let request = Request::new(self.caller(&incoming.party), &incoming.dialled);
        let attempts = self.callback_attempts(call, &request);
        if attempts.is_empty() {
            return self.route(now, incoming);
        }
        let course = Course {
            attempts,
            direction: Direction::Inbound,
            urgency: Urgency::Callback,
            normalised: call.extension.clone().unwrap_or_default(),
        };
        self.start(now, incoming, course);
    }

    fn start(&mut self, now: Now, incoming: &Incoming, course: Course) {
        let offer = match self.offer_of(incoming) {
            Ok(offer) => offer,
            Err(status) => {
                let why = "its description of the sound cannot be used";
                return self.refuse_call(now, incoming, (Cause::of_status(status), &why));
            }
        };
        if course.urgency == Urgency::Emergency && !self.find_room(now, incoming) && incoming.party == Party::Stranger {
            return self.shed_call(now, incoming, RETRY_AFTER_S);
        }
        self.explain_course(incoming, &course);
        let id = self.journal.id(now);
        let call = CallId(*id.as_bytes());
        let shown = self.shown(&incoming.party, &incoming.request);
        let mut facts = self.facts_of(now, (id, incoming), &shown, &course);
        let out = match self.returned(now, incoming) {
            Some(Returned::From(out)) => Some(out),
            Some(Returned::Late) => return self.turn_away_late(now, incoming),
            None => None,
        };
        facts.within = out.and_then(|out| self.calls.call_of(out));
        self.facts.insert(call, facts);
        if course.urgency == Urgency::Emergency {
            self.help_wanted(now, (call, &course.normalised), incoming);
        } else if course.normalised == ECHO {
            self.tell_outlook(now, incoming);
        }
        let placed = self.bind_caller(now, incoming, (call, shown), |branch| {
            branch.call_started(now, call);
            let new = NewCall {
                id: call,
                offer,
                attempts: course.attempts,
            };
            Some(branch.calls.place(now.mono, new))
        });
        match (placed, out, self.hosted.upstream()) {
            (Some(back), Some(out), Some(upstream)) => upstream.loops.came_back(out, back),
            (None, _, _) => {
                if let Some(facts) = self.facts.remove(&call) {
                    self.write_refusal(now, facts, Cause::NO_RESOURCE);
                }
            }
            (Some(_), _, _) => {}
        }
        self.drain_calls(now);
    }

    /// What the caller offers, or the status that refuses it. A call for help does not fail over how it is written.
    fn offer_of(&self, incoming: &Incoming) -> Result<Option<Sdp>, u16> {
        let Incoming { flow, request, .. } = incoming;
        match offer(request) {
            Err(_) if self.is_emergency(request) => {
                Ok(Body::of(request).and_then(|body| inspect::salvaged(&body, flow.remote.ip())))
            }
            offer => offer,
        }
    }

    /// The way back of a call that its caller gave up meanwhile: a CANCEL follows. That call has its record.
    fn turn_away_late(&mut self, now: Now, incoming: &Incoming) {
        self.turn_away(now, incoming.key, Builder::response(&incoming.request, 487));
    }

    /// The call that this one is the way back of, through the hosted PBX.
    pub(crate) fn returned(&mut self, now: Now, incoming: &Incoming) -> Option<Returned> {
        let Party::Hosted(line) = &incoming.party else {
            return None;
        };
        let request = &incoming.request;
        let offer = offer(request).ok().flatten();
        self.recognise(
            now,
            &Return {
                request,
                offer: offer.as_ref(),
                line,
            },
        )
    }

    fn facts_of(&self, now: Now, (id, incoming): (Uuid, &Incoming), shown: &Shown, course: &Course) -> CallFacts {
        CallFacts {
            id,
            from: RecordedParty {
                dialled: shown.number.clone(),
                normalised: Some(incoming.party.name().to_owned()),
                display: shown.display.clone(),
            },
            to: RecordedParty {
                dialled: incoming.dialled.clone(),
                normalised: Some(course.normalised.clone()),
                display: None,
            },
            direction: course.direction,
            urgency: course.urgency,
            voice: Voice::default(),
            congested: Vec::new(),
            mode: self.mode_for(&incoming.party),
            started: self.journal.stamp(now),
            started_mono: now.mono,
            answered: None,
            connected_to: String::new(),
            trunks: trunk_of(&incoming.party).into_iter().collect(),
            extensions: extension_of(&incoming.party).into_iter().collect(),
            transfers: Vec::new(),
            within: None,
        }
    }

    /// A drill of some lines is an outage for their calls alone.
    fn mode_for(&self, party: &Party) -> Mode {
        match party {
            Party::Extension(line) if self.hosted.is_lost_for(line) => Mode {
                wan: WanMode::Survival,
                ..self.mode
            },
            Party::Extension(_) | Party::Trunk(_) | Party::Hosted(_) | Party::Stranger => self.mode,
        }
    }

    /// A number that leads nowhere leaves a record as well: it is what people ask about.
    fn record_refusal(&mut self, now: Now, incoming: &Incoming, cause: Cause) {
        // The way back of a call of ours: that call has the record.
        if self.returned(now, incoming).is_some() {
            return;
        }
        let id = self.journal.id(now);
        let shown = self.shown(&incoming.party, &incoming.request);
        let direction = match incoming.party {
            Party::Trunk(_) | Party::Hosted(_) => Direction::Inbound,
            Party::Extension(_) | Party::Stranger => Direction::Internal,
        };
        let course = Course {
            attempts: Vec::new(),
            direction,
            urgency: if self.is_emergency(&incoming.request) {
                Urgency::Emergency
            } else {
                Urgency::Ordinary
            },
            normalised: String::new(),
        };
        let facts = self.facts_of(now, (id, incoming), &shown, &course);
        self.write_refusal(now, facts, cause);
    }

    /// Gives the caller's INVITE its session and its leg; `None` where it was refused instead.
    pub(crate) fn bind_caller(
        &mut self,
        now: Now,
        incoming: &Incoming,
        (call, shown): (CallId, Shown),
        place: impl FnOnce(&mut Branch) -> Option<LegId>,
    ) -> Option<LegId> {
        let Incoming {
            key,
            flow,
            request,
            party,
            ..
        } = incoming;
        let local = contact(&incoming.dialled, *flow);
        let next_hop = match party {
            Party::Trunk(_) => NextHop::FromRouteSet,
            Party::Extension(_) | Party::Hosted(_) | Party::Stranger => NextHop::Flow,
        };
        let invite = IncomingInvite {
            key: *key,
            flow: *flow,
            next_hop,
            request: request.clone(),
            local_contact: local,
            ring_max: self.is_emergency(request).then_some(HELP_RING),
        };
        let Ok(session) = self.agent.accept_invite(now.mono, invite) else {
            return None;
        };
        let Some(leg) = place(self) else {
            self.agent.hang_up(now.mono, session, None);
            return None;
        };
        self.give_account(session, party);
        let passed = crate::invite::Passed::of(request);
        let entry = LegEntry {
            call,
            session,
            party: party.clone(),
            flow: *flow,
            shown,
            passed,
            spare: Vec::new(),
        };
        self.legs.add(leg, entry);
        if let Some(offer) = self.offer_of(incoming).ok().flatten()
            && self
                .anchors
                .heard_offer(leg, &offer, self.address_facing(*flow))
                .is_err()
        {
            self.calls.hang_up(now.mono, call, Cause::NO_RESOURCE);
        }
        Some(leg)
    }
}

/// What was dialled: the user part, or the whole URI where there is none (`tel:`, `urn:service:sos`).
pub(crate) fn dialled(request: &Message) -> String {
    let text = request.request_uri();
    match Uri::parse(text) {
        Ok(uri) if matches!(uri.scheme, Scheme::Sip | Scheme::Sips) && uri.user.is_some() => {
            uri.user_unescaped().into_owned()
        }
        Ok(_) | Err(_) => text.to_owned(),
    }
}

/// Whether a telephone that registered by one flow calls by another: over connections only its port may differ, for each has
/// its own and none can be forged.
fn is_of_phone(registered: Flow, flow: Flow) -> bool {
    match flow.transport {
        Transport::Udp => registered.remote == flow.remote,
        Transport::Tcp | Transport::Tls => registered.remote.ip() == flow.remote.ip(),
    }
}

fn trunk_of(party: &Party) -> Option<String> {
    match party {
        Party::Trunk(_) | Party::Hosted(_) => Some(party.name().to_owned()),
        Party::Extension(_) | Party::Stranger => None,
    }
}

fn extension_of(party: &Party) -> Option<String> {
    match party {
        Party::Extension(number) => Some(number.clone()),
        Party::Trunk(_) | Party::Hosted(_) | Party::Stranger => None,
    }
}

/// A caller whose trunks are all down or full may try again after this.
const RETRY_AFTER_S: u32 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_telephone_is_known_by_its_connection_whatever_its_port_and_by_its_port_without_one() {
        let at = |transport, remote: &str| Flow {
            transport,
            ..Flow::udp("192.0.2.1:5060".parse().unwrap(), remote.parse().unwrap())
        };
        for (transport, remote, expected) in [
            (Transport::Udp, "192.0.2.11:5060", true),
            (Transport::Udp, "192.0.2.11:5062", false),
            (Transport::Tcp, "192.0.2.11:50620", true),
            (Transport::Tls, "192.0.2.11:50620", true),
            (Transport::Tls, "192.0.2.12:5060", false),
        ] {
            let registered = at(transport, "192.0.2.11:5060");
            assert_eq!(
                is_of_phone(registered, at(transport, remote)),
                expected,
                "{transport:?} {remote}"
            );
        }
    }
}

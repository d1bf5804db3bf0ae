//! An INVITE comes in: who calls, what was dialled, where it goes.

use branchline_call::{Attempt, CallId, Cause, LegId, NewCall, Replaced};
use branchline_config::Extension;
use branchline_journal::{CallbackLine, Direction, EmergencyCall, Party as RecordParty};
use branchline_route::{ArrivalKind, Caller, Decision, Loop, Request, Why};
use branchline_sdp::Sdp;
use branchline_sip::agent::{Body, IncomingInvite, NextHop, Replaces};
use branchline_sip::message::{Builder, Message, Name, Uri};
use branchline_sip::transaction::ServerKey;
use branchline_sip::{Flow, message::Scheme};
use uuid::Uuid;

use crate::Branch;
use crate::act::reason;
use crate::echo::ECHO;
use crate::emergency::HELP_RING;
use crate::hosted::{HostedTarget, Return};
use crate::identity::{Sender, Shown, contact};
use crate::legs::{LegEntry, Party};
use crate::now::Now;
use crate::records::CallFacts;
use crate::targets::{Diversion, Target, Urgency, divert};

/// An INVITE with what has been found out about it.
pub(crate) struct Incoming {
    pub(crate) key: ServerKey,
    pub(crate) flow: Flow,
    pub(crate) request: Message,
    pub(crate) party: Party,
    pub(crate) dialled: String,
}

/// Where a call goes.
struct Plan {
    attempts: Vec<Attempt<Target>>,
    direction: Direction,
    urgency: Urgency,
    normalised: String,
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
            Err(challenge) => return self.agent.respond_and_forget(key, *challenge),
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
        } else if incoming.request.number(Name::MaxForwards) == Some(0) {
            self.refuse_call(now, &incoming, Cause::of_status(483));
        } else if self.is_busy(&incoming.party) {
            self.refuse_call(now, &incoming, Cause::BUSY);
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
        let from = self.shown(&incoming.party, &incoming.request).number;
        call.line == CallbackLine::Shared
            && (incoming.request.number(Name::MaxForwards) == Some(0)
                || self.looped(&incoming.party, (&from, &incoming.dialled)) == Loop::Seen)
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
            .any(|binding| binding.flow.remote == flow.remote);
        if registered {
            Party::Extension(user)
        } else {
            Party::Stranger
        }
    }

    fn turn_away(&mut self, now: Now, key: ServerKey, response: Builder) {
        self.agent.respond(now.mono, key, response.finish());
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
        if self.shed_records.allows(now.mono) {
            self.record_refusal(now, incoming, Cause::of_status(503));
        }
        let response = Builder::response(&incoming.request, 503).header(Name::RetryAfter, retry_after_s);
        // A flood that never acknowledges would be remembered and answered for half a minute.
        self.agent.respond_and_forget(incoming.key, response.finish());
    }

    /// The way out for a call that was let in and goes nowhere: it leaves a record, and the caller hears why.
    fn refuse_call(&mut self, now: Now, incoming: &Incoming, cause: Cause) {
        self.record_refusal(now, incoming, cause);
        let mut response = Builder::response(&incoming.request, cause.status).header(Name::Reason, reason(cause));
        if cause.status == 503 {
            response = response.header(Name::RetryAfter, RETRY_AFTER_S);
        }
        self.turn_away(now, incoming.key, response);
    }

    fn route(&mut self, now: Now, incoming: &Incoming) {
        let shown = self.shown(&incoming.party, &incoming.request);
        let looped = if self.hosted.is_at(incoming.flow.remote) {
            Loop::FromHosted
        } else {
            self.looped(&incoming.party, (&shown.number, &incoming.dialled))
        };
        let request = Request {
            looped,
            ..Request::new(self.caller(&incoming.party), &incoming.dialled)
        };
        match self.plan(&request) {
            Ok(plan) => self.start(now, incoming, plan),
            Err(why) => {
                let (status, q850) = why.codes();
                self.refuse_call(now, incoming, Cause { status, q850 });
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
        let plan = Plan {
            attempts,
            direction: Direction::Inbound,
            urgency: Urgency::Callback,
            normalised: call.extension.clone().unwrap_or_default(),
        };
        self.start(now, incoming, plan);
    }

    pub(crate) fn caller(&self, party: &Party) -> Caller {
        match party {
            Party::Extension(number) => Extension::new(number).map_or(Caller::Unknown, Caller::Extension),
            Party::Trunk(name) => Caller::Trunk(name.clone()),
            Party::Hosted(line) => Extension::new(line).map_or(Caller::Unknown, Caller::Hosted),
            Party::Stranger => Caller::Unknown,
        }
    }

    /// What to try for a number, forwards of the called extension included.
    fn plan(&self, request: &Request<'_>) -> Result<Plan, Why> {
        let inside = match request.from {
            Caller::Trunk(_) | Caller::Hosted(_) => Direction::Inbound,
            Caller::Extension(_) | Caller::Unknown => Direction::Internal,
        };
        self.plan_for(
            request,
            branchline_route::decide(request, &self.tables, self.legs.state()),
            inside,
        )
    }

    fn plan_for(&self, request: &Request<'_>, decision: Decision, inside: Direction) -> Result<Plan, Why> {
        let plan = |attempts, direction, normalised| Plan {
            attempts,
            direction,
            urgency: Urgency::Ordinary,
            normalised,
        };
        match decision {
            Decision::Hosted {
                line,
                number,
                otherwise,
            } => {
                let alone = self.plan_for(request, *otherwise, inside);
                let alone = alone.unwrap_or_else(|_| plan(Vec::new(), Direction::Outbound, number.clone()));
                let line = line.as_str().to_owned();
                let target = HostedTarget {
                    line,
                    number,
                    urgency: Urgency::Ordinary,
                };
                let attempts = self.hosted_attempts(target, alone.attempts);
                Ok(Plan { attempts, ..alone })
            }
            Decision::Extension(extension) => {
                let attempts = self.extension_attempts(&extension, request.forwards);
                Ok(plan(attempts, inside, extension.as_str().to_owned()))
            }
            Decision::Trunks { attempts, number, .. } => {
                let mut attempts = self.trunk_attempts(attempts);
                if let Caller::Trunk(_) = request.from {
                    divert(&mut attempts, &Diversion::of_number(request.dialled));
                }
                Ok(plan(attempts, Direction::Outbound, number.as_str().to_owned()))
            }
            Decision::Emergency { attempts, number } => Ok(Plan {
                attempts: Self::help_attempts(&attempts),
                direction: Direction::Outbound,
                urgency: Urgency::Emergency,
                normalised: number,
            }),
            Decision::Echo => Ok(plan(Self::echo_attempts(), inside, ECHO.to_owned())),
            Decision::Refuse { why: Why::Busy, .. } => {
                let forwarded = self.forward_when_full(request).ok_or(Why::Busy)?;
                let mut plan = self.plan(&forwarded.request())?;
                forwarded.mark(&mut plan.attempts);
                Ok(plan)
            }
            Decision::Refuse { why, .. } => Err(why),
        }
    }

    /// Attempts for a number, as a transfer or a forward of `from` would dial it.
    pub(crate) fn attempts_for(&self, request: &Request<'_>) -> Result<Vec<Attempt<Target>>, Why> {
        self.plan(request).map(|plan| plan.attempts)
    }

    fn start(&mut self, now: Now, incoming: &Incoming, plan: Plan) {
        let offer = match offer(&incoming.request) {
            Ok(offer) => offer,
            Err(status) => return self.refuse_call(now, incoming, Cause::of_status(status)),
        };
        let id = self.journal.id(now);
        let call = CallId(*id.as_bytes());
        let shown = self.shown(&incoming.party, &incoming.request);
        let mut facts = self.facts_of(now, (id, incoming), &shown, &plan);
        let returned = self.returned(now, incoming);
        facts.within = returned.map(|(_, call)| call);
        self.facts.insert(call, facts);
        if plan.urgency == Urgency::Emergency {
            self.help_wanted(now, (call, &plan.normalised), incoming);
        } else if plan.normalised == ECHO {
            self.tell_outlook(now, incoming);
        }
        let placed = self.bind_caller(now, incoming, (call, shown), |branch| {
            branch.call_started(now, call);
            let new = NewCall {
                id: call,
                offer,
                attempts: plan.attempts,
            };
            Some(branch.calls.place(now.mono, new))
        });
        match (placed, returned, self.hosted.upstream()) {
            (Some(back), Some((out, _)), Some(upstream)) => upstream.loops.came_back(out, back),
            (None, _, _) => {
                if let Some(facts) = self.facts.remove(&call) {
                    self.write_refusal(now, facts, Cause::NO_RESOURCE);
                }
            }
            (Some(_), _, _) => {}
        }
        self.drain_calls(now);
    }

    /// The call that this one is the way back of, through the hosted PBX.
    pub(crate) fn returned(&mut self, now: Now, incoming: &Incoming) -> Option<(LegId, CallId)> {
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

    fn facts_of(&self, now: Now, (id, incoming): (Uuid, &Incoming), shown: &Shown, plan: &Plan) -> CallFacts {
        CallFacts {
            id,
            from: RecordParty {
                dialled: shown.number.clone(),
                normalised: Some(incoming.party.name().to_owned()),
                display: shown.display.clone(),
            },
            to: RecordParty {
                dialled: incoming.dialled.clone(),
                normalised: Some(plan.normalised.clone()),
                display: None,
            },
            direction: plan.direction,
            urgency: plan.urgency,
            congested: Vec::new(),
            mode: self.mode,
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
        let plan = Plan {
            attempts: Vec::new(),
            direction,
            urgency: Urgency::Ordinary,
            normalised: String::new(),
        };
        let facts = self.facts_of(now, (id, incoming), &shown, &plan);
        self.write_refusal(now, facts, cause);
    }

    /// Gives the caller's INVITE its session and its leg; `None` where it was refused instead.
    fn bind_caller(
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
        if let Some(offer) = offer(request).ok().flatten()
            && self
                .anchors
                .heard_offer(leg, &offer, self.address_facing(*flow))
                .is_err()
        {
            self.calls.hang_up(now.mono, call, Cause::NO_RESOURCE);
        }
        Some(leg)
    }

    /// An INVITE with Replaces (RFC 3891): a pick-up, or the last step of a transfer between phones.
    fn take_over(&mut self, now: Now, incoming: &Incoming, replaces: &Replaces) {
        let old = match self.agent.find_dialog(replaces) {
            Ok(session) => self.legs.of_session(session),
            Err(fault) => {
                return self.turn_away(now, incoming.key, Builder::response(&incoming.request, fault.status()));
            }
        };
        let Some((old, call)) = old.and_then(|leg| Some((leg, self.calls.call_of(leg)?))) else {
            return self.turn_away(now, incoming.key, Builder::response(&incoming.request, 481));
        };
        let offer = match offer(&incoming.request) {
            Ok(Some(offer)) => offer,
            Ok(None) => return self.turn_away(now, incoming.key, Builder::response(&incoming.request, 488)),
            Err(status) => return self.turn_away(now, incoming.key, Builder::response(&incoming.request, status)),
        };
        // Found out before the conversation is touched: it goes on without the one who has no port.
        if !self.anchors.pool().can_take(self.address_facing(incoming.flow).into()) {
            return self.turn_away(now, incoming.key, Builder::response(&incoming.request, 503));
        }
        let shown = self.shown(&incoming.party, &incoming.request);
        self.bind_caller(now, incoming, (call, shown), |branch| {
            match branch.calls.take_over(now.mono, old, offer.clone()) {
                Replaced::Taken(leg) => Some(leg),
                Replaced::Gone => None,
            }
        });
    }

    /// The caller as others see it: an extension by our own table, never by what it claims.
    pub(crate) fn shown(&self, party: &Party, request: &Message) -> Shown {
        match party {
            Party::Extension(number) => self.shown_extension(number, request),
            Party::Trunk(name) if self.config.trunk(name).is_some_and(|trunk| trunk.trusted) => {
                Shown::of_request(request, Sender::Trusted)
            }
            // The hosted PBX is the branch's own.
            Party::Hosted(_) => Shown::of_request(request, Sender::Trusted),
            Party::Trunk(_) | Party::Stranger => Shown::of_request(request, Sender::Untrusted),
        }
    }

    fn shown_extension(&self, number: &str, request: &Message) -> Shown {
        let asked = Shown::of_request(request, Sender::Untrusted).privacy;
        let entry = self.config.extension(number);
        let privacy = match entry.map(|entry| entry.privacy) {
            Some(branchline_config::Privacy::Withheld) => crate::identity::Privacy::Withheld,
            Some(branchline_config::Privacy::Shown) | None => asked,
        };
        Shown {
            number: number.to_owned(),
            display: entry.map(|entry| entry.name.clone()),
            privacy,
        }
    }
}

/// A description that cannot be read is refused before anything rings.
fn offer(request: &Message) -> Result<Option<Sdp>, u16> {
    let Some(body) = Body::of(request) else { return Ok(None) };
    match body.session_description() {
        Some(bytes) => Sdp::parse(&bytes).map(Some).map_err(|_| 488),
        None if body.is_description() => Err(415),
        None => Ok(None),
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

//! The INVITE that goes to a phone or a trunk: who calls, what passes from the caller, and what the box says itself.

use branchline_call::{CallId, Cause, LegId};
use branchline_config::Trunk;
use branchline_journal::Direction;
use branchline_sdp::Sdp;
use branchline_sip::Flow;
use branchline_sip::agent::{Headers, Invitation, NextHop};
use branchline_sip::message::{Message, Name};

use crate::Branch;
use crate::hosted::HostedTarget;
use crate::identity::{Privacy, Shown, contact, escaped, host};
use crate::legs::{LegEntry, Party};
use crate::now::Now;
use crate::targets::{ContactTarget, Diversion, Diverter, Target, TrunkTarget, Urgency};

/// What goes from the caller's INVITE to the callee's untouched, besides the body.
#[derive(Clone, Debug, Default)]
pub(crate) struct Passed {
    headers: Vec<(String, String)>,
    max_forwards: u32,
}

/// The leg an invitation is for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewLeg {
    pub(crate) call: CallId,
    pub(crate) id: LegId,
    pub(crate) caller: LegId,
}

impl Passed {
    pub(crate) fn of(request: &Message) -> Passed {
        let headers = request
            .fields()
            .filter(|field| passes(field.name, Crossing::Inside))
            .take(PASSED_MAX)
            .map(|field| {
                (
                    field.name.as_str().to_owned(),
                    String::from_utf8_lossy(field.value).into_owned(),
                )
            })
            .collect();
        let max_forwards = request
            .number(Name::MaxForwards)
            .unwrap_or(MAX_FORWARDS)
            .min(MAX_FORWARDS);
        Passed {
            headers,
            max_forwards: max_forwards.saturating_sub(1),
        }
    }

    fn to_headers(&self, crossing: Crossing) -> Headers {
        let mut headers = Headers::new();
        for (name, value) in self.headers.iter().filter(|(name, _)| passes(Name::of(name), crossing)) {
            headers.push(Name::of(name), value);
        }
        headers
    }
}

/// Where the headers of a call go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Crossing {
    /// Between phones of the branch.
    Inside,
    /// From a trunk: nothing that makes a phone answer by itself or ring when it should not.
    In,
    /// To a trunk: nothing that tells of the branch what the caller does not know of.
    Out,
}

/// End-to-end headers of a call; everything about the path, the dialog and the credentials is the box's own.
fn passes(name: Name<'_>, crossing: Crossing) -> bool {
    match name {
        Name::Subject | Name::InReplyTo | Name::Organization | Name::UserToUser => true,
        Name::AlertInfo | Name::CallInfo | Name::Priority => crossing != Crossing::In,
        Name::Geolocation | Name::GeolocationRouting | Name::HistoryInfo | Name::Diversion => crossing != Crossing::Out,
        Name::Other(other) => crossing == Crossing::Inside && other.to_ascii_lowercase().starts_with("x-"),
        _ => false,
    }
}

/// A party that is about to be called.
struct Called {
    flow: Flow,
    party: Party,
    /// Who a transfer shows to the next party.
    number: String,
    invitation: Invitation,
}

fn crossing(calling: &Party, called: &Party) -> Crossing {
    match (calling, called) {
        (_, Party::Trunk(_)) => Crossing::Out,
        (Party::Trunk(_), Party::Extension(_) | Party::Hosted(_) | Party::Stranger) => Crossing::In,
        // The hosted PBX is the branch's own.
        (Party::Extension(_) | Party::Hosted(_) | Party::Stranger, _) => Crossing::Inside,
    }
}

impl Branch {
    /// Sends one INVITE.
    pub(crate) fn invite(&mut self, now: Now, leg: NewLeg, target: &Target, offer: Option<&Sdp>) {
        if let Target::Echo = target {
            return self.echo_invited(now, leg, offer);
        }
        let called = match self.called(now, leg, target) {
            Ok(called) => called,
            Err(cause) => return self.invite_failed(now, leg.id, cause),
        };
        let address = self.address_facing(called.flow);
        let body = match self.body_facing(leg.id, offer, address) {
            Ok(body) => body,
            Err(cause) => return self.invite_failed(now, leg.id, cause),
        };
        let Some(caller) = self.legs.entry(leg.caller) else {
            return self.invite_failed(now, leg.id, Cause::NO_RESOURCE);
        };
        let passed = caller.passed.clone();
        let crossing = crossing(&caller.party, &called.party);
        self.note_direction(leg.call, target);
        let Called {
            flow,
            party,
            number,
            mut invitation,
        } = called;
        for (name, value) in passed.to_headers(crossing).iter() {
            if !invitation.headers.has(name) {
                invitation.headers.push(name, value);
            }
        }
        invitation.body = body;
        invitation.max_forwards = passed.max_forwards;
        let Ok(session) = self.agent.invite(now.mono, invitation) else {
            return self.invite_failed(now, leg.id, Cause::NO_RESOURCE);
        };
        self.give_account(session, &party);
        self.note_party(leg.call, &party);
        let shown = Shown {
            number,
            ..Shown::default()
        };
        let entry = LegEntry {
            call: leg.call,
            session,
            party,
            flow,
            shown,
            passed,
            spare: target.spare().to_vec(),
        };
        self.legs.add(leg.id, entry);
        self.loop_begun(leg.id);
    }

    /// Who a target is, and the INVITE for it.
    fn called(&mut self, now: Now, leg: NewLeg, target: &Target) -> Result<Called, Cause> {
        let caller = self.legs.entry(leg.caller).ok_or(Cause::NO_RESOURCE)?;
        match target {
            Target::Echo => Err(Cause::NO_RESOURCE),
            Target::Contact(target) => Ok(Called {
                flow: target.flow,
                party: target.party.clone(),
                number: target.party.name().to_owned(),
                invitation: self.to_contact(leg.call, target, &caller.shown),
            }),
            Target::Trunk(target) => {
                let name = &target.attempt.trunk;
                let way = self.config.trunk(name).zip(self.trunks.flow(name));
                let (trunk, flow) = way.ok_or(Cause::of_status(503))?;
                let invitation = match target.urgency {
                    Urgency::Ordinary | Urgency::Callback => Some(self.to_trunk(target, (trunk, caller), flow)),
                    Urgency::Emergency => self.to_help(now, leg, target, flow),
                };
                Ok(Called {
                    flow,
                    party: Party::Trunk(target.attempt.trunk.clone()),
                    number: target.attempt.number.clone(),
                    invitation: invitation.ok_or(Cause::NO_RESOURCE)?,
                })
            }
            Target::Hosted(target) => {
                let way = self.to_line(now, leg, target);
                let (flow, invitation) = way.ok_or(Cause::of_status(503))?;
                Ok(Called {
                    flow,
                    party: Party::Hosted(target.line.clone()),
                    number: target.number.clone(),
                    invitation,
                })
            }
        }
    }

    fn to_line(&mut self, now: Now, leg: NewLeg, target: &HostedTarget) -> Option<(Flow, Invitation)> {
        match target.urgency {
            Urgency::Ordinary | Urgency::Callback => {
                let shown = self.legs.entry(leg.caller)?.shown.clone();
                self.to_hosted(now, leg.id, (target, &shown))
            }
            Urgency::Emergency => self.to_help_by_line(now, leg, target),
        }
    }

    fn to_contact(&self, call: CallId, target: &ContactTarget, caller: &Shown) -> Invitation {
        let domain = host(target.flow.local);
        let mut headers = Headers::new();
        if self
            .facts
            .get(&call)
            .is_some_and(|facts| facts.urgency == Urgency::Callback)
        {
            // RFC 7090: the phone may let it through where it would not ring.
            headers.push(Name::Priority, "psap-callback");
        }
        for diversion in &target.diversions {
            let by = match &diversion.by {
                Diverter::Extension(extension) => extension.as_str(),
                Diverter::Number(number) => number,
            };
            headers.push(
                Name::Diversion,
                diverted(&format!("sip:{}@{domain}", escaped(by)), diversion),
            );
        }
        Invitation {
            flow: target.flow,
            next_hop: NextHop::Flow,
            max_forwards: MAX_FORWARDS,
            request_uri: target.uri.clone(),
            from: caller.name_addr(&domain),
            to: target.to(&domain),
            contact: contact(caller.contact_user(), target.flow),
            route: target.path.clone(),
            headers,
            body: None,
            attachment: None,
            ring_max: None,
        }
    }

    pub(crate) fn to_trunk(
        &self,
        target: &TrunkTarget,
        (trunk, caller): (&Trunk, &LegEntry),
        flow: Flow,
    ) -> Invitation {
        let attempt = &target.attempt;
        let host_name = &trunk.host;
        let domain = trunk.from_domain.as_ref().unwrap_or(host_name);
        let username = trunk.credentials.as_ref().map(|known| &known.username);
        let known_as = attempt.caller_id.number.as_ref().or(username);
        let number = known_as.unwrap_or(&caller.shown.number).clone();
        // Who calls for help is never anonymous to those who help.
        let withheld = target.urgency == Urgency::Ordinary
            && (attempt.caller_id.privacy == branchline_config::Privacy::Withheld
                || caller.shown.privacy == Privacy::Withheld);
        let ours = Shown {
            number: number.clone(),
            display: caller.shown.display.clone(),
            privacy: if withheld { Privacy::Withheld } else { Privacy::Shown },
        };
        let mut headers = Headers::new();
        if trunk.trusted {
            headers.push(Name::PAssertedIdentity, ours.asserted(domain));
        }
        if withheld {
            headers.push(Name::Privacy, "id");
        }
        for diversion in &target.diversions {
            if let Some(by) = self.diverting_number(&diversion.by, trunk) {
                headers.push(
                    Name::Diversion,
                    diverted(&format!("sip:{}@{domain}", escaped(&by)), diversion),
                );
            }
        }
        // Who is not trusted takes nobody's number but ours.
        let original = (trunk.trusted && !target.diversions.is_empty())
            .then(|| self.outside_number(caller))
            .flatten();
        let from = Shown {
            number: original.unwrap_or_else(|| number.clone()),
            ..ours
        };
        let port = trunk.port.map(|port| format!(":{port}")).unwrap_or_default();
        Invitation {
            flow,
            next_hop: NextHop::FromRouteSet,
            max_forwards: MAX_FORWARDS,
            request_uri: format!("sip:{}@{host_name}{port}", escaped(&attempt.number)),
            from: from.name_addr(domain),
            to: format!("<sip:{}@{host_name}>", escaped(&attempt.number)),
            contact: contact(&self.trunks.contact_user(&attempt.trunk, &number), flow),
            route: Vec::new(),
            headers,
            body: None,
            attachment: None,
            ring_max: None,
        }
    }

    /// What the outside knows a diverter as; `None` where it is not to know.
    fn diverting_number(&self, by: &Diverter, trunk: &Trunk) -> Option<String> {
        match by {
            Diverter::Extension(extension) => {
                let entry = self.config.extension(extension.as_str())?;
                let shown = entry.privacy == branchline_config::Privacy::Shown;
                entry
                    .caller_id
                    .clone()
                    .or_else(|| trunk.number.clone())
                    .filter(|_| shown)
            }
            Diverter::Number(number) => Some(number.clone()),
        }
    }

    /// The number by which the outside can call a caller back, where it has one of its own.
    fn outside_number(&self, caller: &LegEntry) -> Option<String> {
        match &caller.party {
            Party::Extension(number) => self.config.extension(number)?.caller_id.clone(),
            Party::Trunk(_) | Party::Hosted(_) => Some(caller.shown.number.clone()).filter(|number| !number.is_empty()),
            Party::Stranger => None,
        }
    }

    /// A call that a forward or transfer takes outside, or to those who help, is of that kind from then on.
    fn note_direction(&mut self, call: CallId, target: &Target) {
        let Some(facts) = self.facts.get_mut(&call) else { return };
        let urgency = match target {
            Target::Trunk(target) => target.urgency,
            Target::Hosted(target) if target.urgency == Urgency::Emergency => Urgency::Emergency,
            Target::Hosted(_) | Target::Contact(_) | Target::Echo => return,
        };
        let is_new_emergency = urgency == Urgency::Emergency && facts.urgency != Urgency::Emergency;
        if is_new_emergency {
            facts.urgency = Urgency::Emergency;
            self.counters.calls_emergency += 1;
        }
        if is_new_emergency || facts.direction == Direction::Internal {
            facts.direction = Direction::Outbound;
        }
        if is_new_emergency && let Some(whole) = self.whole_of(call) {
            whole.urgency = Urgency::Emergency;
        }
    }

    pub(crate) fn note_party(&mut self, call: CallId, party: &Party) {
        let Some(facts) = self.facts.get_mut(&call) else { return };
        let list = match party {
            Party::Extension(_) => &mut facts.extensions,
            Party::Trunk(_) | Party::Hosted(_) => &mut facts.trunks,
            Party::Stranger => return,
        };
        if !list.iter().any(|known| known == party.name()) {
            list.push(party.name().to_owned());
        }
        if facts.connected_to.is_empty() {
            facts.connected_to = party.name().to_owned();
        }
    }
}

/// RFC 5806 section 6.2.
fn diverted(uri: &str, diversion: &Diversion) -> String {
    format!("<{uri}>;reason={};counter=1", diversion.reason)
}

/// RFC 3261 section 8.1.1.6.
pub(crate) const MAX_FORWARDS: u32 = 70;
/// Headers passed on per call; more is not a call but an attack on memory.
const PASSED_MAX: usize = 16;

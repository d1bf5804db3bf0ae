//! The INVITE that goes to a phone or a trunk: who calls, what passes from the caller, and what the box says itself.

use branchline_call::{CallId, Cause, LegId};
use branchline_sdp::Sdp;
use branchline_sip::Flow;
use branchline_sip::agent::{Headers, Invitation, NextHop};
use branchline_sip::message::{Message, Name};

use crate::Branch;
use crate::identity::{Privacy, Shown, contact, escaped, host};
use crate::legs::{LegEntry, Party};
use crate::now::Now;
use crate::targets::{ContactTarget, Target, TrunkTarget, Urgency};

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
    /// From a trunk: nothing that makes a phone answer by itself.
    In,
    /// To a trunk: nothing that tells of the branch what the caller does not know of.
    Out,
}

/// End-to-end headers of a call; everything about the path, the dialog and the credentials is the box's own.
fn passes(name: Name<'_>, crossing: Crossing) -> bool {
    match name {
        Name::Subject | Name::Priority | Name::InReplyTo | Name::Organization | Name::UserToUser => true,
        Name::AlertInfo | Name::CallInfo => crossing != Crossing::In,
        Name::Geolocation | Name::GeolocationRouting | Name::HistoryInfo | Name::Diversion => crossing != Crossing::Out,
        Name::Other(other) => crossing == Crossing::Inside && other.to_ascii_lowercase().starts_with("x-"),
        _ => false,
    }
}

impl Branch {
    /// Sends one INVITE.
    pub(crate) fn invite(&mut self, now: Now, leg: NewLeg, target: &Target, offer: Option<&Sdp>) {
        let Some(caller) = self.legs.entry(leg.caller) else {
            return self.invite_failed(now, leg.id, Cause::NO_RESOURCE);
        };
        let (calling, shown, passed) = (caller.party.clone(), caller.shown.clone(), caller.passed.clone());
        // The number is who a transfer shows to the next party.
        let (flow, party, number_reached, mut invitation) = match target {
            Target::Echo => return self.echo_invited(now, leg, offer),
            Target::Contact(target) => {
                let party = Party::Extension(target.extension.clone());
                let invitation = self.to_contact(target, &shown);
                (target.flow, party, target.extension.clone(), invitation)
            }
            Target::Trunk(target) => {
                let Some(flow) = self.trunks.flow(&target.attempt.trunk) else {
                    return self.invite_failed(now, leg.id, Cause::of_status(503));
                };
                let party = Party::Trunk(target.attempt.trunk.clone());
                let invitation = self.to_trunk(target, &shown, flow);
                (flow, party, target.attempt.number.clone(), invitation)
            }
        };
        let address = self.address_facing(flow);
        let body = match self.body_facing(leg.id, offer, address) {
            Ok(body) => body,
            Err(cause) => return self.invite_failed(now, leg.id, cause),
        };
        let crossing = match (&calling, &party) {
            (_, Party::Trunk(_)) => Crossing::Out,
            (Party::Trunk(_), Party::Extension(_) | Party::Stranger) => Crossing::In,
            (Party::Extension(_) | Party::Stranger, Party::Extension(_) | Party::Stranger) => Crossing::Inside,
        };
        for (name, value) in passed.to_headers(crossing).iter() {
            if !invitation.headers.has(name) {
                invitation.headers.push(name, value);
            }
        }
        invitation.body = body;
        invitation.max_forwards = passed.max_forwards;
        let callee = Shown {
            number: number_reached,
            ..Shown::default()
        };
        match self.agent.invite(now.mono, invitation) {
            Ok(session) => {
                self.give_account(session, &party);
                self.note_party(leg.call, &party);
                let entry = LegEntry {
                    call: leg.call,
                    session,
                    party,
                    flow,
                    shown: callee,
                    passed,
                };
                self.legs.add(leg.id, entry);
            }
            Err(_) => self.invite_failed(now, leg.id, Cause::NO_RESOURCE),
        }
    }

    fn to_contact(&self, target: &ContactTarget, caller: &Shown) -> Invitation {
        let domain = host(target.flow.local);
        Invitation {
            flow: target.flow,
            next_hop: NextHop::Flow,
            max_forwards: MAX_FORWARDS,
            request_uri: target.uri.clone(),
            from: caller.name_addr(&domain),
            to: format!("<sip:{}@{domain}>", escaped(&target.extension)),
            contact: contact(caller.contact_user(), target.flow),
            route: target.path.clone(),
            headers: Headers::new(),
            body: None,
        }
    }

    fn to_trunk(&self, target: &TrunkTarget, caller: &Shown, flow: Flow) -> Invitation {
        let attempt = &target.attempt;
        let trunk = self.config.trunk(&attempt.trunk);
        let host_name = trunk.map(|trunk| trunk.host.clone()).unwrap_or_default();
        let domain = trunk
            .and_then(|trunk| trunk.from_domain.clone())
            .unwrap_or_else(|| host_name.clone());
        let username = trunk
            .and_then(|trunk| trunk.credentials.as_ref())
            .map(|known| known.username.clone());
        let number = attempt
            .caller_id
            .number
            .clone()
            .or(username)
            .unwrap_or_else(|| caller.number.clone());
        // Who calls for help is never anonymous to those who help.
        let withheld = target.urgency == Urgency::Ordinary
            && (attempt.caller_id.privacy == branchline_config::Privacy::Withheld
                || caller.privacy == Privacy::Withheld);
        let privacy = if withheld { Privacy::Withheld } else { Privacy::Shown };
        let shown = Shown {
            number: number.clone(),
            display: caller.display.clone(),
            privacy,
        };
        let mut headers = Headers::new().with(Name::PAssertedIdentity, shown.asserted(&domain));
        if withheld {
            headers.push(Name::Privacy, "id");
        }
        let port = trunk
            .and_then(|trunk| trunk.port)
            .map(|port| format!(":{port}"))
            .unwrap_or_default();
        Invitation {
            flow,
            next_hop: NextHop::FromRouteSet,
            max_forwards: MAX_FORWARDS,
            request_uri: format!("sip:{}@{host_name}{port}", escaped(&attempt.number)),
            from: shown.name_addr(&domain),
            to: format!("<sip:{}@{host_name}>", escaped(&attempt.number)),
            contact: contact(&self.trunks.contact_user(&attempt.trunk, &number), flow),
            route: Vec::new(),
            headers,
            body: None,
        }
    }

    fn note_party(&mut self, call: CallId, party: &Party) {
        let Some(facts) = self.facts.get_mut(&call) else { return };
        let list = match party {
            Party::Extension(_) => &mut facts.extensions,
            Party::Trunk(_) => &mut facts.trunks,
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

/// RFC 3261 section 8.1.1.6.
const MAX_FORWARDS: u32 = 70;
/// Headers passed on per call; more is not a call but an attack on memory.
const PASSED_MAX: usize = 16;

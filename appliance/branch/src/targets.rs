//! From a decision to phones and trunks, and the INVITE that goes to each.

use std::time::Duration;

use branchline_call::{After, Attempt, CallId, Cause, LegId};
use branchline_config::{Extension, ExtensionEntry};
use branchline_route::{Caller, Request, TrunkAttempt};
use branchline_sdp::Sdp;
use branchline_sip::Flow;
use branchline_sip::agent::{Headers, Invitation, NextHop};
use branchline_sip::message::{Message, Name};

use crate::Branch;
use crate::identity::{Privacy, Shown, contact, escaped, host};
use crate::legs::{Challenged, LegEntry, Party};
use crate::now::Now;

/// What an outgoing leg is sent to.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// One registered contact of an extension.
    Contact(ContactTarget),
    /// A number over a trunk.
    Trunk(TrunkAttempt),
}

/// One registered contact.
#[derive(Clone, Debug)]
pub(crate) struct ContactTarget {
    pub(crate) extension: String,
    pub(crate) uri: String,
    pub(crate) flow: Flow,
    /// Path of the registration, the first hop first (RFC 3327).
    pub(crate) path: Vec<String>,
}

/// What goes from the caller's INVITE to the callee's untouched, besides the body.
#[derive(Clone, Debug, Default)]
pub(crate) struct Passed {
    headers: Vec<(String, String)>,
    max_forwards: u32,
}

/// A forward of an extension: as if it dialled itself.
pub(crate) struct Forward {
    from: Extension,
    to: String,
    forwards: u8,
}

impl Forward {
    pub(crate) fn request(&self) -> Request<'_> {
        Request {
            forwards: self.forwards,
            ..Request::new(Caller::Extension(self.from.clone()), &self.to)
        }
    }
}

impl Passed {
    pub(crate) fn of(request: &Message) -> Passed {
        let headers = request
            .fields()
            .filter(|field| passes(field.name))
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

    fn to_headers(&self) -> Headers {
        let mut headers = Headers::new();
        for (name, value) in &self.headers {
            headers.push(Name::of(name), value);
        }
        headers
    }
}

/// End-to-end headers of a call; everything about the path, the dialog and the credentials is the box's own.
fn passes(name: Name<'_>) -> bool {
    match name {
        Name::Subject | Name::AlertInfo | Name::CallInfo | Name::Priority | Name::InReplyTo | Name::Organization => {
            true
        }
        Name::Geolocation | Name::HistoryInfo | Name::Diversion => true,
        Name::Other(other) => {
            let other = other.to_ascii_lowercase();
            other.starts_with("x-") || PASSED.contains(&other.as_str())
        }
        _ => false,
    }
}

impl Branch {
    /// Rings the extension's phones, best first, then goes where it forwards to.
    pub(crate) fn extension_attempts(&self, extension: &Extension, forwards: u8) -> Vec<Attempt<Target>> {
        let Some(entry) = self.config.extension(extension.as_str()) else {
            return Vec::new();
        };
        let ring = Duration::from_secs(u64::from(entry.no_answer_s.unwrap_or(self.config.sip.ring_s)));
        let mut attempts: Vec<Attempt<Target>> = Vec::new();
        for targets in self.contact_groups(extension.as_str()) {
            let after = if attempts.is_empty() {
                After::Any
            } else {
                After::NoAnswer
            };
            attempts.push(Attempt { targets, ring, after });
        }
        if attempts.is_empty() {
            attempts.push(Attempt {
                targets: Vec::new(),
                ring,
                after: After::Any,
            });
        }
        for (to, after) in [
            (&entry.forward_busy, After::Busy),
            (&entry.forward_no_answer, After::NoAnswer),
        ] {
            attempts.extend(self.forward_attempts(entry, to.as_deref(), (after, forwards)));
        }
        attempts
    }

    fn forward_attempts(
        &self,
        entry: &ExtensionEntry,
        to: Option<&str>,
        (after, forwards): (After, u8),
    ) -> Vec<Attempt<Target>> {
        let Some(to) = to else { return Vec::new() };
        let forward = Forward {
            from: entry.number.clone(),
            to: to.to_owned(),
            forwards: forwards.saturating_add(1),
        };
        let mut attempts = self
            .attempts_for(&forward.request())
            .map(|(attempts, _)| attempts)
            .unwrap_or_default();
        if let Some(first) = attempts.first_mut() {
            first.after = after;
        }
        attempts
    }

    /// Where a call to an extension goes that has all the calls it takes.
    pub(crate) fn forward_when_full(&self, request: &Request<'_>) -> Option<Forward> {
        let digits = branchline_route::Dialled::new(request.dialled)?.digits;
        let entry = self.config.extension(&digits)?;
        let to = entry.forward_busy.clone()?;
        Some(Forward {
            from: entry.number.clone(),
            to,
            forwards: request.forwards.saturating_add(1),
        })
    }

    /// The contacts of an extension by falling q; equals ring together (RFC 3261 section 16.6).
    fn contact_groups(&self, extension: &str) -> Vec<Vec<Target>> {
        let mut groups: Vec<(u16, Vec<Target>)> = Vec::new();
        for contact in self.bindings.lookup(extension) {
            let target = Target::Contact(ContactTarget {
                extension: extension.to_owned(),
                uri: contact.contact.to_string(),
                flow: contact.flow,
                path: contact.path.iter().map(|hop| hop.to_string()).collect(),
            });
            match groups.last_mut() {
                Some((q, group)) if *q == contact.q_thousandths => group.push(target),
                Some(_) | None => groups.push((contact.q_thousandths, vec![target])),
            }
        }
        groups.into_iter().map(|(_, group)| group).collect()
    }

    pub(crate) fn trunk_attempts(&self, attempts: Vec<TrunkAttempt>) -> Vec<Attempt<Target>> {
        let ring = Duration::from_secs(u64::from(self.config.sip.ring_s).max(TRUNK_RING_S));
        attempts
            .into_iter()
            .enumerate()
            .map(|(at, attempt)| Attempt {
                targets: vec![Target::Trunk(attempt)],
                ring,
                after: if at == 0 { After::Any } else { After::Unreachable },
            })
            .collect()
    }

    /// Sends one INVITE.
    pub(crate) fn invite(&mut self, now: Now, leg: NewLeg, target: Target, offer: Option<&Sdp>) {
        let (flow, party) = match &target {
            Target::Contact(contact) => (Some(contact.flow), Party::Extension(contact.extension.clone())),
            Target::Trunk(attempt) => (self.trunks.flow(&attempt.trunk), Party::Trunk(attempt.trunk.clone())),
        };
        let Some(flow) = flow else {
            return self.invite_failed(now, leg.id, Cause::of_status(503));
        };
        let address = self.address_facing(flow);
        let body = match self.body_facing(leg.id, offer, address) {
            Ok(body) => body,
            Err(cause) => return self.invite_failed(now, leg.id, cause),
        };
        let (shown, passed) = self
            .legs
            .entry(leg.caller)
            .map(|entry| (entry.shown.clone(), entry.passed.clone()))
            .unwrap_or_default();
        let mut invitation = match target {
            Target::Contact(target) => self.to_contact(&target, &shown),
            Target::Trunk(attempt) => self.to_trunk(&attempt, &shown, flow),
        };
        for (name, value) in passed.to_headers().iter() {
            if !invitation.headers.has(name) {
                invitation.headers.push(name, value);
            }
        }
        invitation.body = body;
        invitation.max_forwards = passed.max_forwards;
        let request_uri = invitation.request_uri.clone();
        let callee = Shown {
            number: party.name().to_owned(),
            ..Shown::default()
        };
        match self.agent.invite(now.mono, invitation) {
            Ok(session) => {
                self.note_party(leg.call, &party);
                let entry = LegEntry {
                    call: leg.call,
                    session,
                    party,
                    flow,
                    shown: callee,
                    passed,
                    request_uri,
                    challenged: Challenged::NotYet,
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
            contact: contact(&caller.number, target.flow),
            route: target.path.clone(),
            headers: Headers::new(),
            body: None,
        }
    }

    fn to_trunk(&self, attempt: &TrunkAttempt, caller: &Shown, flow: Flow) -> Invitation {
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
        let withheld =
            attempt.caller_id.privacy == branchline_config::Privacy::Withheld || caller.privacy == Privacy::Withheld;
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

/// The leg an invitation is for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewLeg {
    pub(crate) call: CallId,
    pub(crate) id: LegId,
    pub(crate) caller: LegId,
}

/// RFC 3261 section 8.1.1.6.
const MAX_FORWARDS: u32 = 70;
/// Headers passed on per call; more is not a call but an attack on memory.
const PASSED_MAX: usize = 16;
/// User-to-User is RFC 7433, the rest RFC 6442 and 3GPP TS 24.229.
const PASSED: [&str; 4] = [
    "user-to-user",
    "geolocation-routing",
    "p-early-media",
    "accept-language",
];
/// The network rings its own time; the box only guards against a trunk that never answers.
const TRUNK_RING_S: u64 = 120;

//! Calls for help: where the phone is and what is sent of it, who gives way, who hears of it, and the way back.
//!
//! What is kept is one list of [`EmergencyCall`]s, the same that the journal has: it tells which number stands for which
//! caller, whom an operator who calls back is looking for, and what the page shows as history.

mod callback;
mod calls;
mod notice;
mod outlook;
mod pidf;
mod preempt;
mod room;
mod strangers;
mod words;

use std::time::Duration;

use branchline_call::CallId;
use branchline_config::{Extension, Location, LocationForm};
use branchline_journal::{CallbackLine, EmergencyCall, Event};
use branchline_route::{HelpAttempt, LineAttempt, TrunkAttempt, Whereabouts, location_of};
use branchline_sip::Flow;
use branchline_sip::agent::{Attachment, Body, Invitation};
use branchline_sip::message::Name;

use crate::Branch;
use crate::dial::Incoming;
use crate::hosted::HostedTarget;
use crate::identity::{Shown, host};
use crate::invite::NewLeg;
use crate::legs::Party;
use crate::now::Now;
use crate::output::{About, Level};
use crate::targets::{TrunkTarget, Urgency};

pub(crate) use calls::Emergencies;
pub(crate) use notice::Alarms;
pub(crate) use room::SESSIONS_FOR_HELP;
pub(crate) use strangers::{Strangers, Voice};

/// A phone as it is found on the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Phone {
    /// Its extension; none where it is not registered.
    pub(crate) extension: Option<String>,
    pub(crate) flow: Flow,
}

/// What a call for help from a phone says on one way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    /// Number shown, which the operator can call.
    pub(crate) callback: Option<String>,
    pub(crate) line: CallbackLine,
    /// The caller who had the number before and may still be looked for.
    pub(crate) taken_from: Option<String>,
}

impl Branch {
    pub(crate) fn place_of(&self, phone: &Phone) -> Option<&Location> {
        let whereabouts = Whereabouts {
            extension: phone.extension.as_deref(),
            remote: phone.flow.remote.ip(),
            local: phone.flow.local.ip(),
            ports: self.neighbours.of(phone.flow.remote.ip()),
        };
        location_of(whereabouts, &self.tables)
    }

    /// Somebody calls for help: it is noted and told before anything is sent.
    pub(crate) fn help_wanted(&mut self, now: Now, (call, number): (CallId, &str), incoming: &Incoming) {
        let phone = phone(&incoming.party, incoming.flow);
        self.listen_to(now, call, &phone);
        let shown = self.shown(&incoming.party, &incoming.request);
        let contact = incoming
            .request
            .contact()
            .and_then(Result::ok)
            .map(|contact| contact.uri_text.to_owned());
        let mut entry = self.entry_for_help(now, (call, number), (&phone, &shown));
        entry.contact = contact.unwrap_or_default();
        self.note_help(now, entry);
    }

    pub(crate) fn is_for_help(&self, call: CallId) -> bool {
        self.facts
            .get(&call)
            .is_some_and(|facts| facts.urgency == Urgency::Emergency)
    }

    /// The INVITE that takes a call for help out over one trunk.
    pub(crate) fn to_help(&mut self, now: Now, leg: NewLeg, target: &TrunkTarget, flow: Flow) -> Option<Invitation> {
        self.make_room(now, leg.call, &target.attempt.trunk);
        let (phone, said) = self.help_leaves(now, leg, &HelpAttempt::Trunk(target.attempt.clone()))?;
        let mut target = target.clone();
        target.attempt.caller_id.number = said.callback;
        let trunk = self.config.trunk(&target.attempt.trunk)?;
        let form = trunk.location;
        let mut invitation = self.to_trunk(&target, (trunk, self.legs.entry(leg.caller)?), flow);
        invitation.ring_max = Some(HELP_RING);
        self.attach_location(now, &mut invitation, (leg.call, &phone, form));
        Some(invitation)
    }

    /// The INVITE that takes a call for help out over a line of the hosted PBX.
    pub(crate) fn to_help_by_line(
        &mut self,
        now: Now,
        leg: NewLeg,
        target: &HostedTarget,
    ) -> Option<(Flow, Invitation)> {
        let attempt = LineAttempt {
            line: Extension::new(&target.line).ok()?,
            number: target.number.clone(),
        };
        let shown = self.legs.entry(leg.caller)?.shown.clone();
        let (flow, mut invitation) = self.to_hosted(now, leg.id, (target, &shown))?;
        let (phone, _) = self.help_leaves(now, leg, &HelpAttempt::Hosted(attempt))?;
        let form = self.config.hosted.as_ref()?.location;
        invitation.ring_max = Some(HELP_RING);
        self.attach_location(now, &mut invitation, (leg.call, &phone, form));
        Some((flow, invitation))
    }

    /// A call for help takes a way out: what it says there is noted and told.
    fn help_leaves(&mut self, now: Now, leg: NewLeg, way: &HelpAttempt) -> Option<(Phone, Said)> {
        let caller = self.legs.entry(leg.caller)?;
        let (phone, shown) = (phone(&caller.party, caller.flow), caller.shown.clone());
        let said = self.said_over(now, &phone, way);
        let known = self.emergencies.of_call(leg.call).cloned();
        let number = match way {
            HelpAttempt::Trunk(attempt) => &attempt.number,
            HelpAttempt::Hosted(attempt) => &attempt.number,
        };
        let entry = known.unwrap_or_else(|| self.entry_for_help(now, (leg.call, number), (&phone, &shown)));
        if let Some(other) = &said.taken_from {
            self.counters.elins_reused += 1;
            let number = said.callback.as_deref().unwrap_or_default();
            let text = format!(
                "no free ELIN where {} calls for help: {number} was {other}'s",
                entry.name
            );
            let about = About {
                call: Some(entry.call.to_string()),
                extension: entry.extension.clone(),
                ..About::default()
            };
            self.notice_about(Level::Warning, text, about);
        }
        let entry = EmergencyCall {
            at: self.journal.stamp(now),
            number: number.clone(),
            trunk: Some(way.route().to_owned()),
            callback: said.callback.clone(),
            line: said.line,
            ..entry
        };
        self.note_help(now, entry);
        Some((phone, said))
    }

    /// What is shown on a way out as the number to call back, and whose it is.
    pub(crate) fn said_over(&self, now: Now, phone: &Phone, way: &HelpAttempt) -> Said {
        match way {
            HelpAttempt::Trunk(attempt) => self.said_over_trunk(now, phone, attempt),
            HelpAttempt::Hosted(attempt) => self.said_by_line(phone, attempt),
        }
    }

    /// A line is called back at the number that the hosted PBX shows for it: the extension's own, or one that all share.
    fn said_by_line(&self, phone: &Phone, attempt: &LineAttempt) -> Said {
        let entry = self.config.extension(attempt.line.as_str());
        let own = entry.and_then(|entry| entry.caller_id.clone());
        let user = entry.and_then(|entry| Some(entry.hosted.as_ref()?.username.clone()));
        let shared = self.config.emergency.callback.clone().filter(|_| own.is_none());
        let is_own = shared.is_none() && phone.extension.as_deref() == Some(attempt.line.as_str());
        Said {
            callback: own.or(shared).or(user),
            line: if is_own {
                CallbackLine::Own
            } else {
                CallbackLine::Shared
            },
            taken_from: None,
        }
    }

    fn said_over_trunk(&self, now: Now, phone: &Phone, attempt: &TrunkAttempt) -> Said {
        let trunk = self.config.trunk(&attempt.trunk);
        let place = self.place_of(phone);
        if trunk.is_some_and(|trunk| trunk.location == LocationForm::Elin)
            && let Some(elin) = place.and_then(|place| self.emergencies.elin(&self.journal.stamp(now), place, phone))
        {
            return Said {
                callback: Some(elin.number),
                line: CallbackLine::Elin,
                taken_from: elin.taken_from,
            };
        }
        let callback = attempt.caller_id.number.clone();
        let own = phone
            .extension
            .as_deref()
            .and_then(|number| self.config.extension(number));
        let is_own = callback.is_some() && own.is_some_and(|entry| entry.caller_id == callback);
        Said {
            callback,
            line: if is_own {
                CallbackLine::Own
            } else {
                CallbackLine::Shared
            },
            taken_from: None,
        }
    }

    /// Geolocation (RFC 6442) for a way out that takes it.
    fn attach_location(
        &self,
        now: Now,
        invitation: &mut Invitation,
        (call, phone, form): (CallId, &Phone, LocationForm),
    ) {
        match form {
            LocationForm::Pidf => {}
            LocationForm::None | LocationForm::Elin => return,
        }
        let Some(place) = self.place_of(phone) else { return };
        let domain = host(invitation.flow.local);
        let content_id = format!(
            "{:032x}@{}",
            u128::from_be_bytes(call.0),
            domain.trim_matches(['[', ']'])
        );
        let subject = pidf::Subject {
            entity: format!("{}@{domain}", phone.extension.as_deref().unwrap_or("anonymous")),
            country: self.config.site.country.code,
            utc_ms: self.journal.dated(now).utc_ms,
        };
        invitation
            .headers
            .push(Name::Geolocation, format_args!("<cid:{content_id}>"));
        invitation.headers.push(Name::GeolocationRouting, "yes");
        invitation.attachment = Some(Attachment {
            content_id: content_id.into(),
            body: Body {
                content_type: "application/pidf+xml".into(),
                bytes: pidf::document(place, &subject).into(),
            },
        });
    }

    fn entry_for_help(
        &self,
        now: Now,
        (call, number): (CallId, &str),
        (phone, shown): (&Phone, &Shown),
    ) -> EmergencyCall {
        let place = self.place_of(phone);
        let display = shown.display.clone().filter(|name| !name.is_empty());
        EmergencyCall {
            call: uuid::Uuid::from_bytes(call.0),
            at: self.journal.stamp(now),
            extension: phone.extension.clone(),
            name: display.unwrap_or_else(|| shown.number.clone()),
            number: number.to_owned(),
            trunk: None,
            location: place.map(|place| place.id.clone()),
            place: place.map(words::in_words).unwrap_or_default(),
            callback: None,
            line: CallbackLine::Shared,
            contact: String::new(),
            received: format!("{} {}", phone.flow.local, phone.flow.remote),
            transport: phone.flow.transport.param_name().to_owned(),
        }
    }

    /// Keeps, journals and, the first time, tells.
    fn note_help(&mut self, now: Now, entry: EmergencyCall) {
        let news = self.emergencies.keep(entry.clone());
        self.tell_of_help(now, &entry, news);
        self.journal(now, Event::EmergencyCall(Box::new(entry)));
    }
}

fn phone(party: &Party, flow: Flow) -> Phone {
    let extension = match party {
        Party::Extension(number) => Some(number.clone()),
        Party::Trunk(_) | Party::Hosted(_) | Party::Stranger => None,
    };
    Phone { extension, flow }
}

/// How long a call for help rings. Nobody tells the box that a caller who waits has lost power, and the operator may still
/// answer; networks give a call up after 2 to 4 min, so this cuts off nobody who would have been answered.
pub(crate) const HELP_RING: Duration = Duration::from_secs(600);

//! The way back: an operator who calls the number that was shown reaches the phone that called.

use std::time::Duration;

use branchline_call::{After, Attempt, Patience};
use branchline_journal::{CallbackLine, EmergencyCall};
use branchline_route::{Dialled, Number, Request, normalise};
use branchline_sip::{Flow, Transport};

use crate::Branch;
use crate::dial::Incoming;
use crate::legs::Party;
use crate::now::Now;
use crate::targets::{ContactTarget, Target};

impl Branch {
    /// The call for help that somebody outside returns by dialling what they do.
    pub(crate) fn help_returned(&mut self, now: Now, incoming: &Incoming) -> Option<EmergencyCall> {
        match &incoming.party {
            Party::Trunk(_) => self.help_at_number(now, incoming),
            // A call of the branch's own to a telephone that called for help.
            Party::Hosted(_) if self.returned(now, incoming).is_some() => None,
            Party::Hosted(line) => self
                .help_at_number(now, incoming)
                .or_else(|| self.help_of_line(now, line)),
            Party::Extension(_) | Party::Stranger => None,
        }
    }

    /// The hosted PBX brings a call for a line by its user name, whatever number was dialled outside.
    fn help_of_line(&self, now: Now, line: &str) -> Option<EmergencyCall> {
        let call = self.emergencies.caller_on_line(&self.journal.stamp(now), line)?;
        Some(EmergencyCall {
            line: CallbackLine::Shared,
            ..call.clone()
        })
    }

    fn help_at_number(&self, now: Now, incoming: &Incoming) -> Option<EmergencyCall> {
        let dialled = Dialled::new(&incoming.dialled)?;
        let stamp = self.journal.stamp(now);
        let as_dialled = self.emergencies.caller_at(&stamp, dialled.bare());
        let in_full = || match normalise(&dialled, self.tables.home()) {
            Ok(Number::E164(number)) => self.emergencies.caller_at(&stamp, number.digits()),
            Ok(Number::Short(_)) | Err(_) => None,
        };
        as_dialled.or_else(in_full).cloned()
    }

    /// The phone that called, then the others of its extension; neither forwards nor limits count. A number that others
    /// are called on too rings them as well: nobody can tell the operator's call from an ordinary one.
    pub(crate) fn callback_attempts(&self, call: &EmergencyCall, request: &Request<'_>) -> Vec<Attempt<Target>> {
        let (mut first, others) = self.phones_of(call);
        let mut later = Vec::new();
        if call.line == CallbackLine::Shared
            && let Ok(ordinary) = self.attempts_for(request)
        {
            let mut ordinary = ordinary.into_iter();
            let known: Vec<String> = first.iter().filter_map(uri).map(str::to_owned).collect();
            let together = ordinary.next().map(|attempt| attempt.targets).unwrap_or_default();
            first.extend(
                together
                    .into_iter()
                    .filter(|target| uri(target).is_none_or(|uri| !known.iter().any(|it| it == uri))),
            );
            later.extend(ordinary);
        }
        let attempt = |targets: Vec<Target>| Attempt {
            targets,
            patience: Patience::new(SIGN, RING),
            after: After::Failure,
            then: Vec::new(),
        };
        [first, others]
            .into_iter()
            .filter(|targets| !targets.is_empty())
            .map(attempt)
            .chain(later)
            .collect()
    }

    fn phones_of(&self, call: &EmergencyCall) -> (Vec<Target>, Vec<Target>) {
        let flow = flow_of(call);
        let Some(extension) = &call.extension else {
            return (self.saved_contact(call, flow).into_iter().collect(), Vec::new());
        };
        let registered = self.contact_groups(extension).into_iter().flatten().map(|contact| {
            let is_there =
                |contact: &ContactTarget| flow.is_some_and(|flow| flow.remote.ip() == contact.flow.remote.ip());
            let any_is_there = is_there(&contact) || contact.spare.iter().any(is_there);
            (any_is_there, Target::Contact(contact))
        });
        let (there, elsewhere): (Vec<_>, Vec<_>) = registered.partition(|(is_there, _)| *is_there);
        let bare = |list: Vec<(bool, Target)>| list.into_iter().map(|(_, target)| target).collect::<Vec<_>>();
        let (there, elsewhere) = (bare(there), bare(elsewhere));
        if there.is_empty() {
            // It may still listen where it called from, registered or not.
            let saved: Vec<Target> = self.saved_contact(call, flow).into_iter().chain(elsewhere).collect();
            return (saved, Vec::new());
        }
        (there, elsewhere)
    }

    fn saved_contact(&self, call: &EmergencyCall, flow: Option<Flow>) -> Option<Target> {
        let flow = flow.filter(|_| !call.contact.is_empty())?;
        let party = call.extension.clone().map_or(Party::Stranger, Party::Extension);
        Some(Target::Contact(ContactTarget {
            party,
            uri: call.contact.clone(),
            flow,
            path: Vec::new(),
            diversions: Vec::new(),
            spare: Vec::new(),
        }))
    }
}

fn uri(target: &Target) -> Option<&str> {
    match target {
        Target::Contact(contact) => Some(&contact.uri),
        Target::Trunk(_) | Target::Hosted(_) | Target::Echo => None,
    }
}

fn flow_of(call: &EmergencyCall) -> Option<Flow> {
    let (local, remote) = call.received.split_once(' ')?;
    Some(Flow {
        transport: Transport::of(&call.transport)?,
        local: local.parse().ok()?,
        remote: remote.parse().ok()?,
        connection: None,
    })
}

/// A phone on the network says something within this.
const SIGN: Duration = Duration::from_secs(4);
/// An operator lets it ring for long.
const RING: Duration = Duration::from_secs(120);

//! What a call for help from each phone would do now, and the test number that tells it to the phone.

use branchline_config::LocationForm;
use branchline_journal::CallbackLine;
use branchline_route::{Decision, HelpAttempt, Request, decide};
use branchline_sip::{Flow, Transport};

use super::{Phone, words};
use crate::Branch;
use crate::dial::Incoming;
use crate::identity::Shown;
use crate::legs::Party;
use crate::now::Now;
use crate::targets::ContactTarget;
use crate::view::{Outlook, PhoneOutlook};

impl Branch {
    /// What a call for help would do now, phone by phone; an extension without a phone counts as one at no network.
    pub fn outlook(&self, now: Now) -> Outlook {
        let number = self.tables.country().general_number().to_owned();
        let mut phones = Vec::new();
        for entry in &self.config.extensions {
            let extension = entry.number.as_str();
            let contacts = self.bindings.lookup(extension);
            let mut seen = Vec::new();
            for contact in &contacts {
                let phone = Phone {
                    extension: Some(extension.to_owned()),
                    flow: contact.flow,
                };
                // Several registrations of one phone are one phone.
                if !seen.contains(&contact.flow.remote) {
                    seen.push(contact.flow.remote);
                    phones.push(self.phone_outlook(now, &phone, &number));
                }
            }
            if contacts.is_empty() {
                phones.push(self.phone_outlook(now, &absent(extension), &number));
            }
        }
        phones.sort_by(|one, other| one.extension.cmp(&other.extension));
        Outlook { number, phones }
    }

    fn phone_outlook(&self, now: Now, phone: &Phone, number: &str) -> PhoneOutlook {
        let extension = phone.extension.clone().unwrap_or_default();
        let is_registered = phone.flow.remote.port() != 0;
        let caller = self.caller(&Party::Extension(extension.clone()));
        let attempts = match decide(&Request::new(caller, number), &self.tables, self.legs.state()) {
            Decision::Emergency { attempts, .. } => attempts,
            Decision::Extension(_)
            | Decision::Hosted { .. }
            | Decision::Trunks { .. }
            | Decision::Echo
            | Decision::Refuse { .. } => Vec::new(),
        };
        let place = self.place_of(phone);
        let mut outlook = PhoneOutlook {
            extension,
            address: if is_registered {
                phone.flow.remote.to_string()
            } else {
                String::new()
            },
            routes: attempts.iter().map(|attempt| attempt.route().to_owned()).collect(),
            way_out: attempts.first().is_some_and(|first| self.is_up(first)),
            location: place.map(|place| place.id.clone()),
            place: place.map(words::in_words).unwrap_or_default(),
            callback: None,
            line: String::new(),
            missing: Vec::new(),
        };
        if place.is_none() {
            outlook.missing.push("no location".to_owned());
        }
        let Some(first) = attempts.first() else {
            outlook
                .missing
                .push("no route: there is no trunk, and no line of the hosted PBX".to_owned());
            return outlook;
        };
        let said = self.said_over(now, phone, first);
        outlook.missing.extend(self.missing(phone, &attempts, said.line));
        if said.callback.is_none() {
            outlook.missing.push("no number to call back".to_owned());
        }
        line_name(said.line).clone_into(&mut outlook.line);
        outlook.callback = said.callback;
        outlook
    }

    fn is_up(&self, way: &HelpAttempt) -> bool {
        let state = self.legs.state();
        match way {
            HelpAttempt::Trunk(attempt) => state.trunks.get(&attempt.trunk).is_some_and(|trunk| trunk.up),
            HelpAttempt::Hosted(attempt) => state.hosted_lines.contains(attempt.line.as_str()),
        }
    }

    /// What is wrong with the ways out, and with what the first of them says.
    fn missing(&self, phone: &Phone, ways: &[HelpAttempt], line: CallbackLine) -> Vec<String> {
        let mut missing = Vec::new();
        if !ways.iter().any(|way| self.is_up(way)) {
            missing.push("every route is down".to_owned());
        }
        let routes = &self.config.emergency.routes;
        let is_wanted = |way: &&HelpAttempt| routes.iter().any(|route| route.name() == way.route());
        for way in ways.iter().filter(is_wanted) {
            if !self.is_up(way) {
                missing.push(format!("route {} is down", way.route()));
            } else if let HelpAttempt::Hosted(attempt) = way
                && phone.extension.as_deref() != Some(attempt.line.as_str())
            {
                missing.push(format!(
                    "no line of its own for route hosted: {}'s is used",
                    attempt.line
                ));
            }
        }
        let needs_elin = |way: &HelpAttempt| match way {
            HelpAttempt::Trunk(attempt) => self.config.trunk(&attempt.trunk).map(|trunk| trunk.location),
            HelpAttempt::Hosted(_) => None,
        };
        if let Some(first) = ways.first()
            && needs_elin(first) == Some(LocationForm::Elin)
            && line != CallbackLine::Elin
        {
            missing.push(format!("no ELIN for route {}", first.route()));
        }
        missing
    }

    /// Somebody dialled the test number: the phone is told by a text what a call for help from it would send.
    pub(crate) fn tell_outlook(&mut self, now: Now, incoming: &Incoming) {
        let is_test = self.config.emergency.test_number.is_some();
        let Party::Extension(extension) = &incoming.party else {
            return;
        };
        if !is_test {
            return;
        }
        let phone = Phone {
            extension: Some(extension.clone()),
            flow: incoming.flow,
        };
        let number = self.tables.country().general_number();
        let outlook = self.phone_outlook(now, &phone, number);
        let Some(uri) = incoming
            .request
            .contact()
            .and_then(Result::ok)
            .map(|contact| contact.uri_text.to_owned())
        else {
            return;
        };
        let contact = ContactTarget {
            party: incoming.party.clone(),
            uri,
            flow: incoming.flow,
            path: Vec::new(),
            diversions: Vec::new(),
            spare: Vec::new(),
        };
        let from = Shown {
            number: incoming.dialled.clone(),
            ..Shown::default()
        };
        let text = test_text(number, &outlook);
        self.send_text(now, &contact, (&from, &text));
    }
}

fn absent(extension: &str) -> Phone {
    let nowhere = ([0, 0, 0, 0], 0).into();
    Phone {
        extension: Some(extension.to_owned()),
        flow: Flow {
            transport: Transport::Udp,
            local: nowhere,
            remote: nowhere,
            connection: None,
        },
    }
}

fn test_text(number: &str, outlook: &PhoneOutlook) -> String {
    let or = |text: &str, none: &str| {
        if text.is_empty() {
            none.to_owned()
        } else {
            text.to_owned()
        }
    };
    let mut text = format!(
        "Test of {number} from {}: route {}, call back {}, location {}",
        outlook.extension,
        or(&outlook.routes.join(" then "), "none"),
        outlook.callback.as_deref().unwrap_or("none"),
        or(&outlook.place, "none"),
    );
    if !outlook.missing.is_empty() {
        text.push_str(&format!(". Missing: {}", outlook.missing.join("; ")));
    }
    text
}

fn line_name(line: CallbackLine) -> &'static str {
    match line {
        CallbackLine::Elin => "elin",
        CallbackLine::Own => "own",
        CallbackLine::Shared => "shared",
    }
}

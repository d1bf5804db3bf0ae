//! Why something was decided, for whoever reads the log at debug. Nothing is put into words unless somebody does.

use std::fmt::Display;

use branchline_call::LegId;
use branchline_sip::Flow;

use crate::Branch;
use crate::course::Course;
use crate::dial::Incoming;
use crate::output::{About, Level, Watched};
use crate::targets::Target;

impl Branch {
    fn explain(&mut self, text: &str, about: impl FnOnce(&Branch) -> About) {
        if self.explained == Watched::Yes {
            let about = about(self);
            self.notice_about(Level::Debug, text, about);
        }
    }

    /// Where a call goes.
    pub(crate) fn explain_course(&mut self, incoming: &Incoming, course: &Course) {
        self.explain("call routed", |_| About {
            why: Some(way(course)),
            ..of_call(incoming)
        });
    }

    /// A call that goes nowhere.
    pub(crate) fn explain_refusal(&mut self, incoming: &Incoming, (status, why): (u16, &dyn Display)) {
        self.explain("call refused", |_| About {
            status: Some(status),
            why: Some(why.to_string()),
            ..of_call(incoming)
        });
    }

    /// A request that is turned away before it is looked into.
    pub(crate) fn explain_turned_away(&mut self, flow: Flow, (status, why): (u16, &str)) {
        self.explain("request turned away", |_| About {
            address: Some(flow.remote.to_string()),
            status: Some(status),
            why: Some(why.to_owned()),
            ..About::default()
        });
    }

    /// What became of a REGISTER whose password is right.
    pub(crate) fn explain_register(&mut self, flow: Flow, extension: &str, outcome: Result<(), (u16, &dyn Display)>) {
        let text = match outcome {
            Ok(()) => "registration accepted",
            Err(_) => "registration refused",
        };
        self.explain(text, |_| About {
            extension: Some(extension.to_owned()),
            address: Some(flow.remote.to_string()),
            status: outcome.err().map(|(status, _)| status),
            why: outcome.err().map(|(_, why)| why.to_string()),
            ..About::default()
        });
    }

    /// A phone or a trunk does not take a call: what is tried next follows from the status.
    pub(crate) fn explain_leg(&mut self, leg: LegId, status: u16) {
        self.explain("not taken", |branch| {
            let entry = branch.legs.entry(leg);
            let facts = entry.and_then(|entry| branch.facts.get(&entry.call));
            About {
                call: facts.map(|facts| facts.id.to_string()),
                to: entry.map(|entry| entry.party.name().to_owned()),
                address: entry.map(|entry| entry.flow.remote.to_string()),
                status: Some(status),
                ..About::default()
            }
        });
    }
}

fn of_call(incoming: &Incoming) -> About {
    About {
        from: Some(incoming.party.name().to_owned()),
        to: Some(incoming.dialled.clone()),
        address: Some(incoming.flow.remote.to_string()),
        ..About::default()
    }
}

/// `201 at 192.0.2.7:5060 and 201 at 192.0.2.8:5060, then trunk isp`.
fn way(course: &Course) -> String {
    let attempts = course.attempts.iter().map(|attempt| {
        let targets: Vec<String> = attempt.targets.iter().map(target).collect();
        targets.join(" and ")
    });
    let attempts: Vec<String> = attempts.collect();
    match attempts.is_empty() {
        true => "nobody to ring".to_owned(),
        false => attempts.join(", then "),
    }
}

fn target(target: &Target) -> String {
    match target {
        Target::Contact(contact) => format!("{} at {}", contact.party.name(), contact.flow.remote),
        Target::Trunk(trunk) => format!("trunk {}", trunk.attempt.trunk),
        Target::Hosted(hosted) => format!("the hosted PBX by line {}", hosted.line),
        Target::Echo => "the echo".to_owned(),
    }
}

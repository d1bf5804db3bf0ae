//! From a decision to phones and trunks.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use branchline_call::{After, Attempt, Patience};
use branchline_config::{Extension, ExtensionEntry};
use branchline_route::{Caller, Decision, HelpAttempt, LineAttempt, Request, State, TrunkAttempt};
use branchline_sip::Flow;
use branchline_sip::binding::Binding;

use crate::Branch;
use crate::emergency::HELP_RING;
use crate::hosted::HostedTarget;
use crate::identity::escaped;
use crate::legs::Party;

/// What an outgoing leg is sent to.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// One registered contact of an extension.
    Contact(ContactTarget),
    /// A number over a trunk.
    Trunk(TrunkTarget),
    /// The box itself, which sends back what it hears.
    Echo,
    /// A number over a line of the hosted PBX.
    Hosted(HostedTarget),
}

/// A number over a trunk.
#[derive(Clone, Debug)]
pub(crate) struct TrunkTarget {
    pub(crate) attempt: TrunkAttempt,
    pub(crate) urgency: Urgency,
    pub(crate) diversions: Vec<Diversion>,
}

/// A redirection that a call has gone through.
#[derive(Clone, Debug)]
pub(crate) struct Diversion {
    pub(crate) by: Diverter,
    /// As RFC 5806 section 6.2 writes it.
    pub(crate) reason: &'static str,
}

impl Diversion {
    /// A number of ours leads outside, always.
    pub(crate) fn of_number(number: &str) -> Diversion {
        Diversion {
            by: Diverter::Number(number.to_owned()),
            reason: "unconditional",
        }
    }
}

/// Who sent a call on.
#[derive(Clone, Debug)]
pub(crate) enum Diverter {
    Extension(Extension),
    /// A number of ours, as a trunk dialled it, that leads outside again.
    Number(String),
}

/// What stands behind a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Urgency {
    Ordinary,
    /// Somebody calls for help.
    Emergency,
    /// The operator calls back.
    Callback,
}

/// One registered contact.
#[derive(Clone, Debug)]
pub(crate) struct ContactTarget {
    pub(crate) party: Party,
    pub(crate) uri: String,
    pub(crate) flow: Flow,
    /// Path of the registration, the first hop first (RFC 3327).
    pub(crate) path: Vec<String>,
    /// The latest first.
    pub(crate) diversions: Vec<Diversion>,
    /// The same phone by its other flows, the latest first.
    pub(crate) spare: Vec<ContactTarget>,
}

impl ContactTarget {
    fn of(binding: &Binding) -> ContactTarget {
        ContactTarget {
            party: Party::Extension(binding.user.to_string()),
            uri: binding.contact.to_string(),
            flow: binding.flow,
            path: binding.path.iter().map(|hop| hop.to_string()).collect(),
            diversions: Vec::new(),
            spare: Vec::new(),
        }
    }
}

impl Target {
    /// What else leads to the same phone.
    pub(crate) fn spare(&self) -> &[ContactTarget] {
        match self {
            Target::Contact(contact) => &contact.spare,
            Target::Trunk(_) | Target::Hosted(_) | Target::Echo => &[],
        }
    }
}

impl ContactTarget {
    /// Value of To, without tag.
    pub(crate) fn to(&self, domain: &str) -> String {
        match &self.party {
            Party::Extension(number) => format!("<sip:{}@{domain}>", escaped(number)),
            Party::Trunk(_) | Party::Hosted(_) | Party::Stranger => format!("<{}>", self.uri),
        }
    }
}

/// A forward of an extension: as if it dialled itself.
pub(crate) struct Forward {
    from: Extension,
    to: String,
    forwards: u8,
    reason: &'static str,
}

impl Forward {
    pub(crate) fn request(&self) -> Request<'_> {
        Request {
            forwards: self.forwards,
            ..Request::new(Caller::Extension(self.from.clone()), &self.to)
        }
    }

    /// Notes the forward on everything it leads to.
    pub(crate) fn mark(&self, attempts: &mut [Attempt<Target>]) {
        divert(
            attempts,
            &Diversion {
                by: Diverter::Extension(self.from.clone()),
                reason: self.reason,
            },
        );
    }
}

/// Notes a redirection that came before those already noted.
pub(crate) fn divert(attempts: &mut [Attempt<Target>], diversion: &Diversion) {
    for attempt in attempts {
        for target in &mut attempt.targets {
            match target {
                Target::Contact(contact) => {
                    for flow in &mut contact.spare {
                        flow.diversions.push(diversion.clone());
                    }
                    contact.diversions.push(diversion.clone());
                }
                Target::Trunk(trunk) => trunk.diversions.push(diversion.clone()),
                // A line of the hosted PBX calls as itself.
                Target::Hosted(_) | Target::Echo => {}
            }
        }
        divert(&mut attempt.then, diversion);
    }
}

impl Branch {
    /// Rings the extension's phones, best first, then goes where it forwards to.
    pub(crate) fn extension_attempts(&self, extension: &Extension, forwards: u8) -> Vec<Attempt<Target>> {
        let Some(entry) = self.config.extension(extension.as_str()) else {
            return Vec::new();
        };
        let ring = Duration::from_secs(u64::from(entry.no_answer_s.unwrap_or(self.config.sip.ring_s)));
        let groups = self.contact_groups(extension.as_str());
        let groups = if groups.is_empty() { vec![Vec::new()] } else { groups };
        let own = groups.into_iter().map(|targets| Attempt {
            targets: targets.into_iter().map(Target::Contact).collect(),
            patience: Patience::new(SIGN, ring),
            after: After::Any,
            then: Vec::new(),
        });
        let mut attempts: Vec<Attempt<Target>> = own.collect();
        for (to, after) in [
            (&entry.forward_busy, After::Busy),
            (&entry.forward_no_answer, After::NoAnswer),
        ] {
            attempts.extend(self.forward_attempt(entry, to.as_deref(), (after, forwards)));
        }
        attempts
    }

    /// A forward as one attempt: what it would try besides hangs on it, and is passed over when it is.
    fn forward_attempt(
        &self,
        entry: &ExtensionEntry,
        to: Option<&str>,
        (after, forwards): (After, u8),
    ) -> Option<Attempt<Target>> {
        let forward = Forward {
            from: entry.number.clone(),
            to: to?.to_owned(),
            forwards: forwards.saturating_add(1),
            reason: match after {
                After::Busy => BUSY,
                After::NoAnswer => "no-answer",
                After::Any | After::Unreachable | After::NotKnown | After::Failure => "unknown",
            },
        };
        let mut attempts = self.attempts_for(&forward.request()).unwrap_or_default();
        forward.mark(&mut attempts);
        let mut attempts = attempts.into_iter();
        let mut first = attempts.next()?;
        first.after = after;
        first.then.extend(attempts);
        Some(first)
    }

    /// Where a call to an extension goes that has all the calls it takes.
    pub(crate) fn forward_when_full(&self, request: &Request<'_>) -> Option<Forward> {
        let entry = self.config.extension(self.called_extension(request)?.as_str())?;
        let to = entry.forward_busy.clone()?;
        Some(Forward {
            from: entry.number.clone(),
            to,
            forwards: request.forwards.saturating_add(1),
            reason: BUSY,
        })
    }

    /// The extension a number leads to, busy or not.
    pub(crate) fn called_extension(&self, request: &Request<'_>) -> Option<Extension> {
        let idle = State {
            extension_calls: BTreeMap::new(),
            trunks: self.legs.state().trunks.clone(),
            service: self.legs.state().service,
            // What the branch would do alone.
            hosted_lines: BTreeSet::new(),
        };
        match branchline_route::decide(request, &self.tables, &idle) {
            Decision::Extension(extension) => Some(extension),
            Decision::Trunks { .. }
            | Decision::Emergency { .. }
            | Decision::Hosted { .. }
            | Decision::Echo
            | Decision::Refuse { .. } => None,
        }
    }

    /// The contacts of an extension by falling q; equals ring together (RFC 3261 section 16.6). Of the flows of one phone
    /// the first rings, the others wait for it to be dead (RFC 5626 section 5.3).
    pub(crate) fn contact_groups(&self, extension: &str) -> Vec<Vec<ContactTarget>> {
        let mut phones: Vec<(&Binding, ContactTarget)> = Vec::new();
        for binding in self.bindings.lookup(extension) {
            let is_same = |known: &Binding| known.instance.is_some() && known.instance == binding.instance;
            let target = ContactTarget::of(binding);
            match phones.iter_mut().find(|(known, _)| is_same(known)) {
                Some((_, phone)) => phone.spare.push(target),
                None => phones.push((binding, target)),
            }
        }
        let groups = phones.chunk_by(|(one, _), (other, _)| one.q_thousandths == other.q_thousandths);
        groups
            .map(|group| group.iter().map(|(_, target)| target.clone()).collect())
            .collect()
    }

    /// The box itself answers.
    pub(crate) fn echo_attempts() -> Vec<Attempt<Target>> {
        vec![Attempt {
            targets: vec![Target::Echo],
            patience: Patience::new(SIGN, SIGN),
            after: After::Any,
            then: Vec::new(),
        }]
    }

    /// Trunks in order.
    pub(crate) fn trunk_attempts(&self, attempts: Vec<TrunkAttempt>) -> Vec<Attempt<Target>> {
        let ring = TRUNK_RING.max(Duration::from_secs(u64::from(self.config.sip.ring_s)));
        let target = |attempt| {
            Target::Trunk(TrunkTarget {
                attempt,
                urgency: Urgency::Ordinary,
                diversions: Vec::new(),
            })
        };
        let targets = attempts
            .into_iter()
            .map(|attempt| (target(attempt), Patience::new(SIGN, ring)));
        chained(targets.collect(), After::Unreachable)
    }

    /// Ways out for a call for help in order, twice: in the second round ordinary calls make room where there was none.
    pub(crate) fn help_attempts(attempts: &[HelpAttempt]) -> Vec<Attempt<Target>> {
        let target = |attempt: &HelpAttempt| match attempt.clone() {
            HelpAttempt::Trunk(attempt) => Target::Trunk(TrunkTarget {
                attempt,
                urgency: Urgency::Emergency,
                diversions: Vec::new(),
            }),
            HelpAttempt::Hosted(LineAttempt { line, number }) => Target::Hosted(HostedTarget {
                line: line.as_str().to_owned(),
                number,
                urgency: Urgency::Emergency,
            }),
        };
        let last = (attempts.len() * 2).saturating_sub(1);
        let patience = |at: usize| Patience {
            sign: HELP_SIGN,
            trying: match at {
                // There is nothing better to do than to wait.
                _ if attempts.len() == 1 || at == last => HELP_RING,
                _ if at < attempts.len() => HELP_TRYING,
                _ => HELP_TRYING_AGAIN,
            },
            ring: HELP_RING,
        };
        let twice = attempts.iter().chain(attempts).enumerate();
        let twice: Vec<_> = twice.map(|(at, attempt)| (target(attempt), patience(at))).collect();
        chained(twice, After::Failure)
    }
}

/// Each attempt hangs on the one before, so that all are passed over where the first is.
fn chained(targets: Vec<(Target, Patience)>, after: After) -> Vec<Attempt<Target>> {
    let mut next: Vec<Attempt<Target>> = Vec::new();
    for (target, patience) in targets.into_iter().rev() {
        next = vec![Attempt {
            targets: vec![target],
            patience,
            after,
            then: next,
        }];
    }
    for first in &mut next {
        first.after = After::Any;
    }
    next
}

/// A phone or trunk on the network says something within this, if only 100; one that does not is not there.
pub(crate) const SIGN: Duration = Duration::from_secs(4);
/// Who calls for help waits less for a way that is dead; a message that was lost has been sent three times by then.
const HELP_SIGN: Duration = Duration::from_secs(3);
/// How long 100 alone, which only the next hop says, holds a call for help on one of several ways. Networks let it ring or
/// say why not within 2 to 6 s.
const HELP_TRYING: Duration = Duration::from_secs(8);
/// The same when the other ways had no more to say: one may be slow.
const HELP_TRYING_AGAIN: Duration = Duration::from_secs(30);
/// Reason of a diversion (RFC 5806 section 6.2).
const BUSY: &str = "user-busy";
/// The network rings its own time; the box only guards against a trunk that never answers.
pub(crate) const TRUNK_RING: Duration = Duration::from_secs(120);

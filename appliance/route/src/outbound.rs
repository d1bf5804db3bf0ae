//! Calls that leave over trunks: class of service, route, order of trunks, how the number is written.

use branchline_config::{CallerIdPolicy, ExtensionEntry, NumberForm, Privacy, Route, Target, Trunk};

use crate::decide::{Decision, State, TrunkState, Why, ring};
use crate::dialled::Dialled;
use crate::number::{Home, Number, kind_of, normalise};
use crate::tables::Tables;

/// One trunk to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrunkAttempt {
    /// Its name.
    pub trunk: String,
    /// The number in the form this trunk wants.
    pub number: String,
    /// What the called party sees.
    pub caller_id: CallerId,
}

/// What the called party sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallerId {
    /// `None` when only the trunk's user name is known.
    pub number: Option<String>,
    /// Withheld means `Privacy: id` and an anonymous From (RFC 3323).
    pub privacy: Privacy,
}

pub(crate) struct Outbound<'a> {
    pub(crate) dialled: &'a Dialled,
    pub(crate) caller: &'a ExtensionEntry,
}

pub(crate) fn decide(call: &Outbound<'_>, tables: &Tables, state: &State) -> Decision {
    let number = match normalise(call.dialled, tables.home()) {
        Ok(number) => number,
        // A route may name digits that are no number of the plan, such as a provider's mailbox.
        // As short as an extension: somebody dialled one that does not exist.
        Err(_) if is_like_an_extension(call.dialled, tables) => return Why::UnknownNumber.refuse(),
        Err(fault) if !is_named_by_a_route(call.dialled, tables) => return Why::from(fault).refuse(),
        Err(_) => Number::Short(call.dialled.digits.clone()),
    };
    if let Number::E164(own) = &number
        && let Some(Target::Extension(own)) = tables.own_number(own.digits())
        && let Some(called) = tables.extension(own.as_str())
    {
        return ring(called, state);
    }
    let kind = kind_of(&number, tables.home());
    let forms = [number.as_str(), call.dialled.digits.as_str()];
    if !tables.permits(call.caller, state.service, (kind, &forms)) {
        return Why::ClassOfService.refuse();
    }
    let leaving = Leaving {
        number,
        as_dialled: &call.dialled.digits,
        caller: Some(call.caller),
    };
    leaving.decide(tables, state)
}

fn is_like_an_extension(dialled: &Dialled, tables: &Tables) -> bool {
    tables.outside_prefix().is_none()
        && tables.has_extension_of(dialled.digits.len())
        && !is_named_by_a_route(dialled, tables)
}

/// A call from a trunk to a number that the configuration names as its target.
pub(crate) fn transit(target: &str, tables: &Tables, state: &State) -> Decision {
    let dialled = Dialled::new(target);
    match dialled.as_ref().map(|dialled| normalise(dialled, tables.home())) {
        Some(Ok(number)) => Leaving {
            number,
            as_dialled: target,
            caller: None,
        }
        .decide(tables, state),
        Some(Err(_)) | None => Why::UnknownNumber.refuse(),
    }
}

struct Leaving<'a> {
    number: Number,
    as_dialled: &'a str,
    caller: Option<&'a ExtensionEntry>,
}

impl Leaving<'_> {
    fn decide(self, tables: &Tables, state: &State) -> Decision {
        let kind = kind_of(&self.number, tables.home());
        let fits = |route: &&Route| {
            let by_number = route.pattern.as_ref();
            let by_number = by_number.is_none_or(|p| p.matches(self.number.as_str()) || p.matches(self.as_dialled));
            by_number && (route.kinds.is_empty() || route.kinds.contains(&kind))
        };
        let route = tables.routes().iter().find(fits);
        if route.is_none() && !tables.routes().is_empty() {
            return Why::NoRoute.refuse();
        }
        let trunks = candidates(route, tables, state);
        if trunks.is_empty() {
            return Why::NoTrunk.refuse();
        }
        let free: Vec<&Trunk> = trunks.into_iter().filter(|trunk| has_room(trunk, state)).collect();
        if free.is_empty() {
            return Why::TrunksFull.refuse();
        }
        let attempts = up_first(free, state)
            .into_iter()
            .filter_map(|trunk| self.attempt(trunk, route, tables.home()));
        let attempts: Vec<TrunkAttempt> = attempts.collect();
        if attempts.is_empty() {
            return Why::NoRoute.refuse();
        }
        Decision::Trunks {
            attempts,
            number: self.number,
            kind,
        }
    }

    /// `None` when the configured strip leaves nothing to dial.
    fn attempt(&self, trunk: &Trunk, route: Option<&Route>, home: Home<'_>) -> Option<TrunkAttempt> {
        let mut number = written(&self.number, trunk.send, (self.as_dialled, home));
        if let Some(route) = route {
            number = rewritten(&number, route.strip, &route.prefix);
        }
        number = rewritten(&number, trunk.strip, &trunk.prefix);
        if number.is_empty() {
            return None;
        }
        Some(TrunkAttempt {
            trunk: trunk.name.clone(),
            number,
            caller_id: caller_id(trunk, self.caller),
        })
    }
}

fn is_named_by_a_route(dialled: &Dialled, tables: &Tables) -> bool {
    let named = |route: &Route| {
        // A bare `*` means every number, not every string of digits.
        route
            .pattern
            .as_ref()
            .is_some_and(|pattern| pattern.as_str() != "*" && pattern.matches(&dialled.digits))
    };
    tables.routes().iter().any(named)
}

/// The route's trunks in their order; without any, all by priority and the least loaded for its weight first.
fn candidates<'t>(route: Option<&Route>, tables: &'t Tables, state: &State) -> Vec<&'t Trunk> {
    match route {
        Some(route) if !route.trunks.is_empty() => route.trunks.iter().filter_map(|name| tables.trunk(name)).collect(),
        Some(_) | None => {
            let mut all: Vec<&Trunk> = tables.trunks().iter().collect();
            all.sort_by(|a, b| {
                // Compares calls/weight without division.
                let load_a = u64::from(state_of(a, state).calls) * u64::from(b.weight);
                let load_b = u64::from(state_of(b, state).calls) * u64::from(a.weight);
                a.priority
                    .cmp(&b.priority)
                    .then(load_a.cmp(&load_b))
                    .then(b.weight.cmp(&a.weight))
            });
            all
        }
    }
}

fn up_first<'t>(trunks: Vec<&'t Trunk>, state: &State) -> Vec<&'t Trunk> {
    let (mut up, down): (Vec<&Trunk>, Vec<&Trunk>) = trunks.into_iter().partition(|trunk| state_of(trunk, state).up);
    up.extend(down);
    up
}

pub(crate) fn has_room(trunk: &Trunk, state: &State) -> bool {
    trunk.max_calls.is_none_or(|max| state_of(trunk, state).calls < max)
}

pub(crate) fn state_of(trunk: &Trunk, state: &State) -> TrunkState {
    state
        .trunks
        .get(&trunk.name)
        .copied()
        .unwrap_or(TrunkState { up: false, calls: 0 })
}

fn caller_id(trunk: &Trunk, caller: Option<&ExtensionEntry>) -> CallerId {
    let privacy = caller.map_or(Privacy::Shown, |caller| caller.privacy);
    let own = caller.and_then(|caller| caller.caller_id.clone());
    match trunk.caller_id {
        CallerIdPolicy::Extension => CallerId {
            number: own.or_else(|| trunk.number.clone()),
            privacy,
        },
        CallerIdPolicy::Main => CallerId {
            number: trunk.number.clone(),
            privacy,
        },
        CallerIdPolicy::Withheld => CallerId {
            number: None,
            privacy: Privacy::Withheld,
        },
    }
}

fn written(number: &Number, form: NumberForm, (as_dialled, home): (&str, Home<'_>)) -> String {
    let number = match number {
        Number::Short(digits) => return digits.clone(),
        Number::E164(number) => number,
    };
    match form {
        NumberForm::E164 => number.as_str().to_owned(),
        NumberForm::Digits => number.digits().to_owned(),
        NumberForm::AsDialled => as_dialled.to_owned(),
        NumberForm::National => match number.digits().strip_prefix(home.country.calling_code) {
            Some(national) => format!("{}{national}", home.country.national_prefix),
            None => {
                let prefix = home.country.international_prefixes.first().copied().unwrap_or("00");
                format!("{prefix}{}", number.digits())
            }
        },
    }
}

fn rewritten(number: &str, strip: u8, prefix: &str) -> String {
    if strip == 0 && prefix.is_empty() {
        return number.to_owned();
    }
    let digits = number.strip_prefix('+').unwrap_or(number);
    match digits.get(usize::from(strip)..) {
        Some(rest) if !rest.is_empty() => format!("{prefix}{rest}"),
        Some(_) | None => String::new(),
    }
}

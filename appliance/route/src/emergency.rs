//! Recognises an emergency call, whoever calls and however the box is, and puts the ways out in order.

use branchline_config::country::Service;
use branchline_config::{EmergencyRoute, Extension, ExtensionEntry, Privacy, Trunk};

use crate::decide::{Decision, Loop, Request, State};
use crate::dialled::Dialled;
use crate::outbound::{CallerId, TrunkAttempt, has_room, state_of};
use crate::tables::Tables;

/// One way out to try for a call for help.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HelpAttempt {
    /// Over a trunk.
    Trunk(TrunkAttempt),
    /// Over a line of the hosted PBX.
    Hosted(LineAttempt),
}

/// A line of the hosted PBX to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineAttempt {
    /// Whose line: the caller's, or another's where it has none.
    pub line: Extension,
    /// What is sent.
    pub number: String,
}

impl HelpAttempt {
    /// As `[emergency] routes` calls it.
    pub fn route(&self) -> &str {
        match self {
            HelpAttempt::Trunk(attempt) => &attempt.trunk,
            HelpAttempt::Hosted(_) => EmergencyRoute::HOSTED,
        }
    }
}

/// The number to send for an emergency call; `None` when `dialled` is not one.
///
/// Numbers of the country, 112 and `[emergency] numbers`, each with or without the outside prefix, and the service URN
/// `urn:service:sos` with its sub-services (RFC 5031).
pub fn emergency_number<'t>(dialled: &str, tables: &'t Tables) -> Option<&'t str> {
    if let Some(service) = sos_service(dialled) {
        return Some(tables.country().service_number(service));
    }
    let dialled = Dialled::new(dialled)?;
    let bare = dialled.bare();
    let after_prefix = tables.outside_prefix().and_then(|prefix| bare.strip_prefix(prefix));
    [Some(bare), after_prefix]
        .into_iter()
        .flatten()
        .find_map(|digits| lookup(digits, tables))
}

/// A way out, with what decides its turn.
enum Way<'t> {
    Trunk(&'t Trunk),
    Hosted(&'t Extension),
}

impl Way<'_> {
    /// Up and with room, up and full, down.
    fn rank(&self, state: &State) -> u8 {
        let (is_up, is_roomy) = match self {
            Way::Trunk(trunk) => (state_of(trunk, state).up, has_room(trunk, state)),
            Way::Hosted(line) => (state.hosted_lines.contains(line.as_str()), true),
        };
        match (is_up, is_roomy) {
            (true, true) => 0,
            (true, false) => 1,
            (false, true) => 2,
            (false, false) => 3,
        }
    }
}

/// An emergency call: every way out, the configured ones first, then the other trunks, then the hosted PBX; those that are
/// up and have room before those that are full, and these before those that are down.
pub(crate) fn decide(
    number: &str,
    (request, caller): (&Request<'_>, Option<&ExtensionEntry>),
    (tables, state): (&Tables, &State),
) -> Decision {
    let own = caller.and_then(|caller| caller.caller_id.clone());
    let callback = own.or_else(|| tables.emergency().callback.clone());
    let mut ways = ways((request, caller), (tables, state));
    ways.sort_by_key(|way| way.rank(state));
    let attempts = ways.into_iter().map(|way| match way {
        Way::Trunk(trunk) => HelpAttempt::Trunk(TrunkAttempt {
            trunk: trunk.name.clone(),
            number: number.to_owned(),
            caller_id: CallerId {
                number: callback.clone().or_else(|| trunk.number.clone()),
                privacy: Privacy::Shown,
            },
        }),
        Way::Hosted(line) => HelpAttempt::Hosted(LineAttempt {
            line: line.clone(),
            number: number.to_owned(),
        }),
    });
    Decision::Emergency {
        attempts: attempts.collect(),
        number: number.to_owned(),
    }
}

fn ways<'t>(
    (request, caller): (&Request<'_>, Option<&'t ExtensionEntry>),
    (tables, state): (&'t Tables, &State),
) -> Vec<Way<'t>> {
    // What comes from the hosted PBX does not go back there.
    let hosted = match request.looped {
        Loop::Clear => line_of(caller, (tables, state)),
        Loop::FromHosted | Loop::Seen => None,
    };
    let routes = &tables.emergency().routes;
    let named = routes.iter().filter_map(|route| match route {
        EmergencyRoute::Trunk(name) => tables.trunk(name).map(Way::Trunk),
        EmergencyRoute::Hosted => hosted.map(Way::Hosted),
    });
    let is_named = |trunk: &Trunk| {
        routes
            .iter()
            .any(|route| *route == EmergencyRoute::Trunk(trunk.name.clone()))
    };
    let others = tables.trunks().iter().filter(|trunk| !is_named(trunk));
    let last = hosted.filter(|_| !routes.contains(&EmergencyRoute::Hosted));
    named
        .chain(others.map(Way::Trunk))
        .chain(last.map(Way::Hosted))
        .collect()
}

/// The line that a call for help takes: the caller's own if it has one and that works, else one that works.
fn line_of<'t>(caller: Option<&'t ExtensionEntry>, (tables, state): (&'t Tables, &State)) -> Option<&'t Extension> {
    let own = caller
        .filter(|caller| caller.hosted.is_some())
        .map(|caller| &caller.number);
    let works = |line: &&Extension| state.hosted_lines.contains(line.as_str());
    own.filter(works)
        .or_else(|| tables.lines().find(works))
        .or(own)
        .or_else(|| tables.lines().next())
}

fn lookup<'t>(digits: &str, tables: &'t Tables) -> Option<&'t str> {
    let extra = tables
        .emergency()
        .numbers
        .iter()
        .find(|number| number.trim_start_matches('+') == digits);
    extra
        .map(String::as_str)
        .or_else(|| tables.country().emergency_number(digits))
}

fn sos_service(text: &str) -> Option<Service> {
    let text = text.trim();
    let urn = "urn:service:sos";
    if !text.get(..urn.len())?.eq_ignore_ascii_case(urn) {
        return None;
    }
    let rest = text.get(urn.len()..)?.split(';').next()?.to_ascii_lowercase();
    if !rest.is_empty() && !rest.starts_with('.') {
        return None;
    }
    // RFC 5031 section 4.2: an unknown sub-service is answered by its parent.
    Some(match rest.split('.').nth(1).unwrap_or_default() {
        "police" => Service::Police,
        "fire" => Service::Fire,
        "ambulance" => Service::Ambulance,
        "marine" => Service::Marine,
        "mountain" => Service::Mountain,
        _ => Service::General,
    })
}

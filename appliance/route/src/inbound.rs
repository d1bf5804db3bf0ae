//! Calls that come in over a trunk. They reach extensions; the only way out again is a target written as a number.

use branchline_config::Target;

use crate::decide::{Decision, State, Why, ring};
use crate::dialled::Dialled;
use crate::number::{Number, normalise};
use crate::outbound;
use crate::tables::Tables;

pub(crate) fn decide(trunk: &str, dialled: &str, (tables, state): (&Tables, &State)) -> Decision {
    let Some(from) = tables.trunk(trunk) else {
        return Why::UnknownCaller.refuse();
    };
    let target = target_of(trunk, dialled, tables).or(from.default_to.as_ref());
    match target {
        Some(Target::Extension(number)) => match tables.extension(number.as_str()) {
            Some(called) => ring(called, state),
            None => Why::UnknownNumber.refuse(),
        },
        Some(Target::Outside(number)) => outbound::transit(number, tables, state),
        None => Why::UnknownNumber.refuse(),
    }
}

fn target_of<'t>(trunk: &str, dialled: &str, tables: &'t Tables) -> Option<&'t Target> {
    let dialled = Dialled::new(dialled)?;
    tables
        .inbound(trunk, dialled.bare())
        .or_else(|| match normalise(&dialled, tables.home()) {
            Ok(Number::E164(number)) => tables.inbound(trunk, number.digits()),
            Ok(Number::Short(_)) | Err(_) => None,
        })
}

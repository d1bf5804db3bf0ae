//! Recognises an emergency call. Nothing here asks who calls or how the box is.

use branchline_config::country::Service;

use crate::dialled::Dialled;
use crate::tables::Tables;

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

//! Checks of places: each phone has one at most for each reason, and each number stands for one place.

use std::net::IpAddr;

use super::{Draft, report_twice, unknown};
use crate::fault::Wrong;
use crate::faults::Faults;
use crate::{Location, LocationForm, Network};

pub(super) fn check(draft: &Draft, faults: &Faults<'_>) {
    let ids = draft
        .locations
        .iter()
        .map(|(path, it)| (format!("{path}.id"), it.id.as_str()));
    report_twice(faults, ids);
    report_twice(faults, listed(draft, "elins", |it| &it.elins));
    report_twice(faults, listed(draft, "ports", |it| &it.ports));
    report_twice(faults, listed(draft, "zones", |it| &it.zones));
    check_interfaces(draft, faults);
    check_subnets(draft, faults);
    check_names(draft, faults);
    check_forms(draft, faults);
}

fn listed<'d>(
    draft: &'d Draft,
    key: &'static str,
    list: fn(&Location) -> &Vec<String>,
) -> impl Iterator<Item = (String, &'d str)> {
    draft.locations.iter().flat_map(move |(path, location)| {
        let items = list(location).iter().enumerate();
        items.map(move |(at, item)| (format!("{path}.{key}[{at}]"), item.as_str()))
    })
}

fn check_interfaces(draft: &Draft, faults: &Faults<'_>) {
    let mut seen: Vec<(IpAddr, String)> = Vec::new();
    for (path, location) in &draft.locations {
        for (at, address) in location.interfaces.iter().enumerate() {
            let path = format!("{path}.interfaces[{at}]");
            match seen.iter().find(|(known, _)| known == address) {
                Some((_, first)) => {
                    let problem = format!("{address} is taken by {first}");
                    faults.push(&path, Wrong::new(problem, "name it in one location"));
                }
                None => seen.push((*address, path)),
            }
        }
    }
}

fn check_subnets(draft: &Draft, faults: &Faults<'_>) {
    let mut seen: Vec<(Network, String)> = Vec::new();
    for (path, location) in &draft.locations {
        for (at, subnet) in location.subnets.iter().enumerate() {
            let path = format!("{path}.subnets[{at}]");
            if let Some((other, first)) = seen.iter().find(|(known, _)| known.overlaps(subnet)) {
                let problem = format!("{subnet} overlaps with {other} of {first}");
                faults.push(
                    &path,
                    Wrong::new(
                        problem,
                        "make them disjoint, or name the place in [[extension]] location",
                    ),
                );
            }
            seen.push((*subnet, path));
        }
    }
}

fn check_names(draft: &Draft, faults: &Faults<'_>) {
    let ids: Vec<&str> = draft.locations.iter().map(|(_, it)| it.id.as_str()).collect();
    let zones: Vec<&str> = draft
        .locations
        .iter()
        .flat_map(|(_, it)| &it.zones)
        .map(String::as_str)
        .collect();
    let numbers: Vec<&str> = draft
        .extensions
        .iter()
        .map(|(_, entry)| entry.number.as_str())
        .collect();
    for (path, entry) in &draft.extensions {
        for id in entry.location.iter().filter(|id| !ids.contains(&id.as_str())) {
            faults.push(&format!("{path}.location"), unknown("location", id, &ids));
        }
        for zone in entry.zone.iter().filter(|zone| !zones.contains(&zone.as_str())) {
            let fix = format!("add zones = [\"{zone}\"] to the [[location]] it belongs to");
            faults.push(
                &format!("{path}.zone"),
                Wrong::new(format!("no location has the zone \"{zone}\""), fix),
            );
        }
    }
    let Some(emergency) = &draft.emergency else { return };
    for id in emergency.location.iter().filter(|id| !ids.contains(&id.as_str())) {
        faults.push("emergency.location", unknown("location", id, &ids));
    }
    for (at, number) in emergency.notify.iter().enumerate() {
        if !numbers.contains(&number.as_str()) {
            faults.push(
                &format!("emergency.notify[{at}]"),
                unknown("extension", number.as_str(), &numbers),
            );
        }
    }
}

fn check_forms(draft: &Draft, faults: &Faults<'_>) {
    let trunks = draft.trunks.iter().map(|(path, trunk)| (path.as_str(), trunk.location));
    let hosted = draft.hosted.iter().map(|hosted| ("hosted", hosted.location));
    for (path, form) in trunks.chain(hosted) {
        let (has, fix) = match form {
            LocationForm::None => continue,
            LocationForm::Pidf => (
                !draft.locations.is_empty(),
                "add a [[location]] and [emergency] location",
            ),
            LocationForm::Elin => (
                draft.locations.iter().any(|(_, it)| !it.elins.is_empty()),
                "add elins = [\"+…\"] to a [[location]]",
            ),
        };
        if !has {
            let problem = "asks for a location that nobody has";
            faults.push(&format!("{path}.location"), Wrong::new(problem, fix));
        }
    }
}

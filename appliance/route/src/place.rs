//! Where a phone is: by its extension, the port it is behind, its network, the address it calls, its zone, or the site.

use std::net::IpAddr;

use branchline_config::Location;

use crate::tables::Tables;

/// What is known of a phone besides what it claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whereabouts<'a> {
    /// Its extension, where it is known.
    pub extension: Option<&'a str>,
    /// Where its packets come from.
    pub remote: IpAddr,
    /// The address of the box they come to.
    pub local: IpAddr,
    /// The port of the box it is behind, where it is known: the port of a bridge, then the interface.
    pub ports: &'a [String],
}

/// Where a phone is; the most specific that is configured counts. `None` when nothing places it.
pub fn location_of<'t>(phone: Whereabouts<'_>, tables: &'t Tables) -> Option<&'t Location> {
    let entry = phone.extension.and_then(|number| tables.extension(number));
    let named = |id: &String| tables.location(id);
    let placed = |is_here: &dyn Fn(&&Location) -> bool| tables.locations().iter().find(is_here);
    let own = entry.and_then(|entry| entry.location.as_ref()).and_then(named);
    own.or_else(|| {
        phone
            .ports
            .iter()
            .find_map(|port| placed(&|place| place.ports.contains(port)))
    })
    .or_else(|| placed(&|place| place.subnets.iter().any(|subnet| subnet.contains(phone.remote))))
    .or_else(|| placed(&|place| place.interfaces.contains(&phone.local.to_canonical())))
    .or_else(|| {
        let zone = entry?.zone.as_ref()?;
        placed(&|place| place.zones.contains(zone))
    })
    .or_else(|| tables.emergency().location.as_ref().and_then(named))
}

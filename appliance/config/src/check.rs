//! Checks that look across sections: names that must exist, numbers that must not collide.

mod locations;

use std::collections::BTreeMap;

use crate::fault::Wrong;
use crate::faults::Faults;
use crate::read::without_paths;
use crate::text::nearest;
use crate::{
    Class, Config, Emergency, EmergencyRoute, ExtensionEntry, Hosted, Listen, Location, Log, Media, Page, Route, Sip,
    Site, Storage, Target, Transport, Trunk, Update, board,
};

/// What was read, each list entry with its path. A section is missing when a required field of it is.
pub(crate) struct Draft {
    pub(crate) site: Option<Site>,
    pub(crate) sip: Option<Sip>,
    pub(crate) media: Option<Media>,
    pub(crate) page: Option<Page>,
    pub(crate) log: Option<Log>,
    pub(crate) storage: Option<Storage>,
    pub(crate) update: Option<Update>,
    pub(crate) emergency: Option<Emergency>,
    pub(crate) board: Option<board::Choice>,
    pub(crate) hosted: Option<Hosted>,
    pub(crate) locations: Vec<(String, Location)>,
    pub(crate) extensions: Vec<(String, ExtensionEntry)>,
    pub(crate) trunks: Vec<(String, Trunk)>,
    pub(crate) classes: Vec<(String, Class)>,
    pub(crate) routes: Vec<(String, Route)>,
}

impl Draft {
    /// Adds the faults it finds; a config comes out only when there are none at all.
    pub(crate) fn check(mut self, faults: &Faults<'_>) -> Option<Config> {
        if !self.classes.iter().any(|(_, class)| class.name == "default") {
            self.classes.push((String::new(), Class::built_in()));
        }
        Trunk::place_lines(&mut self.trunks);
        self.check_unique(faults);
        self.check_classes(faults);
        self.check_trunk_names(faults);
        self.check_ports(faults);
        self.check_targets(faults);
        self.check_emergency_numbers(faults);
        self.check_lines(faults);
        locations::check(&self, faults);
        if !faults.is_empty() {
            return None;
        }
        Some(Config {
            site: self.site?,
            sip: self.sip?,
            media: self.media?,
            page: self.page?,
            log: self.log?,
            storage: self.storage?,
            update: self.update?,
            emergency: self.emergency?,
            board: self.board,
            hosted: self.hosted,
            locations: without_paths(self.locations),
            extensions: without_paths(self.extensions),
            trunks: without_paths(self.trunks),
            classes: without_paths(self.classes),
            routes: without_paths(self.routes),
        })
    }

    fn check_unique(&self, faults: &Faults<'_>) {
        let numbers = self
            .extensions
            .iter()
            .map(|(path, entry)| (format!("{path}.number"), entry.number.as_str()));
        let trunks = self
            .trunks
            .iter()
            .map(|(path, trunk)| (format!("{path}.name"), trunk.name.as_str()));
        let classes = self
            .classes
            .iter()
            .map(|(path, class)| (format!("{path}.name"), class.name.as_str()));
        let phones = self
            .extensions
            .iter()
            .filter_map(|(path, entry)| Some((format!("{path}.phone"), entry.phone.as_deref()?)));
        let lines = self
            .trunks
            .iter()
            .filter_map(|(path, trunk)| Some((format!("{path}.line"), trunk.line.as_deref()?)));
        report_twice(faults, phones);
        report_twice(faults, lines);
        report_twice(faults, numbers);
        report_twice(faults, trunks);
        report_twice(faults, classes);
    }

    fn check_classes(&self, faults: &Faults<'_>) {
        let known: Vec<&str> = self.classes.iter().map(|(_, class)| class.name.as_str()).collect();
        for (path, entry) in &self.extensions {
            if !known.contains(&entry.class.as_str()) {
                faults.push(&format!("{path}.class"), unknown("class", &entry.class, &known));
            }
        }
        let degraded = self
            .storage
            .as_ref()
            .and_then(|storage| storage.class_while_degraded.as_ref());
        if let Some(name) = degraded.filter(|name| !known.contains(&name.as_str())) {
            faults.push("storage.class_while_degraded", unknown("class", name, &known));
        }
    }

    fn check_trunk_names(&self, faults: &Faults<'_>) {
        let known: Vec<&str> = self.trunks.iter().map(|(_, trunk)| trunk.name.as_str()).collect();
        let routes = self.routes.iter().map(|(path, route)| {
            (
                format!("{path}.trunks"),
                route.trunks.iter().map(String::as_str).collect(),
            )
        });
        let emergency = self.emergency.iter().map(|emergency| {
            let names: Vec<&str> = emergency.routes.iter().map(EmergencyRoute::name).collect();
            ("emergency.routes".to_owned(), names)
        });
        for (path, names) in routes.chain(emergency) {
            let is_known =
                |name: &str| known.contains(&name) || (path == "emergency.routes" && name == EmergencyRoute::HOSTED);
            for name in names.iter().filter(|name| !is_known(name)) {
                faults.push(&path, unknown("trunk", name, &known));
            }
            let named = names.iter().enumerate();
            report_twice(faults, named.map(|(at, name)| (format!("{path}[{at}]"), *name)));
        }
        let wants_hosted = |emergency: &Emergency| emergency.routes.contains(&EmergencyRoute::Hosted);
        if self.hosted.is_none() && self.emergency.as_ref().is_some_and(wants_hosted) {
            let fix = "add [hosted] with host = \"pbx.example.net\", or take it out";
            faults.push("emergency.routes", Wrong::new("there is no hosted PBX", fix));
        }
        for (path, _) in self
            .trunks
            .iter()
            .filter(|(_, trunk)| trunk.name == EmergencyRoute::HOSTED)
        {
            let problem = "\"hosted\" stands for the hosted PBX";
            faults.push(&format!("{path}.name"), Wrong::new(problem, "choose another name"));
        }
    }

    /// Ports for the calls that are let in, and none that SIP listens on: it would steal the relay's packets.
    fn check_ports(&self, faults: &Faults<'_>) {
        let (Some(sip), Some(media)) = (&self.sip, &self.media) else {
            return;
        };
        let taken = |listen: &Listen| {
            listen.transport == Transport::Udp && (media.port_min..=media.port_max).contains(&listen.address.port())
        };
        if let Some(listen) = sip.listen.iter().find(|listen| taken(listen)) {
            let problem = format!("the relay's ports hold {listen}, where SIP listens");
            faults.push("media.port_min", Wrong::new(problem, "move port_min above it"));
        }
        let ports = u32::from(media.port_max.saturating_sub(media.port_min)) + 1;
        let room = (ports / 2).saturating_sub(RESERVE_PAIRS) / 2;
        if room < sip.max_calls {
            let last = u32::from(media.port_min) + 2 * (2 * sip.max_calls + RESERVE_PAIRS) - 1;
            let fewer = format!("sip.max_calls = {}", room.max(1));
            let fix = match u16::try_from(last) {
                Ok(last) => format!("write port_max = {last}, or {fewer}"),
                Err(_) => format!("write {fewer}, or move port_min down"),
            };
            let problem = format!(
                "the relay's ports are enough for {room} calls, and sip.max_calls lets in {}",
                sip.max_calls
            );
            faults.push("media.port_max", Wrong::new(problem, fix));
        }
    }

    fn check_targets(&self, faults: &Faults<'_>) {
        let known: Vec<&str> = self.extensions.iter().map(|(_, entry)| entry.number.as_str()).collect();
        let check = |path: String, target: &Target| match target {
            Target::Extension(number) if !known.contains(&number.as_str()) => {
                faults.push(&path, unknown("extension", number.as_str(), &known));
            }
            Target::Extension(_) | Target::Outside(_) => {}
        };
        for (path, trunk) in &self.trunks {
            for (at, inbound) in trunk.inbound.iter().enumerate() {
                check(format!("{path}.inbound[{at}].to"), &inbound.to);
            }
            if let Some(target) = &trunk.default_to {
                check(format!("{path}.default_to"), target);
            }
            let numbers = trunk.inbound.iter().enumerate();
            let numbers =
                numbers.map(|(at, inbound)| (format!("{path}.inbound[{at}].number"), inbound.number.as_str()));
            report_twice(faults, numbers);
        }
    }

    /// Each line of the hosted PBX belongs to one extension, and there is a hosted PBX.
    fn check_lines(&self, faults: &Faults<'_>) {
        let lines = self.extensions.iter().filter_map(|(path, entry)| {
            let line = entry.hosted.as_ref()?;
            Some((format!("{path}.hosted.username"), line.username.as_str()))
        });
        if self.hosted.is_none()
            && let Some((path, _)) = lines.clone().next()
            && let Some(path) = path.strip_suffix(".username")
        {
            let fix = "add [hosted] with host = \"pbx.example.net\"";
            faults.push(path, Wrong::new("is there, but no hosted PBX", fix));
        }
        report_twice(faults, lines);
    }

    /// An emergency number must mean nothing else, with or without the prefix for an outside line.
    fn check_emergency_numbers(&self, faults: &Faults<'_>) {
        let Some(site) = &self.site else { return };
        let extra: &[String] = self.emergency.as_ref().map_or(&[], |emergency| &emergency.numbers);
        let is_emergency = |number: &str| {
            let after_prefix = site
                .outside_prefix
                .as_deref()
                .and_then(|prefix| number.strip_prefix(prefix));
            [Some(number), after_prefix].into_iter().flatten().any(|number| {
                site.country.emergency_number(number).is_some() || extra.iter().any(|other| other == number)
            })
        };
        for (path, entry) in &self.extensions {
            let number = entry.number.as_str();
            if is_emergency(number) {
                let problem = format!("{number} calls the emergency services in {}", site.country.name);
                faults.push(&format!("{path}.number"), Wrong::new(problem, "choose another number"));
            }
        }
        let test_number = self
            .emergency
            .as_ref()
            .and_then(|emergency| emergency.test_number.as_deref());
        if let Some(number) = test_number {
            if is_emergency(number) {
                let problem = format!("{number} calls the emergency services");
                faults.push("emergency.test_number", Wrong::new(problem, "choose another number"));
            }
            if let Some((path, _)) = self
                .extensions
                .iter()
                .find(|(_, entry)| entry.number.as_str() == number)
            {
                let problem = format!("{number} is the emergency test number");
                faults.push(&format!("{path}.number"), Wrong::new(problem, "choose another number"));
            }
        }
    }
}

/// Pairs of ports beyond two for each call: for phones that ring together, for calls for help past the limit, and for ports
/// that rest after a call.
const RESERVE_PAIRS: u32 = 32;

fn report_twice<'n>(faults: &Faults<'_>, named: impl Iterator<Item = (String, &'n str)>) {
    let mut first_at: BTreeMap<&str, String> = BTreeMap::new();
    for (path, name) in named {
        match first_at.get(name) {
            Some(first) => {
                let problem = format!("\"{name}\" is taken by {first}");
                faults.push(&path, Wrong::new(problem, "choose another, or remove one"));
            }
            None => {
                first_at.insert(name, path);
            }
        }
    }
}

fn unknown(what: &str, name: &str, known: &[&str]) -> Wrong {
    let fix = match nearest(name, known) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None if known.is_empty() => format!("add a [[{what}]] first"),
        None => format!(
            "known: {}",
            known.iter().take(10).copied().collect::<Vec<_>>().join(", ")
        ),
    };
    Wrong::new(format!("there is no {what} \"{name}\""), fix)
}

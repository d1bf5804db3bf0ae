use std::collections::BTreeMap;

use branchline_config::country::Country;
use branchline_config::{
    Class, Config, Emergency, Extension, ExtensionEntry, Kind, Location, Route, Site, Target, Trunk,
};

use crate::decide::Service;
use crate::dialled::Dialled;
use crate::number::{Home, Number, normalise};

/// What the configuration says about routing, laid out for lookup. Rebuilt on reload; calls in progress keep theirs.
#[derive(Clone, Debug)]
pub struct Tables {
    site: Site,
    emergency: Emergency,
    locations: Vec<Location>,
    extensions: BTreeMap<String, ExtensionEntry>,
    classes: BTreeMap<String, Class>,
    class_while_degraded: Class,
    routes: Vec<Route>,
    /// By priority, then file order.
    trunks: Vec<Trunk>,
    /// Per trunk name: our numbers, as written and in E.164, without +.
    inbound: BTreeMap<String, BTreeMap<String, Target>>,
}

impl Tables {
    /// Copies what routing needs.
    pub fn new(config: &Config) -> Tables {
        let home = Home {
            country: config.site.country,
            area_code: config.site.area_code.as_deref(),
        };
        let mut trunks = config.trunks.clone();
        trunks.sort_by_key(|trunk| trunk.priority);
        Tables {
            site: config.site.clone(),
            emergency: config.emergency.clone(),
            locations: config.locations.clone(),
            extensions: by_name(&config.extensions, |entry| entry.number.as_str()),
            classes: by_name(&config.classes, |class| &class.name),
            class_while_degraded: config.class_while_degraded(),
            routes: config.routes.clone(),
            inbound: trunks
                .iter()
                .map(|trunk| (trunk.name.clone(), inbound_of(trunk, home)))
                .collect(),
            trunks,
        }
    }

    /// Some extension has this many digits.
    pub(crate) fn has_extension_of(&self, digits: usize) -> bool {
        self.extensions.keys().any(|number| number.len() == digits)
    }

    /// Some extension begins with this number and has more digits.
    pub(crate) fn has_longer_extension(&self, number: &str) -> bool {
        let mut from = self.extensions.range(number.to_owned()..);
        from.find(|(other, _)| other.as_str() != number)
            .is_some_and(|(other, _)| other.starts_with(number))
    }

    /// Where dialling starts from.
    pub fn home(&self) -> Home<'_> {
        Home {
            country: self.site.country,
            area_code: self.site.area_code.as_deref(),
        }
    }

    /// The site's country.
    pub fn country(&self) -> &'static Country {
        self.site.country
    }

    /// Digits for an outside line.
    pub fn outside_prefix(&self) -> Option<&str> {
        self.site.outside_prefix.as_deref()
    }

    /// `[emergency]`
    pub fn emergency(&self) -> &Emergency {
        &self.emergency
    }

    /// `[[location]]`, in file order.
    pub fn locations(&self) -> &[Location] {
        &self.locations
    }

    /// The location with this id.
    pub fn location(&self, id: &str) -> Option<&Location> {
        self.locations.iter().find(|location| location.id == id)
    }

    /// The extension with this number.
    pub fn extension(&self, number: &str) -> Option<&ExtensionEntry> {
        self.extensions.get(number)
    }

    /// Extensions that have a line at the hosted PBX.
    pub(crate) fn lines(&self) -> impl Iterator<Item = &Extension> {
        let lines = self.extensions.values().filter(|entry| entry.hosted.is_some());
        lines.map(|entry| &entry.number)
    }

    /// Whether an extension may call a number of this kind now. `forms` are the ways the number can be written.
    pub(crate) fn permits(&self, caller: &ExtensionEntry, service: Service, (kind, forms): (Kind, &[&str])) -> bool {
        let own = self.classes.get(&caller.class);
        let always = own.is_some_and(|class| class.allows(kind, forms));
        always
            && match service {
                Service::Full => true,
                Service::Restricted => self.class_while_degraded.allows(kind, forms),
            }
    }

    /// `[[route]]`, in file order.
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// Every trunk by priority, then file order.
    pub fn trunks(&self) -> &[Trunk] {
        &self.trunks
    }

    /// The trunk with this name.
    pub fn trunk(&self, name: &str) -> Option<&Trunk> {
        self.trunks.iter().find(|trunk| trunk.name == name)
    }

    /// Where one of our numbers (digits without +) rings when it is called over this trunk.
    pub(crate) fn inbound(&self, trunk: &str, digits: &str) -> Option<&Target> {
        self.inbound.get(trunk)?.get(digits)
    }

    /// Where one of our numbers rings, over whichever trunk it would come in.
    pub(crate) fn own_number(&self, digits: &str) -> Option<&Target> {
        self.trunks.iter().find_map(|trunk| self.inbound(&trunk.name, digits))
    }
}

fn by_name<T: Clone>(items: &[T], name: impl Fn(&T) -> &str) -> BTreeMap<String, T> {
    items.iter().map(|item| (name(item).to_owned(), item.clone())).collect()
}

fn inbound_of(trunk: &Trunk, home: Home<'_>) -> BTreeMap<String, Target> {
    let mut out = BTreeMap::new();
    for inbound in &trunk.inbound {
        let Some(dialled) = Dialled::new(&inbound.number) else {
            continue;
        };
        if let Ok(Number::E164(number)) = normalise(&dialled, home) {
            out.entry(number.digits().to_owned())
                .or_insert_with(|| inbound.to.clone());
        }
        out.entry(dialled.bare().to_owned())
            .or_insert_with(|| inbound.to.clone());
    }
    out
}

//! The one configuration file: typed, every fault with its line, field and fix.
//!
//! In: the text of `branchline.toml`. Out: a [`Config`], or every [`Fault`] in it. The crate reads no file, so the
//! caller names the file for the messages. The edits ([`add_extension`] and its neighbours) keep comments and order.
//! [`board`] reads the files that describe boards, in the same way.

pub mod board;
mod check;
mod class;
pub mod country;
mod edit;
mod emergency;
mod extension;
mod fault;
mod faults;
mod hosted;
mod kind;
mod location;
mod media;
mod network;
mod number;
mod page;
mod pattern;
mod read;
mod route;
mod secret;
mod sip;
mod site;
mod starter;
mod storage;
mod text;
mod trunk;
mod update;

pub use class::{Class, Rule};
pub use country::Country;
pub use edit::{NewExtension, add_extension, remove_extension, set_page_password_hash, set_password_hashes};
pub use emergency::{Emergency, EmergencyRoute};
pub use extension::{ExtensionEntry, Privacy};
pub use fault::{Fault, Place};
pub use hosted::Hosted;
pub use kind::Kind;
pub use location::{Civic, CivicField, Location, Point};
pub use media::Media;
pub use network::{Listen, Network, Transport};
pub use number::{Extension, NumberFault};
pub use page::{Level, Log, LogFormat, Page, Reach};
pub use pattern::{Pattern, PatternFault};
pub use route::Route;
pub use secret::{Hashes, Secret};
pub use sip::{Ban, Digest, Sip};
pub use site::Site;
pub use starter::{Starter, StarterExtension, default_text};
pub use storage::Storage;
pub use trunk::{CallerIdPolicy, Credentials, Inbound, LocationForm, Mode, NumberForm, Password, Target, Trunk};
pub use update::{Hours, Update, UpdateSource};

use faults::Faults;
use read::Reader;

/// Bytes of a configuration file; 2,000 extensions fit in half of it.
pub const TEXT_BYTES_MAX: usize = 1 << 20;

/// Everything the box is told. Only [`Config::parse`] makes one, so what it holds has passed every check.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// `[site]`
    pub site: Site,
    /// `[sip]`
    pub sip: Sip,
    /// `[media]`
    pub media: Media,
    /// `[page]`
    pub page: Page,
    /// `[log]`
    pub log: Log,
    /// `[storage]`
    pub storage: Storage,
    /// `[update]`
    pub update: Update,
    /// `[emergency]`
    pub emergency: Emergency,
    /// `[board]`. Default none: nothing is wired to the box.
    pub board: Option<board::Choice>,
    /// `[hosted]`. Default none: the branch decides alone.
    pub hosted: Option<Hosted>,
    /// `[[location]]`, in file order; ids are unique.
    pub locations: Vec<Location>,
    /// `[[extension]]`, in file order; numbers are unique.
    pub extensions: Vec<ExtensionEntry>,
    /// `[[trunk]]`, in file order; names are unique.
    pub trunks: Vec<Trunk>,
    /// `[[class]]`, in file order; the built-in class `default` is appended when the file has none of that name.
    pub classes: Vec<Class>,
    /// `[[route]]`, in file order: the first that fits is used.
    pub routes: Vec<Route>,
}

impl Config {
    /// Reads the text of the file called `file_name`; on failure reports every fault, in file order.
    pub fn parse(file_name: &str, text: &str) -> Result<Config, Vec<Fault>> {
        let faults = Faults::new(file_name, text);
        let parsed = match faults.parse_document() {
            Some(table) => Config::read(Reader::root(&table, &faults)),
            None => None,
        };
        match (parsed, faults.into_sorted()) {
            (Some(config), found) if found.is_empty() => Ok(config),
            (_, found) => Err(found),
        }
    }

    /// The extension with this number.
    pub fn extension(&self, number: &str) -> Option<&ExtensionEntry> {
        self.extensions.iter().find(|entry| entry.number.as_str() == number)
    }

    /// The trunk with this name.
    pub fn trunk(&self, name: &str) -> Option<&Trunk> {
        self.trunks.iter().find(|trunk| trunk.name == name)
    }

    /// The location with this id.
    pub fn location(&self, id: &str) -> Option<&Location> {
        self.locations.iter().find(|location| location.id == id)
    }

    /// The class of service with this name.
    pub fn class(&self, name: &str) -> Option<&Class> {
        self.classes.iter().find(|class| class.name == name)
    }

    /// The class of service that every extension is held to besides its own while the call database fails.
    pub fn class_while_degraded(&self) -> Class {
        let named = self
            .storage
            .class_while_degraded
            .as_deref()
            .and_then(|name| self.class(name));
        named.cloned().unwrap_or_else(Storage::built_in_class)
    }

    fn read(mut root: Reader<'_>) -> Option<Config> {
        let site = Site::read(root.table("site"));
        let sip = Sip::read(root.table("sip"));
        let media = Media::read(root.table("media"));
        let page = Page::read(root.table("page"));
        let log = Log::read(root.table("log"));
        let storage = Storage::read(root.table("storage"));
        let update = Update::read(root.table("update"));
        let emergency = Emergency::read(root.table("emergency"));
        let board = root.optional_table("board", board::Choice::read);
        let hosted = root.optional_table("hosted", Hosted::read);
        let locations = root.tables("location", Location::read);
        let extensions = root.tables("extension", ExtensionEntry::read);
        let trunks = root.tables("trunk", Trunk::read);
        let classes = root.tables("class", Class::read);
        let routes = root.tables("route", Route::read);
        let draft = check::Draft {
            site,
            sip,
            media,
            page,
            log,
            storage,
            update,
            emergency,
            board,
            hosted,
            locations,
            extensions,
            trunks,
            classes,
            routes,
        };
        let faults = root.finish();
        draft.check(faults)
    }
}

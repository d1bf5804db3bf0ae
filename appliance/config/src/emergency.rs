use std::path::PathBuf;

use crate::Extension;
use crate::fault::Wrong;
use crate::read::Reader;
use crate::text::{Digits, FromText, Name};

/// `[emergency]`: besides the numbers of the country, which are always there.
#[derive(Clone, Debug, PartialEq)]
pub struct Emergency {
    /// Further numbers, sent as they are. Default none.
    pub numbers: Vec<String>,
    /// In the order they are tried; the others follow. Default empty: all trunks by priority, then the hosted PBX.
    pub routes: Vec<EmergencyRoute>,
    /// Number that the operator calls back where the caller's extension has none of its own. Default none: the trunk's.
    pub callback: Option<String>,
    /// How long a call back reaches the phone that called. Default 3 h: what operators are used to.
    pub callback_hours: u32,
    /// Number that tells a phone what a call for help from it would send. Default 933; `""` is none.
    pub test_number: Option<String>,
    /// Where phones are that nothing else places. Default none.
    pub location: Option<String>,
    /// Extensions whose phones show each call for help as a text. Default none.
    pub notify: Vec<Extension>,
    /// Address that each call for help is posted to as JSON. Default none.
    pub webhook: Option<String>,
    /// PEM file with the authorities that its certificate may be from. Default none: those of the system.
    pub webhook_ca: Option<PathBuf>,
}

impl Emergency {
    pub(crate) fn read(mut table: Reader<'_>) -> Option<Emergency> {
        let digits = |list: Vec<Digits>| list.into_iter().map(|digits| digits.0).collect();
        table.refuse("trunks", || Wrong::new("has another name", "write routes = [\"…\"]"));
        let webhook = table.optional::<WebAddress>("webhook").map(|address| address.0);
        let webhook_ca = authorities(&mut table, webhook.as_deref());
        let emergency = Emergency {
            numbers: table.list("numbers").map(digits).unwrap_or_default(),
            routes: table.list("routes").unwrap_or_default(),
            callback: table.optional::<Digits>("callback").map(|digits| digits.0),
            callback_hours: table.number("callback_hours", 1..=168, 3),
            test_number: table.or("test_number", TestNumber(Some("933".to_owned()))).0,
            location: table.optional::<Name>("location").map(|name| name.0),
            notify: table.list("notify").unwrap_or_default(),
            webhook,
            webhook_ca,
        };
        table.finish();
        Some(emergency)
    }
}

fn authorities(table: &mut Reader<'_>, webhook: Option<&str>) -> Option<PathBuf> {
    let path = table.optional::<String>("webhook_ca").map(PathBuf::from)?;
    if path.is_relative() {
        let fix = "write the whole path, such as \"/etc/branchline/alarm-ca.pem\"";
        table.wrong("webhook_ca", Wrong::new("is not a path from the root", fix));
    } else if webhook.is_none_or(|address| !address.starts_with("https://")) {
        let fix = "add webhook = \"https://…\", or remove it";
        table.wrong("webhook_ca", Wrong::new("is there, but no webhook over https", fix));
    }
    Some(path)
}

/// A way out for calls for help.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EmergencyRoute {
    /// A trunk by name.
    Trunk(String),
    /// The caller's line at the hosted PBX.
    Hosted,
}

impl EmergencyRoute {
    /// What stands for the hosted PBX where trunks stand by name.
    pub const HOSTED: &'static str = "hosted";

    /// As it is written.
    pub fn name(&self) -> &str {
        match self {
            EmergencyRoute::Trunk(name) => name,
            EmergencyRoute::Hosted => EmergencyRoute::HOSTED,
        }
    }
}

impl FromText for EmergencyRoute {
    fn from_text(text: &str) -> Result<EmergencyRoute, Wrong> {
        match text {
            EmergencyRoute::HOSTED => Ok(EmergencyRoute::Hosted),
            name => Name::from_text(name).map(|name| EmergencyRoute::Trunk(name.0)),
        }
    }
}

struct TestNumber(Option<String>);

impl FromText for TestNumber {
    fn from_text(text: &str) -> Result<TestNumber, Wrong> {
        if text.is_empty() {
            return Ok(TestNumber(None));
        }
        Digits::from_text(text).map(|digits| TestNumber(Some(digits.0)))
    }
}

struct WebAddress(String);

impl FromText for WebAddress {
    fn from_text(text: &str) -> Result<WebAddress, Wrong> {
        let text = String::from_text(text)?;
        let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        let has_host =
            host.is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '['));
        if !has_host || text.contains(char::is_whitespace) {
            let problem = format!("\"{text}\" is not a web address");
            return Err(Wrong::new(problem, "write \"https://alarm.example.net/calls\""));
        }
        Ok(WebAddress(text))
    }
}

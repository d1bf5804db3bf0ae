use std::net::Ipv4Addr;
use std::path::PathBuf;

use crate::fault::Wrong;
use crate::read::{Reader, Word};
use crate::secret::Secret;
use crate::site::optional_host;
use crate::text::{DialString, Digits, FromText, Host, Name};
use crate::{Extension, Network, Transport};

/// `[[trunk]]`: a line to the outside.
#[derive(Clone, Debug, PartialEq)]
pub struct Trunk {
    /// How routes and records call it.
    pub name: String,
    /// Host name or address of the peer; of an analog line an address of the box's own, where the program of the board is.
    pub host: String,
    /// The analog line of the board that it is, by name. Default none.
    pub line: Option<String>,
    /// Default none: the transport's, or what DNS says (RFC 3263).
    pub port: Option<u16>,
    /// Default udp: what most providers take.
    pub transport: Transport,
    /// Default register when a user name is there, else address.
    pub mode: Mode,
    /// What the peer challenges for; always there with [`Mode::Register`].
    pub credentials: Option<Credentials>,
    /// Domain of From. Default none: `host`.
    pub from_domain: Option<String>,
    /// Registration asked for. Default 600 s: a provider's restart is noticed within minutes.
    pub expires_s: u32,
    /// OPTIONS interval; 0 sends none, and an outage then shows when a call or a registration fails. Default 30 s: it is
    /// known before most people dial.
    pub options_s: u32,
    /// Sources taken as this trunk besides `host`'s own addresses. Default none.
    pub accept_from: Vec<Network>,
    /// Numbers of ours and where they ring.
    pub inbound: Vec<Inbound>,
    /// Where any other number rings. Default none: 404.
    pub default_to: Option<Target>,
    /// Our main number on this trunk, E.164 where the provider agrees. Default none.
    pub number: Option<String>,
    /// Default extension: an extension's own number if it has one, else the main number.
    pub caller_id: CallerIdPolicy,
    /// The peer belongs to our trust domain (RFC 3325): it is told who calls even where that is withheld or the call was
    /// forwarded, and what it asserts is believed. Default false.
    pub trusted: bool,
    /// How numbers are written towards the peer. Default e164 (RFC 3966 global form).
    pub send: NumberForm,
    /// Digits cut off the written number's front, a + not counted. Default 0.
    pub strip: u8,
    /// Put in front after `strip`. Default empty.
    pub prefix: String,
    /// How a call for help says where it comes from. Default none: what the provider has on file for the number.
    pub location: LocationForm,
    /// Calls at once; emergencies may exceed it. Default none: `sip.max_calls`.
    pub max_calls: Option<u32>,
    /// Lower is tried first where a route names no trunks. Default 10: room on both sides.
    pub priority: u16,
    /// Share among equal priorities. Default 10.
    pub weight: u16,
}

/// How the peer knows us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// We register (RFC 3261 section 10).
    Register,
    /// By address; nothing is registered.
    Address,
}

impl Word for Mode {
    const WORDS: &'static [(&'static str, Mode)] = &[("register", Mode::Register), ("address", Mode::Address)];
}

/// What answers the peer's challenge.
#[derive(Clone, Debug, PartialEq)]
pub struct Credentials {
    /// User part of From and of the registration.
    pub username: String,
    /// User of the digest. Default `username`.
    pub auth_username: String,
    /// The digest needs it in the clear.
    pub password: Password,
}

/// Where a trunk's password is.
#[derive(Clone, Debug, PartialEq)]
pub enum Password {
    /// `password`
    Inline(Secret),
    /// `password_file`: its first line.
    File(PathBuf),
}

/// `inbound = [{ number = "+15551230100", to = "201" }]`
#[derive(Clone, Debug, PartialEq)]
pub struct Inbound {
    /// The called number as the peer writes it, or in E.164.
    pub number: String,
    /// Where it rings.
    pub to: Target,
}

/// Where a call from a trunk goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// `to = "201"`
    Extension(Extension),
    /// `to = "+15551230199"`: out again over a trunk; the only way from trunk to trunk.
    Outside(String),
}

/// What number outside parties see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallerIdPolicy {
    /// The extension's `caller_id` if set, else the trunk's `number`.
    Extension,
    /// Always the trunk's `number`.
    Main,
    /// None (RFC 3323 `id`).
    Withheld,
}

impl Word for CallerIdPolicy {
    const WORDS: &'static [(&'static str, CallerIdPolicy)] = &[
        ("extension", CallerIdPolicy::Extension),
        ("main", CallerIdPolicy::Main),
        ("withheld", CallerIdPolicy::Withheld),
    ];
}

/// How a number is written towards a trunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NumberForm {
    /// `+15551230100`
    E164,
    /// `15551230100`
    Digits,
    /// With national prefix at home (`05551230100`), with international prefix abroad (`0044…`).
    National,
    /// What the caller dialled, without the outside prefix.
    AsDialled,
}

impl Word for NumberForm {
    const WORDS: &'static [(&'static str, NumberForm)] = &[
        ("e164", NumberForm::E164),
        ("digits", NumberForm::Digits),
        ("national", NumberForm::National),
        ("as_dialled", NumberForm::AsDialled),
    ];
}

/// How a call for help says where it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocationForm {
    /// Not at all.
    None,
    /// As a document in the INVITE (PIDF-LO, RFC 4119 and RFC 6442).
    Pidf,
    /// By a number that stands for the place.
    Elin,
}

impl Word for LocationForm {
    const WORDS: &'static [(&'static str, LocationForm)] = &[
        ("none", LocationForm::None),
        ("pidf", LocationForm::Pidf),
        ("elin", LocationForm::Elin),
    ];
}

impl Trunk {
    pub(crate) fn read(mut table: Reader<'_>) -> Option<Trunk> {
        let name = table.required::<Name>("name", "provider");
        let line = table.optional::<Name>("line").map(|name| name.0);
        let host = match line {
            Some(_) => {
                let fix = "keep one of the two";
                table.refuse("host", || Wrong::new("is there besides line", fix));
                // Known once all are read.
                Some(Host(String::new()))
            }
            None => table.required::<Host>("host", "sip.example.net"),
        };
        let credentials = Credentials::read(&mut table);
        let mode = match credentials {
            Some(_) => table.word("mode", Mode::Register),
            None => table.word("mode", Mode::Address),
        };
        if mode == Mode::Register && !table.has("username") {
            table.wrong(
                "username",
                Wrong::new("is missing, and mode is register", "add username and password"),
            );
        }
        let trunk = Trunk {
            name: name.as_ref().map_or_else(String::new, |name| name.0.clone()),
            host: host.as_ref().map_or_else(String::new, |host| host.0.clone()),
            port: table
                .optional_number("port", 1..=u16::MAX)
                .or(line.as_ref().map(|_| LINE_PORT)),
            transport: table.word("transport", Transport::Udp),
            mode,
            credentials,
            from_domain: optional_host(&mut table, "from_domain"),
            expires_s: table.number("expires_s", 30..=86_400, 600),
            options_s: table.number("options_s", 0..=3600, 30),
            accept_from: table.list("accept_from").unwrap_or_default(),
            inbound: table
                .tables("inbound", Inbound::read)
                .into_iter()
                .map(|(_, inbound)| inbound)
                .collect(),
            default_to: table.optional("default_to"),
            number: table.optional::<Digits>("number").map(|digits| digits.0),
            caller_id: table.word("caller_id", CallerIdPolicy::Extension),
            trusted: table.flag("trusted"),
            send: table.word(
                "send",
                if line.is_some() {
                    NumberForm::National
                } else {
                    NumberForm::E164
                },
            ),
            strip: table.number("strip", 0..=15, 0),
            prefix: table.or("prefix", DialString(String::new())).0,
            location: table.word("location", LocationForm::None),
            max_calls: table
                .optional_number("max_calls", 1..=20_000)
                .or(line.as_ref().map(|_| 1)),
            line,
            priority: table.number("priority", 0..=1000, 10),
            weight: table.number("weight", 1..=1000, 10),
        };
        if trunk.caller_id == CallerIdPolicy::Main && !table.has("number") {
            let fix = "add number = \"+15551230100\", or write caller_id = \"extension\"";
            table.wrong("caller_id", Wrong::new("is main, but the trunk has no number", fix));
        }
        table.finish();
        name.and(host).map(|_| trunk)
    }
}

impl Trunk {
    /// Gives analog lines their addresses: one each, so that the branch knows them apart.
    pub(crate) fn place_lines(trunks: &mut [(String, Trunk)]) {
        let lines = trunks.iter_mut().filter(|(_, trunk)| trunk.line.is_some());
        for (at, (_, trunk)) in (1..=u8::MAX - 1).zip(lines) {
            trunk.host = Ipv4Addr::new(127, 66, 1, at).to_string();
        }
    }
}

/// No daemon that listens on all addresses of the box has it.
const LINE_PORT: u16 = 5066;

impl Credentials {
    pub(crate) fn read(table: &mut Reader<'_>) -> Option<Credentials> {
        let username: Option<String> = table.optional("username");
        let auth_username: Option<String> = table.optional("auth_username");
        let inline = table
            .optional::<String>("password")
            .map(|text| Password::Inline(Secret::new(text)));
        let file = table
            .optional::<String>("password_file")
            .map(|path| Password::File(PathBuf::from(path)));
        if inline.is_some() && file.is_some() {
            table.wrong(
                "password_file",
                Wrong::new("is there besides password", "keep one of the two"),
            );
        }
        let password = inline.or(file);
        if username.is_some() && password.is_none() && !table.has("password") && !table.has("password_file") {
            table.wrong(
                "username",
                Wrong::new("has no password", "add password = \"…\" or password_file = \"…\""),
            );
        }
        if username.is_none() && !table.has("username") && (password.is_some() || auth_username.is_some()) {
            table.wrong(
                "username",
                Wrong::new("is missing, but a password is there", "add username = \"…\""),
            );
        }
        let username = username?;
        Some(Credentials {
            auth_username: auth_username.unwrap_or_else(|| username.clone()),
            username,
            password: password?,
        })
    }
}

impl Inbound {
    fn read(mut table: Reader<'_>) -> Option<Inbound> {
        let number = table.required::<Digits>("number", "+15551230100");
        let to = table.required("to", "201");
        table.finish();
        Some(Inbound {
            number: number?.0,
            to: to?,
        })
    }
}

impl FromText for Target {
    fn from_text(text: &str) -> Result<Target, Wrong> {
        if text.starts_with('+') {
            return Digits::from_text(text).map(|digits| Target::Outside(digits.0));
        }
        match Extension::new(text) {
            Ok(extension) => Ok(Target::Extension(extension)),
            Err(fault) => Err(Wrong::new(
                fault.to_string(),
                "write an extension, or an outside number with +",
            )),
        }
    }
}

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::fault::Wrong;
use crate::read::{Reader, Word};
use crate::secret::Secret;
use crate::text::FromText;

/// `[page]`: the local web page.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// Default `127.0.0.1:8080`: nothing is shown to the network unasked; 8080 needs no privilege.
    pub listen: SocketAddr,
    /// Who may reach it. Default the box alone.
    pub reach: Reach,
    /// Hash of the login password as a PHC string (`$argon2id$…`). Default none: the daemon makes one and prints it once.
    pub password_hash: Option<Secret>,
}

/// Who may reach the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Only `listen`.
    Box,
    /// `listen`'s port on every interface; private and link-local sources only.
    Lan,
}

impl Word for Reach {
    const WORDS: &'static [(&'static str, Reach)] = &[("box", Reach::Box), ("lan", Reach::Lan)];
}

impl Page {
    pub(crate) fn read(mut table: Reader<'_>) -> Option<Page> {
        let page = Page {
            listen: table.or("listen", SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080)),
            reach: table.word("reach", Reach::Box),
            password_hash: table
                .optional::<PhcHash>("password_hash")
                .map(|hash| Secret::new(hash.0)),
        };
        table.refuse("password", || {
            Wrong::new("passwords are not kept in the clear", "run: branchline page-password")
        });
        table.finish();
        Some(page)
    }

    /// The address to bind, after `reach`.
    pub fn bind_address(&self) -> SocketAddr {
        match self.reach {
            Reach::Box => self.listen,
            Reach::Lan => SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), self.listen.port()),
        }
    }
}

struct PhcHash(String);

impl FromText for PhcHash {
    fn from_text(text: &str) -> Result<PhcHash, Wrong> {
        if !text.starts_with("$argon2id$") || text.len() > 255 || text.chars().any(char::is_whitespace) {
            return Err(Wrong::new("is not an argon2id hash", "run: branchline page-password"));
        }
        Ok(PhcHash(text.to_owned()))
    }
}

/// `[log]`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Log {
    /// Default info: one line per call that is over, per phone that comes or goes, and per fault.
    pub level: Level,
    /// Default text: read by people; json is for collectors.
    pub format: LogFormat,
}

/// How much is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// What needs a person.
    Error,
    /// What may need one.
    Warn,
    /// Calls that are over, phones and trunks that come and go.
    Info,
    /// Why each was decided, and how far it is.
    Debug,
    /// Every message, credentials blanked.
    Trace,
}

impl Level {
    /// The word used in the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Level::Error => "error",
            Level::Warn => "warn",
            Level::Info => "info",
            Level::Debug => "debug",
            Level::Trace => "trace",
        }
    }
}

impl Word for Level {
    const WORDS: &'static [(&'static str, Level)] = &[
        ("error", Level::Error),
        ("warn", Level::Warn),
        ("info", Level::Info),
        ("debug", Level::Debug),
        ("trace", Level::Trace),
    ];
}

/// Shape of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One object a line.
    Json,
}

impl Word for LogFormat {
    const WORDS: &'static [(&'static str, LogFormat)] = &[("text", LogFormat::Text), ("json", LogFormat::Json)];
}

impl Log {
    pub(crate) fn read(mut table: Reader<'_>) -> Option<Log> {
        let log = Log {
            level: table.word("level", Level::Info),
            format: table.word("format", LogFormat::Text),
        };
        table.finish();
        Some(log)
    }
}

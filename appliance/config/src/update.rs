use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::fault::Wrong;
use crate::read::Reader;
use crate::secret::{from_hex, to_hex};
use crate::text::{FromText, Name};

/// `[update]`: where new versions come from, who may sign them, and when they are installed.
#[derive(Clone, Debug, PartialEq)]
pub struct Update {
    /// Where manifests and archives are. Default none: a command names it.
    pub source: Option<UpdateSource>,
    /// PEM file with the authorities that the source's certificate may be from. Default none: those of the system.
    pub source_ca: Option<PathBuf>,
    /// Public keys that may sign, in lower-case hexadecimal; never empty where there is a source.
    pub keys: Vec<String>,
    /// Which releases. Default `stable`.
    pub channel: String,
    /// What the box is, for archives that are for some boards only. Default `generic`.
    pub board: String,
    /// Installs what the source offers without being asked. Default no.
    pub automatic: bool,
    /// When it does. Default none: at any time.
    pub window: Option<Hours>,
    /// How long it waits for calls to end. Default an hour.
    pub wait_minutes: u32,
    /// How long a new version is watched before it stays. Default two minutes: trunks have registered by then.
    pub judge_s: u32,
}

/// Where manifests and archives are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpdateSource {
    /// Folder of a web server, with its slash at the end.
    Web(String),
    /// Folder of a disk, such as a USB stick.
    Folder(PathBuf),
}

/// Part of each day, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hours {
    /// Minute of the day that it begins with.
    pub from_minute: u32,
    /// Minute of the day before which it ends; the next day's when it is lower.
    pub to_minute: u32,
}

impl Update {
    pub(crate) fn read(mut table: Reader<'_>) -> Option<Update> {
        let has_no_key = !table.has("keys") || table.is_empty_list("keys");
        let update = Update {
            source: table.optional("source"),
            source_ca: table.optional::<String>("source_ca").map(PathBuf::from),
            keys: table
                .list::<Key>("keys")
                .unwrap_or_default()
                .into_iter()
                .map(|key| key.0)
                .collect(),
            channel: table.or("channel", Name("stable".to_owned())).0,
            board: table.or("board", Name("generic".to_owned())).0,
            automatic: table.flag("automatic"),
            window: table.optional("window"),
            wait_minutes: table.number("wait_minutes", 1..=1440, 60),
            judge_s: table.number("judge_s", 5..=3600, 120),
        };
        if has_no_key && (update.source.is_some() || table.has("keys")) {
            let fix = "write keys = [\"…\"] with the maker's public key, as `branchline release key` shows it";
            table.wrong(
                "keys",
                Wrong::new("is empty: without a key anything could be installed", fix),
            );
        }
        if update.source_ca.as_deref().is_some_and(Path::is_relative) {
            let fix = "write the whole path, such as \"/etc/branchline/update-ca.pem\"";
            table.wrong("source_ca", Wrong::new("is not a path from the root", fix));
        }
        table.finish();
        Some(update)
    }
}

impl FromText for UpdateSource {
    fn from_text(text: &str) -> Result<UpdateSource, Wrong> {
        let text = String::from_text(text)?;
        let host = text.strip_prefix("https://").unwrap_or_default();
        if host.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '[')
            && !text.contains([' ', '?', '#'])
        {
            return Ok(UpdateSource::Web(format!("{}/", text.trim_end_matches('/'))));
        }
        if Path::new(&text).is_absolute() {
            return Ok(UpdateSource::Folder(PathBuf::from(text)));
        }
        let problem = format!("\"{text}\" is neither a folder of a web server over https nor one of a disk");
        let fix = "write \"https://updates.example.net/branchline/\" or \"/media/usb/branchline\"";
        Err(Wrong::new(problem, fix))
    }
}

impl FromStr for UpdateSource {
    type Err = String;

    fn from_str(text: &str) -> Result<UpdateSource, String> {
        UpdateSource::from_text(text).map_err(|wrong| format!("{}; {}", wrong.problem, wrong.fix))
    }
}

impl FromText for Hours {
    fn from_text(text: &str) -> Result<Hours, Wrong> {
        let hours = text.split_once('-').and_then(|(from, to)| {
            Some(Hours {
                from_minute: minute(from)?,
                to_minute: minute(to)?,
            })
        });
        hours
            .filter(|hours| hours.from_minute != hours.to_minute)
            .ok_or_else(|| {
                let problem = format!("\"{text}\" is not a part of a day");
                Wrong::new(problem, "write \"01:30-04:00\", in UTC")
            })
    }
}

fn minute(text: &str) -> Option<u32> {
    let (hours, minutes) = text.split_once(':')?;
    let two_digits = |part: &str| {
        part.parse::<u32>()
            .ok()
            .filter(|_| part.len() == 2 && !part.starts_with('+'))
    };
    let (hours, minutes) = (two_digits(hours)?, two_digits(minutes)?);
    (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)
}

struct Key(String);

impl FromText for Key {
    fn from_text(text: &str) -> Result<Key, Wrong> {
        let fix = "write the 64 digits that `branchline release key` shows";
        let key = from_hex::<32>(text).ok_or_else(|| Wrong::new("is not a public key", fix))?;
        Ok(Key(to_hex(&key)))
    }
}

//! From files to the configuration that the branch takes.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use branchline_branch::{Configuration, Trust};
use branchline_config::{Config, Password, Secret};
use sha2::{Digest, Sha256};

use crate::bundle::{self, Bundle, Passwords, Standing};
use crate::clock;
use crate::file::{self, FileFault};
use crate::first_start;
use crate::io::tls::KeyFiles;
use crate::place::Place;

use super::remainder;

/// Why a configuration cannot be taken.
#[derive(Debug, thiserror::Error)]
pub enum LoadFault {
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] FileFault),
    /// Its faults, as `branchline check` prints them.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Config(Vec<branchline_config::Fault>),
}

/// A configuration that can be put in force.
#[derive(Debug)]
pub struct Read {
    pub(super) configuration: Configuration,
    pub(super) bundle: Bundle,
    /// Why it is not the file; empty when it is.
    pub(super) fault: String,
}

impl Read {
    /// What was read.
    pub fn config(&self) -> &Config {
        &self.configuration.config
    }

    /// Why it is not the file, for a person to read; empty when it is.
    pub fn fault(&self) -> &str {
        &self.fault
    }

    /// Keeps a copy on each disk for the day when the file is lost.
    pub(super) fn keep(place: &Place, bundle: &Bundle, spool: Option<&Path>) {
        if let Err(fault) = bundle::keep(place, &place.bundles(spool), bundle) {
            tracing::warn!(%fault, "the copy of the configuration is not kept everywhere");
        }
    }
}

/// Reads the configuration for the start: the file, the most trusted copy of what was in force last, or what of the
/// file is without fault.
pub fn read_at_start(place: &Place) -> Result<Read, LoadFault> {
    let wrong = match load(place) {
        Ok(read) => return Ok(read),
        Err(wrong) => wrong,
    };
    let utc_ms = clock::utc_ms();
    for (bundle, standing) in bundle::find(place, &place.bundles(None), utc_ms) {
        let Ok(config) = Config::parse("the copy", &bundle.text) else {
            continue;
        };
        let (trust, proved) = match standing {
            Standing::Sound => (Trust::Full, "signed by this box"),
            Standing::Old => (
                Trust::Restricted,
                "signed by this box, but old: premium and international calls wait",
            ),
            Standing::Unproved => (
                Trust::Restricted,
                "its signature is NOT good: premium and international calls wait",
            ),
        };
        let age = clock::duration_text(utc_ms.saturating_sub(bundle.made_utc_ms).max(0).unsigned_abs());
        let Passwords { trunks, lines } = bundle.passwords();
        let configuration = Configuration {
            config: Arc::new(config),
            trunk_passwords: trunks,
            line_passwords: lines,
            digest: digest(&bundle.text),
            trust,
        };
        return Ok(Read {
            configuration,
            fault: format!(
                "{}; the box runs on its copy of {age} ago ({proved})",
                wrong.to_string().replace('\n', "; ")
            ),
            bundle,
        });
    }
    match minimum(place, &wrong) {
        Some(read) => Ok(read),
        None => Err(wrong),
    }
}

/// What of the file is without fault: the telephones and trunks it has, and calls for help.
fn minimum(place: &Place, wrong: &LoadFault) -> Option<Read> {
    let country = first_start::starter_country().ok()?;
    let text = text(place).unwrap_or_default();
    let rest = remainder::of(&text, country.code)?;
    let mut read = with_passwords(&rest.text, (rest.config, Trust::Restricted));
    read.fault = format!(
        "{}; there is no copy of it, so the box runs without {} (premium and international calls wait)",
        wrong.to_string().replace('\n', "; "),
        rest.left_out.join(", ")
    );
    Some(read)
}

/// Reads the configuration and the secrets it points to. A password file that cannot be read is logged: its trunk stays
/// down, and the phones work.
pub(super) fn load(place: &Place) -> Result<Read, LoadFault> {
    let text = text(place)?;
    let config = Config::parse(&place.config.display().to_string(), &text).map_err(LoadFault::Config)?;
    Ok(with_passwords(&text, (config, Trust::Full)))
}

fn text(place: &Place) -> Result<String, FileFault> {
    let bytes_max = u64::try_from(branchline_config::TEXT_BYTES_MAX).unwrap_or(u64::MAX);
    file::read_text(&place.config, bytes_max)
}

fn with_passwords(text: &str, (config, trust): (Config, Trust)) -> Read {
    let mut passwords = Passwords::default();
    for trunk in &config.trunks {
        let Some(credentials) = &trunk.credentials else {
            continue;
        };
        match password(&credentials.password) {
            Ok(password) => passwords.trunks.push((trunk.name.clone(), password)),
            Err(fault) => tracing::error!(trunk = trunk.name, %fault, "the trunk has no password"),
        }
    }
    for entry in &config.extensions {
        let Some(line) = &entry.hosted else { continue };
        let extension = entry.number.as_str();
        match password(&line.password) {
            Ok(password) => passwords.lines.push((extension.to_owned(), password)),
            Err(fault) => tracing::error!(extension, %fault, "its line at the hosted PBX has no password"),
        }
    }
    Read {
        bundle: Bundle::new(clock::utc_ms(), text, &passwords),
        configuration: Configuration {
            config: Arc::new(config),
            trunk_passwords: passwords.trunks,
            line_passwords: passwords.lines,
            digest: digest(text),
            trust,
        },
        fault: String::new(),
    }
}

/// Certificate and key of the configuration, or those the box made for itself.
pub(super) fn key_files(config: &Config, place: &Place) -> KeyFiles {
    match (&config.sip.tls_certificate, &config.sip.tls_key) {
        (Some(certificate), Some(key)) => KeyFiles {
            certificate: certificate.clone(),
            key: key.clone(),
        },
        (Some(_) | None, Some(_) | None) => KeyFiles {
            certificate: place.certificate(),
            key: place.certificate_key(),
        },
    }
}

/// What the box takes only when it starts, by key, and whether two configurations differ in it.
const AT_START: [AtStart; 18] = [
    ("site.realm", |old, new| old.site.realm != new.site.realm),
    ("sip.listen", |old, new| old.sip.listen != new.sip.listen),
    // New calls are held to it at once; the room for their sessions is made at the start.
    ("sip.max_calls", |old, new| old.sip.max_calls != new.sip.max_calls),
    ("sip.max_calls_per_second", |old, new| stocked(old) != stocked(new)),
    // Registrations are held to it at once; how long a silent connection stays is set at the start.
    ("sip.expires_max_s", |old, new| {
        old.sip.expires_max_s != new.sip.expires_max_s
    }),
    ("sip.session_expires_s", |old, new| {
        old.sip.session_expires_s != new.sip.session_expires_s
    }),
    ("sip.min_se_s", |old, new| old.sip.min_se_s != new.sip.min_se_s),
    ("sip.digest", |old, new| old.sip.digest != new.sip.digest),
    ("sip.nonce_lifetime_s", |old, new| {
        old.sip.nonce_lifetime_s != new.sip.nonce_lifetime_s
    }),
    ("media.addresses", |old, new| old.media.addresses != new.media.addresses),
    ("media.port_min", |old, new| old.media.port_min != new.media.port_min),
    ("media.port_max", |old, new| old.media.port_max != new.media.port_max),
    ("media.workers", |old, new| old.media.workers != new.media.workers),
    ("storage.spool", |old, new| old.storage.spool != new.storage.spool),
    ("page.listen", |old, new| old.page.listen != new.page.listen),
    ("page.reach", |old, new| old.page.reach != new.page.reach),
    ("log.level", |old, new| old.log.level != new.log.level),
    ("log.format", |old, new| old.log.format != new.log.format),
];

type AtStart = (&'static str, fn(&Config, &Config) -> bool);

// Media ports in stock; below this many calls a second their number does not change.
fn stocked(config: &Config) -> u32 {
    config.sip.max_calls_per_second.max(16)
}

/// Keys of a configuration that wait for a restart, compared with the one the box started with.
pub(super) fn awaits_restart(started: &Config, new: &Config) -> Vec<&'static str> {
    let changed = AT_START.iter().filter(|(_, differ)| differ(started, new));
    changed.map(|(key, _)| *key).collect()
}

fn password(password: &Password) -> Result<Secret, FileFault> {
    match password {
        Password::Inline(secret) => Ok(secret.clone()),
        Password::File(path) => first_line(path),
    }
}

fn first_line(path: &Path) -> Result<Secret, FileFault> {
    let text = file::read_text(path, PASSWORD_BYTES_MAX)?;
    Ok(Secret::new(text.lines().next().unwrap_or_default()))
}

fn digest(text: &str) -> String {
    Sha256::digest(text).iter().fold(String::new(), |mut hex, byte| {
        // A string grows.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

const PASSWORD_BYTES_MAX: u64 = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    const START: &str = "[site]\ncountry = \"US\"\n";

    fn parsed(more: &str) -> Config {
        Config::parse("f", &format!("{START}{more}")).unwrap()
    }

    #[test]
    fn passwords_come_from_the_file_or_from_where_the_file_says() {
        let directory = tempfile::tempdir().unwrap();
        let place = Place::new(Some(directory.path().join("c.toml")), Some(directory.path().to_owned()));
        std::fs::write(directory.path().join("secret"), "from-file\nsecond line\n").unwrap();
        let trunk = |name: &str, password: &str| {
            format!("[[trunk]]\nname = \"{name}\"\nhost = \"192.0.2.1\"\nusername = \"u\"\n{password}\n")
        };
        let file = |name: &str| format!("password_file = \"{}\"", directory.path().join(name).display());
        let text = format!(
            "{START}{}{}{}",
            trunk("inline", "password = \"typed\""),
            trunk("file", &file("secret")),
            trunk("lost", &file("none"))
        );
        std::fs::write(&place.config, &text).unwrap();
        let loaded = load(&place).unwrap().configuration;
        let passwords: Vec<_> = loaded
            .trunk_passwords
            .iter()
            .map(|(name, word)| (&**name, word.expose()))
            .collect();
        assert_eq!(passwords, [("inline", "typed"), ("file", "from-file")]);
        assert_eq!(loaded.digest.len(), 64);
        std::fs::write(&place.config, format!("{text}\n[nonsense]\n")).unwrap();
        assert!(matches!(load(&place), Err(LoadFault::Config(_))));
    }

    #[test]
    fn the_reference_of_the_configuration_says_what_waits_for_a_restart() {
        let mut section = "";
        let mut written = Vec::new();
        for line in include_str!("../../../../docs/configuration.md").lines() {
            if let Some(heading) = line.strip_prefix("## ") {
                section = heading.trim_matches(['`', '[', ']']);
            }
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            if let [_, key, _, _, "restart", _] = cells.as_slice() {
                written.push(format!("{section}.{}", key.trim_matches('`')));
            }
        }
        assert_eq!(written.len(), AT_START.len(), "{written:?}");
        for (key, _) in AT_START {
            assert!(written.iter().any(|known| known == key), "{key} is not in {written:?}");
        }
    }

    #[test]
    fn what_a_reload_cannot_do_is_named() {
        let old = parsed("");
        assert_eq!(awaits_restart(&old, &parsed("[sip]\nring_s = 20\n")), [""; 0]);
        let few = parsed("[sip]\nmax_calls_per_second = 2\n");
        assert_eq!(
            awaits_restart(&few, &parsed("[sip]\nmax_calls_per_second = 9\n")),
            [""; 0]
        );
        let changes = [
            ("site", "realm", "\"other\""),
            ("sip", "max_calls", "40"),
            ("sip", "max_calls_per_second", "60"),
            ("sip", "expires_max_s", "9000"),
            ("sip", "session_expires_s", "900"),
            ("sip", "min_se_s", "120"),
            ("sip", "digest", "[\"sha-256\", \"md5\"]"),
            ("sip", "nonce_lifetime_s", "60"),
            ("sip", "listen", "[\"udp:127.0.0.1\"]"),
            ("media", "addresses", "[\"192.0.2.1\"]"),
            ("media", "port_min", "20000"),
            ("media", "port_max", "32001"),
            ("media", "workers", "2"),
            ("storage", "spool", "\"/spool\""),
            ("page", "listen", "\"127.0.0.1:8081\""),
            ("page", "reach", "\"lan\""),
            ("log", "level", "\"debug\""),
            ("log", "format", "\"json\""),
        ];
        for (section, key, value) in changes {
            let head = match section {
                "site" => String::new(),
                other => format!("[{other}]\n"),
            };
            let new = parsed(&format!("{head}{key} = {value}\n"));
            assert_eq!(awaits_restart(&old, &new), [format!("{section}.{key}")]);
        }
        assert_eq!(changes.len(), AT_START.len(), "every key has its case");
    }
}

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
use crate::io::tls::KeyFiles;
use crate::place::Place;

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

/// Reads the configuration for the start: the file, or the most trusted copy of what was in force last.
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
    Err(wrong)
}

/// Reads the configuration and the secrets it points to. A password file that cannot be read is logged: its trunk stays
/// down, and the phones work.
pub(super) fn load(place: &Place) -> Result<Read, LoadFault> {
    let bytes_max = u64::try_from(branchline_config::TEXT_BYTES_MAX).unwrap_or(u64::MAX);
    let text = file::read_text(&place.config, bytes_max)?;
    let config = Config::parse(&place.config.display().to_string(), &text).map_err(LoadFault::Config)?;
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
    Ok(Read {
        bundle: Bundle::new(clock::utc_ms(), &text, &passwords),
        configuration: Configuration {
            config: Arc::new(config),
            trunk_passwords: passwords.trunks,
            line_passwords: passwords.lines,
            digest: digest(&text),
            trust: Trust::Full,
        },
        fault: String::new(),
    })
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

/// What a new configuration changes that only a restart brings about.
pub(super) fn wants_restart(old: &Config, new: &Config) -> Vec<&'static str> {
    let media = |config: &Config| {
        let media = &config.media;
        (media.addresses.clone(), media.port_min, media.port_max, media.workers)
    };
    // Ports in stock; below this many calls a second their number does not change.
    let stocked = |config: &Config| config.sip.max_calls_per_second.max(16);
    let changes = [
        ("site.realm", old.site.realm != new.site.realm),
        ("sip.listen", old.sip.listen != new.sip.listen),
        ("sip.max_calls", old.sip.max_calls != new.sip.max_calls),
        ("sip.max_calls_per_second", stocked(old) != stocked(new)),
        (
            "sip.session_expires_s",
            old.sip.session_expires_s != new.sip.session_expires_s,
        ),
        ("sip.min_se_s", old.sip.min_se_s != new.sip.min_se_s),
        ("sip.digest", old.sip.digest != new.sip.digest),
        (
            "sip.nonce_lifetime_s",
            old.sip.nonce_lifetime_s != new.sip.nonce_lifetime_s,
        ),
        ("media addresses, ports and workers", media(old) != media(new)),
        ("storage.spool", old.storage.spool != new.storage.spool),
        ("page", old.page != new.page),
        ("log", old.log != new.log),
    ];
    changes
        .into_iter()
        .filter(|(_, changed)| *changed)
        .map(|(name, _)| name)
        .collect()
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
    fn what_a_reload_cannot_do_is_named() {
        let old = parsed("");
        assert_eq!(wants_restart(&old, &parsed("[sip]\nring_s = 20\n")), [""; 0]);
        let few = parsed("[sip]\nmax_calls_per_second = 2\n");
        assert_eq!(
            wants_restart(&few, &parsed("[sip]\nmax_calls_per_second = 9\n")),
            [""; 0]
        );
        let realm = Config::parse("f", "[site]\ncountry = \"US\"\nrealm = \"other\"\n").unwrap();
        assert_eq!(wants_restart(&old, &realm), ["site.realm"]);
        let cases = [
            ("[sip]\nmax_calls = 40\n", "sip.max_calls"),
            ("[sip]\nmax_calls_per_second = 60\n", "sip.max_calls_per_second"),
            ("[sip]\nsession_expires_s = 900\n", "sip.session_expires_s"),
            ("[sip]\nmin_se_s = 120\n", "sip.min_se_s"),
            ("[sip]\ndigest = [\"sha-256\", \"md5\"]\n", "sip.digest"),
            ("[sip]\nnonce_lifetime_s = 60\n", "sip.nonce_lifetime_s"),
            ("[sip]\nlisten = [\"udp:127.0.0.1\"]\n", "sip.listen"),
            ("[media]\nport_min = 20000\n", "media addresses, ports and workers"),
            ("[storage]\nspool = \"/spool\"\n", "storage.spool"),
            ("[log]\nlevel = \"debug\"\n", "log"),
        ];
        for (text, name) in cases {
            assert_eq!(wants_restart(&old, &parsed(text)), [name]);
        }
    }
}

//! The first start: everything the box needs is made, and nothing that exists is touched.

use std::io;
use std::net::IpAddr;
use std::path::Path;

use branchline_config::{Config, Country, Extension, Secret, Starter, StarterExtension, country, default_text};

use crate::bundle;
use crate::certificate;
use crate::file::{self, FileFault};
use crate::password;
use crate::place::Place;
use crate::screen::Start;

const EXTENSIONS: [&str; 4] = ["201", "202", "203", "204"];
const COUNTRY: &str = "US";
const REALM: &str = "branchline";

/// Why the box cannot set itself up.
#[derive(Debug, thiserror::Error)]
pub enum SetUpFault {
    /// A file.
    #[error(transparent)]
    File(#[from] FileFault),
    /// Random numbers or a certificate.
    #[error("cannot make a password or certificate: {0}")]
    Make(#[from] io::Error),
    /// The file that was made does not pass its own check.
    #[error("the first configuration is not valid: {0}")]
    Starter(String),
}

/// Who the box is on its network.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Host names, the first is the box's own.
    pub names: Vec<String>,
    /// Addresses of its interfaces.
    pub addresses: Vec<IpAddr>,
    /// UTC now, milliseconds.
    pub utc_ms: i64,
}

/// Makes what is missing: state directory, certificate, configuration with four extensions, password of the page.
pub fn set_up(place: &Place, identity: &Identity) -> Result<Start, SetUpFault> {
    file::create_private_directory(&place.state)?;
    make_certificate(place, identity)?;
    // A box that has copies of its configuration is not new: it must not forget who it is.
    if place.config.exists() || bundle::exists(&place.bundles(None)) {
        return Ok(Start::Later);
    }
    let page = password::generate()?;
    let phones = EXTENSIONS
        .iter()
        .map(|_| password::generate())
        .collect::<io::Result<Vec<Secret>>>()?;
    let text = starter_text(&phones)?;
    write_page_hash(&place.page_hash(), &page)?;
    if let Some(parent) = place.config.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        file::create_private_directory(parent)?;
    }
    // Last: when it is there, the set-up was complete.
    file::replace_private(&place.config, text.as_bytes())?;
    Ok(Start::First { phones, page })
}

/// The same for a box whose state directory cannot be used: one that has a configuration does without, as calls matter
/// more. Says why, where it does.
pub fn set_up_or_do_without(place: &Place, identity: &Identity) -> Result<(Start, String), SetUpFault> {
    match set_up(place, identity) {
        Ok(start) => Ok((start, String::new())),
        Err(fault) if place.config.exists() || bundle::exists(&place.bundles(None)) => {
            let directory = place.state.display();
            Ok((
                Start::Later,
                format!("the state directory {directory} cannot be used: {fault}"),
            ))
        }
        Err(fault) => Err(fault),
    }
}

/// Keeps the hash of a page password.
pub fn write_page_hash(path: &Path, password: &Secret) -> Result<(), SetUpFault> {
    let hash = password::page_hash(password)?;
    Ok(file::replace_private(path, format!("{}\n", hash.expose()).as_bytes())?)
}

fn make_certificate(place: &Place, identity: &Identity) -> Result<(), SetUpFault> {
    if place.certificate().exists() && place.certificate_key().exists() {
        return Ok(());
    }
    let made = certificate::self_signed(&identity.names, &identity.addresses, identity.utc_ms)?;
    file::replace_private(&place.certificate_key(), made.key.expose().as_bytes())?;
    Ok(file::replace_private(
        &place.certificate(),
        made.certificate.as_bytes(),
    )?)
}

fn starter_text(phones: &[Secret]) -> Result<String, SetUpFault> {
    let country = starter_country()?;
    let mut extensions = Vec::new();
    for (number, password) in EXTENSIONS.iter().zip(phones) {
        extensions.push(StarterExtension {
            number: Extension::new(number).map_err(|fault| SetUpFault::Starter(fault.to_string()))?,
            name: format!("Phone {number}"),
            hashes: password::phone_hashes(number, REALM, password),
        });
    }
    let starter = Starter {
        site_name: "Branch office".to_owned(),
        country,
        realm: REALM.to_owned(),
        extensions,
    };
    let text = default_text(&starter);
    match Config::parse("branchline.toml", &text) {
        Ok(_) => Ok(text),
        Err(faults) => Err(SetUpFault::Starter(
            faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
        )),
    }
}

// The language setting names a territory more often right than wrong (`de_AT.UTF-8`); the screen shows what was taken.
/// The country of the machine's language, or the usual one.
pub(crate) fn starter_country() -> Result<&'static Country, SetUpFault> {
    let locale = ["LC_ALL", "LANG"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
    let territory = locale.as_deref().and_then(territory).and_then(country::by_code);
    territory
        .or_else(|| country::by_code(COUNTRY))
        .ok_or_else(|| SetUpFault::Starter(format!("no country {COUNTRY}")))
}

fn territory(locale: &str) -> Option<&str> {
    let code = locale.split(['.', '@']).next()?.split_once('_')?.1;
    (code.len() == 2).then_some(code)
}

/// Names and addresses of this box, loopback left out; IPv4 first, as phones are mostly set up by it.
pub fn identity(utc_ms: i64) -> Identity {
    let host = nix::unistd::gethostname()
        .ok()
        .and_then(|name| name.into_string().ok())
        .unwrap_or_default();
    let host = if host.is_empty() {
        "branchline".to_owned()
    } else {
        host.to_ascii_lowercase()
    };
    let mut names = vec![host.clone()];
    if !host.contains('.') {
        names.push(format!("{host}.local"));
    }
    let mut addresses = interface_addresses();
    addresses.sort_by_key(|address| (address.is_ipv6(), *address));
    addresses.dedup();
    Identity {
        names,
        addresses,
        utc_ms,
    }
}

fn interface_addresses() -> Vec<IpAddr> {
    let Ok(interfaces) = nix::ifaddrs::getifaddrs() else {
        return Vec::new();
    };
    let address = |interface: nix::ifaddrs::InterfaceAddress| {
        let storage = interface.address?;
        let v4 = storage.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
        v4.or_else(|| storage.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip())))
    };
    interfaces
        .filter_map(address)
        .filter(|address| is_reachable_by_phones(*address))
        .collect()
}

fn is_reachable_by_phones(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !address.is_loopback() && !address.is_link_local(),
        IpAddr::V6(address) => !address.is_loopback() && !address.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_territory_is_read_from_the_locale() {
        let cases = [
            ("de_AT.UTF-8", Some("AT")),
            ("pt_BR@x", Some("BR")),
            ("C.UTF-8", None),
            ("", None),
            ("en", None),
        ];
        for (locale, code) in cases {
            assert_eq!(territory(locale), code, "{locale}");
        }
    }

    #[test]
    fn the_first_start_makes_everything_once_and_keeps_only_hashes() {
        let root = std::env::temp_dir().join(format!("branchline-first-{}", password::random_hex().unwrap()));
        let place = Place::new(None, Some(root.join("state")));
        let identity = Identity {
            names: vec!["box".into()],
            addresses: vec![[192, 0, 2, 1].into()],
            utc_ms: 0,
        };
        let Start::First { phones, page } = set_up(&place, &identity).unwrap() else {
            panic!("not the first")
        };
        assert_eq!(phones.len(), EXTENSIONS.len());
        for path in [
            &place.config,
            &place.page_hash(),
            &place.certificate(),
            &place.certificate_key(),
        ] {
            assert_eq!(file::foreign_mode_bits(path).unwrap(), 0, "{}", path.display());
            let text = fs::read_to_string(path).unwrap();
            assert!(
                phones
                    .iter()
                    .chain([&page])
                    .all(|password| !text.contains(password.expose()))
            );
        }
        let config = Config::parse("f", &fs::read_to_string(&place.config).unwrap()).unwrap();
        for (number, password) in EXTENSIONS.iter().zip(&phones) {
            let kept = &config.extension(number).unwrap().hashes;
            assert!(*kept == password::phone_hashes(number, &config.site.realm, password));
        }
        let key = fs::read(place.certificate_key()).unwrap();
        assert!(matches!(set_up(&place, &identity).unwrap(), Start::Later));
        assert_eq!(fs::read(place.certificate_key()).unwrap(), key);
        fs::remove_dir_all(&root).unwrap();
    }
}

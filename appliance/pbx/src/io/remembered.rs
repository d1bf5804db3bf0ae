//! What names led to when they were last looked up, in a file: the addresses of trunks and of the hosted PBX for a start
//! while no name server can be reached.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use branchline_branch::Lookup;

use crate::file;

/// Names and their addresses.
#[derive(Debug)]
pub(super) struct Remembered {
    path: PathBuf,
    /// By transport, host and port.
    names: BTreeMap<String, Vec<SocketAddr>>,
}

/// More than a configuration names.
const NAMES_MAX: usize = 1024;

impl Remembered {
    /// What the file says; nothing where there is none, or another one.
    pub(super) fn read(path: &Path) -> Remembered {
        let text = std::fs::read(path).unwrap_or_default();
        Remembered {
            path: path.to_owned(),
            names: serde_json::from_slice(&text).unwrap_or_default(),
        }
    }

    /// What this name led to.
    pub(super) fn of(&self, lookup: &Lookup) -> Option<&[SocketAddr]> {
        self.names.get(&key(lookup)).map(Vec::as_slice)
    }

    /// A name was found. Written where it is news; a disk that does not take it costs no more than that.
    pub(super) fn learn(&mut self, lookup: &Lookup, found: &[SocketAddr]) {
        let mut sorted = found.to_vec();
        // Name servers turn the list round.
        sorted.sort();
        let key = key(lookup);
        let is_known = self.names.get(&key).is_some_and(|known| {
            let mut known = known.clone();
            known.sort();
            known == sorted
        });
        if is_known || is_address(lookup) {
            return;
        }
        if self.names.len() >= NAMES_MAX {
            self.names.clear();
        }
        self.names.insert(key, found.to_vec());
        let written = serde_json::to_vec(&self.names).map_err(std::io::Error::other);
        if let Err(error) =
            written.and_then(|text| file::replace_private(&self.path, &text).map_err(std::io::Error::other))
        {
            tracing::warn!(path = %self.path.display(), %error, "what a name led to is not kept");
        }
    }
}

fn key(lookup: &Lookup) -> String {
    let port = lookup.port.map_or(String::new(), |port| format!(":{port}"));
    format!("{}:{}{port}", lookup.transport.as_str(), lookup.host)
}

fn is_address(lookup: &Lookup) -> bool {
    let bare = lookup.host.trim_start_matches('[').trim_end_matches(']');
    bare.parse::<std::net::IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use branchline_config::Transport;

    use super::*;

    fn lookup(host: &str) -> Lookup {
        Lookup {
            trunk: "a".into(),
            host: host.into(),
            port: None,
            transport: Transport::Udp,
        }
    }

    #[test]
    fn what_a_name_led_to_outlasts_the_program_and_a_damaged_file_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("resolved.json");
        let found: Vec<SocketAddr> = vec!["192.0.2.7:5060".parse().unwrap()];
        let mut remembered = Remembered::read(&path);
        assert_eq!(remembered.of(&lookup("sip.example")), None);
        remembered.learn(&lookup("sip.example"), &found);
        remembered.learn(&lookup("192.0.2.9"), &found);
        let mut again = Remembered::read(&path);
        assert_eq!(again.of(&lookup("sip.example")), Some(&found[..]));
        assert_eq!(again.of(&lookup("192.0.2.9")), None, "an address is no name");
        assert_eq!(again.of(&lookup("other.example")), None);
        let moved: Vec<SocketAddr> = vec!["192.0.2.8:5060".parse().unwrap()];
        again.learn(&lookup("sip.example"), &moved);
        assert_eq!(Remembered::read(&path).of(&lookup("sip.example")), Some(&moved[..]));
        std::fs::write(&path, "{").unwrap();
        assert_eq!(Remembered::read(&path).of(&lookup("sip.example")), None);
    }
}

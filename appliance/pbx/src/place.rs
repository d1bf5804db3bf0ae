//! Where things lie: one configuration file and one state directory.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// The files of one box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The configuration file.
    pub config: PathBuf,
    /// The state directory, mode 0700.
    pub state: PathBuf,
    /// The spool when the configuration names none: a box that has lost its configuration finds the copy there.
    pub spool: Option<PathBuf>,
    /// Versions of this program, side by side; the updater writes there, everybody may read.
    pub versions: PathBuf,
}

/// The two paths by which the control socket is found, mode 0600.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlPlace {
    /// In the state directory, whoever asks.
    pub state: PathBuf,
    /// In a directory in memory, which no disk takes along.
    pub runtime: PathBuf,
}

impl Place {
    /// Fills in what was not given: systemd's state directory, `/var/lib/branchline` for root, the user's own otherwise.
    /// The configuration lies in the state directory unless it is named.
    pub fn new(config: Option<PathBuf>, state: Option<PathBuf>) -> Place {
        let state = state.unwrap_or_else(default_state);
        let config = config.unwrap_or_else(|| state.join("branchline.toml"));
        let mut versions = state.clone().into_os_string();
        versions.push("-versions");
        Place {
            config,
            state,
            spool: None,
            versions: versions.into(),
        }
    }

    /// With versions elsewhere than beside the state directory.
    pub fn with_versions(self, versions: Option<PathBuf>) -> Place {
        let versions = versions.unwrap_or(self.versions);
        Place { versions, ..self }
    }

    /// With a spool outside of the configuration.
    pub fn with_spool(self, spool: Option<PathBuf>) -> Place {
        Place { spool, ..self }
    }

    /// The control socket of the running daemon, or a link to it. A disk that was swapped has taken the one in the state
    /// directory along.
    pub fn control_socket(&self) -> PathBuf {
        let ControlPlace { state, runtime } = self.control_place();
        if !state.exists() && runtime.exists() {
            return runtime;
        }
        state
    }

    /// Where a daemon makes its control socket.
    pub fn control_place(&self) -> ControlPlace {
        let state = Sha256::digest(self.state.as_os_str().as_encoded_bytes());
        let name = state[..4]
            .iter()
            .fold("control-".to_owned(), |name, byte| format!("{name}{byte:02x}"));
        ControlPlace {
            state: self.state.join("control.sock"),
            runtime: runtime_directory().join(name + ".sock"),
        }
    }

    /// The database of call records.
    pub fn records(&self) -> PathBuf {
        self.state.join("calls.db")
    }

    /// The journal's homes: the spool, where there is one, and the one beside the database.
    pub fn journals(&self, spool: Option<&Path>) -> Vec<PathBuf> {
        let spool = spool.or(self.spool.as_deref()).map(|spool| spool.join("journal"));
        spool.into_iter().chain([self.state.join("journal")]).collect()
    }

    /// Where copies of the configuration are kept.
    pub fn bundles(&self, spool: Option<&Path>) -> Vec<PathBuf> {
        let spool = spool.or(self.spool.as_deref()).map(|spool| spool.join("bundle"));
        spool.into_iter().chain([self.state.join("bundle")]).collect()
    }

    /// Key that they are signed with, mode 0600.
    pub fn bundle_key(&self) -> PathBuf {
        self.state.join("bundle-key")
    }

    /// What names led to when they were last looked up.
    pub fn resolved(&self) -> PathBuf {
        self.state.join("resolved.json")
    }

    /// Reports of recoveries and drills.
    pub fn reports(&self) -> PathBuf {
        self.state.join("reports")
    }

    /// Hash of the page's password, mode 0600.
    pub fn page_hash(&self) -> PathBuf {
        self.state.join("page-password.hash")
    }

    /// The certificate the box made for itself.
    pub fn certificate(&self) -> PathBuf {
        self.state.join("tls-certificate.pem")
    }

    /// Its key, mode 0600.
    pub fn certificate_key(&self) -> PathBuf {
        self.state.join("tls-key.pem")
    }
}

/// A directory in memory of the box's own: systemd's, root's, or the user's.
fn runtime_directory() -> PathBuf {
    let user = nix::unistd::geteuid();
    match (named("RUNTIME_DIRECTORY"), named("XDG_RUNTIME_DIR")) {
        (Some(directory), _) => directory,
        (None, _) if user.is_root() => Path::new("/run/branchline").to_owned(),
        (None, Some(base)) => base.join("branchline"),
        (None, None) => std::env::temp_dir().join(format!("branchline-{user}")),
    }
}

/// A directory that the environment names.
fn named(name: &str) -> Option<PathBuf> {
    std::env::var_os(name)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
}

fn default_state() -> PathBuf {
    if let Some(directory) = named("STATE_DIRECTORY") {
        return directory;
    }
    if nix::unistd::geteuid().is_root() {
        return Path::new("/var/lib/branchline").to_owned();
    }
    match (named("XDG_STATE_HOME"), named("HOME")) {
        (Some(base), Some(_) | None) => base.join("branchline"),
        (None, Some(home)) => home.join(".local/state/branchline"),
        (None, None) => Path::new("/var/lib/branchline").to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_lies_in_the_state_directory_unless_it_is_named() {
        let place = Place::new(None, Some("/s".into()));
        assert_eq!(place.config, Path::new("/s/branchline.toml"));
        let place = Place::new(Some("/c/x.toml".into()), Some("/s".into()));
        assert_eq!(
            (place.config.as_path(), place.state.as_path()),
            (Path::new("/c/x.toml"), Path::new("/s"))
        );
    }
}

//! A maker of releases: a key, versions of the program, archives and signed manifests in a folder.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

const BINARY: &str = env!("CARGO_BIN_EXE_branchline");
const MARK: &str = "branchline-version:";

/// A maker with one key.
pub struct Maker {
    pub folder: PathBuf,
    pub key: PathBuf,
    /// As a configuration trusts it.
    pub public: String,
}

impl Maker {
    /// Makes a key of its own, and a folder for releases.
    pub fn new(folder: PathBuf) -> Maker {
        let key = folder.join("key");
        fs::create_dir_all(&folder).expect("the test's folder is writable");
        let said = run(Command::new(BINARY).args(["release", "key"]).arg(&key));
        let public = said.lines().find_map(|line| line.strip_prefix("public key: "));
        Maker {
            public: public.expect("the key is shown").to_owned(),
            folder,
            key,
        }
    }

    /// A release whose program is the text of a script. `more` are further arguments.
    pub fn release(&self, version: &str, script: &str, more: &[&str]) {
        let program = self.folder.join("program");
        fs::write(&program, script).expect("the test's folder is writable");
        let mut command = Command::new(BINARY);
        command
            .args([
                "release",
                "make",
                "--release",
                version,
                "--notes",
                "For a test.",
                "--key",
            ])
            .arg(&self.key);
        command.arg("--into").arg(&self.folder);
        command
            .arg("--program")
            .arg(format!("{}={}", self_update::get_target(), program.display()));
        run(command.args(more));
    }

    /// A release of this very program, stamped as another version.
    pub fn release_stamped(&self, version: &str) {
        let stamped = stamped(version);
        self.release(version, &format!("#!/bin/sh\nexec {} \"$@\"\n", stamped.display()), &[]);
    }

    /// The manifest.
    pub fn manifest(&self) -> PathBuf {
        self.folder.join("stable.manifest")
    }

    /// The archive.
    pub fn archive(&self, version: &str) -> PathBuf {
        self.folder
            .join(format!("branchline-{version}-{}.tar.gz", self_update::get_target()))
    }
}

/// This program with another version, of as many letters, in its place.
pub fn stamped(version: &str) -> PathBuf {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    assert_eq!(version, "0.2.0", "one is enough");
    let made = MADE.get_or_init(|| {
        // One file for all runs; another process may start the one that is there.
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("branchline-{version}"));
        let beside = path.with_extension(std::process::id().to_string());
        let mut program = fs::read(BINARY).expect("the binary was built for this test");
        let own = format!("{MARK}{}", env!("CARGO_PKG_VERSION"));
        let new = format!("{MARK}{version}");
        assert_eq!(own.len(), new.len());
        let places = memchr::memmem::find_iter(&program, own.as_bytes()).collect::<Vec<_>>();
        assert!(!places.is_empty(), "the program has its version in one piece");
        for at in places {
            program[at..at + new.len()].copy_from_slice(new.as_bytes());
        }
        fs::write(&beside, program).expect("the target folder is writable");
        fs::set_permissions(&beside, fs::Permissions::from_mode(0o755)).expect("our own file");
        fs::rename(&beside, &path).expect("our own file");
        path
    });
    made.clone()
}

fn run(command: &mut Command) -> String {
    let output = command.output().expect("the binary was built for this test");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

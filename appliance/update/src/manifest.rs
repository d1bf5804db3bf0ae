//! What a maker says of a release.

use std::fmt;

use semver::Version;
use serde::{Deserialize, Serialize};

use crate::accept::Refusal;
use crate::hex;

/// One release. Times are UTC milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// What it is a release of.
    pub product: String,
    /// For whom, such as `stable`.
    pub channel: String,
    /// Its version.
    pub version: Version,
    /// The lowest version that it may follow.
    pub follows: Version,
    /// It counts from then on.
    pub not_before_utc_ms: i64,
    /// It counts until then; a box that is held back from newer ones notices.
    pub expires_utc_ms: i64,
    /// What is new, for the operator.
    pub notes: String,
    /// One archive for each kind of machine.
    pub artefacts: Vec<Artefact>,
}

/// One archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Artefact {
    /// What it was compiled for, such as `aarch64-unknown-linux-gnu`.
    pub target: String,
    /// Boards that it is for; empty for all.
    pub boards: Vec<String>,
    /// Name of the file beside the manifest.
    pub file: String,
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256.
    pub sha256: Digest,
}

/// SHA-256, written in lower-case hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(pub [u8; 32]);

/// An archive is a few tens of megabytes.
const ARTEFACT_BYTES_MAX: u64 = 256 << 20;
const ARTEFACTS_MAX: usize = 32;
const BOARDS_MAX: usize = 64;
const NAME_BYTES_MAX: usize = 128;
const NOTES_BYTES_MAX: usize = 4096;

impl Manifest {
    /// Reads a text that has been proved.
    pub(crate) fn read(text: &[u8]) -> Result<Manifest, Refusal> {
        let manifest: Manifest =
            serde_json::from_slice(text).map_err(|error| Refusal::field("manifest", error.to_string()))?;
        manifest.check()?;
        Ok(manifest)
    }

    /// The text to be signed.
    pub fn write(&self) -> Result<String, Refusal> {
        self.check()?;
        let text = serde_json::to_string_pretty(self).map_err(|error| Refusal::field("manifest", error.to_string()))?;
        Ok(text + "\n")
    }

    fn check(&self) -> Result<(), Refusal> {
        for (field, name) in [("product", &self.product), ("channel", &self.channel)] {
            check_name(field, name)?;
        }
        if self.notes.len() > NOTES_BYTES_MAX {
            return Err(Refusal::field("notes", format!("longer than {NOTES_BYTES_MAX} bytes")));
        }
        if self.expires_utc_ms <= self.not_before_utc_ms {
            return Err(Refusal::field("expires_utc_ms", "not after not_before_utc_ms"));
        }
        if !(1..=ARTEFACTS_MAX).contains(&self.artefacts.len()) {
            return Err(Refusal::field("artefacts", format!("not 1 to {ARTEFACTS_MAX} of them")));
        }
        self.artefacts.iter().try_for_each(Artefact::check)
    }
}

impl Artefact {
    fn check(&self) -> Result<(), Refusal> {
        check_name("target", &self.target)?;
        check_name("file", &self.file)?;
        if self.boards.len() > BOARDS_MAX {
            return Err(Refusal::field("boards", format!("more than {BOARDS_MAX} of them")));
        }
        self.boards.iter().try_for_each(|board| check_name("boards", board))?;
        match self.bytes {
            1..=ARTEFACT_BYTES_MAX => Ok(()),
            bytes => {
                let problem = format!("{bytes} is not 1 to {ARTEFACT_BYTES_MAX}");
                Err(Refusal::field("bytes", problem))
            }
        }
    }
}

// A file of that name lies where it is put, and nowhere else.
fn check_name(field: &'static str, name: &str) -> Result<(), Refusal> {
    let is_good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'+');
    if name.is_empty() || name.len() > NAME_BYTES_MAX || name.starts_with('.') || !name.bytes().all(is_good) {
        let problem = format!("not 1 to {NAME_BYTES_MAX} letters, digits, -, _, + or .");
        return Err(Refusal::field(field, problem));
    }
    Ok(())
}

impl TryFrom<String> for Digest {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Digest, &'static str> {
        hex::read(&text).map(Digest).ok_or("not 64 hexadecimal digits")
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> String {
        hex::write(&digest.0)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::write(&self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

//! The default bundle: the configurations that took effect last, signed, on every disk of the box.
//!
//! In: a configuration that is in force. Out: the newest copy that can be used when the file is missing or faulty, and
//! how far it can be trusted.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use branchline_config::Secret;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use serde::{Deserialize, Serialize};

use crate::clock;
use crate::file::{self, FileFault};
use crate::place::Place;

/// A configuration as text, with the secrets it pointed to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bundle {
    /// Form of the bundle.
    version: u32,
    /// When it was last seen to be in force, to the month.
    pub made_utc_ms: i64,
    /// The file's text.
    pub text: String,
    /// Password of each trunk that has one.
    trunk_passwords: Vec<(String, String)>,
    /// Password of each extension's line at the hosted PBX.
    #[serde(default)]
    line_passwords: Vec<(String, String)>,
}

/// How far a bundle can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// This box signed it.
    Sound,
    /// It is older than [`OLD_DAYS`].
    Old,
    /// The signature is wrong, or the box's key is gone.
    Unproved,
}

/// On disk: the bundle as text, and the signature of that text in hexadecimal.
#[derive(Debug, Serialize, Deserialize)]
struct Sealed {
    contents: String,
    signature: String,
}

/// Days after which a copy is used only with the restricted class of service: rates and people have changed.
pub const OLD_DAYS: i64 = 365;

const VERSION: u32 = 1;
/// A copy that is still in force says so again after so many days, when the box starts or reads its configuration.
const RENEW_DAYS: i64 = 30;
const DAY_MS: i64 = 24 * 3600 * 1000;
const KEY_BYTES: usize = 32;
const FILE_BYTES_MAX: u64 = 8 << 20;
/// Newest first.
const NAMES: [&str; 2] = ["bundle-1.json", "bundle-2.json"];

impl Bundle {
    /// Bundles what is in force since `made_utc_ms`.
    pub fn new(made_utc_ms: i64, text: &str, passwords: &Passwords) -> Bundle {
        let exposed = |words: &[(String, Secret)]| {
            let word = |(name, word): &(String, Secret)| (name.clone(), word.expose().to_owned());
            words.iter().map(word).collect()
        };
        Bundle {
            version: VERSION,
            made_utc_ms,
            text: text.to_owned(),
            trunk_passwords: exposed(&passwords.trunks),
            line_passwords: exposed(&passwords.lines),
        }
    }

    /// The passwords it holds.
    pub fn passwords(&self) -> Passwords {
        let kept = |words: &[(String, String)]| {
            let word = |(name, word): &(String, String)| (name.clone(), Secret::new(word.as_str()));
            words.iter().map(word).collect()
        };
        Passwords {
            trunks: kept(&self.trunk_passwords),
            lines: kept(&self.line_passwords),
        }
    }

    fn says_the_same(&self, other: &Bundle) -> bool {
        self.text == other.text
            && self.trunk_passwords == other.trunk_passwords
            && self.line_passwords == other.line_passwords
    }
}

/// The passwords that a configuration points to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Passwords {
    /// By trunk.
    pub trunks: Vec<(String, Secret)>,
    /// By extension, for its line at the hosted PBX.
    pub lines: Vec<(String, Secret)>,
}

/// Keeps a bundle in each of `dirs`, with the one before it. Each directory is tried; the first fault is returned.
pub fn keep(place: &Place, dirs: &[PathBuf], bundle: &Bundle) -> Result<(), FileFault> {
    let key = own_key(place)?;
    let mut kept = Ok(());
    for dir in dirs {
        kept = kept.and(keep_in(dir, bundle, &key));
    }
    kept
}

fn keep_in(dir: &Path, bundle: &Bundle, key: &Ed25519KeyPair) -> Result<(), FileFault> {
    file::create_private_directory(dir)?;
    let [newest, before] = NAMES.map(|name| dir.join(name));
    if let Ok((old, true)) = read(&newest, Some(key)) {
        let same = old.says_the_same(bundle);
        if same && bundle.made_utc_ms.saturating_sub(old.made_utc_ms) < RENEW_DAYS * DAY_MS {
            return Ok(());
        }
        if !same {
            // A crash between the two leaves the old one alone under its second name, which is read as well.
            fs::rename(&newest, &before).map_err(FileFault::new("cannot rename", &newest))?;
        }
    }
    let written = |error: serde_json::Error| FileFault::new("cannot write", &newest)(error.into());
    let contents = serde_json::to_string(bundle).map_err(written)?;
    let signature = hex(key.sign(contents.as_bytes()).as_ref());
    let sealed = serde_json::to_vec(&Sealed { contents, signature }).map_err(written)?;
    file::replace_private(&newest, &sealed)
}

/// The bundles in `dirs`, the most trusted first and the newest first among equals.
pub fn find(place: &Place, dirs: &[PathBuf], utc_ms: i64) -> Vec<(Bundle, Standing)> {
    let key = read_key(&place.bundle_key()).ok();
    let paths = dirs.iter().flat_map(|dir| NAMES.map(|name| dir.join(name)));
    let mut found: Vec<(Bundle, Standing)> = paths
        .filter_map(|path| {
            let (bundle, proved) = read(&path, key.as_ref()).ok()?;
            // One that was made before the clock was set may be from yesterday.
            let age_days = match clock::is_sane(bundle.made_utc_ms) {
                true => utc_ms.saturating_sub(bundle.made_utc_ms) / DAY_MS,
                false => 0,
            };
            let standing = match proved {
                false => Standing::Unproved,
                true if age_days > OLD_DAYS => Standing::Old,
                true => Standing::Sound,
            };
            Some((bundle, standing))
        })
        .collect();
    found.sort_by_key(|(bundle, standing)| (*standing, std::cmp::Reverse(bundle.made_utc_ms)));
    found
}

/// Whether there is any, good or bad: such a box is not new.
pub fn exists(dirs: &[PathBuf]) -> bool {
    dirs.iter()
        .flat_map(|dir| NAMES.map(|name| dir.join(name)))
        .any(|path| path.exists())
}

fn read(path: &Path, key: Option<&Ed25519KeyPair>) -> io::Result<(Bundle, bool)> {
    let text = file::read_text(path, FILE_BYTES_MAX).map_err(io::Error::other)?;
    let sealed: Sealed = serde_json::from_str(&text)?;
    let proved = key.is_some_and(|key| {
        let public = UnparsedPublicKey::new(&ED25519, key.public_key().as_ref());
        let signature = from_hex(&sealed.signature).unwrap_or_default();
        public.verify(sealed.contents.as_bytes(), &signature).is_ok()
    });
    Ok((serde_json::from_str(&sealed.contents)?, proved))
}

/// The box's key, made when there is none.
fn own_key(place: &Place) -> Result<Ed25519KeyPair, FileFault> {
    let path = place.bundle_key();
    if let Ok(key) = read_key(&path) {
        return Ok(key);
    }
    let mut seed = [0; KEY_BYTES];
    getrandom::fill(&mut seed).map_err(|error| FileFault::new("cannot make", &path)(error.into()))?;
    file::replace_private(&path, hex(&seed).as_bytes())?;
    read_key(&path).map_err(FileFault::new("cannot read", &path))
}

fn read_key(path: &Path) -> io::Result<Ed25519KeyPair> {
    let text = file::read_text(path, FILE_BYTES_MAX).map_err(io::Error::other)?;
    let seed = from_hex(text.trim()).ok_or(io::ErrorKind::InvalidData)?;
    Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|_| io::ErrorKind::InvalidData.into())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .map(|digit| digit.to_digit(16).map(|value| value as u8))
        .collect();
    let digits = digits.filter(|digits| digits.len().is_multiple_of(2))?;
    Some(digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000_000;

    struct Box {
        _dir: tempfile::TempDir,
        place: Place,
        dirs: Vec<PathBuf>,
    }

    fn a_box() -> Box {
        let dir = tempfile::tempdir().unwrap();
        let place = Place::new(None, Some(dir.path().to_owned()));
        let dirs = vec![dir.path().join("spool"), dir.path().join("bundle")];
        Box { _dir: dir, place, dirs }
    }

    fn bundle(made_utc_ms: i64, text: &str) -> Bundle {
        let passwords = Passwords {
            trunks: vec![("main".to_owned(), Secret::new("word"))],
            lines: vec![("201".to_owned(), Secret::new("line"))],
        };
        Bundle::new(made_utc_ms, text, &passwords)
    }

    fn found(a_box: &Box) -> Vec<(String, Standing)> {
        let found = find(&a_box.place, &a_box.dirs, NOW).into_iter();
        found.map(|(bundle, standing)| (bundle.text, standing)).collect()
    }

    #[test]
    fn the_last_two_configurations_are_kept_on_each_disk_and_the_same_one_once() {
        let a_box = a_box();
        assert!(!exists(&a_box.dirs));
        for (at, text) in [(1, "one"), (2, "two"), (3, "three"), (4, "three")] {
            keep(&a_box.place, &a_box.dirs, &bundle(NOW + at, text)).unwrap();
        }
        let both = |text: &str| (text.to_owned(), Standing::Sound);
        assert_eq!(found(&a_box), [both("three"), both("three"), both("two"), both("two")]);
        let (newest, _) = find(&a_box.place, &a_box.dirs, NOW).remove(0);
        let passwords = newest.passwords();
        assert_eq!(
            (passwords.trunks[0].1.expose(), passwords.lines[0].1.expose()),
            ("word", "line")
        );
        for path in [a_box.place.bundle_key(), a_box.dirs[0].join(NAMES[0])] {
            assert_eq!(file::foreign_mode_bits(&path).unwrap(), 0, "{}", path.display());
        }
    }

    #[test]
    fn a_changed_bundle_an_old_one_and_one_without_the_key_are_flagged_and_come_last() {
        let a_box = a_box();
        keep(&a_box.place, &a_box.dirs, &bundle(NOW - 1, "text")).unwrap();
        let path = a_box.dirs[0].join(NAMES[0]);
        let changed = fs::read_to_string(&path)
            .unwrap()
            .replace("text\\\":\\\"text", "text\\\":\\\"evil");
        fs::write(&path, changed).unwrap();
        let expected = [
            ("text".to_owned(), Standing::Sound),
            ("evil".to_owned(), Standing::Unproved),
        ];
        assert_eq!(found(&a_box), expected);
        let later = find(&a_box.place, &a_box.dirs, NOW + (OLD_DAYS + 1) * DAY_MS);
        assert_eq!(later[0].1, Standing::Old);
        fs::remove_file(a_box.place.bundle_key()).unwrap();
        assert!(
            found(&a_box)
                .iter()
                .all(|(_, standing)| *standing == Standing::Unproved)
        );
    }

    #[test]
    fn what_is_in_force_does_not_grow_old_and_an_unset_clock_makes_nothing_old() {
        let a_box = a_box();
        let year_later = NOW + (OLD_DAYS + 1) * DAY_MS;
        keep(&a_box.place, &a_box.dirs, &bundle(NOW, "text")).unwrap();
        keep(&a_box.place, &a_box.dirs, &bundle(year_later - 40 * DAY_MS, "text")).unwrap();
        let kept = find(&a_box.place, &a_box.dirs, year_later);
        assert_eq!((kept.len(), kept[0].1), (2, Standing::Sound), "renewed, not doubled");
        let a_box = self::a_box();
        keep(&a_box.place, &a_box.dirs, &bundle(5000, "text")).unwrap();
        assert_eq!(
            found(&a_box),
            [
                ("text".to_owned(), Standing::Sound),
                ("text".to_owned(), Standing::Sound)
            ]
        );
    }

    #[test]
    fn one_dead_disk_does_not_keep_the_bundle_from_the_other() {
        let mut a_box = a_box();
        let blocked = a_box.place.state.join("file");
        fs::write(&blocked, "").unwrap();
        a_box.dirs[0] = blocked.join("under-a-file");
        assert!(keep(&a_box.place, &a_box.dirs, &bundle(NOW, "text")).is_err());
        assert_eq!(found(&a_box), [("text".to_owned(), Standing::Sound)]);
    }
}

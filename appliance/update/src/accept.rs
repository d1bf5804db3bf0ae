//! Whether a release may be installed here and now.

use semver::Version;

use crate::envelope;
use crate::key::TrustedKeys;
use crate::manifest::{Artefact, Digest, Manifest};
use crate::record::Record;

/// What the box is, to hold a release against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Own {
    /// Its program.
    pub product: String,
    /// What that was compiled for.
    pub target: String,
    /// Its board.
    pub board: String,
    /// The channel that the site chose.
    pub channel: String,
    /// The version that is current.
    pub version: Version,
}

/// What is known of the time, UTC milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Time {
    /// Set from a time source.
    Trusted(i64),
    /// Nobody has set the clock: it is this late at least.
    Floor(i64),
}

/// Whether a rule holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Rule {
    /// It holds.
    #[default]
    Enforced,
    /// The operator waived it by a local command.
    Waived,
}

/// Rules that an operator can waive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Rules {
    /// No version below the highest that was found good here.
    pub rollback: Rule,
    /// No version that was found bad here.
    pub failed: Rule,
    /// No release whose expiry cannot be judged, because nobody has set the clock.
    pub clock: Rule,
}

/// What came of looking at a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Examined {
    /// It can be installed.
    Offer(Box<Offer>),
    /// It is the version that is current.
    UpToDate,
}

/// A release that may be installed, and the archive for this box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Its version.
    pub version: Version,
    /// What is new.
    pub notes: String,
    /// The archive.
    pub artefact: Artefact,
    /// The maker vouches that it is this late at least.
    pub not_before_utc_ms: i64,
}

/// Why a release is not installed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Cut short, or something else.
    #[error("this is not a signed manifest: {0}; copy it again from the maker")]
    NotAManifest(&'static str),
    /// Nobody here trusts it.
    #[error(
        "the manifest is signed by key {0}, which is not trusted here; if it is the maker's, add it to update.keys"
    )]
    UnknownKey(String),
    /// Changed since it was signed.
    #[error("the signature of key {0} is wrong: the manifest was changed; copy it again from the maker")]
    Signature(String),
    /// Signed, and not understood.
    #[error("{field}: {problem}; the maker has to mend the manifest")]
    Field {
        /// Of the manifest.
        field: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// Of another product.
    #[error("product: this is a release of {found}, not of {own}; choose another source")]
    Product {
        /// What it is.
        found: String,
        /// What the box is.
        own: String,
    },
    /// For others.
    #[error("channel: this is a release of the channel {found}; set update.channel or choose another source")]
    Channel {
        /// What it is.
        found: String,
    },
    /// Compiled for others.
    #[error("target: there is no archive for {own}; the maker has to build one")]
    Target {
        /// What the box is.
        own: String,
    },
    /// For other boards.
    #[error("boards: there is an archive for {found}, not for {own}; choose a release for it, or correct update.board")]
    Board {
        /// What there is.
        found: String,
        /// What the box is.
        own: String,
    },
    /// Older than what was good here.
    #[error(
        "version: {found} is older than {highest}, which ran here; to go back: branchline update rollback, or install --allow-older"
    )]
    Older {
        /// What it is.
        found: String,
        /// The highest that was good.
        highest: String,
    },
    /// A version in between is needed.
    #[error("follows: {found} follows {follows} or later, this is {own}; install a version in between first")]
    Step {
        /// What it is.
        found: String,
        /// The lowest that it follows.
        follows: String,
        /// The current one.
        own: String,
    },
    /// It did not do here.
    #[error("version: {found} was tried here and taken back: {reason}; wait for the next, or install --again")]
    Failed {
        /// What it is.
        found: String,
        /// Why it was taken back.
        reason: String,
    },
    /// From the future.
    #[error("not_before_utc_ms: it counts only from {not_before_utc_ms} on, now is {now_utc_ms}; compare the clocks")]
    NotYet {
        /// Said by the maker.
        not_before_utc_ms: i64,
        /// Said by the clock.
        now_utc_ms: i64,
    },
    /// Too late.
    #[error("expires_utc_ms: it counted until {expires_utc_ms}, now is {now_utc_ms}; ask the maker for a new manifest")]
    Expired {
        /// Said by the maker.
        expires_utc_ms: i64,
        /// Said by the clock, or by the floor.
        now_utc_ms: i64,
    },
    /// Nobody knows how late it is.
    #[error(
        "expires_utc_ms: the clock has not been set, so nobody knows whether it has expired; let the box reach a time source, or install --without-clock"
    )]
    Clock,
    /// Too short or too long.
    #[error("bytes: the archive has {found} bytes, not {expected}; copy it again")]
    Length {
        /// Said by the maker.
        expected: u64,
        /// So far.
        found: u64,
    },
    /// Another archive.
    #[error("sha256: the archive is {found}, not {expected}; copy it again")]
    Digest {
        /// Said by the maker.
        expected: Digest,
        /// What it is.
        found: Digest,
    },
}

impl Refusal {
    pub(crate) fn field(field: &'static str, problem: impl Into<String>) -> Refusal {
        Refusal::Field {
            field,
            problem: problem.into(),
        }
    }
}

/// Whether the release in `envelope` may be installed on a box that remembers `record`.
pub fn examine(
    envelope: &[u8],
    keys: &TrustedKeys,
    (own, record): (&Own, &Record),
    (time, rules): (Time, Rules),
) -> Result<Examined, Refusal> {
    let manifest = Manifest::read(envelope::open(envelope, keys)?)?;
    if manifest.product != own.product {
        return Err(Refusal::Product {
            found: manifest.product,
            own: own.product.clone(),
        });
    }
    if manifest.channel != own.channel {
        return Err(Refusal::Channel {
            found: manifest.channel,
        });
    }
    check_time(&manifest, time, rules.clock)?;
    if manifest.version == own.version {
        return Ok(Examined::UpToDate);
    }
    check_version(&manifest, (own, record), rules)?;
    let artefact = choose(&manifest.artefacts, own)?.clone();
    Ok(Examined::Offer(Box::new(Offer {
        version: manifest.version,
        notes: manifest.notes,
        artefact,
        not_before_utc_ms: manifest.not_before_utc_ms,
    })))
}

fn check_time(manifest: &Manifest, time: Time, rule: Rule) -> Result<(), Refusal> {
    let (expires_utc_ms, not_before_utc_ms) = (manifest.expires_utc_ms, manifest.not_before_utc_ms);
    // It is as late as the floor says, or later: that can prove an expiry, and never that there is none.
    let (Time::Trusted(now_utc_ms) | Time::Floor(now_utc_ms)) = time;
    if now_utc_ms >= expires_utc_ms {
        return Err(Refusal::Expired {
            expires_utc_ms,
            now_utc_ms,
        });
    }
    match (time, rule) {
        (Time::Trusted(now_utc_ms), Rule::Enforced | Rule::Waived) if now_utc_ms < not_before_utc_ms => {
            Err(Refusal::NotYet {
                not_before_utc_ms,
                now_utc_ms,
            })
        }
        (Time::Trusted(_), Rule::Enforced | Rule::Waived) | (Time::Floor(_), Rule::Waived) => Ok(()),
        (Time::Floor(_), Rule::Enforced) => Err(Refusal::Clock),
    }
}

fn check_version(manifest: &Manifest, (own, record): (&Own, &Record), rules: Rules) -> Result<(), Refusal> {
    let found = manifest.version.to_string();
    let highest = record
        .highest
        .as_ref()
        .map_or(&own.version, |highest| highest.max(&own.version));
    if manifest.version < *highest && rules.rollback == Rule::Enforced {
        return Err(Refusal::Older {
            found,
            highest: highest.to_string(),
        });
    }
    if own.version < manifest.follows {
        return Err(Refusal::Step {
            found,
            follows: manifest.follows.to_string(),
            own: own.version.to_string(),
        });
    }
    match record.failed(&manifest.version) {
        Some(reason) if rules.failed == Rule::Enforced => Err(Refusal::Failed {
            found,
            reason: reason.to_owned(),
        }),
        Some(_) | None => Ok(()),
    }
}

fn choose<'a>(artefacts: &'a [Artefact], own: &Own) -> Result<&'a Artefact, Refusal> {
    let fitting: Vec<&Artefact> = artefacts.iter().filter(|it| it.target == own.target).collect();
    if fitting.is_empty() {
        return Err(Refusal::Target {
            own: own.target.clone(),
        });
    }
    let is_for_it = |it: &&&Artefact| it.boards.is_empty() || it.boards.contains(&own.board);
    fitting.iter().find(is_for_it).copied().ok_or_else(|| {
        let boards: Vec<&str> = fitting
            .iter()
            .flat_map(|it| it.boards.iter().map(String::as_str))
            .collect();
        Refusal::Board {
            found: boards.join(", "),
            own: own.board.clone(),
        }
    })
}

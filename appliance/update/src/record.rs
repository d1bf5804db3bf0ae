//! What the updater remembers: two small files, each replaced as a whole.

use semver::Version;
use serde::{Deserialize, Serialize};

use crate::judge::Before;

/// What became of updates. Times are UTC milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Record {
    /// The highest version that was found good here.
    pub highest: Option<Version>,
    /// The version that the system brought, once it was taken up.
    pub system: Option<Version>,
    /// It is this late at least, whatever a clock says that nobody has set.
    pub floor_utc_ms: i64,
    /// What became of the last update.
    pub last: Option<Outcome>,
    /// Versions that were taken back, the latest last, and why.
    pub taken_back: Vec<(Version, String)>,
    /// Why the last offer was not installed; empty when nothing was in its way.
    pub refused: String,
}

/// What became of an update.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum Outcome {
    /// The new version stays.
    Good {
        /// It.
        version: Version,
        /// When it was found good.
        utc_ms: i64,
    },
    /// The old version is back.
    TakenBack {
        /// The new one.
        version: Version,
        /// The old one.
        back_to: Version,
        /// Why.
        reason: String,
        /// When.
        utc_ms: i64,
    },
}

/// A version that is current and not yet found good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// The version on trial.
    pub version: Version,
    /// The good one, which comes back by itself.
    pub from: Version,
    /// How often it may still be started before it is found good.
    pub tries_left: u32,
    /// How the box was before.
    pub before: Before,
    /// When it became current.
    pub utc_ms: i64,
}

/// Versions that are remembered as taken back.
const TAKEN_BACK_MAX: usize = 16;

impl Record {
    /// Why a version was taken back here.
    pub fn failed(&self, version: &Version) -> Option<&str> {
        let found = self.taken_back.iter().find(|(taken, _)| taken == version);
        found.map(|(_, reason)| reason.as_str())
    }

    /// Time goes on from here.
    pub fn note_time(&mut self, utc_ms: i64) {
        self.floor_utc_ms = self.floor_utc_ms.max(utc_ms);
    }

    pub(crate) fn forget(&mut self, version: &Version) {
        self.last = None;
        self.refused.clear();
        self.taken_back.retain(|(taken, _)| taken != version);
    }

    pub(crate) fn note_good(&mut self, version: &Version, utc_ms: i64) {
        self.highest = self.highest.take().max(Some(version.clone()));
        self.last = Some(Outcome::Good {
            version: version.clone(),
            utc_ms,
        });
    }

    pub(crate) fn note_taken_back(&mut self, (version, back_to): (&Version, &Version), reason: &str, utc_ms: i64) {
        self.taken_back.retain(|(taken, _)| taken != version);
        if self.taken_back.len() >= TAKEN_BACK_MAX {
            self.taken_back.remove(0);
        }
        self.taken_back.push((version.clone(), reason.to_owned()));
        self.last = Some(Outcome::TakenBack {
            version: version.clone(),
            back_to: back_to.clone(),
            reason: reason.to_owned(),
            utc_ms,
        });
    }
}

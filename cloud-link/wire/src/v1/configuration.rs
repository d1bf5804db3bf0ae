//! A configuration from the cloud, and what became of it.

use serde::{Deserialize, Serialize};

/// A generation as it is sent: what is signed is the text, byte for byte.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedGeneration {
    /// A [`Generation`] as JSON.
    pub text: String,
    /// Name of the key.
    pub key: String,
    /// Ed25519 signature of `text`, base64.
    pub signature: String,
}

/// What the cloud wants the configuration of one box to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Generation {
    /// For whom; another box refuses it.
    pub this: super::BoxId,
    /// 1, 2, 3, …; a box never goes back to a lower one.
    pub number: u64,
    /// Fields and their values. A field that was there in the generation before and is not any more goes back to the site.
    pub settings: Vec<Setting>,
}

/// One field of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// Path in the configuration, `extension.201.name`.
    pub field: String,
    /// Its value as TOML.
    pub value: String,
    /// Who has the last word on it.
    pub owner: Owner,
}

/// Who has the last word on a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Owner {
    /// The cloud: what the site writes there is a conflict and is shown.
    Cloud,
    /// The site: the cloud's value holds only where the site says nothing.
    Site,
}

/// What became of a generation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// Which.
    pub generation: u64,
    /// Why it is not in force; none when it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// Fields on which the site says something else.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conflicts: Vec<Conflict>,
}

/// A field on which site and cloud do not agree; nothing is overwritten until a person decides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conflict {
    /// Path in the configuration.
    pub field: String,
    /// Value at the site as TOML; secrets as `…`.
    pub site: String,
    /// Value of the cloud as TOML; secrets as `…`.
    pub cloud: String,
}

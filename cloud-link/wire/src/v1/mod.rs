//! Version 1 of the messages. Written as `{"kind": ..., "data": ...}`.

mod configuration;
mod down;
mod up;

pub use configuration::{Applied, Conflict, Generation, Owner, Setting, SignedGeneration};
pub use down::{Ack, Certificate, Command, Down, Order, Refusal, Welcome};
pub use up::{Enrol, Entries, Health, Hello, Outcome, OutcomeOf, Renew, Tail, Up};

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use uuid::Uuid;

/// A box, for as long as it keeps its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BoxId(pub Uuid);

/// A command, unique for ever: the same one given twice is carried out once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CommandId(pub Uuid);

/// Said by a newer program; passed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownMessage {
    /// Its kind.
    pub kind: String,
}

#[derive(Deserialize)]
struct Raw {
    kind: String,
    #[serde(default)]
    data: Value,
}

fn data<'de, D: Deserializer<'de>, T: for<'a> Deserialize<'a>>(raw: Raw) -> Result<T, D::Error> {
    serde_json::from_value(raw.data).map_err(|error| D::Error::custom(format_args!("{}: {error}", raw.kind)))
}

//! What the cloud says.

use serde::{Deserialize, Deserializer, Serialize};

use super::{BoxId, CommandId, Raw, SignedGeneration, Tail, UnknownMessage, data};

/// One message to a box.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", content = "data", rename_all = "snake_case")]
pub enum Down {
    /// Answer to `enrol` and `renew`.
    Certificate(Certificate),
    /// Answer to `hello`.
    Welcome(Welcome),
    /// The box is refused; the connection ends.
    Refused(Refusal),
    /// Entries are safe.
    Ack(Ack),
    /// The configuration shall be this.
    Desired(Box<SignedGeneration>),
    /// Something shall be done now.
    Command(Command),
    /// Is the box there? Answered by [`super::Up::Pong`].
    Ping,
    /// Answer to [`super::Up::Ping`].
    Pong,
    /// Said by a newer program.
    #[serde(skip_serializing)]
    Unknown(UnknownMessage),
}

/// What makes a program one box of one tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// Which box this is from now on.
    pub this: BoxId,
    /// Certificate of the box and what signed it, PEM, leaf first.
    pub chain: String,
    /// Public keys that sign configurations, by name; Ed25519, base64.
    pub configuration_keys: Vec<(String, String)>,
}

/// The cloud begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// Version of the messages from here on.
    pub version: u16,
    /// Last entry up to which nothing is missing; none of a box that is new.
    pub acked: Option<Tail>,
    /// Entries that may be on their way unacknowledged.
    pub window: u32,
    /// How often to say how the box is, s.
    pub health_s: u32,
    /// Generation that the cloud wants in force; 0 for none.
    pub generation: u64,
    /// Unix time of the cloud, ms.
    pub utc_ms: i64,
}

/// Why a box is not let in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// For the person at the box.
    pub problem: String,
    /// Not sooner than this, s; none when only a person can change it.
    pub retry_after_s: Option<u32>,
}

/// Every entry up to here is safe, and the box need not keep it for the cloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ack {
    /// The last one.
    pub up_to: Tail,
}

/// Something to be done once, now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// Which; carried out once, however often it comes.
    pub id: CommandId,
    /// Good for so long after it came, s; counted by the clock of the box that cannot be set.
    pub ttl_s: u32,
    /// Who ordered it, for the log of the box.
    pub by: String,
    /// What.
    pub order: Order,
}

/// What the cloud may order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Order {
    /// `branchline doctor`.
    Doctor,
    /// `branchline emergency check`.
    EmergencyCheck,
    /// Ends one call.
    HangUp {
        /// `UUIDv7` of the call.
        call: uuid::Uuid,
    },
    /// `branchline drill wan`.
    DrillWan {
        /// How long, s.
        seconds: u32,
    },
    /// `branchline drill database`.
    DrillDatabase {
        /// How long, s.
        seconds: u32,
    },
    /// Said by a newer program.
    #[serde(other)]
    NotKnown,
}

impl<'de> Deserialize<'de> for Down {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Raw::deserialize(deserializer)?;
        Ok(match raw.kind.as_str() {
            "certificate" => Down::Certificate(data::<D, _>(raw)?),
            "welcome" => Down::Welcome(data::<D, _>(raw)?),
            "refused" => Down::Refused(data::<D, _>(raw)?),
            "ack" => Down::Ack(data::<D, _>(raw)?),
            "desired" => Down::Desired(data::<D, _>(raw)?),
            "command" => Down::Command(data::<D, _>(raw)?),
            "ping" => Down::Ping,
            "pong" => Down::Pong,
            _ => Down::Unknown(UnknownMessage { kind: raw.kind }),
        })
    }
}

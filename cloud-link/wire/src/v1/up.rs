//! What a box says.

use branchline_journal::Entry;
use serde::{Deserialize, Deserializer, Serialize};
use uuid::Uuid;

use super::{Applied, BoxId, CommandId, Raw, UnknownMessage, data};

/// One message from a box.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", content = "data", rename_all = "snake_case")]
pub enum Up {
    /// A box without a certificate wants one.
    Enrol(Enrol),
    /// First message of a box with a certificate.
    Hello(Hello),
    /// Entries of the journal in order, each one after the one before.
    Entries(Entries),
    /// An entry that shall not wait for its turn; it comes again in its place.
    Urgent(Box<Entry>),
    /// How the box is; the latest replaces earlier ones.
    Health(Health),
    /// What became of a generation of the configuration.
    Applied(Applied),
    /// What became of a command.
    Outcome(Outcome),
    /// The certificate shall be renewed.
    Renew(Renew),
    /// Is the cloud there? Answered by [`super::Down::Pong`].
    Ping,
    /// Answer to [`super::Down::Ping`].
    Pong,
    /// Said by a newer program.
    #[serde(skip_serializing)]
    Unknown(UnknownMessage),
}

/// A box asks to belong to the tenant that gave out the claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrol {
    /// Versions of the messages that the box speaks.
    pub versions: Vec<u16>,
    /// Claim code or voucher, as the installer typed it or the image carries it.
    pub claim: String,
    /// Certificate signing request (RFC 2986), DER in base64; proves that the box has the key.
    pub request: String,
    /// Name of the box for people, as made at its first boot.
    pub name: String,
    /// Board, `qemu-virt`.
    pub board: String,
    /// Version of the program.
    pub software: String,
}

/// A box with a certificate begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Versions of the messages that the box speaks.
    pub versions: Vec<u16>,
    /// Which box; has to be the one of its certificate.
    pub this: BoxId,
    /// Made anew at each start of the program.
    pub boot: Uuid,
    /// Version of the program.
    pub software: String,
    /// Last entry of the journal that is on a disk; none in an empty journal.
    pub tail: Option<Tail>,
    /// First `seq` that the journal still has.
    pub first_seq: u64,
    /// Generation of the configuration in force; 0 for one that was never given by the cloud.
    pub generation: u64,
    /// Unix time of the box, ms.
    pub utc_ms: i64,
    /// Whether that time comes from a time service.
    pub clock_trusted: bool,
}

/// A place in the journal; the id tells whether it is still the same journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tail {
    /// Place in the order of the box.
    pub seq: u64,
    /// Id of the entry there.
    pub id: Uuid,
}

/// Entries of the journal, in order and without gaps among them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entries {
    /// At least one.
    pub entries: Vec<Entry>,
    /// Entries before the first that the box had to give up unsent, since the last message: an honest gap.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub lost: u64,
}

/// How a box is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Health {
    /// Unix time, ms.
    pub utc_ms: i64,
    /// Calls that are up.
    pub calls: u32,
    /// Telephones registered.
    pub phones: u32,
    /// Mode of the hosted PBX: `online`, `suspect`, `survival`, `returning`; none without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hosted: Option<String>,
    /// State of the call database: `normal`, `degraded`, `recovering`.
    pub database: String,
    /// Entries that the cloud has not acknowledged.
    pub unsent: u64,
    /// Mean opinion score of the last minute, 1.0 to 4.5; none without calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mos: Option<f32>,
    /// What is wrong, in words for the operator.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<String>,
}

/// What became of a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Which.
    pub command: CommandId,
    /// How it ended.
    pub outcome: OutcomeOf,
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "as", rename_all = "snake_case")]
pub enum OutcomeOf {
    /// Carried out.
    Done {
        /// What it printed.
        text: String,
    },
    /// It could not be carried out.
    Failed {
        /// Why, and what to do.
        problem: String,
    },
    /// It came after its time to live.
    Expired,
    /// This version does not know the command.
    NotKnown,
}

/// A certificate that runs out shall be renewed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Renew {
    /// Certificate signing request (RFC 2986), DER in base64.
    pub request: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl<'de> Deserialize<'de> for Up {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Raw::deserialize(deserializer)?;
        Ok(match raw.kind.as_str() {
            "enrol" => Up::Enrol(data::<D, _>(raw)?),
            "hello" => Up::Hello(data::<D, _>(raw)?),
            "entries" => Up::Entries(data::<D, _>(raw)?),
            "urgent" => Up::Urgent(data::<D, _>(raw)?),
            "health" => Up::Health(data::<D, _>(raw)?),
            "applied" => Up::Applied(data::<D, _>(raw)?),
            "outcome" => Up::Outcome(data::<D, _>(raw)?),
            "renew" => Up::Renew(data::<D, _>(raw)?),
            "ping" => Up::Ping,
            "pong" => Up::Pong,
            _ => Up::Unknown(UnknownMessage { kind: raw.kind }),
        })
    }
}

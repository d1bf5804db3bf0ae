//! The record of one finished call.

use serde::{Deserialize, Serialize, Serializer};
use uuid::Uuid;

use crate::Stamp;

/// Everything that is kept of a call once it is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallRecord {
    /// `UUIDv7`; the id of the call.
    pub id: Uuid,
    /// Who called.
    pub from: RecordedParty,
    /// Who was called.
    pub to: RecordedParty,
    /// Which way the call went.
    pub direction: Direction,
    /// Trunks the call used or tried, in order.
    pub trunks: Vec<String>,
    /// Extensions that took part or were rung, in order.
    pub extensions: Vec<String>,
    /// Whether an emergency number was dialled.
    pub emergency: bool,
    /// When the INVITE arrived.
    pub started: Stamp,
    /// When the answer left for the caller. A call whose caller had to confirm the ringing first (RFC 3262 section 3) and never
    /// heard the answer counts as unanswered.
    pub answered: Option<Stamp>,
    /// When it ended; for an interrupted call, the last time it is known to have lasted.
    pub ended: Stamp,
    /// From start to answer, or to the end of an unanswered call; milliseconds by the monotonic clock.
    pub ring_ms: u64,
    /// From answer to end; milliseconds by the monotonic clock. Zero when unanswered.
    pub talk_ms: u64,
    /// How it went.
    pub outcome: Outcome,
    /// ITU-T Q.850 cause value, 0 when there is none.
    pub q850_cause: u8,
    /// Last final SIP status towards the caller, 0 when there was none.
    pub sip_status: u16,
    /// Who ended it.
    pub ended_by: EndedBy,
    /// Transfers during the call, in order.
    pub transfers: Vec<Transfer>,
    /// What the box was able to reach when the call started.
    pub mode: Mode,
    /// Media quality per leg.
    pub legs: Vec<LegQuality>,
}

/// One end of the call as its record names it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedParty {
    /// As dialled or as presented.
    pub dialled: String,
    /// In E.164 (`+` and digits), or the extension, when it could be told.
    pub normalised: Option<String>,
    /// Display name.
    pub display: Option<String>,
}

/// Which way a call goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Extension to extension.
    Internal,
    /// From a trunk.
    Inbound,
    /// To a trunk.
    Outbound,
}

/// How a call went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Somebody answered.
    Answered,
    /// The called party was busy.
    Busy,
    /// It rang until time was up, or the called party hung up before the caller heard its answer.
    NoAnswer,
    /// The caller gave up.
    Cancelled,
    /// Policy or the called party refused it.
    Refused,
    /// It could not be completed.
    Failed,
    /// The box stopped during the call.
    Interrupted,
}

/// Who ended the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndedBy {
    /// The calling party.
    Caller,
    /// The called party.
    Callee,
    /// The box itself.
    Box,
}

/// One transfer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transfer {
    /// When it took effect.
    pub at: Stamp,
    /// How it was made.
    pub kind: TransferKind,
    /// Who transferred.
    pub by: String,
    /// To whom.
    pub to: String,
}

/// How a transfer was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransferKind {
    /// REFER to a number (RFC 3515).
    Blind,
    /// REFER with Replaces (RFC 3891).
    Attended,
}

/// The three states of the box that are independent of each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mode {
    /// The line to the outside.
    pub wan: WanMode,
    /// The call database.
    pub database: DatabaseMode,
    /// The feature servers of the cloud.
    pub cloud: CloudMode,
}

/// State of the line to the outside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WanMode {
    /// Reachable.
    #[default]
    Online,
    /// Lost: the branch lives on its own.
    Survival,
}

/// State of the call database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DatabaseMode {
    /// In step with the journal.
    #[default]
    Normal,
    /// Unusable: records are kept by the journal alone.
    Degraded,
    /// Catching up with the journal.
    Recovering,
}

/// State of the feature servers of the cloud.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CloudMode {
    /// None is set up.
    #[default]
    Absent,
    /// Reachable.
    Online,
    /// Not reachable.
    Offline,
}

/// Which end of the call a leg is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LegSide {
    /// The calling party's.
    Caller,
    /// The called party's.
    Callee,
}

/// Media quality of one leg, as the box received it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LegQuality {
    /// Which end.
    pub side: LegSide,
    /// Codec name as in SDP (`PCMA`).
    pub codec: String,
    /// RTP packets received.
    pub packets: u64,
    /// RTP packets lost (RFC 3550 section 6.4.1).
    pub lost: u64,
    /// Loss in percent of the packets expected.
    #[serde(serialize_with = "finite")]
    pub loss_percent: f32,
    /// Interarrival jitter, milliseconds.
    #[serde(serialize_with = "finite")]
    pub jitter_ms: f32,
    /// Round trip, milliseconds, when RTCP told it.
    pub rtt_ms: Option<f32>,
    /// Estimated mean opinion score, 1.0 to 4.5 (ITU-T G.107).
    pub mos: Option<f32>,
}

impl Direction {
    /// The word it is written as.
    pub fn name(self) -> &'static str {
        match self {
            Direction::Internal => "internal",
            Direction::Inbound => "inbound",
            Direction::Outbound => "outbound",
        }
    }
}

impl Outcome {
    /// The word it is written as.
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Answered => "answered",
            Outcome::Busy => "busy",
            Outcome::NoAnswer => "no_answer",
            Outcome::Cancelled => "cancelled",
            Outcome::Refused => "refused",
            Outcome::Failed => "failed",
            Outcome::Interrupted => "interrupted",
        }
    }
}

/// Bound on a text and on a list of a record that would not fit a frame otherwise.
const TEXT_BYTES_MAX: usize = 96;
const LIST_MAX: usize = 8;

impl CallRecord {
    /// The same record with the moments that [`Stamp::dated_by`] puts right; `None` where there are none.
    pub fn dated_by(&self, known: &Stamp) -> Option<CallRecord> {
        let mut dated = self.clone();
        let times = [&mut dated.started, &mut dated.ended].into_iter();
        let times = times.chain(&mut dated.answered);
        let times = times.chain(dated.transfers.iter_mut().map(|transfer| &mut transfer.at));
        let mut any = false;
        for stamp in times {
            if let Some(right) = stamp.dated_by(known) {
                *stamp = right;
                any = true;
            }
        }
        any.then_some(dated)
    }

    /// Cuts texts and lists so that the record fits a frame whatever a phone sent.
    pub fn shorten(&mut self) {
        self.from.shorten();
        self.to.shorten();
        for list in [&mut self.trunks, &mut self.extensions] {
            list.truncate(LIST_MAX);
            list.iter_mut().for_each(cut);
        }
        self.transfers.truncate(LIST_MAX);
        for transfer in &mut self.transfers {
            cut(&mut transfer.by);
            cut(&mut transfer.to);
        }
        self.legs.truncate(LIST_MAX);
        for leg in &mut self.legs {
            cut(&mut leg.codec);
        }
    }
}

impl RecordedParty {
    /// Cuts the texts as [`CallRecord::shorten`] does.
    pub fn shorten(&mut self) {
        cut(&mut self.dialled);
        self.normalised.iter_mut().for_each(cut);
        self.display.iter_mut().for_each(cut);
    }
}

// JSON has no NaN: it would be written as null and make the record unreadable.
fn finite<S: Serializer>(value: &f32, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f32(if value.is_finite() { *value } else { 0.0 })
}

fn cut(text: &mut String) {
    text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX));
}

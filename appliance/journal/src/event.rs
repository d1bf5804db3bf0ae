//! The facts that are journalled, one variant each.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::{Binding, BindingKey, CallRecord, Direction, RecordedParty, Stamp};

/// One fact. Written as `{"kind": ..., "data": ...}`; kinds are only ever added.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", content = "data", rename_all = "snake_case")]
pub enum Event {
    /// The daemon started.
    BoxStarted {
        /// Version of the program.
        version: String,
    },
    /// A call arrived.
    CallStarted(CallStarted),
    /// A call was answered.
    CallAnswered(CallAnswered),
    /// A call is over; this is its record.
    CallEnded(Box<CallRecord>),
    /// A phone registered or refreshed a contact.
    BindingSet(Box<Binding>),
    /// A contact was removed or ran out.
    BindingRemoved(BindingKey),
    /// The box is alive; bounds the end of calls that a power loss cuts.
    Heartbeat {
        /// Calls in progress.
        live_calls: u32,
    },
    /// A configuration took effect.
    ConfigLoaded {
        /// Digest of the configuration, as text.
        digest: String,
    },
    /// Somebody called for help: where from, and what the operator can call back. Later ones of a call replace earlier ones.
    EmergencyCall(Box<EmergencyCall>),
    /// Stands in for an event that no frame could hold, so that `seq` has no gap.
    Omitted {
        /// Kind of the event left out.
        kind: String,
        /// Its size as JSON, bytes.
        bytes: u64,
    },
    /// Written by a version that knows more than this one: skipped, and carried on as it is.
    #[serde(untagged)]
    Unknown(UnknownEvent),
}

/// A call arrived.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallStarted {
    /// `UUIDv7` of the call.
    pub call: Uuid,
    /// Who calls.
    pub from: RecordedParty,
    /// Who is called.
    pub to: RecordedParty,
    /// Which way it goes.
    pub direction: Direction,
    /// Trunks in use so far.
    #[serde(default)]
    pub trunks: Vec<String>,
    /// Extensions involved so far.
    #[serde(default)]
    pub extensions: Vec<String>,
    /// Whether an emergency number was dialled.
    #[serde(default)]
    pub emergency: bool,
    /// State of the box.
    #[serde(default)]
    pub mode: crate::Mode,
    /// When the INVITE arrived.
    pub at: Stamp,
}

/// A call was answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallAnswered {
    /// `UUIDv7` of the call.
    pub call: Uuid,
    /// Extension or trunk that answered.
    pub by: String,
    /// When.
    pub at: Stamp,
}

/// A call for help, as it was sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EmergencyCall {
    /// `UUIDv7` of the call.
    pub call: Uuid,
    /// When it was sent.
    pub at: Stamp,
    /// Extension that called; none for a phone that is not registered.
    pub extension: Option<String>,
    /// Name of the extension, or what the phone says of itself.
    pub name: String,
    /// Number sent.
    pub number: String,
    /// Trunk it went to; none when there is no way out.
    pub trunk: Option<String>,
    /// Id of the place, where it is known.
    pub location: Option<String>,
    /// The place in words.
    pub place: String,
    /// Number that the operator sees and can call.
    pub callback: Option<String>,
    /// Whose that number is.
    pub line: CallbackLine,
    /// Contact URI of the phone.
    pub contact: String,
    /// Addresses of the box and of the phone that the call came over, as in [`Binding`].
    pub received: String,
    /// Transport it came over.
    pub transport: String,
}

/// Whose number an operator calls back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallbackLine {
    /// It stands for the place of one caller.
    Elin,
    /// The caller's own.
    Own,
    /// One that others are called on too.
    Shared,
}

/// An event of a kind, or with contents, that this version cannot read.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct UnknownEvent {
    /// Its kind.
    pub kind: String,
    /// Its contents, untouched.
    pub data: Value,
}

impl Event {
    /// Whether it must be on the disk, not only in the kernel, before it is acknowledged.
    pub fn needs_sync(&self) -> bool {
        match self {
            // The answer, or the end, syncs the start; bindings follow within a second, and nobody waits for that.
            Event::CallStarted(_) | Event::BindingSet(_) | Event::BindingRemoved(_) => false,
            Event::Heartbeat { live_calls } => *live_calls > 0,
            Event::BoxStarted { .. }
            | Event::CallAnswered(_)
            | Event::CallEnded(_)
            | Event::ConfigLoaded { .. }
            | Event::EmergencyCall(_)
            | Event::Omitted { .. }
            | Event::Unknown(_) => true,
        }
    }

    /// The kind as it is written.
    pub fn kind(&self) -> &str {
        match self {
            Event::BoxStarted { .. } => "box_started",
            Event::CallStarted(_) => "call_started",
            Event::CallAnswered(_) => "call_answered",
            Event::CallEnded(_) => "call_ended",
            Event::BindingSet(_) => "binding_set",
            Event::BindingRemoved(_) => "binding_removed",
            Event::Heartbeat { .. } => "heartbeat",
            Event::ConfigLoaded { .. } => "config_loaded",
            Event::EmergencyCall(_) => "emergency_call",
            Event::Omitted { .. } => "omitted",
            Event::Unknown(unknown) => &unknown.kind,
        }
    }

    /// The call that this event ends, also when a newer version wrote a record that this one cannot read.
    pub fn ends_call(&self) -> Option<Uuid> {
        match self {
            Event::CallEnded(record) => Some(record.id),
            Event::Unknown(unknown) if unknown.kind == "call_ended" => unknown
                .data
                .get("id")
                .and_then(Value::as_str)
                .and_then(|id| Uuid::parse_str(id).ok()),
            Event::BoxStarted { .. }
            | Event::CallStarted(_)
            | Event::CallAnswered(_)
            | Event::BindingSet(_)
            | Event::BindingRemoved(_)
            | Event::Heartbeat { .. }
            | Event::ConfigLoaded { .. }
            | Event::EmergencyCall(_)
            | Event::Omitted { .. }
            | Event::Unknown(_) => None,
        }
    }

    /// Cuts texts that outsiders chose. Bindings stay whole: half a contact would be a wrong contact.
    pub fn shorten(&mut self) {
        match self {
            Event::CallStarted(started) => {
                started.from.shorten();
                started.to.shorten();
            }
            Event::CallEnded(record) => record.shorten(),
            Event::EmergencyCall(call) => call.name.truncate(call.name.floor_char_boundary(NAME_BYTES_MAX)),
            Event::BoxStarted { .. }
            | Event::CallAnswered(_)
            | Event::BindingSet(_)
            | Event::BindingRemoved(_)
            | Event::Heartbeat { .. }
            | Event::ConfigLoaded { .. }
            | Event::Omitted { .. }
            | Event::Unknown(_) => {}
        }
    }
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Raw::deserialize(deserializer)?;
        let known = known(&raw).ok().flatten();
        Ok(known.unwrap_or(Event::Unknown(UnknownEvent {
            kind: raw.kind,
            data: raw.data,
        })))
    }
}

#[derive(Deserialize)]
struct Raw {
    kind: String,
    #[serde(default)]
    data: Value,
}

#[derive(Deserialize)]
struct BoxStarted {
    version: String,
}

#[derive(Deserialize)]
struct Heartbeat {
    live_calls: u32,
}

#[derive(Deserialize)]
struct ConfigLoaded {
    digest: String,
}

#[derive(Deserialize)]
struct Omitted {
    kind: String,
    bytes: u64,
}

fn known(raw: &Raw) -> Result<Option<Event>, serde_json::Error> {
    let data = &raw.data;
    Ok(Some(match raw.kind.as_str() {
        "box_started" => BoxStarted::deserialize(data).map(|it| Event::BoxStarted { version: it.version })?,
        "call_started" => Event::CallStarted(CallStarted::deserialize(data)?),
        "call_answered" => Event::CallAnswered(CallAnswered::deserialize(data)?),
        "call_ended" => Event::CallEnded(Box::new(CallRecord::deserialize(data)?)),
        "binding_set" => Event::BindingSet(Box::new(Binding::deserialize(data)?)),
        "binding_removed" => Event::BindingRemoved(BindingKey::deserialize(data)?),
        "heartbeat" => Heartbeat::deserialize(data).map(|it| Event::Heartbeat {
            live_calls: it.live_calls,
        })?,
        "config_loaded" => ConfigLoaded::deserialize(data).map(|it| Event::ConfigLoaded { digest: it.digest })?,
        "emergency_call" => Event::EmergencyCall(Box::new(EmergencyCall::deserialize(data)?)),
        "omitted" => Omitted::deserialize(data).map(|it| Event::Omitted {
            kind: it.kind,
            bytes: it.bytes,
        })?,
        _ => return Ok(None),
    }))
}

/// Bound on the name of who calls for help; what a phone says of itself can be long.
const NAME_BYTES_MAX: usize = 96;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_from_a_newer_version_is_kept_as_it_came() {
        let cases = [
            r#"{"kind":"incident","data":{"severity":3,"notes":["a",null]}}"#,
            r#"{"kind":"heartbeat","data":{"live_calls":"many"}}"#,
            r#"{"kind":"call_ended","data":{"id":"018f0000-0000-7000-8000-000000000001","outcome":"teleported"}}"#,
        ];
        for text in cases {
            let event: Event = serde_json::from_str(text).unwrap();
            assert!(matches!(event, Event::Unknown(_)), "{text}");
            let again: Value = serde_json::to_value(&event).unwrap();
            assert_eq!(again, serde_json::from_str::<Value>(text).unwrap());
        }
    }

    #[test]
    fn an_unreadable_call_end_still_ends_its_call() {
        let text =
            r#"{"kind":"call_ended","data":{"id":"018f0000-0000-7000-8000-000000000001","outcome":"teleported"}}"#;
        let event: Event = serde_json::from_str(text).unwrap();
        assert_eq!(
            event.ends_call(),
            Some(Uuid::from_u128(0x018f_0000_0000_7000_8000_0000_0000_0001))
        );
    }

    #[test]
    fn every_kind_reads_back_as_itself() {
        let events = [
            Event::BoxStarted {
                version: "0.1.0".into(),
            },
            Event::Heartbeat { live_calls: 3 },
            Event::ConfigLoaded { digest: "ab".into() },
            Event::Omitted {
                kind: "binding_set".into(),
                bytes: 70_000,
            },
            Event::BindingRemoved(BindingKey {
                aor: "201".into(),
                contact: "sip:a".into(),
            }),
        ];
        for event in events {
            let json = serde_json::to_value(&event).unwrap();
            assert_eq!(json["kind"], event.kind());
            assert_eq!(serde_json::from_value::<Event>(json).unwrap(), event);
        }
    }
}

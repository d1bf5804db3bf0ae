//! What happened on the box: the ordered events and the call record, as data.
//!
//! In: facts the branch states ([`Event`]) with the time it was told ([`Stamp`]). Out: frames of bytes and back
//! ([`encode`], [`Decoder`]). This crate never reads a clock, a file or a random source.

mod binding;
mod calls_for_help;
mod entry;
mod event;
mod frame;
mod record;
mod stamp;

pub use binding::{Binding, BindingKey};
pub use calls_for_help::CallsForHelp;
pub use crc32c::crc32c;
pub use entry::{Entry, uuid_v7};
pub use event::{CallAnswered, CallStarted, CallbackLine, EmergencyCall, Event, UnknownEvent};
pub use frame::{Decoder, FRAME_BYTES_MAX, FrameError, Framed, HEADER_BYTES, Report, encode};
pub use record::{
    CallRecord, CloudMode, DatabaseMode, Direction, EndedBy, LegQuality, LegSide, Mode, Outcome, RecordedParty,
    Transfer, TransferKind, WanMode,
};
pub use stamp::{BootId, Stamp};
pub use uuid::Uuid;

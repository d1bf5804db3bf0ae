//! Updates without I/O: what is signed, what is accepted, how versions lie side by side, and how a new one is judged.
//!
//! In: the bytes of a manifest, what the running box says of itself, the time. Out: an [`Offer`] or a [`Refusal`], writes
//! to a [`Disk`] in an order that a power cut cannot harm, and the [`Action`]s of an [`Updater`].

mod accept;
mod disk;
mod envelope;
mod hex;
mod judge;
mod key;
mod manifest;
mod record;
mod shelf;
mod updater;
mod vitals;
mod weigh;
mod window;

pub use accept::{Examined, Offer, Own, Refusal, Rule, Rules, Time, examine};
pub use disk::{BINARY, CURRENT, Disk, INCOMING, VERSIONS, version_directory};
pub use envelope::{ENVELOPE_BYTES_MAX, seal};
pub use judge::{Before, Worse};
pub use key::{KeyFault, PublicKey, SigningKey, TrustedKeys};
pub use manifest::{Artefact, Digest, Manifest};
pub use record::{Outcome, Pending, Record};
pub use shelf::{Settled, Shelf, ShelfFault, State};
pub use updater::{Action, How, Moment, Plan, Reason, Stage, Updater};
pub use vitals::{TestCall, Vitals};
pub use weigh::Weigh;
pub use window::Window;

pub use semver::Version;

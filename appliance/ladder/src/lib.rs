//! Call flows as text, and telephones that play them.
//!
//! In: messages and the time. Out: messages, and what each telephone saw. An [`Actor`] is a telephone, or the provider's
//! end of a trunk, written apart from the box's own SIP agent so that a fault of the one is not mirrored by the other.
//! [`flow`] is the language of `.ladder` files and plays them in any [`flow::Theatre`]; [`cube`] is what can be lost. This
//! crate opens no socket and reads no clock.

mod actor;
pub mod cube;
pub mod flow;
mod hosted;

pub use actor::*;
pub use hosted::{Hearing, HostedKind, HostedPbx, HostedSetup, Memory, Toward};

//! Routing without I/O: a request and the tables in, a decision out.
//!
//! [`decide`] is a function: the same request, [`Tables`] and [`State`] always give the same [`Decision`]. An emergency
//! number dialled inside is decided before everything that could refuse it. [`Admission`] and [`Guard`] are the two
//! machines that say no before routing is asked: to overload, and to scanners. This crate never parses SIP, never counts
//! calls itself and never reads a clock.

mod admission;
mod bucket;
mod decide;
mod dialled;
mod dialling;
mod emergency;
mod guard;
mod inbound;
mod number;
mod outbound;
mod place;
mod sources;
mod tables;

pub use admission::{Admission, AdmissionLimits, Arrival, ArrivalKind, Load, Verdict};
pub use decide::{Caller, Decision, FORWARDS_MAX, Loop, Request, Service, State, TrunkState, Why, decide};
pub use dialled::Dialled;
pub use dialling::{Dialling, dialling};
pub use emergency::{HelpAttempt, LineAttempt, emergency_number};
pub use guard::{Ban, Carrier, FailureKind, Guard, GuardLimits, Peer};
pub use number::{E164, Home, Number, NumberFault, kind_of, normalise};
pub use outbound::{CallerId, TrunkAttempt};
pub use place::{Whereabouts, location_of};
pub use sources::{Source, Sources};
pub use tables::Tables;

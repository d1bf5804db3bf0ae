//! The call database: journal file, SQLite, and the actor that owns both.
//!
//! In: journal entries, in order ([`CallDb::append`]). Out: acknowledgements and the state of the database
//! ([`Notice`]), what the last run left behind ([`OpenReport`]), and past calls ([`Records`]).
//!
//! The journal is the durable copy; SQLite is made from it and can be made again. An entry is acknowledged by the
//! journal alone and never waits for SQLite.

mod actor;
mod applier;
mod breaker;
mod disk;
#[cfg(test)]
mod faulty_disk;
mod fold;
mod guard;
mod hand;
mod inbox;
mod journal_file;
#[cfg(test)]
mod kill_points;
mod lookup;
mod open;
mod patient;
mod primary;
mod reconcile;
mod records;
mod recover;
mod salvage;
mod schema;
mod sealed;
mod segment;
mod spool;
mod tables;
mod writer;

pub use actor::{Ack, AppendError, CallDb, DatabaseState, Kept, Notice, Status};
pub use breaker::{Breaker, BreakerSettings};
pub use fold::Fold;
pub use journal_file::Limits;
pub use lookup::{Lookup, Reason};
pub use open::{OpenError, OpenReport, Paths, Rebuilt, Setup};
pub use reconcile::{LISTED_MAX, Quarantined, Recovery, Side};
pub use records::{Filter, Listed, PAGE_RECORDS_MAX, Page, Records};
pub use spool::HomeStatus;

#[expect(
    clippy::disallowed_methods,
    reason = "the threads of the database measure disks and pauses; nothing of a call is decided by it"
)]
fn clock() -> std::time::Instant {
    std::time::Instant::now()
}

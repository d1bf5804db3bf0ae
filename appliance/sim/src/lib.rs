//! Whole branches in memory: phones, trunk, network, clock, disk, faults, checkers.
//!
//! In: a seed, or a call flow as text. Out: what was wrong, and the trace that led there. Everything runs in virtual
//! time on one thread; the same seed gives the same run.

pub mod check;
pub mod dice;
pub mod office;
pub mod plot;
pub mod records;
pub mod theatre;
pub mod world;

pub use branchline_ladder::cube::Coverage;
pub use plot::{Outcome, run};

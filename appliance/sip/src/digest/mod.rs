//! Digest authentication (RFC 3261 section 22, RFC 8760). `Challenger` is the side that asks, `Answerer` the side that is asked.

mod answerer;
mod challenger;
mod nonce;
mod response;

pub use answerer::{Account, AnswerRefused, Answerer, Proof};
pub use challenger::{Asker, Challenger, ChallengerConfig, Minter, Stale, Verdict};
pub use response::{Algorithm, Ha1};

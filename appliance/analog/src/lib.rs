//! Analog telephones and lines of an exchange, as the branch knows telephones and trunks: by SIP.
//!
//! A [`Station`] is one telephone: hook and keys in, ringing, tones and calls out. A [`Gateway`] is one line: it takes calls
//! of the branch out and brings calls of the exchange in. Both are telephones or trunks like any other to the branch, so
//! that whatever it does with these it does with them. Neither touches a pin, a card or a socket: a shell carries their
//! [`Output`]s out and tells what became of them.

mod description;
mod gateway;
mod output;
mod station;
mod uplink;

pub use gateway::{Gateway, GatewaySetup, Supervision};
pub use output::Output;
pub use station::{Station, StationSetup};
pub use uplink::Place;

//! What the running daemon says of itself to the updater. The two may be of different versions: fields are only added.

use serde::{Deserialize, Serialize};

/// Signs of life.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Vitals {
    /// Version of the program.
    pub version: String,
    /// Since it started.
    pub up_ms: u64,
    /// Calls in progress, with those for help.
    pub calls: u32,
    /// Calls for help in progress.
    pub emergency_calls: u32,
    /// Extensions with a telephone.
    pub registrations: u32,
    /// Trunks that are up.
    pub trunks_up: u32,
    /// The call database follows the journal.
    pub database_normal: bool,
}

/// A call that the updater made to the box's echo.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestCall {
    /// Packets of sound that were sent.
    pub sent: u32,
    /// Of these, packets that came back as they were.
    pub returned: u32,
    /// Median time that they took.
    pub round_trip_us: u32,
    /// Its record was found in the call database.
    pub recorded: bool,
}

impl TestCall {
    /// Packets that did not come back, in per cent, rounded up.
    pub fn lost_percent(&self) -> u32 {
        let lost = self.sent.saturating_sub(self.returned);
        (lost * 100).div_ceil(self.sent.max(1))
    }
}

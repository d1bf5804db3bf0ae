//! The moment an input is handled, as the shell read it from its clocks.

use std::time::Instant;

/// Monotonic time for deadlines, wall time for records. The two never mix.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// For deadlines and durations.
    pub mono: Instant,
    /// UTC milliseconds since 1970, for records and expiries that survive a restart.
    pub utc_ms: i64,
    /// Wall time comes from a source that can be trusted (a synchronised clock).
    pub clock_trusted: bool,
}

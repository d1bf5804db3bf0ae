//! The only clocks of the rig: real programs run in real time.

use std::time::{Duration, Instant};

/// Between two looks at a condition.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// The present, on the clock of the machine.
#[expect(
    clippy::disallowed_methods,
    reason = "the rig drives real programs, which run in real time"
)]
pub fn now() -> Instant {
    Instant::now()
}

/// Seconds since 1970, as SIPp logs them.
#[expect(clippy::disallowed_methods, reason = "the rig compares with what real programs log")]
pub fn utc_s() -> f64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0.0, |since| since.as_secs_f64())
}

/// Lets `span` pass: for the length of a recording, never in place of a condition.
#[expect(clippy::disallowed_methods, reason = "a recording takes as long as it is")]
pub fn let_pass(span: Duration) {
    std::thread::sleep(span);
}

/// Looks until `look` finds something; fails the test with `what` after `within`.
pub fn wait_for<T>(what: &str, within: Duration, look: impl FnMut() -> Option<T>) -> T {
    try_for(within, look).unwrap_or_else(|| panic!("within {within:?} there was no {what}"))
}

/// Looks until `look` finds something, `None` after `within`.
pub fn try_for<T>(within: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let give_up_at = now() + within;
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if now() >= give_up_at {
            return None;
        }
        let_pass(LOOK_AGAIN);
    }
}

//! The clock of the drill: it plays in real time.

use std::time::{Duration, Instant};

/// Now.
#[expect(clippy::disallowed_methods, reason = "a drill measures real time")]
#[must_use]
pub fn now() -> Instant {
    Instant::now()
}

/// Lets a moment pass.
#[expect(clippy::disallowed_methods, reason = "between two looks at sockets and processes")]
pub fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// Looks until there is something to see.
pub fn try_for<T>(time: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let end = now() + time;
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if now() >= end {
            return None;
        }
        pause(Duration::from_millis(5));
    }
}

//! The time as the branch is given it.

use std::path::Path;
use std::time::{Duration, Instant};

use branchline_branch::Now;

use crate::clock;

/// Reads the clocks of the program and knows whether wall time can be trusted.
#[derive(Debug)]
pub(crate) struct Clock {
    trusted: bool,
    checked: Option<Instant>,
}

impl Clock {
    /// Asks at the first reading.
    pub(crate) fn new() -> Clock {
        Clock {
            trusted: false,
            checked: None,
        }
    }

    /// Now.
    pub(crate) fn now(&mut self) -> Now {
        let (mono, utc_ms) = (clock::now(), clock::utc_ms());
        if self
            .checked
            .is_none_or(|checked| mono.saturating_duration_since(checked) >= CHECK_EVERY)
        {
            self.checked = Some(mono);
            self.trusted = clock::is_sane(utc_ms) && SYNCHRONISED.iter().any(|path| Path::new(path).exists());
        }
        Now {
            mono,
            utc_ms,
            clock_trusted: self.trusted,
        }
    }
}

impl Default for Clock {
    fn default() -> Self {
        Clock::new()
    }
}

// systemd-timesyncd says so with a file; `adjtimex` would say it for every daemon, but the box's service is not let near
// the clock (ProtectClock=). With another daemon the time counts as untrusted until it leaves such a file.
const SYNCHRONISED: [&str; 1] = ["/run/systemd/timesync/synchronized"];
/// One look at a file system in memory.
const CHECK_EVERY: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn monotonic_time_goes_on_and_wall_time_is_of_this_age() {
        let mut clock = Clock::new();
        let (first, second) = (clock.now(), clock.now());
        assert!(second.mono >= first.mono);
        assert!(clock::is_sane(second.utc_ms));
    }
}

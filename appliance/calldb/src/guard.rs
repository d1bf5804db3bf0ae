//! Whether SQLite is used: its breaker, the operator's word, and whether its thread still answers. Shared by threads.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::Reason;
use crate::breaker::{Breaker, BreakerSettings};

/// What SQLite's thread is to do with the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Use it.
    Use,
    /// Try it.
    Probe,
    /// Leave it alone.
    Leave,
}

#[derive(Debug)]
pub(crate) struct Guard {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    breaker: Breaker,
    /// Since when the thread has been at work on the database, and how long that may take.
    busy: Option<(Instant, Duration)>,
}

pub(crate) const DATABASE_BREAKER: BreakerSettings = BreakerSettings {
    good_needed: 3,
    pause_min: Duration::from_millis(500),
    pause_max: Duration::from_secs(30),
    trusted_after: Duration::from_secs(60),
};

/// A database that takes longer for one step has failed: nothing waits for it, but its records would come late.
pub(crate) const STEP_WITHIN: Duration = Duration::from_secs(2);
/// The same for a check of its largest table.
pub(crate) const CHECK_WITHIN: Duration = Duration::from_secs(60);

impl Guard {
    pub(crate) fn new(now: Instant) -> Guard {
        Guard {
            inner: Mutex::new(Inner {
                breaker: Breaker::new(now, DATABASE_BREAKER),
                busy: None,
            }),
        }
    }

    pub(crate) fn access(&self, now: Instant) -> Access {
        let mut inner = self.lock();
        inner.breaker.handle_timeout(now);
        if inner.breaker.is_closed() {
            Access::Use
        } else if inner.breaker.wants_probe() {
            Access::Probe
        } else {
            Access::Leave
        }
    }

    pub(crate) fn is_bypassed(&self) -> bool {
        self.lock().breaker.is_bypassed()
    }

    pub(crate) fn handle_bypass(&self, now: Instant, until: Option<Instant>) {
        self.lock().breaker.handle_bypass(now, until);
    }

    pub(crate) fn handle_restore(&self, now: Instant) {
        self.lock().breaker.handle_restore(now);
    }

    pub(crate) fn handle_fault(&self, now: Instant) {
        self.lock().breaker.handle_fault(now);
    }

    /// True when it was the last good probe that was missing.
    pub(crate) fn handle_good(&self, now: Instant) -> bool {
        let mut inner = self.lock();
        inner.breaker.handle_good(now);
        inner.breaker.is_closed()
    }

    /// The thread begins a step that should not take longer.
    pub(crate) fn begin(&self, now: Instant, within: Duration) {
        self.lock().busy = Some((now, within));
    }

    /// The step is over; an error when it took too long.
    pub(crate) fn end(&self, now: Instant) -> Result<(), Reason> {
        match self.lock().busy.take() {
            Some((since, within)) if now.saturating_duration_since(since) > within => Err(Reason::Deadline),
            Some(_) | None => Ok(()),
        }
    }

    /// The step in hand takes too long.
    pub(crate) fn is_stuck(&self, now: Instant) -> bool {
        let busy = self.lock().busy;
        busy.is_some_and(|(since, within)| now.saturating_duration_since(since) > within)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn a_step_and_a_check_that_do_not_end_are_stuck_each_after_its_time() {
        let begun = clock();
        let guard = Guard::new(begun);
        for within in [STEP_WITHIN, CHECK_WITHIN] {
            guard.begin(begun, within);
            assert!(!guard.is_stuck(begun + within));
            let late = begun + within + Duration::from_millis(1);
            assert!(guard.is_stuck(late));
            assert_eq!(guard.end(late), Err(Reason::Deadline));
            assert!(!guard.is_stuck(late));
        }
    }
}

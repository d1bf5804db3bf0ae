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
    /// Since when the thread has been at work on the database.
    busy_since: Option<Instant>,
}

pub(crate) const DATABASE_BREAKER: BreakerSettings = BreakerSettings {
    good_needed: 3,
    pause_min: Duration::from_millis(500),
    pause_max: Duration::from_secs(30),
    trusted_after: Duration::from_secs(60),
};

/// A database that takes longer for one step has failed: nothing waits for it, but its records would come late.
const STUCK: Duration = Duration::from_secs(2);

impl Guard {
    pub(crate) fn new(now: Instant) -> Guard {
        Guard {
            inner: Mutex::new(Inner {
                breaker: Breaker::new(now, DATABASE_BREAKER),
                busy_since: None,
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

    /// The thread begins a step.
    pub(crate) fn begin(&self, now: Instant) {
        self.lock().busy_since = Some(now);
    }

    /// The step is over; an error when it took too long.
    pub(crate) fn end(&self, now: Instant) -> Result<(), Reason> {
        let took = self
            .lock()
            .busy_since
            .take()
            .map(|since| now.saturating_duration_since(since));
        match took {
            Some(took) if took > STUCK => Err(Reason::Deadline),
            Some(_) | None => Ok(()),
        }
    }

    /// The step in hand takes too long.
    pub(crate) fn is_stuck(&self, now: Instant) -> bool {
        let busy_since = self.lock().busy_since;
        busy_since.is_some_and(|since| now.saturating_duration_since(since) > STUCK)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

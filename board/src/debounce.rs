//! A contact that has to rest before it counts.

use std::time::{Duration, Instant};

use crate::Level;

/// Takes raw edges, gives changes that lasted.
#[derive(Clone, Debug)]
pub(crate) struct Debounced {
    level: Level,
    settle: Duration,
    /// The other level since then, not yet believed.
    changed: Option<Instant>,
}

/// A change that lasted, with the time it really happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Settled {
    pub(crate) since: Instant,
    pub(crate) level: Level,
}

impl Debounced {
    pub(crate) fn new(level: Level, settle: Duration) -> Debounced {
        Debounced {
            level,
            settle,
            changed: None,
        }
    }

    pub(crate) fn level(&self) -> Level {
        self.level
    }

    /// How long a change has to last; one that is not yet believed starts again.
    pub(crate) fn set_settle(&mut self, now: Instant, settle: Duration) {
        self.settle = settle;
        self.changed = self.changed.map(|_| now);
    }

    /// After [`handle_timeout`](Self::handle_timeout) for the same time, which brings out a change that was due before.
    pub(crate) fn handle_edge(&mut self, at: Instant, level: Level) {
        self.changed = (level != self.level).then_some(at);
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Option<Settled> {
        let since = self.changed.filter(|since| *since + self.settle <= now)?;
        self.changed = None;
        self.level = self.level.toggled();
        Some(Settled {
            since,
            level: self.level,
        })
    }

    /// Since when the other level has been there, not yet believed.
    pub(crate) fn pending(&self) -> Option<Instant> {
        self.changed
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.changed.map(|since| since + self.settle)
    }
}

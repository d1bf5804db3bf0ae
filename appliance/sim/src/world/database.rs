//! The call database beside the journal: it fails, is left alone, is tried again, and catches up.

use std::time::{Duration, Instant};

use branchline_calldb::{Breaker, BreakerSettings};
use branchline_journal::DatabaseMode;

/// Whether the database takes what it is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// Everything.
    All,
    /// Nothing.
    Nothing,
}

/// The call database as the box sees it.
#[derive(Debug)]
pub(super) struct Database {
    takes: Takes,
    breaker: Breaker,
    next_probe: Option<Instant>,
    /// Entries it has not taken yet.
    behind: u64,
    /// When it has caught up.
    level_at: Option<Instant>,
}

impl Database {
    pub(super) fn new(now: Instant) -> Database {
        Database {
            takes: Takes::All,
            breaker: Breaker::new(now, SETTINGS),
            next_probe: None,
            behind: 0,
            level_at: None,
        }
    }

    pub(super) fn set(&mut self, takes: Takes) {
        self.takes = takes;
    }

    /// So many entries are safe in the journal and go on to the database.
    pub(super) fn handle_entries(&mut self, now: Instant, count: u64) {
        self.behind += count;
        self.handle_timeout(now);
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        self.breaker.handle_timeout(now);
        if self.breaker.wants_probe() && self.next_probe.is_none_or(|at| at <= now) {
            match self.takes {
                Takes::All => self.breaker.handle_good(now),
                Takes::Nothing => self.breaker.handle_fault(now),
            }
            self.next_probe = Some(now + PROBE);
        }
        if !self.breaker.is_closed() {
            self.level_at = None;
        } else if self.behind > 0 {
            match self.takes {
                Takes::Nothing => self.breaker.handle_fault(now),
                Takes::All => self.catch_up(now),
            }
        }
    }

    fn catch_up(&mut self, now: Instant) {
        let behind = u32::try_from(self.behind).unwrap_or(u32::MAX);
        let is_recovering = self.behind > AT_ONCE;
        match self.level_at {
            None if is_recovering => self.level_at = Some(now + ENTRY * behind),
            Some(at) if at > now => {}
            None | Some(_) => {
                self.level_at = None;
                self.behind = 0;
            }
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let probe = self.next_probe.filter(|_| self.breaker.wants_probe());
        [self.breaker.poll_timeout(), probe, self.level_at]
            .into_iter()
            .flatten()
            .min()
    }

    pub(super) fn mode(&self) -> DatabaseMode {
        match (self.breaker.is_closed(), self.level_at) {
            (false, _) => DatabaseMode::Degraded,
            (true, Some(_)) => DatabaseMode::Recovering,
            (true, None) => DatabaseMode::Normal,
        }
    }
}

/// As the box sets them.
const SETTINGS: BreakerSettings = BreakerSettings {
    good_needed: 3,
    pause_min: Duration::from_millis(500),
    pause_max: Duration::from_secs(30),
    trusted_after: Duration::from_secs(60),
};
const PROBE: Duration = Duration::from_millis(300);
/// More than this is an outage to recover from.
const AT_ONCE: u64 = 8;
/// Time an entry takes in a recovery, at half speed.
const ENTRY: Duration = Duration::from_millis(20);

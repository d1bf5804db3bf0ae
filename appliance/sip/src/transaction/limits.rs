//! Bounds, settings and counters of an endpoint.

use std::fmt;
use std::sync::Arc;

use super::timers::Timing;
use crate::message::Message;

/// Bounds and settings of an endpoint.
#[derive(Clone)]
pub struct Limits {
    /// Server transactions at once; beyond, requests get a stateless 503 with Retry-After.
    pub server: usize,
    /// Client transactions at once; beyond, `request` answers [`Full`].
    pub client: usize,
    /// Percentage of both bounds, and of the sessions of an agent, that only priority requests may use (0 to 100).
    pub reserved_percent: u8,
    /// Tells which requests may use the reserved part: emergency calls, and what frees resources.
    pub priority: Priority,
    /// Retry-After of a 503, in seconds; up to as much again is added at random, so that phones don't come back together.
    pub retry_after_s: u32,
    /// Timer values.
    pub timing: Timing,
}

impl Default for Limits {
    // A transaction stays up to 32 s after its end, so 1,000 a second hold 32,000 on either side.
    fn default() -> Limits {
        Limits {
            server: 65_536,
            client: 65_536,
            reserved_percent: 10,
            priority: Priority::default(),
            retry_after_s: 5,
            timing: Timing::default(),
        }
    }
}

/// Tells priority requests from others.
#[derive(Clone)]
pub struct Priority(Arc<dyn Fn(&Message) -> bool + Send + Sync>);

impl Priority {
    /// Requests of which this is true have priority.
    pub fn new(has: impl Fn(&Message) -> bool + Send + Sync + 'static) -> Priority {
        Priority(Arc::new(has))
    }

    pub(crate) fn has(&self, request: &Message) -> bool {
        (self.0)(request)
    }
}

impl Default for Priority {
    fn default() -> Priority {
        Priority::new(|_| false)
    }
}

impl fmt::Debug for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limits")
            .field("server", &self.server)
            .field("client", &self.client)
            .finish_non_exhaustive()
    }
}

impl Limits {
    /// Whether a table with this bound and `used` entries has room for `request`.
    pub(super) fn admits(&self, bound: usize, used: usize, request: &Message) -> bool {
        match self.room(bound, used) {
            Room::Open => true,
            Room::Reserved => self.priority.has(request),
            Room::Nothing => false,
        }
    }

    /// What is left of a table with this bound and `used` entries.
    pub(crate) fn room(&self, bound: usize, used: usize) -> Room {
        let reserved = bound.saturating_mul(usize::from(self.reserved_percent.min(100))) / 100;
        if used < bound.saturating_sub(reserved) {
            Room::Open
        } else if used < bound {
            Room::Reserved
        } else {
            Room::Nothing
        }
    }
}

/// What is left of a bound.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Room {
    /// Enough for anything.
    Open,
    /// Only what priority requests may use.
    Reserved,
    /// Nothing at all.
    Nothing,
}

/// No room for another client transaction.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("all client transactions are in use")]
pub struct Full;

/// What an endpoint has done since it was made.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Requests and responses taken in.
    pub received: u64,
    /// Messages sent, retransmissions included.
    pub sent: u64,
    /// Messages sent again by a timer or because the peer repeated itself.
    pub retransmissions: u64,
    /// Requests of the peer that were repetitions.
    pub repeated_requests: u64,
    /// Server transactions begun.
    pub server_begun: u64,
    /// Client transactions begun.
    pub client_begun: u64,
    /// Client transactions that ended without a final response in time.
    pub timeouts: u64,
    /// Client transactions that ended because their flow failed.
    pub flow_failures: u64,
    /// Requests refused with 503 because a bound was reached.
    pub overloaded: u64,
    /// Copies of a request refused with 482.
    pub merged: u64,
    /// Messages that could not be parsed and were answered 400 or 505.
    pub malformed_answered: u64,
    /// Messages dropped: unparsable, or responses that match nothing.
    pub dropped: u64,
}

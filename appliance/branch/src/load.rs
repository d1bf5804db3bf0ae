//! What is let in when there is much to do.

use std::net::IpAddr;

use branchline_route::{Arrival, ArrivalKind, Load, Verdict};

use crate::Branch;
use crate::now::Now;

impl Branch {
    /// Seconds to wait before another try, when a request of this kind is too much now.
    pub(crate) fn admit(&mut self, now: Now, source: IpAddr, kind: ArrivalKind) -> Option<u32> {
        let live_calls = u32::try_from(self.calls.len()).unwrap_or(u32::MAX);
        let load = Load {
            live_calls,
            queue_delay: self.queue_delay,
        };
        match self.admission.handle_arrival(now.mono, Arrival { kind, source, load }) {
            Verdict::Admit => None,
            Verdict::Shed { retry_after_s } => Some(retry_after_s),
        }
    }
}

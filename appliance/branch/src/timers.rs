//! When the branch wants to be woken, and what it does then.

use std::time::{Duration, Instant};

use branchline_journal::Event;
use branchline_sip::agent;

use crate::Branch;
use crate::now::Now;
use crate::output::Output;

/// Why the branch wants to be woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// A SIP timer.
    Sip(agent::Reason),
    /// A phone has rung for long enough.
    Ringing,
    /// A registration ends.
    Registration,
    /// An answer waits for the disk.
    Reply,
    /// A record waits for the relay's figures.
    Record,
    /// A media port has rested.
    Port,
    /// A leg that need not send is asked whether it is there.
    Probe,
    /// A trunk wants a look-up, a registration or an OPTIONS.
    Trunk,
    /// The hosted PBX wants a look-up, a probe, a registration or a verdict.
    Hosted,
    /// The ports that phones are behind are looked at.
    Neighbours,
    /// Calls are up: the journal hears that the box still lives, and the relay is asked how they sound.
    Heartbeat,
}

impl Branch {
    /// The earliest moment something is due, and why.
    pub fn poll_timeout(&self) -> Option<(Instant, Reason)> {
        let heartbeat = (!self.calls.is_empty()).then_some((self.next_heartbeat, Reason::Heartbeat));
        [
            self.agent.poll_timeout().map(|(at, reason)| (at, Reason::Sip(reason))),
            self.calls.poll_timeout().map(|at| (at, Reason::Ringing)),
            self.bindings.poll_timeout().map(|(at, _)| (at, Reason::Registration)),
            self.replies.poll_timeout().map(|at| (at, Reason::Reply)),
            self.endings.poll_timeout().map(|at| (at, Reason::Record)),
            self.anchors.pool().poll_timeout().map(|at| (at, Reason::Port)),
            self.trunks.poll_timeout().map(|at| (at, Reason::Trunk)),
            self.hold_probes.poll_timeout().map(|at| (at, Reason::Probe)),
            self.hosted.poll_timeout().map(|at| (at, Reason::Hosted)),
            self.neighbours.poll_timeout().map(|at| (at, Reason::Neighbours)),
            heartbeat,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Moves time on.
    pub fn handle_timeout(&mut self, now: Now) {
        self.agent.handle_timeout(now.mono);
        self.calls.handle_timeout(now.mono);
        self.bindings.handle_timeout(now.mono);
        self.anchors.pool_mut().handle_timeout(now.mono);
        self.trunks.handle_timeout(now.mono);
        self.ask_unwatched(now);
        self.hosted.handle_timeout(now.mono);
        self.send_safe_replies(now);
        self.write_overdue_records(now);
        self.look_at_neighbours(now);
        if self.next_heartbeat <= now.mono {
            self.next_heartbeat = now.mono + HEARTBEAT;
            if !self.calls.is_empty() {
                let live_calls = u32::try_from(self.calls.len()).unwrap_or(u32::MAX);
                self.journal(now, Event::Heartbeat { live_calls });
                self.outputs.push_back(Output::Measure);
            }
        }
        self.settle(now);
    }
}

/// Calls cut by a power loss are known to have lasted until the last of these.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(5);

//! The whole appliance as one machine without I/O.
//!
//! In: messages, media events, journal acknowledgements, look-ups, orders and the time. Out: [`Output`] values, in
//! order. `pbx` runs it on real sockets, `sim` in memory; both drive the same code. This crate never reads a clock,
//! opens a socket or touches a file.

mod act;
mod anchor;
mod auth;
mod circles;
mod course;
mod dating;
mod dial;
mod echo;
mod emergency;
mod explain;
mod hold_probe;
mod hosted;
mod identity;
mod ingress;
mod inspect;
mod invite;
mod journal;
mod legs;
mod load;
mod messages;
mod neighbours;
mod now;
mod output;
mod pick_up;
mod quota;
mod records;
mod requests;
mod sessions;
mod setup;
mod targets;
mod timers;
mod trace;
mod transfer;
mod trunks;
pub mod view;
mod view_of;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use branchline_call::{CallId, Calls};
use branchline_config::Config;
use branchline_journal::{Entry, Event, Mode};
use branchline_route::{Admission, Guard, Tables};
use branchline_sip::agent::Agent;
use branchline_sip::binding::Bindings;

pub use hosted::{DrillOrder, DrillRefused};
pub use journal::JournalStart;
pub use now::Now;
pub use output::{
    About, Command, FlowFault, Journalled, Level, Lookup, Neighbour, Notice, Output, Post, Resolved, Watched,
};
pub use setup::{Configuration, Setup, Trust};
pub use timers::Reason;

use crate::anchor::Anchors;
use crate::auth::Auth;
use crate::emergency::{Alarms, Emergencies, Strangers};
use crate::hold_probe::HoldProbes;
use crate::hosted::Hosted;
use crate::journal::Journal;
use crate::legs::Legs;
use crate::messages::Messages;
use crate::quota::Quota;
use crate::records::{CallFacts, Endings};
use crate::requests::Replies;
use crate::targets::Target;
use crate::trunks::Trunks;
use crate::view::Counters;

/// The appliance.
///
/// Inputs are the `handle_*` methods. After each one (or a batch of them) drain [`poll_output`](Self::poll_output), then
/// wait no longer than [`poll_timeout`](Self::poll_timeout) and call [`handle_timeout`](Self::handle_timeout).
/// [`view`](Self::view) is what may be shown.
pub struct Branch {
    config: Arc<Config>,
    tables: Arc<Tables>,
    agent: Agent,
    calls: Calls<Target>,
    legs: Legs,
    anchors: Anchors,
    hold_probes: HoldProbes,
    facts: HashMap<CallId, CallFacts>,
    endings: Endings,
    bindings: Bindings,
    replies: Replies,
    messages: Messages,
    emergencies: Emergencies,
    strangers: Strangers,
    trunks: Trunks,
    hosted: Hosted,
    auth: Auth,
    guard: Guard,
    admission: Admission,
    journal: Journal,
    outputs: VecDeque<Output>,
    /// Of sources that are shut out: whoever forges addresses must not fill the log.
    notices: Quota,
    /// Records of calls that overload turned away: a storm of them must not become one of records.
    shed_records: Quota,
    neighbours: neighbours::Neighbours,
    undated: dating::Undated,
    counters: Counters,
    next_heartbeat: std::time::Instant,
    last_shed: Option<std::time::Instant>,
    watched: Watched,
    explained: Watched,
    mode: Mode,
    trust: Trust,
    version: u64,
    alarms: Alarms,
    queue_delay: std::time::Duration,
}

impl Branch {
    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Appends to the journal; the number tells when the entry is safe.
    fn journal(&mut self, now: Now, event: Event) -> u64 {
        let entry: Entry = self.journal.entry(now, event);
        let seq = entry.seq;
        self.outputs.push_back(Output::Journal(entry));
        seq
    }

    fn notice(&mut self, level: Level, text: impl Into<String>) {
        self.notice_about(level, text, About::default());
    }

    fn notice_about(&mut self, level: Level, text: impl Into<String>, about: About) {
        self.outputs.push_back(Output::Notice(Notice {
            level,
            text: text.into(),
            about,
        }));
    }

    /// Lets every part react to the others until nothing moves.
    fn settle(&mut self, now: Now) {
        self.follow_clock(now);
        loop {
            if let Some(event) = self.agent.poll_event() {
                self.handle_agent(now, event);
            } else if let Some(event) = self.bindings.poll_event() {
                self.binding_changed(now, event);
            } else {
                self.drain_calls(now);
                if !self.drain_trunks(now) && !self.drain_hosted(now) {
                    break;
                }
            }
        }
        self.version += 1;
        while let Some(transmit) = self.agent.poll_transmit() {
            if self.hosted.withholds(&transmit) {
                continue;
            }
            self.counters.sip_sent += 1;
            self.trace_sent(now, &transmit);
            self.outputs.push_back(Output::Transmit(transmit));
        }
    }
}

//! Legs of a conversation that need not send, so that the relay cannot tell whether anybody is there: each is asked now and
//! then by an OPTIONS in its dialog.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use branchline_call::{CallId, Cause, LegId};
use branchline_sip::agent::{Headers, InDialogRequest};
use branchline_sip::message::Method;
use branchline_sip::transaction::ClientKey;

use crate::Branch;
use crate::now::Now;

/// The legs that are asked, at most one entry per leg.
#[derive(Default)]
pub(crate) struct Probes {
    legs: HashMap<LegId, Probe>,
    due: BTreeSet<(Instant, LegId)>,
}

#[derive(Clone, Copy)]
enum Probe {
    Waiting(Instant),
    Asked(ClientKey),
}

impl Probes {
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    fn is_asked(&self, leg: LegId) -> bool {
        self.legs.contains_key(&leg)
    }

    fn wait(&mut self, leg: LegId, until: Instant) {
        self.forget(leg);
        self.legs.insert(leg, Probe::Waiting(until));
        self.due.insert((until, leg));
    }

    pub(crate) fn forget(&mut self, leg: LegId) {
        if let Some(Probe::Waiting(until)) = self.legs.remove(&leg) {
            self.due.remove(&(until, leg));
        }
    }

    fn pop_due(&mut self, now: Instant) -> Option<LegId> {
        let leg = self.due.first().filter(|(at, _)| *at <= now)?.1;
        self.forget(leg);
        Some(leg)
    }

    fn is_answer(&self, leg: LegId, key: ClientKey) -> bool {
        matches!(self.legs.get(&leg), Some(Probe::Asked(asked)) if *asked == key)
    }
}

impl Branch {
    /// Sorts the legs of a call into those that the relay watches and those that have to be asked.
    pub(crate) fn probe_unwatched(&mut self, now: Now, call: CallId) {
        let pair = self.calls.bridge(call);
        for leg in pair {
            if !self.calls.is_talking(call) || self.anchors.must_send(leg) {
                self.probes.forget(leg);
            } else if !self.probes.is_asked(leg) {
                self.probes.wait(leg, now.mono + self.probe_interval());
            }
        }
    }

    /// As long as a held leg that does send may be silent.
    fn probe_interval(&self) -> Duration {
        self.anchors.timeouts().held
    }

    /// Asks the legs whose turn it is.
    pub(crate) fn ask_unwatched(&mut self, now: Now) {
        while let Some(leg) = self.probes.pop_due(now.mono) {
            let options = InDialogRequest {
                method: Method::Options,
                headers: Headers::new(),
                body: None,
            };
            let asked = self
                .session_of(leg)
                .and_then(|session| self.agent.send_in_dialog(now.mono, session, &options));
            match asked {
                Some(key) => {
                    self.probes.legs.insert(leg, Probe::Asked(key));
                }
                // No room for a transaction: later.
                None if self.legs.entry(leg).is_some() => self.probes.wait(leg, now.mono + self.probe_interval()),
                None => {}
            }
        }
    }

    /// Any answer is a sign of life but 408 (RFC 5057 section 5.1); 481 has ended the session by itself.
    pub(crate) fn probe_answered(&mut self, now: Now, leg: LegId, (key, status): (ClientKey, u16)) {
        if !self.probes.is_answer(leg, key) {
            return;
        }
        if status == 408 {
            self.probes.forget(leg);
            if let Some(call) = self.calls.call_of(leg) {
                self.calls.hang_up(now.mono, call, Cause::of_q850(41));
            }
        } else {
            self.probes.wait(leg, now.mono + self.probe_interval());
        }
    }
}

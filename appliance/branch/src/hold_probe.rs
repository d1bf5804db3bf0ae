//! Legs of a conversation that need not send, so that the relay cannot tell whether anybody is there: each is asked now and
//! then by an OPTIONS in its dialog.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use branchline_call::{CallId, Cause, LegId};
use branchline_sip::agent::{Headers, InDialogRequest};
use branchline_sip::message::{Message, Method};
use branchline_sip::transaction::ClientKey;

use crate::Branch;
use crate::now::Now;

/// The legs that are asked, at most one entry per leg.
#[derive(Default)]
pub(crate) struct HoldProbes {
    legs: HashMap<LegId, HoldProbe>,
    due: BTreeSet<(Instant, LegId)>,
}

#[derive(Clone, Copy)]
struct HoldProbe {
    state: State,
    /// How often in a row it could not even be sent.
    unreachable: u32,
}

#[derive(Clone, Copy)]
enum State {
    Waiting(Instant),
    Asked(ClientKey),
}

impl HoldProbes {
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    fn is_asked(&self, leg: LegId) -> bool {
        self.legs.contains_key(&leg)
    }

    fn wait(&mut self, leg: LegId, until: Instant, unreachable: u32) {
        self.forget(leg);
        let state = State::Waiting(until);
        self.legs.insert(leg, HoldProbe { state, unreachable });
        self.due.insert((until, leg));
    }

    pub(crate) fn forget(&mut self, leg: LegId) -> u32 {
        let Some(probe) = self.legs.remove(&leg) else { return 0 };
        match probe.state {
            State::Waiting(until) => {
                self.due.remove(&(until, leg));
            }
            State::Asked(_) => {}
        }
        probe.unreachable
    }

    /// The next leg to ask, and how often it could not be.
    fn pop_due(&mut self, now: Instant) -> Option<(LegId, u32)> {
        let leg = self.due.first().filter(|(at, _)| *at <= now)?.1;
        Some((leg, self.forget(leg)))
    }

    fn is_answer(&self, leg: LegId, key: ClientKey) -> bool {
        self.legs.get(&leg).is_some_and(|probe| match probe.state {
            State::Asked(asked) => asked == key,
            State::Waiting(_) => false,
        })
    }
}

impl Branch {
    /// Sorts the legs of a call into those that the relay watches and those that have to be asked.
    pub(crate) fn probe_unwatched(&mut self, now: Now, call: CallId) {
        let pair = self.calls.bridge(call);
        for leg in pair {
            if !self.calls.is_talking(call) || self.anchors.must_send(leg) {
                self.hold_probes.forget(leg);
            } else if !self.hold_probes.is_asked(leg) {
                self.hold_probes.wait(leg, now.mono + self.probe_interval(), 0);
            }
        }
    }

    /// As long as a held leg that does send may be silent.
    fn probe_interval(&self) -> Duration {
        self.anchors.timeouts().held
    }

    /// Asks the legs whose turn it is.
    pub(crate) fn ask_unwatched(&mut self, now: Now) {
        while let Some((leg, unreachable)) = self.hold_probes.pop_due(now.mono) {
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
                    let state = State::Asked(key);
                    self.hold_probes.legs.insert(leg, HoldProbe { state, unreachable });
                }
                // No room for a transaction: later.
                None if self.legs.entry(leg).is_some() => {
                    self.hold_probes
                        .wait(leg, now.mono + self.probe_interval(), unreachable);
                }
                None => {}
            }
        }
    }

    /// The final response to a question, or what stands for one (408 and 503, RFC 3261 section 8.1.3.1). Any response is a
    /// sign of life but 408 (RFC 5057 section 5.1); 481 has ended the session by itself.
    pub(crate) fn probe_answered(
        &mut self,
        now: Now,
        leg: LegId,
        (key, status, response): (ClientKey, u16, Option<&Message>),
    ) {
        if !self.hold_probes.is_answer(leg, key) {
            return;
        }
        let unreachable = self.hold_probes.forget(leg);
        let unreachable = match response {
            // The connection may come back with the peer's next request.
            None if status == 503 => unreachable + 1,
            Some(_) | None => 0,
        };
        if status != 408 && unreachable < UNREACHABLE_MAX {
            self.hold_probes
                .wait(leg, now.mono + self.probe_interval(), unreachable);
        } else if let Some(call) = self.calls.call_of(leg) {
            self.calls.hang_up(now.mono, call, Cause::of_q850(41));
        }
    }
}

/// Questions in a row that find no connection to the party.
const UNREACHABLE_MAX: u32 = 2;

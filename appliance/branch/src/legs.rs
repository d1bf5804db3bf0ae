//! Which SIP session stands behind which leg, what the box knows of the party on it, and how busy each party is.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use branchline_call::{CallId, LegId};
use branchline_route::{Service, State, TrunkState};
use branchline_sip::Flow;
use branchline_sip::agent::SessionId;

use crate::identity::Shown;
use crate::invite::Passed;
use crate::targets::ContactTarget;

/// Who is on a leg.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Party {
    /// A phone of this extension.
    Extension(String),
    /// The other end of this trunk.
    Trunk(String),
    /// The hosted PBX, on the line of this extension.
    Hosted(String),
    /// Somebody without a registration who dialled an emergency number.
    Stranger,
}

impl Party {
    /// Extension or trunk name, for records and the view.
    pub(crate) fn name(&self) -> &str {
        match self {
            Party::Extension(name) | Party::Trunk(name) => name,
            Party::Hosted(_) => crate::hosted::HOSTED,
            Party::Stranger => "unregistered phone",
        }
    }
}

/// One leg with its session.
#[derive(Clone, Debug)]
pub(crate) struct LegEntry {
    pub(crate) call: CallId,
    pub(crate) session: SessionId,
    pub(crate) party: Party,
    pub(crate) flow: Flow,
    /// The party as others see it.
    pub(crate) shown: Shown,
    /// What its INVITE carries to whoever it calls.
    pub(crate) passed: Passed,
    /// Further flows of the phone, for when this one is dead (RFC 5626 section 5.3).
    pub(crate) spare: Vec<ContactTarget>,
}

#[derive(Default)]
pub(crate) struct Legs {
    entries: HashMap<LegId, LegEntry>,
    of_session: HashMap<SessionId, LegId>,
    of_call: HashMap<CallId, Vec<LegId>>,
    /// Legs per party and call: several phones that ring for one call make an extension busy once.
    in_call: BTreeMap<(Party, CallId), u32>,
    /// Legs per address, for what a ban must not cut.
    sources: HashMap<IpAddr, u32>,
    state: State,
}

impl Legs {
    pub(crate) fn add(&mut self, leg: LegId, entry: LegEntry) {
        self.of_session.insert(entry.session, leg);
        self.of_call.entry(entry.call).or_default().push(leg);
        self.enter(&entry.party, entry.call);
        *self.sources.entry(entry.flow.remote.ip()).or_insert(0) += 1;
        self.entries.insert(leg, entry);
    }

    pub(crate) fn of_session(&self, session: SessionId) -> Option<LegId> {
        self.of_session.get(&session).copied()
    }

    pub(crate) fn of_call(&self, call: CallId) -> Vec<LegId> {
        self.of_call.get(&call).cloned().unwrap_or_default()
    }

    pub(crate) fn entry(&self, leg: LegId) -> Option<&LegEntry> {
        self.entries.get(&leg)
    }

    /// Whether two legs belong to the same party, which may then join them. What is unregistered is known by its address.
    pub(crate) fn are_of_one_party(&self, one: LegId, other: LegId) -> bool {
        let (Some(one), Some(other)) = (self.entry(one), self.entry(other)) else {
            return false;
        };
        match (&one.party, &other.party) {
            (Party::Stranger, Party::Stranger) => one.flow.remote == other.flow.remote,
            (one, other) => one == other,
        }
    }

    /// A leg that was taken into another call by a transfer.
    pub(crate) fn move_to(&mut self, leg: LegId, call: CallId) {
        if let Some(entry) = self.remove(leg) {
            self.add(leg, LegEntry { call, ..entry });
        }
    }

    pub(crate) fn remove(&mut self, leg: LegId) -> Option<LegEntry> {
        let entry = self.entries.remove(&leg)?;
        self.of_session.remove(&entry.session);
        if let Some(legs) = self.of_call.get_mut(&entry.call) {
            legs.retain(|known| *known != leg);
            if legs.is_empty() {
                self.of_call.remove(&entry.call);
            }
        }
        self.leave(&entry.party, entry.call);
        let source = entry.flow.remote.ip();
        if let Some(legs) = self.sources.get_mut(&source) {
            *legs -= 1;
            if *legs == 0 {
                self.sources.remove(&source);
            }
        }
        Some(entry)
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Somebody at this address is in a call.
    pub(crate) fn has_source(&self, source: IpAddr) -> bool {
        self.sources.contains_key(&source)
    }

    /// How many calls a party is in.
    pub(crate) fn calls_of(&self, party: &Party) -> u32 {
        match party {
            Party::Extension(number) => self.state.extension_calls.get(number).copied().unwrap_or(0),
            Party::Trunk(name) => self.state.trunks.get(name).map_or(0, |trunk| trunk.calls),
            Party::Hosted(_) | Party::Stranger => 0,
        }
    }

    /// How busy everybody is and which trunks are up.
    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    /// How much extensions may do.
    pub(crate) fn set_service(&mut self, service: Service) {
        self.state.service = service;
    }

    /// Says whether a trunk can be used.
    pub(crate) fn set_trunk(&mut self, name: &str, up: TrunkUse) {
        let trunk = self
            .state
            .trunks
            .entry(name.to_owned())
            .or_insert(TrunkState { up: false, calls: 0 });
        trunk.up = up == TrunkUse::Up;
    }

    /// The lines whose calls the hosted PBX routes.
    pub(crate) fn set_hosted_lines(&mut self, lines: BTreeSet<String>) {
        self.state.hosted_lines = lines;
    }

    /// The hosted PBX routes the calls of this line as well.
    pub(crate) fn add_hosted_line(&mut self, line: &str) {
        self.state.hosted_lines.insert(line.to_owned());
    }

    /// It no longer does.
    pub(crate) fn remove_hosted_line(&mut self, line: &str) {
        self.state.hosted_lines.remove(line);
    }

    fn enter(&mut self, party: &Party, call: CallId) {
        let legs = self.in_call.entry((party.clone(), call)).or_insert(0);
        *legs += 1;
        if *legs == 1 {
            self.count(party, |calls| calls.saturating_add(1));
        }
    }

    fn leave(&mut self, party: &Party, call: CallId) {
        let key = (party.clone(), call);
        let Some(legs) = self.in_call.get_mut(&key) else { return };
        *legs -= 1;
        if *legs == 0 {
            self.in_call.remove(&key);
            self.count(party, |calls| calls.saturating_sub(1));
        }
    }

    fn count(&mut self, party: &Party, change: impl FnOnce(u32) -> u32) {
        match party {
            Party::Extension(number) => {
                let calls = change(self.calls_of(party));
                if calls == 0 {
                    self.state.extension_calls.remove(number);
                } else {
                    self.state.extension_calls.insert(number.clone(), calls);
                }
            }
            Party::Trunk(name) => {
                let trunk = self
                    .state
                    .trunks
                    .entry(name.clone())
                    .or_insert(TrunkState { up: false, calls: 0 });
                trunk.calls = change(trunk.calls);
            }
            Party::Hosted(_) | Party::Stranger => {}
        }
    }
}

/// Whether a trunk can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TrunkUse {
    Up,
    Down,
}

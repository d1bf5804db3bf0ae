//! The view of the branch: plain values made from its parts.

use branchline_call::CallId;
use branchline_sip::message::Method;

use crate::Branch;
use crate::now::Now;
use crate::records::CallFacts;
use crate::targets::Urgency;
use crate::view::{
    CallView, ContactView, Counters, EmergencyView, HealthView, PhoneView, SocketsView, StorageView, UpdateView, View,
};

impl Branch {
    /// What may be shown now.
    pub fn view(&self, now: Now) -> View {
        let now = self.journal.dated(now);
        View {
            version: self.version,
            site: self.config.site.name.clone(),
            configuration: String::new(),
            utc_ms: now.utc_ms,
            up_ms: self.journal.uptime_ms(now),
            phones: self.phones(),
            calls: self.call_views(now),
            trunks: self.trunks.views(self.legs.state()),
            hosted: self.hosted.view(now),
            emergencies: self.emergency_views(),
            health: self.health(now),
            storage: StorageView::default(),
            board: None,
            update: UpdateView::default(),
            sockets: SocketsView::default(),
            counters: self.counters(),
        }
    }

    /// Grows whenever the view may have changed.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Grows whenever people are told of a call for help: that is shown at once.
    pub fn alarms(&self) -> u64 {
        self.alarms.count()
    }

    /// Nothing is going on: no call, transaction, session, port or reply is left. For leak checks.
    pub fn is_quiet(&self) -> bool {
        self.residue().is_empty()
    }

    /// What is left when nothing should be, for a person to read.
    pub fn residue(&self) -> Vec<(&'static str, usize)> {
        [
            ("calls", self.calls.len()),
            ("legs", self.legs.len()),
            ("ports", self.anchors.len()),
            ("facts", self.facts.len()),
            ("calls at the hosted PBX", self.hosted.calls()),
            ("records on their way", self.endings.len()),
            ("replies", self.replies.len()),
            ("messages", self.messages.len()),
            ("sessions", self.agent.session_len()),
            (
                "transactions",
                // The hosted PBX is probed as long as the box runs.
                self.agent.transaction_len().saturating_sub(self.hosted.probes()),
            ),
        ]
        .into_iter()
        .filter(|(_, left)| *left > 0)
        .collect()
    }

    /// The method of each transaction alive, absorbing ones included.
    pub fn transaction_methods(&self) -> impl Iterator<Item = &Method> {
        self.agent.transaction_methods()
    }

    fn phones(&self) -> Vec<PhoneView> {
        let mut phones: Vec<PhoneView> = self
            .config
            .extensions
            .iter()
            .map(|entry| {
                let number = entry.number.as_str();
                let contacts = self.bindings.lookup(number).into_iter().map(|contact| ContactView {
                    uri: contact.contact.to_string(),
                    address: contact.flow.remote.to_string(),
                    transport: contact.flow.transport.param_name().to_owned(),
                    user_agent: contact.user_agent.as_deref().unwrap_or_default().to_owned(),
                    expires_utc_ms: i64::try_from(contact.expires_utc_ms).unwrap_or(i64::MAX),
                });
                PhoneView {
                    extension: number.to_owned(),
                    name: entry.name.clone(),
                    contacts: contacts.collect(),
                    calls: self.legs.calls_of(&crate::legs::Party::Extension(number.to_owned())),
                }
            })
            .collect();
        phones.sort_by(|one, other| one.extension.cmp(&other.extension));
        phones
    }

    fn call_views(&self, now: Now) -> Vec<CallView> {
        let mut calls: Vec<CallView> = self
            .facts
            .iter()
            .filter(|(_, facts)| facts.within.is_none())
            .map(|(id, facts)| self.call_view(now, *id, facts))
            .collect();
        calls.sort_by(|one, other| {
            one.started_utc_ms
                .cmp(&other.started_utc_ms)
                .then_with(|| one.id.cmp(&other.id))
        });
        calls
    }

    fn call_view(&self, now: Now, id: CallId, facts: &CallFacts) -> CallView {
        let bridge = self.calls.bridge(id);
        let talk = facts.answered.map(|(_, at)| now.mono.saturating_duration_since(at));
        CallView {
            id: facts.id.to_string(),
            from: facts.from.dialled.clone(),
            to: facts.to.dialled.clone(),
            connected_to: match bridge.as_slice() {
                // A transfer puts somebody else there.
                [_, far] if self.calls.is_talking(id) => self.name_of(*far).to_owned(),
                _ => facts.connected_to.clone(),
            },
            direction: facts.direction.name().to_owned(),
            state: self.call_state(id, facts).to_owned(),
            emergency: facts.urgency != Urgency::Ordinary,
            started_utc_ms: facts.started.utc_ms,
            talk_ms: talk.map(|talk| u64::try_from(talk.as_millis()).unwrap_or(u64::MAX)),
            codec: bridge
                .first()
                .and_then(|first| self.anchors.codec(*first))
                .map(str::to_owned),
            mos: bridge.iter().filter_map(|leg| self.anchors.mos(*leg)).reduce(f32::min),
        }
    }

    fn call_state(&self, id: CallId, facts: &CallFacts) -> &'static str {
        if !self.calls.contains(id) {
            "ending"
        } else if self.calls.is_transferring(id) {
            "transferring"
        } else if self.calls.is_held(id) {
            "held"
        } else if facts.answered.is_some() {
            "up"
        } else if !self.calls.bridge(id).is_empty() {
            "early"
        } else {
            "ringing"
        }
    }

    fn emergency_views(&self) -> Vec<EmergencyView> {
        let shown = self.emergencies.latest_first().take(EMERGENCIES_SHOWN);
        shown
            .map(|call| EmergencyView {
                call: call.call.to_string(),
                utc_ms: call.at.utc_ms,
                active: self.calls.contains(CallId(*call.call.as_bytes())),
                told: self.alarms.has_told(&call.call),
                extension: call.extension.clone(),
                name: call.name.clone(),
                number: call.number.clone(),
                place: call.place.clone(),
                trunk: call.trunk.clone(),
                callback: call.callback.clone(),
            })
            .collect()
    }

    fn health(&self, now: Now) -> HealthView {
        let ports = [branchline_media::Family::V4, branchline_media::Family::V6]
            .map(|family| self.anchors.pool().available(family));
        HealthView {
            database: if self.journal.is_late(now.mono) {
                "degraded"
            } else {
                "normal"
            }
            .to_owned(),
            storage_faults: Vec::new(),
            journal_pending: self.journal.pending(),
            clock_trusted: now.clock_trusted,
            ports_free: u32::try_from(ports.iter().sum::<usize>()).unwrap_or(u32::MAX),
            overloaded: self
                .last_shed
                .is_some_and(|at| now.mono.saturating_duration_since(at) < SHEDDING),
            banned: self
                .guard
                .bans(now.mono)
                .iter()
                .map(|ban| ban.source.to_string())
                .collect(),
            awaits_restart: Vec::new(),
        }
    }

    fn counters(&self) -> Counters {
        let count = |value: usize| u64::try_from(value).unwrap_or(u64::MAX);
        Counters {
            sip_retransmitted: self.agent.counters().retransmissions,
            sources_forgotten: self.guard.forgotten_total(),
            requests_shed: self.admission.shed_total(),
            journal_entries: self.journal.made,
            registrations: count(self.bindings.len()),
            transactions: count(self.agent.transaction_len()),
            sessions: count(self.agent.session_len()),
            ..self.counters.clone()
        }
    }
}

/// Calls for help on the page.
pub(crate) const EMERGENCIES_SHOWN: usize = 20;
/// The page says "shedding" this long after the last call that was turned away.
const SHEDDING: std::time::Duration = std::time::Duration::from_secs(10);

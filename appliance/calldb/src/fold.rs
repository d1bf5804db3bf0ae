//! What a run of entries leaves behind: the bindings that stand and the calls that never ended. Pure.

use std::collections::BTreeMap;

use branchline_journal::{
    Binding, BindingKey, BootId, CallAnswered, CallRecord, CallStarted, CallsForHelp, EmergencyCall, EndedBy, Entry,
    Event, Outcome, Stamp, Uuid,
};

/// Bindings and open calls after some entries, fed in order.
#[derive(Clone, Debug, Default)]
pub struct Fold {
    bindings: BTreeMap<BindingKey, Binding>,
    open_calls: BTreeMap<Uuid, OpenCall>,
    emergencies: CallsForHelp,
    last_seen: BTreeMap<BootId, Stamp>,
    newest: Option<Stamp>,
    dropped: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct OpenCall {
    pub(crate) started: CallStarted,
    pub(crate) answered: Option<CallAnswered>,
}

/// More than any box can hold; entries beyond are counted as dropped.
const BINDINGS_MAX: usize = 100_000;
const OPEN_CALLS_MAX: usize = 20_000;
const BOOTS_MAX: usize = 64;
/// Phones register again within an hour.
const DOUBTED_MS: i64 = 3_600_000;

/// ITU-T Q.850: temporary failure.
const CAUSE_TEMPORARY_FAILURE: u8 = 41;

impl Fold {
    /// Takes in the next entry.
    pub fn apply(&mut self, entry: &Entry) {
        self.seen(entry.stamp);
        match &entry.event {
            Event::CallStarted(started) => {
                self.open_call(OpenCall {
                    started: started.clone(),
                    answered: None,
                });
            }
            Event::CallAnswered(answered) => {
                if let Some(open) = self.open_calls.get_mut(&answered.call) {
                    open.answered.get_or_insert_with(|| answered.clone());
                }
            }
            Event::CallEnded(_) | Event::Unknown(_) => {
                if let Some(call) = entry.event.ends_call() {
                    self.open_calls.remove(&call);
                }
            }
            Event::BindingSet(binding) => self.bind((**binding).clone()),
            Event::BindingRemoved(key) => {
                self.bindings.remove(key);
            }
            Event::EmergencyCall(call) => self.emergency((**call).clone()),
            Event::BoxStarted { .. } | Event::Heartbeat { .. } | Event::ConfigLoaded { .. } | Event::Omitted { .. } => {
            }
        }
    }

    /// The bindings that stand at `now`, in order of their keys. A clock that is not trusted ends no binding: each stands
    /// for a while at least.
    pub fn bindings(&self, now: &Stamp) -> Vec<Binding> {
        // Without a clock, time goes on from the last entry.
        let newest_utc_ms = self.newest().map_or(now.utc_ms, |stamp| stamp.utc_ms.max(now.utc_ms));
        let standing = |binding: &Binding| {
            let mut binding = binding.clone();
            if !now.clock_trusted {
                binding.expires_utc_ms = binding.expires_utc_ms.max(newest_utc_ms.saturating_add(DOUBTED_MS));
            }
            (binding.expires_utc_ms > now.utc_ms).then_some(binding)
        };
        self.bindings.values().filter_map(standing).collect()
    }

    /// A record for each call that never ended, up to the last time the box is known to have been alive in its boot.
    pub fn interrupted(&self) -> Vec<CallRecord> {
        self.open_calls.values().map(|open| self.record(open)).collect()
    }

    /// The calls for help, the latest last.
    pub fn emergencies(&self) -> impl Iterator<Item = &EmergencyCall> {
        self.emergencies.iter()
    }

    /// When the last of the entries was made: the time is not before that.
    pub fn newest(&self) -> Option<Stamp> {
        self.newest
    }

    /// Entries left out because a bound was reached.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    pub(crate) fn bind(&mut self, binding: Binding) {
        let key = binding.key();
        if self.bindings.len() >= BINDINGS_MAX && !self.bindings.contains_key(&key) {
            self.dropped += 1;
            return;
        }
        self.bindings.insert(key, binding);
    }

    pub(crate) fn open_call(&mut self, open: OpenCall) {
        if self.open_calls.len() >= OPEN_CALLS_MAX {
            self.dropped += 1;
            return;
        }
        self.open_calls.insert(open.started.call, open);
    }

    pub(crate) fn emergency(&mut self, call: EmergencyCall) {
        self.emergencies.keep(call);
    }

    pub(crate) fn seen(&mut self, stamp: Stamp) {
        self.newest = Some(stamp);
        let known = self.last_seen.entry(stamp.boot).or_insert(stamp);
        if stamp.mono_ms >= known.mono_ms {
            *known = stamp;
        }
        if self.last_seen.len() <= BOOTS_MAX {
            return;
        }
        let open_calls = &self.open_calls;
        self.last_seen
            .retain(|boot, _| *boot == stamp.boot || open_calls.values().any(|open| open.started.at.boot == *boot));
    }

    pub(crate) fn boots(&self) -> impl Iterator<Item = &Stamp> {
        self.last_seen.values()
    }

    fn record(&self, open: &OpenCall) -> CallRecord {
        let started = &open.started;
        let answered = open.answered.as_ref().map(|answered| answered.at);
        let told = answered.unwrap_or(started.at);
        let ended = match self.last_seen.get(&told.boot) {
            Some(last) if last.mono_ms > told.mono_ms => *last,
            Some(_) | None => told,
        };
        CallRecord {
            id: started.call,
            from: started.from.clone(),
            to: started.to.clone(),
            direction: started.direction,
            trunks: started.trunks.clone(),
            extensions: started.extensions.clone(),
            emergency: started.emergency,
            started: started.at,
            answered,
            ended,
            ring_ms: answered.unwrap_or(ended).ms_since(&started.at),
            talk_ms: answered.map_or(0, |answered| ended.ms_since(&answered)),
            outcome: Outcome::Interrupted,
            q850_cause: CAUSE_TEMPORARY_FAILURE,
            sip_status: if answered.is_some() { 200 } else { 0 },
            ended_by: EndedBy::Box,
            transfers: Vec::new(),
            mode: started.mode,
            legs: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use branchline_journal::{Direction, Mode, RecordedParty, UnknownEvent};

    #[test]
    fn a_call_cut_short_lasts_until_the_last_sign_of_life_of_its_boot() {
        let mut fold = Fold::default();
        for (at, event) in [
            (stamp(1, 1_000), started(7, stamp(1, 1_000))),
            (stamp(1, 3_000), answered(7, stamp(1, 3_000))),
            (stamp(1, 13_000), Event::Heartbeat { live_calls: 1 }),
            (stamp(2, 90_000), Event::BoxStarted { version: "1".into() }),
        ] {
            fold.apply(&entry(at, event));
        }
        let records = fold.interrupted();
        assert_eq!(records.len(), 1);
        let record = &records[0];
        assert_eq!((record.outcome, record.ended), (Outcome::Interrupted, stamp(1, 13_000)));
        assert_eq!(
            (record.ring_ms, record.talk_ms, record.sip_status),
            (2_000, 10_000, 200)
        );
    }

    #[test]
    fn an_unanswered_call_cut_short_has_no_talk_time() {
        let mut fold = Fold::default();
        fold.apply(&entry(stamp(1, 1_000), started(7, stamp(1, 1_000))));
        let record = fold.interrupted().remove(0);
        assert_eq!(
            (record.answered, record.talk_ms, record.ring_ms, record.sip_status),
            (None, 0, 0, 0)
        );
    }

    #[test]
    fn a_call_that_ended_is_not_interrupted_even_if_a_newer_version_recorded_its_end() {
        let call = Uuid::from_u128(7);
        let newer = Event::Unknown(UnknownEvent {
            kind: "call_ended".into(),
            data: serde_json::json!({ "id": call.to_string(), "outcome": "forked" }),
        });
        let mut own = Fold::default();
        own.apply(&entry(stamp(1, 1), started(7, stamp(1, 1))));
        let record = own.interrupted().remove(0);
        for end in [newer, Event::CallEnded(Box::new(record))] {
            let mut fold = own.clone();
            fold.apply(&entry(stamp(1, 2), end));
            assert!(fold.interrupted().is_empty());
        }
    }

    #[test]
    fn bindings_are_replaced_removed_and_expire_by_a_trusted_clock_only() {
        let mut fold = Fold::default();
        for (aor, expires_utc_ms) in [("201", 50), ("201", 100), ("202", 100), ("203", 5_000)] {
            fold.apply(&entry(
                stamp(1, 1),
                Event::BindingSet(Box::new(binding(aor, expires_utc_ms))),
            ));
        }
        fold.apply(&entry(stamp(1, 2), Event::BindingRemoved(binding("202", 0).key())));
        let aors = |now: Stamp| fold.bindings(&now).into_iter().map(|it| it.aor).collect::<Vec<_>>();
        assert_eq!(
            aors(Stamp {
                utc_ms: 99,
                ..stamp(1, 1)
            }),
            ["201", "203"]
        );
        assert_eq!(
            aors(Stamp {
                utc_ms: 100,
                ..stamp(1, 1)
            }),
            ["203"]
        );
        assert_eq!(
            aors(Stamp {
                utc_ms: 100,
                clock_trusted: false,
                ..stamp(1, 1)
            }),
            ["201", "203"]
        );
    }

    #[test]
    fn without_a_clock_a_binding_stands_for_a_while_whatever_the_clock_says() {
        let mut fold = Fold::default();
        let set = Event::BindingSet(Box::new(binding("201", 5_000)));
        let last = Stamp {
            utc_ms: 90_000_000,
            ..stamp(1, 2)
        };
        fold.apply(&entry(stamp(1, 1), set));
        fold.apply(&entry(last, Event::Heartbeat { live_calls: 0 }));
        for utc_ms in [0, 6_000, 500_000_000] {
            let now = Stamp {
                utc_ms,
                clock_trusted: false,
                ..stamp(2, 0)
            };
            let bindings = fold.bindings(&now);
            let left_ms = bindings[0].expires_utc_ms - utc_ms.max(last.utc_ms);
            assert_eq!(left_ms, DOUBTED_MS, "at {utc_ms}");
        }
    }

    #[test]
    fn many_boots_do_not_grow_the_memory() {
        let mut fold = Fold::default();
        fold.apply(&entry(stamp(0, 1), started(7, stamp(0, 1))));
        for boot in 1..1000 {
            fold.apply(&entry(stamp(boot, 1), Event::Heartbeat { live_calls: 0 }));
        }
        assert!(fold.last_seen.len() <= BOOTS_MAX + 1);
        assert!(fold.last_seen.contains_key(&BootId(Uuid::from_u128(0))));
    }

    fn stamp(boot: u128, mono_ms: u64) -> Stamp {
        Stamp {
            utc_ms: 1_000_000 + mono_ms as i64,
            clock_trusted: true,
            mono_ms,
            boot: BootId(Uuid::from_u128(boot)),
        }
    }

    fn entry(stamp: Stamp, event: Event) -> Entry {
        Entry {
            id: Uuid::nil(),
            seq: 1,
            stamp,
            event,
        }
    }

    fn started(call: u128, at: Stamp) -> Event {
        Event::CallStarted(CallStarted {
            call: Uuid::from_u128(call),
            from: RecordedParty::default(),
            to: RecordedParty::default(),
            direction: Direction::Internal,
            trunks: vec![],
            extensions: vec![],
            emergency: false,
            mode: Mode::default(),
            at,
        })
    }

    fn answered(call: u128, at: Stamp) -> Event {
        Event::CallAnswered(CallAnswered {
            call: Uuid::from_u128(call),
            by: "202".into(),
            at,
        })
    }

    fn binding(aor: &str, expires_utc_ms: i64) -> Binding {
        Binding {
            aor: aor.into(),
            contact: "sip:phone".into(),
            instance: None,
            reg_id: None,
            q_thousandths: 1000,
            path: vec![],
            received: "192.0.2.1:5060".into(),
            transport: "udp".into(),
            call_id: "a".into(),
            cseq: 1,
            expires_utc_ms,
            user_agent: None,
        }
    }
}

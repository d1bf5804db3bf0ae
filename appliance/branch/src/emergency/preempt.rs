//! A call for help that finds every channel taken gets that of the youngest ordinary call to the outside.

use branchline_call::{CallId, Cause, LegId};

use super::Voice;
use crate::Branch;
use crate::legs::Party;
use crate::now::Now;
use crate::output::{About, Level};
use crate::targets::Urgency;

impl Branch {
    /// Ends an ordinary call on a trunk that is full, by what is configured or by what the trunk said to this call.
    pub(super) fn make_room(&mut self, now: Now, call: CallId, trunk: &str) {
        if self.voice_of(call) == Voice::Quiet {
            return;
        }
        let party = Party::Trunk(trunk.to_owned());
        let bound = self.config.trunk(trunk).and_then(|trunk| trunk.max_calls);
        let is_full = bound.is_some_and(|bound| self.legs.calls_of(&party) >= bound);
        let refused = self
            .facts
            .get(&call)
            .is_some_and(|facts| facts.congested.iter().any(|it| it == trunk));
        if !is_full && !refused {
            return;
        }
        let Some(victim) = self.gives_way(&party, call) else {
            return;
        };
        let number = self
            .facts
            .get(&victim)
            .map(|facts| facts.to.dialled.clone())
            .unwrap_or_default();
        self.counters.calls_preempted += 1;
        let text = format!("the call to {number} over {trunk} was ended: its channel is needed for a call for help");
        let about = About {
            call: self.facts.get(&victim).map(|facts| facts.id.to_string()),
            to: Some(number),
            trunk: Some(trunk.to_owned()),
            ..About::default()
        };
        self.notice_about(Level::Warning, text, about);
        self.calls.hang_up(now.mono, victim, Cause::PREEMPTED);
        // The goodbye leaves before the INVITE that takes its channel.
        self.drain_calls(now);
    }

    /// Who gives way: the youngest ordinary call there, else the oldest of those that are put through quietly. Never what the
    /// call for help itself came by.
    fn gives_way(&self, trunk: &Party, for_help: CallId) -> Option<CallId> {
        let own = self.whole(for_help);
        let is_there = |id: CallId| {
            let parties = self.calls.legs(id).filter_map(|leg| self.legs.entry(leg));
            self.whole(id) != own && parties.into_iter().any(|entry| entry.party == *trunk)
        };
        let ordinary = self
            .facts
            .iter()
            .filter(|(id, facts)| facts.urgency == Urgency::Ordinary && self.calls.contains(**id) && is_there(**id));
        ordinary
            .max_by_key(|(_, facts)| (facts.started_mono, facts.id))
            .map(|(id, _)| *id)
            .or_else(|| self.oldest_quiet(is_there))
    }

    /// A trunk had no channel for a call for help: when its turn comes again, another call makes room.
    pub(crate) fn note_congestion(&mut self, leg: LegId, cause: Cause) {
        let Some(entry) = self.legs.entry(leg) else { return };
        let Party::Trunk(trunk) = &entry.party else { return };
        if let Some(facts) = self.facts.get_mut(&entry.call)
            && facts.urgency == Urgency::Emergency
            && cause.is_congestion()
            && !facts.congested.contains(trunk)
        {
            facts.congested.push(trunk.clone());
        }
    }
}

//! Calls that go in a circle: a number of ours leads outside, to a number that leads back here.

use branchline_call::CallId;
use branchline_route::{FORWARDS_MAX, Loop};

use crate::Branch;
use crate::dial::Incoming;
use crate::legs::Party;
use crate::records::CallFacts;

impl Branch {
    /// Whether a call from a trunk goes round. What tells a proxy of it (RFC 3261 section 16.3 item 4, RFC 5393) is lost in a
    /// provider's back-to-back agent, and Max-Forwards may be; the same caller and number waiting on their way out again are not.
    pub(crate) fn looped(&self, incoming: &Incoming) -> Loop {
        let Party::Trunk(_) = incoming.party else {
            return Loop::Clear;
        };
        let from = self.shown(&incoming.party, &incoming.request).number;
        if nameless(&from) {
            return Loop::Clear;
        }
        let is_same = |facts: &CallFacts| {
            facts.answered.is_none() && facts.to.dialled == incoming.dialled && facts.from.dialled == from
        };
        let rounds = self
            .facts
            .iter()
            .filter(|(call, facts)| is_same(facts) && self.is_passing_through(**call));
        if rounds.count() > usize::from(FORWARDS_MAX) {
            Loop::Seen
        } else {
            Loop::Clear
        }
    }

    /// The call came from a trunk and is on its way out over one.
    fn is_passing_through(&self, call: CallId) -> bool {
        let legs = self.legs.of_call(call);
        let on_trunks = legs.iter().filter_map(|leg| self.legs.entry(*leg));
        on_trunks.filter(|entry| matches!(entry.party, Party::Trunk(_))).count() > 1
    }
}

/// Callers who withhold their number have nothing in common.
fn nameless(number: &str) -> bool {
    number.is_empty() || number.eq_ignore_ascii_case("anonymous")
}

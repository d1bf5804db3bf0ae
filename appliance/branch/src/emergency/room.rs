//! Room for calls for help. Anybody can forge them: the telephones that are registered have a share of sessions and ports
//! that no flood can take.

use branchline_call::{CallId, Cause};

use super::Voice;
use crate::Branch;
use crate::dial::Incoming;
use crate::legs::Party;
use crate::now::Now;

impl Branch {
    /// Whether there is room for a call for help. Where there was none, quiet ones that nobody has answered give way.
    pub(crate) fn find_room(&mut self, now: Now, incoming: &Incoming) -> bool {
        while !self.has_room(incoming) {
            let Some(oldest) = self.oldest_quiet(|_| true) else {
                return false;
            };
            self.calls.hang_up(now.mono, oldest, Cause::NO_RESOURCE);
            self.drain_calls(now);
        }
        true
    }

    fn has_room(&self, incoming: &Incoming) -> bool {
        let (sessions, pairs) = match incoming.party {
            Party::Stranger => (SESSIONS + SESSIONS_OF_TELEPHONES, PAIRS + PAIRS_OF_TELEPHONES),
            Party::Extension(_) | Party::Trunk(_) | Party::Hosted(_) => (SESSIONS, PAIRS),
        };
        let family = self.address_facing(incoming.flow).into();
        self.agent.sessions_left() >= sessions && self.anchors.pool().can_take(family, pairs)
    }

    /// The quiet call for help that has waited longest for an answer.
    pub(super) fn oldest_quiet(&self, is_there: impl Fn(CallId) -> bool) -> Option<CallId> {
        let quiet = self.facts.iter().filter(|(id, facts)| {
            facts.voice == Voice::Quiet && facts.answered.is_none() && self.calls.contains(**id) && is_there(**id)
        });
        quiet
            .min_by_key(|(_, facts)| (facts.started_mono, facts.id))
            .map(|(id, _)| *id)
    }
}

/// A call has two legs.
const SESSIONS: usize = 2;
const PAIRS: usize = 2;
/// Sessions that calls from strangers leave to registered telephones; calls on their way out hold some a while longer.
const SESSIONS_OF_TELEPHONES: usize = 32;
/// Port pairs that they leave in stock: the shell binds more at each turn.
const PAIRS_OF_TELEPHONES: usize = 2;
/// Sessions beyond what ordinary calls need.
pub(crate) const SESSIONS_FOR_HELP: usize = 2 * SESSIONS_OF_TELEPHONES;

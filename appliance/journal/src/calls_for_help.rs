//! Which calls for help are remembered. The box, its journal and its database keep the same list by the same rule.

use std::collections::VecDeque;

use crate::EmergencyCall;

/// The latest calls for help, each with the latest word on it.
#[derive(Clone, Debug, Default)]
pub struct CallsForHelp(VecDeque<EmergencyCall>);

impl CallsForHelp {
    /// How many there are at most. Anybody can call for help without an extension, and must not push out the telephones that
    /// have one: the oldest call without goes first, then the oldest; the latest stays.
    pub const MAX: usize = 500;

    /// Takes in the latest word on a call; gives the one before.
    pub fn keep(&mut self, call: EmergencyCall) -> Option<EmergencyCall> {
        let known = self.0.iter().position(|known| known.call == call.call);
        let before = known.and_then(|at| self.0.remove(at));
        if self.0.len() >= Self::MAX {
            let goes = self.0.iter().position(|known| known.extension.is_none());
            self.0.remove(goes.unwrap_or(0));
        }
        self.0.push_back(call);
        before
    }

    /// All of them, the latest last.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &EmergencyCall> {
        self.0.iter()
    }

    /// The same, to put something right in them.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut EmergencyCall> {
        self.0.iter_mut()
    }
}

//! Commands of the cloud: each carried out once, and only in time.

use std::collections::VecDeque;

use branchline_wire::v1::{Command, CommandId, Outcome, OutcomeOf};

/// Commands whose outcome is remembered.
pub const COMMANDS_MAX: usize = 256;

/// What to do with a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Carry it out.
    Run(Command),
    /// It is being carried out.
    Underway,
    /// It was carried out: say again how it ended.
    Tell(Outcome),
}

/// The last commands.
#[derive(Debug, Default)]
pub struct Commands {
    known: VecDeque<(CommandId, Option<OutcomeOf>)>,
}

impl Commands {
    /// A command came, perhaps again.
    pub fn handle_command(&mut self, command: Command) -> Verdict {
        if let Some((id, outcome)) = self.known.iter().find(|(id, _)| *id == command.id) {
            return match outcome {
                Some(outcome) => Verdict::Tell(Outcome {
                    command: *id,
                    outcome: outcome.clone(),
                }),
                None => Verdict::Underway,
            };
        }
        if self.known.len() == COMMANDS_MAX {
            self.known.pop_front();
        }
        self.known.push_back((command.id, None));
        Verdict::Run(command)
    }

    /// A command ended.
    pub fn handle_outcome(&mut self, outcome: &Outcome) {
        if let Some(known) = self.known.iter_mut().find(|(id, _)| *id == outcome.command) {
            known.1 = Some(outcome.outcome.clone());
        }
    }
}

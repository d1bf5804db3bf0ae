//! Ringing what was dialled: groups of targets in order, the first answer wins.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::cause::{Cause, Class};
use crate::leg::LegId;

/// Targets that ring together.
#[derive(Clone, Debug)]
pub struct Attempt<T> {
    /// What to invite, best first.
    pub targets: Vec<T>,
    /// How long to wait for any sign of life before the path counts as dead.
    pub sign: Duration,
    /// How long to ring before the next attempt.
    pub ring: Duration,
    /// After which failure of the attempt before it this one is made.
    pub after: After,
    /// What to try when this one was made and failed, before the attempts behind it.
    pub then: Vec<Attempt<T>>,
}

/// The failure that an attempt is the remedy for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// The first attempt, or the next whatever went wrong.
    Any,
    /// The party was engaged: forward on busy.
    Busy,
    /// It rang, or nothing was registered: forward on no answer.
    NoAnswer,
    /// The path failed, not the party: the next trunk.
    Unreachable,
    /// The path failed, or what is at its end does not know the party.
    NotKnown,
    /// Whatever went wrong, a refusal included: the next way to call for help.
    Failure,
}

impl After {
    fn remedies(self, cause: Cause) -> bool {
        match self {
            After::Any => cause.status < 600,
            After::Failure => true,
            After::Busy => cause.class() == Class::Busy,
            After::NoAnswer => cause.class() == Class::NoAnswer || After::Unreachable.remedies(cause),
            After::NotKnown => cause.class() == Class::Unreachable,
            After::Unreachable => cause.class() == Class::Unreachable && cause.status != 404 && cause.status != 410,
        }
    }
}

/// The search for somebody who answers.
#[derive(Clone, Debug)]
pub(crate) struct Dialing<T> {
    /// Who waits for the answer.
    pub(crate) caller: LegId,
    pub(crate) later: VecDeque<Attempt<T>>,
    pub(crate) ringing: Vec<LegId>,
    pub(crate) until: Option<Instant>,
    /// When the ring time ends, once somebody has given a sign of life.
    pub(crate) rings_until: Option<Instant>,
    /// The leg whose early media the caller hears.
    pub(crate) early: Option<LegId>,
    /// The leg that described itself to the caller last.
    pub(crate) described_by: Option<LegId>,
    /// The last status passed on to the caller.
    pub(crate) told: u16,
    failure: Option<Cause>,
}

impl<T> Dialing<T> {
    pub(crate) fn new(caller: LegId, attempts: Vec<Attempt<T>>) -> Self {
        Dialing {
            caller,
            later: attempts.into(),
            ringing: Vec::new(),
            until: None,
            rings_until: None,
            early: None,
            described_by: None,
            told: 0,
            failure: None,
        }
    }

    pub(crate) fn note_failure(&mut self, cause: Cause) {
        if self.failure.is_none_or(|known| cause.rank() > known.rank()) {
            self.failure = Some(cause);
        }
    }

    /// What to answer the caller when nothing is left to try.
    pub(crate) fn verdict(&self) -> Cause {
        self.failure.unwrap_or(Cause::NOT_REGISTERED)
    }

    /// The next attempt that can mend the failure so far. What would follow an attempt that is passed over is passed over
    /// with it: the second trunk of a forward on busy is no remedy for a phone that does not answer.
    pub(crate) fn next_attempt(&mut self) -> Option<Attempt<T>> {
        while let Some(mut attempt) = self.later.pop_front() {
            if self.failure.is_some_and(|cause| !attempt.after.remedies(cause)) {
                continue;
            }
            for next in std::mem::take(&mut attempt.then).into_iter().rev() {
                self.later.push_front(next);
            }
            self.failure = None;
            return Some(attempt);
        }
        None
    }

    /// A sign of life: from now on the ring time counts.
    pub(crate) fn hear(&mut self) {
        if let Some(until) = self.rings_until.take() {
            self.until = Some(until);
        }
    }

    /// What the end of the waiting time means.
    pub(crate) fn silence(&self) -> Cause {
        if self.rings_until.is_some() {
            Cause::of_status(408)
        } else {
            Cause::NO_ANSWER
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(name: &'static str, after: After) -> Attempt<&'static str> {
        Attempt {
            targets: vec![name],
            sign: Duration::from_secs(4),
            ring: Duration::from_secs(30),
            after,
            then: Vec::new(),
        }
    }

    #[test]
    fn the_next_attempt_is_the_one_that_remedies_the_failure() {
        let attempts = || {
            vec![
                attempt("desk", After::Any),
                attempt("on busy", After::Busy),
                attempt("on no answer", After::NoAnswer),
                attempt("next trunk", After::Unreachable),
            ]
        };
        for (cause, expected) in [
            (Cause::BUSY, Some("on busy")),
            (Cause::NO_ANSWER, Some("on no answer")),
            (Cause::NOT_REGISTERED, Some("on no answer")),
            (Cause::of_status(503), Some("on no answer")),
            (Cause::of_status(404), None),
            (Cause::of_status(603), None),
        ] {
            let mut dialing = Dialing::new(LegId(1), attempts());
            assert_eq!(dialing.next_attempt().map(|attempt| attempt.targets[0]), Some("desk"));
            dialing.note_failure(cause);
            assert_eq!(
                dialing.next_attempt().map(|attempt| attempt.targets[0]),
                expected,
                "{cause:?}"
            );
        }
    }

    #[test]
    fn the_next_way_to_call_for_help_is_tried_whatever_went_wrong() {
        for cause in [
            Cause::BUSY,
            Cause::NO_ANSWER,
            Cause::of_status(404),
            Cause::of_status(603),
            Cause::of_status(503),
        ] {
            let mut dialing = Dialing::new(
                LegId(1),
                vec![attempt("a", After::Failure), attempt("b", After::Failure)],
            );
            assert_eq!(dialing.next_attempt().map(|attempt| attempt.targets[0]), Some("a"));
            dialing.note_failure(cause);
            assert_eq!(
                dialing.next_attempt().map(|attempt| attempt.targets[0]),
                Some("b"),
                "{cause:?}"
            );
        }
    }

    #[test]
    fn a_busy_phone_tells_the_caller_more_than_an_absent_one() {
        let mut dialing = Dialing::<()>::new(LegId(1), Vec::new());
        dialing.note_failure(Cause::of_status(408));
        dialing.note_failure(Cause::BUSY);
        dialing.note_failure(Cause::of_status(404));
        assert_eq!(dialing.verdict(), Cause::BUSY);
    }
}

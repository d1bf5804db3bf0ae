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
    /// How long to wait before the next attempt.
    pub patience: Patience,
    /// After which failure of the attempt before it this one is made.
    pub after: After,
    /// What to try when this one was made and failed, before the attempts behind it.
    pub then: Vec<Attempt<T>>,
}

/// How long an attempt is waited for, from its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// For any sign of life; without one the path counts as dead.
    pub sign: Duration,
    /// For more than a 100, which only the next hop says; without more the path counts as dead behind it.
    pub trying: Duration,
    /// For the answer.
    pub ring: Duration,
}

impl Patience {
    /// With a path that has given any sign for as long as with one that rings.
    #[must_use]
    pub fn new(sign: Duration, ring: Duration) -> Patience {
        Patience {
            sign,
            trying: ring,
            ring,
        }
    }

    fn after(self, sign: Sign) -> Duration {
        let wanted = match sign {
            Sign::Nothing => self.sign,
            Sign::Trying => self.trying,
            Sign::Ringing => self.ring,
        };
        wanted.min(self.ring)
    }
}

/// How far an attempt has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Sign {
    Nothing,
    /// 100, from the next hop.
    Trying,
    /// More than that, from whoever is called or nearly there.
    Ringing,
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
    waiting: Option<Waiting>,
    /// The leg whose early media the caller hears.
    pub(crate) early: Option<LegId>,
    /// The leg that described itself to the caller last.
    pub(crate) described_by: Option<LegId>,
    /// The last status passed on to the caller.
    pub(crate) told: u16,
    failure: Option<Cause>,
}

/// The attempt that is waited for.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    since: Instant,
    patience: Patience,
    heard: Sign,
}

impl<T> Dialing<T> {
    pub(crate) fn new(caller: LegId, attempts: Vec<Attempt<T>>) -> Self {
        Dialing {
            caller,
            later: attempts.into(),
            ringing: Vec::new(),
            until: None,
            waiting: None,
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

    pub(crate) fn begin(&mut self, now: Instant, patience: Patience) {
        self.until = Some(now + patience.after(Sign::Nothing));
        self.waiting = Some(Waiting {
            since: now,
            patience,
            heard: Sign::Nothing,
        });
    }

    /// A sign of life: the attempt is waited for longer.
    pub(crate) fn hear(&mut self, sign: Sign) {
        if let Some(waiting) = self.waiting.as_mut().filter(|waiting| waiting.heard < sign) {
            waiting.heard = sign;
            self.until = Some(waiting.since + waiting.patience.after(sign));
        }
    }

    /// What the end of the waiting time means.
    pub(crate) fn silence(&self) -> Cause {
        let is_dead = |waiting: Waiting| match waiting.heard {
            Sign::Nothing => true,
            Sign::Trying => waiting.patience.trying < waiting.patience.ring,
            Sign::Ringing => false,
        };
        if self.waiting.is_some_and(is_dead) {
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
            patience: Patience::new(Duration::from_secs(4), Duration::from_secs(30)),
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

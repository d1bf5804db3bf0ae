//! All calls of the branch, and which leg belongs to which.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Instant;

use branchline_sdp::Sdp;

use crate::action::{Action, EndedBy, NewCall, Summary};
use crate::cause::Cause;
use crate::dialing::Dialing;
use crate::leg::{CallId, Leg, LegEvent, LegId, LegState};
use crate::talking::Talking;

/// All calls of the branch.
///
/// Inputs: [`place`](Self::place), [`handle_leg`](Self::handle_leg), [`handle_timeout`](Self::handle_timeout),
/// `transfer_*`, [`take_over`](Self::take_over), [`hang_up`](Self::hang_up). After each, drain
/// [`poll_action`](Self::poll_action), then ask [`poll_timeout`](Self::poll_timeout).
pub struct Calls<T> {
    pub(crate) calls: HashMap<CallId, Call<T>>,
    pub(crate) of_leg: HashMap<LegId, CallId>,
    pub(crate) actions: VecDeque<Action<T>>,
    deadlines: BTreeSet<(Instant, CallId)>,
    next_leg: u64,
}

pub(crate) struct Call<T> {
    pub(crate) id: CallId,
    pub(crate) legs: Vec<Leg>,
    pub(crate) phase: Phase<T>,
    pub(crate) started: Instant,
    pub(crate) answer: Answer,
    pub(crate) transfers: u32,
    /// The legs on the calling side: whoever stands in for the caller after a transfer joins it.
    pub(crate) calling_side: Vec<LegId>,
}

/// The first answer, on its way to the caller.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Awaited,
    /// Somebody answered, and the caller does not hear it yet.
    Given {
        by: LegId,
    },
    Heard {
        at: Instant,
    },
}

pub(crate) enum Phase<T> {
    /// The caller waits for somebody to answer.
    Dialing(Dialing<T>),
    /// Two legs talk.
    Talking(Talking),
    /// One leg waits for somebody new to answer; who sent it there may still be on the line.
    Transferring {
        dialing: Dialing<T>,
        transferor: Option<LegId>,
    },
}

impl<T: Clone> Default for Calls<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Clone> Calls<T> {
    /// No calls.
    #[must_use]
    pub fn new() -> Self {
        Calls {
            calls: HashMap::new(),
            of_leg: HashMap::new(),
            actions: VecDeque::new(),
            deadlines: BTreeSet::new(),
            next_leg: 1,
        }
    }

    /// How many calls there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.calls.len()
    }

    /// The call is still there.
    #[must_use]
    pub fn contains(&self, call: CallId) -> bool {
        self.calls.contains_key(&call)
    }

    /// No call and no leg left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty() && self.of_leg.is_empty()
    }

    /// The call of a leg.
    #[must_use]
    pub fn call_of(&self, leg: LegId) -> Option<CallId> {
        self.of_leg.get(&leg).copied()
    }

    /// The leg a call's leg talks to.
    #[must_use]
    pub fn peer_of(&self, leg: LegId) -> Option<LegId> {
        match &self.calls.get(&self.call_of(leg)?)?.phase {
            Phase::Talking(talking) => talking.peer_of(leg),
            Phase::Dialing(_) | Phase::Transferring { .. } => None,
        }
    }

    /// The legs whose media is joined now, caller's side first; one alone while it waits for a new party.
    #[must_use]
    pub fn bridge(&self, call: CallId) -> Vec<LegId> {
        match self.calls.get(&call).map(|call| &call.phase) {
            Some(Phase::Dialing(dialing)) => dialing.early.map_or(Vec::new(), |early| vec![dialing.caller, early]),
            Some(Phase::Talking(talking)) => talking.pair.to_vec(),
            Some(Phase::Transferring { dialing, .. }) => {
                [Some(dialing.caller), dialing.early].into_iter().flatten().collect()
            }
            None => Vec::new(),
        }
    }

    /// The leg is called and has not answered.
    #[must_use]
    pub fn is_ringing(&self, leg: LegId) -> bool {
        let call = self.call_of(leg).and_then(|call| self.calls.get(&call));
        let state = call.and_then(|call| call.leg(leg)).map(|leg| leg.state);
        state == Some(LegState::Invited)
    }

    /// Both parties are on the line and talk.
    #[must_use]
    pub fn is_talking(&self, call: CallId) -> bool {
        self.calls
            .get(&call)
            .is_some_and(|call| matches!(call.phase, Phase::Talking(_)))
    }

    /// One of the legs of the conversation has the other on hold.
    #[must_use]
    pub fn is_held(&self, call: CallId) -> bool {
        self.calls.get(&call).is_some_and(|call| {
            matches!(call.phase, Phase::Talking(_))
                && call
                    .legs
                    .iter()
                    .any(|leg| leg.described.as_ref().is_some_and(Sdp::is_hold))
        })
    }

    /// The call is looking for a new party.
    #[must_use]
    pub fn is_transferring(&self, call: CallId) -> bool {
        self.calls
            .get(&call)
            .is_some_and(|call| matches!(call.phase, Phase::Transferring { .. }))
    }

    /// The legs of a call.
    pub fn legs(&self, call: CallId) -> impl Iterator<Item = LegId> + '_ {
        self.calls
            .get(&call)
            .into_iter()
            .flat_map(|call| call.legs.iter().map(|leg| leg.id))
    }

    /// A call comes in; the leg is the caller's, and [`Action::Answer`] or [`Action::Refuse`] will follow.
    pub fn place(&mut self, now: Instant, new: NewCall<T>) -> LegId {
        let caller = self.new_leg(new.id);
        let mut call = Call {
            id: new.id,
            legs: vec![Leg::new(caller, LegState::Offered, new.offer)],
            phase: Phase::Dialing(Dialing::new(caller, new.attempts)),
            started: now,
            answer: Answer::Awaited,
            transfers: 0,
            calling_side: vec![caller],
        };
        self.dial_next(now, &mut call);
        self.keep(call);
        caller
    }

    /// Something happened on a leg.
    pub fn handle_leg(&mut self, now: Instant, leg: LegId, event: LegEvent) {
        let Some(mut call) = self.take(leg) else { return };
        match event {
            LegEvent::Trying => Self::leg_trying(&mut call, leg),
            LegEvent::Progress { status, early } => self.leg_progress(&mut call, (leg, status), early),
            LegEvent::Answered { body, needs_answer } => {
                self.leg_answered(now, &mut call, (leg, needs_answer), body.as_ref());
            }
            LegEvent::Refused(cause) => self.leg_lost(now, &mut call, leg, cause),
            LegEvent::Ended(cause) => self.leg_lost(now, &mut call, leg, cause),
            LegEvent::AnswerSent => self.answer_sent(now, &mut call, leg),
            LegEvent::Acknowledged { answer } => self.leg_acknowledged(&mut call, leg, answer),
            LegEvent::Reoffer { offer } => self.leg_reoffers(&mut call, leg, offer),
            LegEvent::ReofferWithdrawn => Self::reoffer_withdrawn(&mut call, leg),
            LegEvent::ReofferAnswered { body, needs_answer } => {
                self.reoffer_answered(&mut call, (leg, needs_answer), body);
            }
            LegEvent::ReofferRefused { status } => self.reoffer_refused(now, &mut call, (leg, status)),
            LegEvent::ReofferAcknowledged { answer } => self.reoffer_acknowledged(&mut call, leg, answer),
            LegEvent::Silent => self.finish(now, &mut call, Cause::MEDIA_LOST, EndedBy::Box),
        }
        self.keep(call);
    }

    /// Ends a call from the box: an operator, a limit, a fault.
    pub fn hang_up(&mut self, now: Instant, call: CallId, cause: Cause) {
        if let Some(mut call) = self.lift(call) {
            self.finish(now, &mut call, cause, EndedBy::Box);
        }
    }

    /// Moves time on.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(&(due, id)) = self.deadlines.first() {
            if due > now {
                break;
            }
            self.deadlines.pop_first();
            let Some(mut call) = self.calls.remove(&id) else {
                continue;
            };
            if call.ring_until().is_some_and(|until| until <= now) {
                self.rang_out(now, &mut call);
            }
            self.keep(call);
        }
    }

    /// When a phone has rung for long enough.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines.first().map(|(due, _)| *due)
    }

    /// The next thing to do.
    pub fn poll_action(&mut self) -> Option<Action<T>> {
        self.actions.pop_front()
    }

    pub(crate) fn new_leg(&mut self, call: CallId) -> LegId {
        let leg = LegId(self.next_leg);
        self.next_leg += 1;
        self.of_leg.insert(leg, call);
        leg
    }

    /// Lifts a call out of the table to work on it; [`keep`](Self::keep) puts it back.
    pub(crate) fn take(&mut self, leg: LegId) -> Option<Call<T>> {
        let id = self.call_of(leg)?;
        self.lift(id)
    }

    pub(crate) fn lift(&mut self, id: CallId) -> Option<Call<T>> {
        let call = self.calls.remove(&id)?;
        if let Some(until) = call.ring_until() {
            self.deadlines.remove(&(until, id));
        }
        Some(call)
    }

    pub(crate) fn keep(&mut self, call: Call<T>) {
        if call.legs.is_empty() {
            return;
        }
        if let Some(until) = call.ring_until() {
            self.deadlines.insert((until, call.id));
        }
        self.calls.insert(call.id, call);
    }

    pub(crate) fn act(&mut self, action: Action<T>) {
        self.actions.push_back(action);
    }

    pub(crate) fn drop_leg(&mut self, call: &mut Call<T>, leg: LegId) {
        self.of_leg.remove(&leg);
        call.legs.retain(|known| known.id != leg);
    }

    /// Takes back the invitations of a call that nobody has carried out yet.
    fn take_unsent(&mut self, call: CallId) -> Vec<LegId> {
        let of_call = |action: &Action<T>| {
            if let Action::Invite { call: of, leg, .. } = action
                && *of == call
            {
                Some(*leg)
            } else {
                None
            }
        };
        let unsent = self.actions.iter().filter_map(of_call).collect();
        self.actions.retain(|action| of_call(action).is_none());
        unsent
    }

    /// Hangs up or refuses whatever is left and reports the end.
    pub(crate) fn finish(&mut self, now: Instant, call: &mut Call<T>, cause: Cause, ended_by: EndedBy) {
        let answered = match call.answer {
            Answer::Awaited | Answer::Given { .. } => None,
            Answer::Heard { at } => Some(at),
        };
        let cause = match ended_by {
            EndedBy::Caller if answered.is_none() && cause == Cause::CLEARED => Cause::CANCELLED,
            EndedBy::Callee if answered.is_none() && cause == Cause::CLEARED => Cause::UNHEARD,
            EndedBy::Caller | EndedBy::Callee | EndedBy::Box => cause,
        };
        let talking = match &call.phase {
            Phase::Talking(talking) => talking.pair.to_vec(),
            Phase::Dialing(dialing) | Phase::Transferring { dialing, .. } => vec![dialing.caller],
        };
        let unsent = self.take_unsent(call.id);
        for leg in std::mem::take(&mut call.legs) {
            self.of_leg.remove(&leg.id);
            match leg.state {
                LegState::Invited if unsent.contains(&leg.id) => {}
                LegState::Offered => self.act(Action::Refuse { leg: leg.id, cause }),
                LegState::Invited | LegState::Up => self.act(Action::HangUp { leg: leg.id, cause }),
            }
        }
        self.act(Action::Finished(Box::new(Summary {
            call: call.id,
            started: call.started,
            answered,
            ended: now,
            cause,
            ended_by,
            transfers: call.transfers,
            legs: talking,
        })));
    }
}

impl<T> Call<T> {
    pub(crate) fn leg(&self, id: LegId) -> Option<&Leg> {
        self.legs.iter().find(|leg| leg.id == id)
    }

    pub(crate) fn leg_mut(&mut self, id: LegId) -> Option<&mut Leg> {
        self.legs.iter_mut().find(|leg| leg.id == id)
    }

    pub(crate) fn described(&self, id: LegId) -> Option<Sdp> {
        self.leg(id)?.described.clone()
    }

    /// Remembers what a leg described, unless it sent nothing.
    pub(crate) fn describe(&mut self, id: LegId, description: Option<&Sdp>) {
        if let (Some(leg), Some(description)) = (self.leg_mut(id), description) {
            leg.described = Some(description.clone());
        }
    }

    pub(crate) fn side_of(&self, leg: LegId) -> EndedBy {
        if self.calling_side.contains(&leg) {
            EndedBy::Caller
        } else {
            EndedBy::Callee
        }
    }

    fn ring_until(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Dialing(dialing) | Phase::Transferring { dialing, .. } => dialing.until,
            Phase::Talking(_) => None,
        }
    }
}

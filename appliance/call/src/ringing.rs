//! From the first ring to the answer.

use std::time::Instant;

use branchline_sdp::Sdp;

use crate::action::{Action, EndedBy};
use crate::calls::{Answer, Call, Calls, Phase};
use crate::cause::{Cause, Class};
use crate::dialing::Sign;
use crate::leg::{Leg, LegId, LegState};
use crate::talking::{Exchange, Talking};

impl<T: Clone> Calls<T> {
    /// Starts the next attempt, or gives up and says why.
    pub(crate) fn dial_next(&mut self, now: Instant, call: &mut Call<T>) {
        let Some(dialing) = call.dialing_mut() else { return };
        dialing.early = None;
        let caller = dialing.caller;
        match dialing.next_attempt() {
            Some(attempt) => {
                dialing.begin(now, attempt.patience);
                let offer = call.described(caller);
                for target in attempt.targets {
                    let leg = self.new_leg(call.id);
                    call.legs.push(Leg::new(leg, LegState::Invited, None));
                    if let Some(dialing) = call.dialing_mut() {
                        dialing.ringing.push(leg);
                    }
                    self.act(Action::Invite {
                        call: call.id,
                        leg,
                        caller,
                        target,
                        offer: offer.clone(),
                    });
                }
                if call.dialing_mut().is_some_and(|dialing| dialing.ringing.is_empty()) {
                    self.attempt_failed(now, call, Cause::NOT_REGISTERED);
                }
            }
            None => self.nobody_answered(now, call),
        }
    }

    fn attempt_failed(&mut self, now: Instant, call: &mut Call<T>, cause: Cause) {
        if let Some(dialing) = call.dialing_mut() {
            dialing.note_failure(cause);
            dialing.until = None;
        }
        self.dial_next(now, call);
    }

    fn nobody_answered(&mut self, now: Instant, call: &mut Call<T>) {
        let Some(dialing) = call.dialing_mut() else { return };
        let (verdict, kept) = (dialing.verdict(), dialing.caller);
        match &call.phase {
            Phase::Transferring {
                transferor: Some(transferor),
                ..
            } => {
                let transferor = *transferor;
                self.act(Action::TransferProgress {
                    leg: transferor,
                    status: verdict.status,
                });
                call.phase = Phase::Talking(Talking::settled(call.in_order(transferor, kept)));
                self.act(Action::MediaChanged(call.id));
            }
            Phase::Dialing(_) | Phase::Transferring { transferor: None, .. } => {
                let ended_by = if verdict.class() == Class::Unreachable {
                    EndedBy::Box
                } else {
                    EndedBy::Callee
                };
                self.finish(now, call, verdict, ended_by);
            }
            Phase::Talking(_) => {}
        }
    }

    /// The ring time of the attempt is over.
    pub(crate) fn rang_out(&mut self, now: Instant, call: &mut Call<T>) {
        let Some(dialing) = call.dialing_mut() else { return };
        let cause = dialing.silence();
        for leg in std::mem::take(&mut dialing.ringing) {
            self.drop_leg(call, leg);
            self.act(Action::HangUp { leg, cause });
        }
        self.attempt_failed(now, call, cause);
    }

    /// Something answers there, if only with 100.
    pub(crate) fn leg_trying(call: &mut Call<T>, leg: LegId) {
        if let Some(dialing) = call.dialing_mut()
            && dialing.ringing.contains(&leg)
        {
            dialing.hear(Sign::Trying);
        }
    }

    pub(crate) fn leg_progress(&mut self, call: &mut Call<T>, (leg, status): (LegId, u16), early: Option<Sdp>) {
        call.describe(leg, early.as_ref());
        let transferor = match &call.phase {
            Phase::Transferring { transferor, .. } => *transferor,
            Phase::Dialing(_) | Phase::Talking(_) => None,
        };
        let Some(dialing) = call.dialing_mut() else { return };
        if !dialing.ringing.contains(&leg) {
            return;
        }
        dialing.hear(Sign::Ringing);
        // One early medium at a time: a second ringing phone must not cut into the first one's announcement.
        let early = early.filter(|_| dialing.early.is_none_or(|heard| heard == leg));
        // A 183 without a description has nothing that a caller could show.
        if early.is_none() && (dialing.told == status || status == 183) {
            return;
        }
        let (caller, opens_media) = (dialing.caller, early.is_some());
        dialing.told = status;
        if opens_media {
            dialing.early = Some(leg);
        }
        if let Some(transferor) = transferor {
            self.act(Action::TransferProgress {
                leg: transferor,
                status,
            });
        } else if call.leg(caller).is_some_and(|leg| leg.state == LegState::Offered) {
            if opens_media && let Some(dialing) = call.dialing_mut() {
                dialing.described_by = Some(leg);
            }
            self.act(Action::Progress {
                leg: caller,
                status,
                early,
            });
        }
        if opens_media {
            self.act(Action::MediaChanged(call.id));
        }
    }

    pub(crate) fn leg_answered(
        &mut self,
        now: Instant,
        call: &mut Call<T>,
        (leg, needs_answer): (LegId, bool),
        body: Option<&Sdp>,
    ) {
        let Some(dialing) = call.dialing_mut() else { return };
        if !dialing.ringing.contains(&leg) {
            return;
        }
        let (caller, described_by) = (dialing.caller, dialing.described_by);
        for loser in std::mem::take(&mut dialing.ringing) {
            if loser != leg {
                self.drop_leg(call, loser);
                self.act(Action::HangUp {
                    leg: loser,
                    cause: Cause::ANSWERED_ELSEWHERE,
                });
            }
        }
        call.describe(leg, body);
        call.set_up(leg);
        let description = call.described(leg);
        if call.answer == Answer::Awaited {
            call.answer = Answer::Given { by: leg };
        }
        let exchange = if call.leg(caller).is_some_and(|leg| leg.state == LegState::Offered) {
            self.act(Action::Answer {
                leg: caller,
                body: description,
            });
            call.set_up(caller);
            match described_by {
                _ if needs_answer => Exchange::AnswerDue { from: caller, to: leg },
                // A phone keeps to the first description it got for its offer (RFC 3261 section 13.2.1, RFC 3262 section 5).
                Some(other) if other != leg => Exchange::EarlyElsewhere { caller, answered: leg },
                Some(_) | None => Exchange::Settled,
            }
        } else {
            // Who waits has been answered by another before, and is only told of this one.
            self.answer_sent(now, call, caller);
            self.act(Action::Reoffer {
                leg: caller,
                offer: description.map(|sdp| sdp.resumed()),
            });
            if needs_answer {
                Exchange::JoinAnswerDue { from: caller, to: leg }
            } else {
                Exchange::Joining {
                    asked: caller,
                    then: None,
                }
            }
        };
        self.release_transferor(call, leg);
        call.phase = Phase::Talking(Talking {
            pair: call.in_order(caller, leg),
            exchange,
        });
        self.act(Action::MediaChanged(call.id));
    }

    /// The answer leaves for the leg that called us; from here on the call counts as answered.
    pub(crate) fn answer_sent(&mut self, now: Instant, call: &mut Call<T>, leg: LegId) {
        if let Answer::Given { by } = call.answer
            && call.side_of(leg) == EndedBy::Caller
        {
            call.answer = Answer::Heard { at: now };
            self.act(Action::Answered { call: call.id, by });
        }
    }

    /// The new party has answered: who arranged it may go.
    fn release_transferor(&mut self, call: &mut Call<T>, joined: LegId) {
        let Phase::Transferring { transferor, .. } = &call.phase else {
            return;
        };
        let transferor = *transferor;
        call.transfers += 1;
        if !call.calling_side.contains(&match &call.phase {
            Phase::Transferring { dialing, .. } => dialing.caller,
            Phase::Dialing(_) | Phase::Talking(_) => joined,
        }) {
            call.calling_side.push(joined);
        }
        if let Some(transferor) = transferor {
            self.act(Action::TransferProgress {
                leg: transferor,
                status: 200,
            });
            self.drop_leg(call, transferor);
            self.act(Action::HangUp {
                leg: transferor,
                cause: Cause::CLEARED,
            });
        }
    }

    /// Invites another target under a leg that still rings, in place of the one it had. Says whether it still rang.
    pub fn invite_instead(&mut self, leg: LegId, target: T) -> bool {
        let Some(call) = self.call_of(leg).and_then(|call| self.calls.get_mut(&call)) else {
            return false;
        };
        let Some(dialing) = call.dialing_mut().filter(|dialing| dialing.ringing.contains(&leg)) else {
            return false;
        };
        let caller = dialing.caller;
        let (call, offer) = (call.id, call.described(caller));
        self.act(Action::Invite {
            call,
            leg,
            caller,
            target,
            offer,
        });
        true
    }

    /// A leg refused, failed or hung up.
    pub(crate) fn leg_lost(&mut self, now: Instant, call: &mut Call<T>, leg: LegId, cause: Cause) {
        let side = call.side_of(leg);
        self.drop_leg(call, leg);
        match &mut call.phase {
            Phase::Talking(_) => self.talker_lost(now, call, (leg, side), cause),
            Phase::Dialing(dialing) | Phase::Transferring { dialing, .. } if dialing.caller == leg => {
                self.finish(now, call, cause, side);
            }
            Phase::Transferring { transferor, .. } if *transferor == Some(leg) => *transferor = None,
            Phase::Dialing(dialing) | Phase::Transferring { dialing, .. } => {
                dialing.ringing.retain(|ringing| *ringing != leg);
                dialing.note_failure(cause);
                if dialing.early == Some(leg) {
                    dialing.early = None;
                }
                let decline_all = cause.status >= 600;
                let left = if decline_all {
                    std::mem::take(&mut dialing.ringing)
                } else {
                    Vec::new()
                };
                for leg in left {
                    self.drop_leg(call, leg);
                    self.act(Action::HangUp { leg, cause });
                }
                if call.dialing_mut().is_some_and(|dialing| dialing.ringing.is_empty()) {
                    self.attempt_failed(now, call, cause);
                }
            }
        }
    }
}

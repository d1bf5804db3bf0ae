//! Moving a conversation to somebody else: blind, attended, and a phone that takes another's place.

use std::time::Instant;

use branchline_sdp::Sdp;

use crate::action::{Action, Replaced};
use crate::calls::{Call, Calls, Phase};
use crate::cause::Cause;
use crate::dialing::{Attempt, Dialing};
use crate::leg::{Leg, LegId, LegState};
use crate::talking::{Exchange, Talking};

impl<T: Clone> Calls<T> {
    /// `transferor` sends the other party to somewhere new (RFC 5589 section 6). Says whether it can begin;
    /// [`Action::TransferProgress`] follows until a final status.
    pub fn transfer_blind(&mut self, now: Instant, transferor: LegId, attempts: Vec<Attempt<T>>) -> bool {
        let Some(mut call) = self.take(transferor) else {
            return false;
        };
        let transferee = match &call.phase {
            Phase::Talking(talking) if talking.exchange == Exchange::Settled => talking.peer_of(transferor),
            Phase::Talking(_) | Phase::Dialing(_) | Phase::Transferring { .. } => None,
        };
        if let Some(transferee) = transferee {
            // The transferee is held at this point; its offer to the new party is to talk.
            if let Some(leg) = call.leg_mut(transferee) {
                leg.described = leg.described.take().map(|sdp| sdp.resumed());
            }
            call.phase = Phase::Transferring {
                dialing: Dialing::new(transferee, attempts),
                transferor: Some(transferor),
            };
            self.act(Action::MediaChanged(call.id));
            self.dial_next(now, &mut call);
        }
        self.keep(call);
        transferee.is_some()
    }

    /// `transferor` joins its other party with the one of `consultation`, the other call of the same phone
    /// (RFC 5589 section 7). Says whether it was done; both of the phone's legs end.
    pub fn transfer_attended(&mut self, now: Instant, transferor: LegId, consultation: LegId) -> bool {
        if self.call_of(transferor) == self.call_of(consultation) {
            return false;
        }
        let Some(mut from) = self.take(transferor) else {
            return false;
        };
        let Some(mut into) = self.take(consultation) else {
            self.keep(from);
            return false;
        };
        let moved = match &from.phase {
            Phase::Talking(talking) if talking.exchange == Exchange::Settled => talking.peer_of(transferor),
            Phase::Talking(_) | Phase::Dialing(_) | Phase::Transferring { .. } => None,
        };
        let done = moved.is_some_and(|moved| self.stand_in(&mut into, consultation, (moved, from.described(moved))));
        if done {
            self.act(Action::TransferProgress {
                leg: transferor,
                status: 200,
            });
            from.transfers += 1;
            let pair = Phase::Talking(Talking::settled(match &from.phase {
                Phase::Talking(talking) => talking.pair,
                Phase::Dialing(_) | Phase::Transferring { .. } => [transferor, transferor],
            }));
            from.phase = pair;
            from.legs.retain(|leg| Some(leg.id) != moved);
            let side = from.side_of(transferor);
            // The bridge that gains the leg hears of it before the one that loses it, so that lock and figures move along.
            self.act(Action::MediaChanged(into.id));
            self.finish(now, &mut from, Cause::CLEARED, side);
        } else {
            self.keep(from);
        }
        self.keep(into);
        done
    }

    /// Puts a leg that is up, with its description, where `gone` was; `gone` is hung up.
    fn stand_in(&mut self, call: &mut Call<T>, gone: LegId, (leg, described): (LegId, Option<Sdp>)) -> bool {
        let described = described.map(|sdp| sdp.resumed());
        match &mut call.phase {
            Phase::Talking(talking) if talking.exchange == Exchange::Settled => {
                let Some(peer) = talking.peer_of(gone) else {
                    return false;
                };
                let pair = talking.pair.map(|known| if known == gone { leg } else { known });
                let exchange = Exchange::Joining {
                    asked: peer,
                    then: Some(leg),
                };
                call.phase = Phase::Talking(Talking { pair, exchange });
                self.act(Action::Reoffer {
                    leg: peer,
                    offer: described.clone(),
                });
            }
            // The other party still rings: whoever waits for it now waits on.
            Phase::Dialing(dialing) if dialing.caller == gone => dialing.caller = leg,
            Phase::Talking(_) | Phase::Dialing(_) | Phase::Transferring { .. } => return false,
        }
        call.transfers += 1;
        if call.calling_side.contains(&gone) {
            call.calling_side.push(leg);
        }
        let was = call.leg(gone).map(|leg| leg.state);
        self.drop_leg(call, gone);
        self.act(match was {
            Some(LegState::Offered) => Action::Refuse {
                leg: gone,
                cause: Cause::CANCELLED,
            },
            Some(LegState::Invited | LegState::Up) | None => Action::HangUp {
                leg: gone,
                cause: Cause::CLEARED,
            },
        });
        call.legs.push(Leg::new(leg, LegState::Up, described));
        self.of_leg.insert(leg, call.id);
        true
    }

    /// A new leg, with its offer, takes the place of `old` (RFC 3891): of a talker, or of a phone that rings.
    pub fn take_over(&mut self, now: Instant, old: LegId, offer: Sdp) -> Replaced {
        let Some(mut call) = self.take(old) else {
            return Replaced::Gone;
        };
        let new = match &call.phase {
            Phase::Talking(talking) if talking.exchange == Exchange::Settled => talking.peer_of(old).map(|peer| {
                let new = self.join(&mut call, &offer);
                call.set_exchange(Exchange::Replacing { old, new, peer });
                self.act(Action::Reoffer {
                    leg: peer,
                    offer: Some(offer),
                });
                new
            }),
            // A caller that has not described itself leaves nothing to answer the new phone's offer with.
            Phase::Dialing(dialing) if dialing.ringing.contains(&old) && call.described(dialing.caller).is_some() => {
                let caller = dialing.caller;
                Some(self.pick_up(now, &mut call, (caller, &offer)))
            }
            Phase::Talking(_) | Phase::Dialing(_) | Phase::Transferring { .. } => None,
        };
        self.keep(call);
        new.map_or(Replaced::Gone, Replaced::Taken)
    }

    fn join(&mut self, call: &mut Call<T>, offer: &Sdp) -> LegId {
        let new = self.new_leg(call.id);
        call.legs.push(Leg::new(new, LegState::Offered, Some(offer.clone())));
        new
    }

    /// The new phone answers for the ringing one: each side's offer is the other's answer.
    fn pick_up(&mut self, now: Instant, call: &mut Call<T>, (caller, offer): (LegId, &Sdp)) -> LegId {
        let new = self.join(call, offer);
        self.act(Action::Answer {
            leg: new,
            body: call.described(caller),
        });
        if let Some(dialing) = call.dialing_mut() {
            dialing.ringing.push(new);
        }
        self.leg_answered(now, call, (new, false), Some(offer));
        new
    }

    /// The peer answered the new phone's offer: the old one goes.
    pub(crate) fn replaced(
        &mut self,
        call: &mut Call<T>,
        (old, new, peer): (LegId, LegId, LegId),
        answer: Option<Sdp>,
    ) {
        self.act(Action::Answer { leg: new, body: answer });
        call.set_up(new);
        if call.calling_side.contains(&old) {
            call.calling_side.push(new);
        }
        call.phase = Phase::Talking(Talking::settled(call.in_order(new, peer)));
        if call.leg(old).is_some() {
            self.drop_leg(call, old);
            self.act(Action::HangUp {
                leg: old,
                cause: Cause::ANSWERED_ELSEWHERE,
            });
        }
    }
}

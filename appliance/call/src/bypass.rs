//! A call that left on one leg and came back on another: its parties are joined without the loop.

use std::time::Instant;

use crate::action::{Action, EndedBy};
use crate::calls::{Call, Calls, Phase};
use crate::cause::Cause;
use crate::dialing::Dialing;
use crate::leg::LegId;
use crate::talking::{Exchange, Talking};

/// Both ends of the loop.
#[derive(Clone, Copy)]
struct Ends {
    out: LegId,
    back: LegId,
}

impl<T: Clone> Calls<T> {
    /// Joins the party that waits for `out` with the party that `back` brought the call to, whether they ring or talk; both
    /// ends of the loop are hung up, and the call of `back` ends. `None` when they cannot be joined; otherwise the legs that
    /// now belong to the call of `out`.
    pub fn bypass(&mut self, now: Instant, out: LegId, back: LegId) -> Option<Vec<LegId>> {
        if self.call_of(out) == self.call_of(back) {
            return None;
        }
        let mut call = self.take(out)?;
        let Some(mut inner) = self.take(back) else {
            self.keep(call);
            return None;
        };
        let moved = self.unloop(now, (&mut call, &mut inner), Ends { out, back });
        if moved.is_some() {
            self.finish(now, &mut inner, Cause::CLEARED, EndedBy::Box);
        }
        self.keep(inner);
        self.keep(call);
        moved
    }

    fn unloop(&mut self, now: Instant, (call, inner): (&mut Call<T>, &mut Call<T>), ends: Ends) -> Option<Vec<LegId>> {
        match (&call.phase, &inner.phase) {
            (Phase::Talking(outer), Phase::Talking(talking)) => {
                let (caller, callee) = (outer.peer_of(ends.out)?, talking.peer_of(ends.back)?);
                if is_replacing(outer) || is_replacing(talking) {
                    return None;
                }
                self.join_talkers(call, inner, (caller, callee, ends));
                Some(vec![callee])
            }
            (Phase::Dialing(dialing), Phase::Talking(talking)) if dialing.ringing.contains(&ends.out) => {
                let callee = talking.peer_of(ends.back)?;
                if is_replacing(talking) {
                    return None;
                }
                let described = inner.described(callee);
                self.move_legs(call, inner, &[callee]);
                if let Some(dialing) = call.dialing_mut() {
                    dialing.ringing.push(callee);
                }
                // The answer was on its way through the loop.
                self.leg_answered(now, call, (callee, false), described.as_ref());
                Some(vec![callee])
            }
            (Phase::Dialing(outer), Phase::Dialing(dialing))
                if outer.ringing.contains(&ends.out) && dialing.caller == ends.back =>
            {
                // What rings has the loop's offer, and will answer that.
                let offer = call.described(outer.caller)?;
                if !offer.understands(&inner.described(ends.back)?) {
                    return None;
                }
                Some(self.join_ringing(call, inner, ends))
            }
            (Phase::Talking(_) | Phase::Dialing(_) | Phase::Transferring { .. }, _) => None,
        }
    }

    fn join_talkers(&mut self, call: &mut Call<T>, inner: &mut Call<T>, (caller, callee, ends): (LegId, LegId, Ends)) {
        self.call_off(call);
        self.call_off(inner);
        let understands = |known: Option<branchline_sdp::Sdp>, told: Option<branchline_sdp::Sdp>| {
            known.zip(told).is_some_and(|(known, told)| known.understands(&told))
        };
        let is_direct = understands(call.described(caller), inner.described(ends.back))
            && understands(inner.described(callee), call.described(ends.out));
        self.move_legs(call, inner, &[callee]);
        if call.calling_side.contains(&ends.out) {
            call.calling_side.push(callee);
        }
        let exchange = if is_direct {
            // Each already says what the other understands: neither needs to hear of it.
            Exchange::Settled
        } else {
            self.act(Action::Reoffer {
                leg: caller,
                offer: call.described(callee).map(|sdp| sdp.resumed()),
            });
            Exchange::Joining {
                asked: caller,
                then: Some(callee),
            }
        };
        call.phase = Phase::Talking(Talking {
            pair: call.in_order(caller, callee),
            exchange,
        });
        self.act(Action::MediaChanged(call.id));
        self.drop_end(call, ends.out);
    }

    fn join_ringing(&mut self, call: &mut Call<T>, inner: &mut Call<T>, ends: Ends) -> Vec<LegId> {
        let ringing: Vec<LegId> = inner
            .legs
            .iter()
            .map(|leg| leg.id)
            .filter(|leg| *leg != ends.back)
            .collect();
        self.move_legs(call, inner, &ringing);
        let rest = Phase::Dialing(Dialing::new(ends.back, Vec::new()));
        if let (Phase::Dialing(found), Some(outer)) = (std::mem::replace(&mut inner.phase, rest), call.dialing_mut()) {
            let mut own = std::mem::replace(outer, found);
            own.ringing.retain(|leg| *leg != ends.out);
            (outer.caller, outer.told) = (own.caller, own.told);
            outer.ringing.extend(own.ringing);
        }
        self.act(Action::MediaChanged(call.id));
        self.drop_end(call, ends.out);
        ringing
    }

    fn move_legs(&mut self, call: &mut Call<T>, inner: &mut Call<T>, legs: &[LegId]) {
        for leg in legs {
            self.of_leg.insert(*leg, call.id);
        }
        call.legs
            .extend(inner.legs.extract_if(.., |leg| legs.contains(&leg.id)));
    }

    fn drop_end(&mut self, call: &mut Call<T>, leg: LegId) {
        self.drop_leg(call, leg);
        self.act(Action::HangUp {
            leg,
            cause: Cause::CLEARED,
        });
    }

    /// A change that is on its way through the loop will not be answered any more.
    fn call_off(&mut self, call: &mut Call<T>) {
        if let Some(Exchange::Passing { from, .. } | Exchange::Asking { from, .. }) = call.exchange() {
            if let Some(leg) = call.leg_mut(from) {
                leg.described = leg.before.take();
            }
            self.act(Action::RefuseReoffer { leg: from, status: 491 });
        }
        call.set_exchange(Exchange::Settled);
    }
}

fn is_replacing(talking: &Talking) -> bool {
    matches!(talking.exchange, Exchange::Replacing { .. })
}

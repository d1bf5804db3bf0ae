//! Two legs in conversation: changes of one are passed to the other, so hold and codec changes work end to end.

use std::time::Instant;

use branchline_sdp::Sdp;

use crate::action::{Action, EndedBy};
use crate::calls::{Call, Calls, Phase};
use crate::cause::Cause;
use crate::dialing::Dialing;
use crate::leg::{LegId, LegState};

/// The conversation.
pub(crate) struct Talking {
    /// Caller's side first.
    pub(crate) pair: [LegId; 2],
    pub(crate) exchange: Exchange,
}

/// The one offer/answer exchange that may be under way between the two legs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exchange {
    Settled,
    /// `from` got the offer of `to` in our answer; its own answer goes into our ACK to `to`.
    AnswerDue {
        from: LegId,
        to: LegId,
    },
    /// The offer of `from` is with `to`.
    Passing {
        from: LegId,
        to: LegId,
    },
    /// `from` asked for an offer; `to` has been asked for it.
    Asking {
        from: LegId,
        to: LegId,
    },
    /// `from` has the offer of `to`; its answer goes into our ACK.
    AskedAnswerDue {
        from: LegId,
        to: LegId,
    },
    /// `from` took back what is with `to`: whatever `to` answers, it hears the old description of `from` again.
    Withdrawn {
        from: LegId,
        to: LegId,
    },
    /// `caller` heard the early media of one party, and another answered: once it has acknowledged, it hears of that one.
    EarlyElsewhere {
        caller: LegId,
        answered: LegId,
    },
    /// `asked` has its new peer's description; its answer goes to `then` where that still has to hear of it.
    Joining {
        asked: LegId,
        then: Option<LegId>,
    },
    /// `from` has the offer that `to` answered our offerless invitation with.
    JoinAnswerDue {
        from: LegId,
        to: LegId,
    },
    /// `new` takes the place of `old` once `peer` answers its offer.
    Replacing {
        old: LegId,
        new: LegId,
        peer: LegId,
    },
}

impl Talking {
    pub(crate) fn settled(pair: [LegId; 2]) -> Self {
        Talking {
            pair,
            exchange: Exchange::Settled,
        }
    }

    pub(crate) fn peer_of(&self, leg: LegId) -> Option<LegId> {
        match self.pair {
            [first, second] if first == leg => Some(second),
            [first, second] if second == leg => Some(first),
            [_, _] => None,
        }
    }
}

impl<T> Call<T> {
    pub(crate) fn dialing_mut(&mut self) -> Option<&mut Dialing<T>> {
        match &mut self.phase {
            Phase::Dialing(dialing) | Phase::Transferring { dialing, .. } => Some(dialing),
            Phase::Talking(_) => None,
        }
    }

    pub(crate) fn talking_mut(&mut self) -> Option<&mut Talking> {
        match &mut self.phase {
            Phase::Talking(talking) => Some(talking),
            Phase::Dialing(_) | Phase::Transferring { .. } => None,
        }
    }

    pub(crate) fn exchange(&self) -> Option<Exchange> {
        match &self.phase {
            Phase::Talking(talking) => Some(talking.exchange),
            Phase::Dialing(_) | Phase::Transferring { .. } => None,
        }
    }

    pub(crate) fn set_exchange(&mut self, exchange: Exchange) {
        if let Some(talking) = self.talking_mut() {
            talking.exchange = exchange;
        }
    }

    pub(crate) fn set_up(&mut self, leg: LegId) {
        if let Some(leg) = self.leg_mut(leg) {
            leg.state = LegState::Up;
        }
    }

    /// The two legs, the caller's side first.
    pub(crate) fn in_order(&self, one: LegId, other: LegId) -> [LegId; 2] {
        if self.calling_side.contains(&other) {
            [other, one]
        } else {
            [one, other]
        }
    }
}

impl<T: Clone> Calls<T> {
    pub(crate) fn leg_acknowledged(&mut self, call: &mut Call<T>, leg: LegId, answer: Option<Sdp>) {
        call.describe(leg, answer.as_ref());
        if let Some(Exchange::AnswerDue { from, to }) = call.exchange()
            && from == leg
        {
            call.set_exchange(Exchange::Settled);
            self.act(Action::Acknowledge { leg: to, answer });
            self.act(Action::MediaChanged(call.id));
        }
        if let Some(Exchange::EarlyElsewhere { caller, answered }) = call.exchange()
            && caller == leg
        {
            self.join_to(call, (caller, answered));
        }
    }

    /// `asked` hears the description of its peer; its own answer goes no further.
    fn join_to(&mut self, call: &mut Call<T>, (asked, peer): (LegId, LegId)) {
        call.set_exchange(Exchange::Joining { asked, then: None });
        self.act(Action::Reoffer {
            leg: asked,
            offer: call.described(peer),
        });
    }

    /// A change was taken back before it was answered.
    pub(crate) fn reoffer_withdrawn(call: &mut Call<T>, leg: LegId) {
        if let Some(Exchange::Passing { from, to } | Exchange::Asking { from, to }) = call.exchange()
            && from == leg
        {
            if let Some(leg) = call.leg_mut(from) {
                leg.described = leg.before.take();
            }
            call.set_exchange(Exchange::Withdrawn { from, to });
        }
    }

    pub(crate) fn leg_reoffers(&mut self, call: &mut Call<T>, leg: LegId, offer: Option<Sdp>) {
        let unchanged = match (&offer, call.leg(leg)) {
            (Some(offer), Some(leg)) => leg.described.as_ref() == Some(offer),
            (None, _) | (_, None) => false,
        };
        let peer = match &call.phase {
            Phase::Talking(talking) if talking.exchange == Exchange::Settled => talking.peer_of(leg),
            Phase::Talking(_) | Phase::Dialing(_) | Phase::Transferring { .. } => None,
        };
        let Some(peer) = peer else {
            self.act(Action::RefuseReoffer { leg, status: 491 });
            return;
        };
        if unchanged {
            // A session refresh (RFC 4028): the same offer gets the same answer, and the other side is left in peace.
            self.act(Action::AnswerReoffer {
                leg,
                body: call.described(peer),
            });
            return;
        }
        call.set_exchange(match offer {
            Some(_) => Exchange::Passing { from: leg, to: peer },
            None => Exchange::Asking { from: leg, to: peer },
        });
        if let Some(leg) = call.leg_mut(leg) {
            leg.before = leg.described.clone();
        }
        call.describe(leg, offer.as_ref());
        self.act(Action::Reoffer { leg: peer, offer });
    }

    pub(crate) fn reoffer_answered(
        &mut self,
        call: &mut Call<T>,
        (leg, needs_answer): (LegId, bool),
        body: Option<Sdp>,
    ) {
        call.describe(leg, body.as_ref());
        match call.exchange() {
            Some(Exchange::Passing { from, to }) if to == leg => {
                call.set_exchange(Exchange::Settled);
                self.act(Action::AnswerReoffer { leg: from, body });
            }
            Some(Exchange::Asking { from, to }) if to == leg => {
                call.set_exchange(if needs_answer {
                    Exchange::AskedAnswerDue { from, to }
                } else {
                    Exchange::Settled
                });
                self.act(Action::AnswerReoffer { leg: from, body });
            }
            Some(Exchange::Withdrawn { from, to }) if to == leg && needs_answer => {
                call.set_exchange(Exchange::Settled);
                self.act(Action::AcknowledgeReoffer {
                    leg: to,
                    answer: call.described(from),
                });
            }
            Some(Exchange::Withdrawn { from, to }) if to == leg => self.join_to(call, (to, from)),
            Some(Exchange::Joining { asked, then }) if asked == leg => match then {
                Some(other) => {
                    call.set_exchange(Exchange::Joining {
                        asked: other,
                        then: None,
                    });
                    self.act(Action::Reoffer {
                        leg: other,
                        offer: body.map(|sdp| sdp.resumed()),
                    });
                }
                None => call.set_exchange(Exchange::Settled),
            },
            Some(Exchange::JoinAnswerDue { from, to }) if from == leg => {
                call.set_exchange(Exchange::Settled);
                self.act(Action::Acknowledge { leg: to, answer: body });
            }
            Some(Exchange::Replacing { old, new, peer }) if peer == leg => self.replaced(call, (old, new, peer), body),
            Some(_) | None => {}
        }
        self.act(Action::MediaChanged(call.id));
    }

    pub(crate) fn reoffer_refused(&mut self, now: Instant, call: &mut Call<T>, (leg, status): (LegId, u16)) {
        match call.exchange() {
            Some(Exchange::Passing { from, to } | Exchange::Asking { from, to }) if to == leg => {
                call.set_exchange(Exchange::Settled);
                if let Some(leg) = call.leg_mut(from) {
                    leg.described = leg.before.take();
                }
                self.act(Action::RefuseReoffer { leg: from, status });
            }
            // Who was held for the transfer still has to be taken off it.
            Some(Exchange::Joining {
                asked,
                then: Some(other),
            }) if asked == leg => {
                let offer = call.described(asked).map(|sdp| sdp.resumed());
                call.set_exchange(Exchange::Joining {
                    asked: other,
                    then: None,
                });
                self.act(Action::Reoffer { leg: other, offer });
            }
            // The two stay joined with what they had: better one-way held audio than a cut call.
            Some(Exchange::Joining { asked, then: None }) if asked == leg => call.set_exchange(Exchange::Settled),
            Some(Exchange::Withdrawn { to, .. }) if to == leg => call.set_exchange(Exchange::Settled),
            Some(Exchange::JoinAnswerDue { from, to }) if from == leg => {
                call.set_exchange(Exchange::Settled);
                self.act(Action::Acknowledge {
                    leg: to,
                    answer: call.described(from),
                });
            }
            Some(Exchange::Replacing { old, new, peer }) if peer == leg => {
                call.set_exchange(Exchange::Settled);
                self.drop_leg(call, new);
                self.act(Action::Refuse {
                    leg: new,
                    cause: Cause::of_status(status),
                });
                if call.leg(old).is_none() {
                    self.finish(now, call, Cause::of_status(status), EndedBy::Box);
                }
            }
            Some(_) | None => {}
        }
    }

    pub(crate) fn reoffer_acknowledged(&mut self, call: &mut Call<T>, leg: LegId, answer: Option<Sdp>) {
        call.describe(leg, answer.as_ref());
        if let Some(Exchange::AskedAnswerDue { from, to }) = call.exchange()
            && from == leg
        {
            call.set_exchange(Exchange::Settled);
            self.act(Action::AcknowledgeReoffer { leg: to, answer });
            self.act(Action::MediaChanged(call.id));
        }
    }

    /// One of the two, or a phone that is about to take a place, is gone.
    pub(crate) fn talker_lost(&mut self, now: Instant, call: &mut Call<T>, lost: (LegId, EndedBy), cause: Cause) {
        let (leg, side) = lost;
        match call.exchange() {
            Some(Exchange::Replacing { new, .. }) if new == leg => call.set_exchange(Exchange::Settled),
            // Who is being replaced may hang up before the other has answered the new phone.
            Some(Exchange::Replacing { old, .. }) if old == leg => {}
            Some(_) | None => self.finish(now, call, cause, side),
        }
    }
}

//! A telephone takes the place of another (RFC 3891).

use branchline_call::Replaced;
use branchline_sip::agent::Replaces;
use branchline_sip::message::Builder;

use crate::Branch;
use crate::dial::Incoming;
use crate::inspect::offer;
use crate::now::Now;

impl Branch {
    /// An INVITE with Replaces (RFC 3891): a pick-up, or the last step of a transfer between phones.
    pub(crate) fn take_over(&mut self, now: Now, incoming: &Incoming, replaces: &Replaces) {
        let old = match self.agent.find_dialog(replaces) {
            Ok(session) => self.legs.of_session(session),
            Err(fault) => {
                return self.turn_away(now, incoming.key, Builder::response(&incoming.request, fault.status()));
            }
        };
        let Some((old, call)) = old.and_then(|leg| Some((leg, self.calls.call_of(leg)?))) else {
            return self.turn_away(now, incoming.key, Builder::response(&incoming.request, 481));
        };
        let offer = match offer(&incoming.request) {
            Ok(Some(offer)) => offer,
            Ok(None) => return self.turn_away(now, incoming.key, Builder::response(&incoming.request, 488)),
            Err(status) => return self.turn_away(now, incoming.key, Builder::response(&incoming.request, status)),
        };
        // Found out before the conversation is touched: it goes on without the one who has no port.
        if !self
            .anchors
            .pool()
            .can_take(self.address_facing(incoming.flow).into(), 1)
        {
            return self.turn_away(now, incoming.key, Builder::response(&incoming.request, 503));
        }
        let shown = self.shown(&incoming.party, &incoming.request);
        self.bind_caller(now, incoming, (call, shown), |branch| {
            match branch.calls.take_over(now.mono, old, offer.clone()) {
                Replaced::Taken(leg) => Some(leg),
                Replaced::Gone => None,
            }
        });
    }
}

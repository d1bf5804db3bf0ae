//! One party of a call and what can happen to it.

use branchline_sdp::Sdp;

use crate::cause::Cause;

/// A call, and its record: UUIDv7 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallId(pub [u8; 16]);

/// One party of one call; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LegId(pub u64);

/// What happened on a leg.
#[derive(Clone, Debug)]
pub enum LegEvent {
    /// The first sign of life, before it rings.
    Trying,
    /// It is ringing or sends early media.
    Progress {
        /// SIP status, 180 to 189.
        status: u16,
        /// Description of the early media.
        early: Option<Sdp>,
    },
    /// It answered our invitation.
    Answered {
        /// The answer; or an offer when we sent none.
        body: Option<Sdp>,
        /// `body` is an offer that wants an answer.
        needs_answer: bool,
    },
    /// It did not take the call.
    Refused(Cause),
    /// Our answer is on its way to it: that may have had to wait for the leg to confirm what it heard before.
    AnswerSent,
    /// Our answer reached it, with its answer when ours was an offer.
    Acknowledged {
        /// Answer to our late offer.
        answer: Option<Sdp>,
    },
    /// It wants to change the session; without an offer it asks for ours.
    Reoffer {
        /// The new offer.
        offer: Option<Sdp>,
    },
    /// It takes back the change it asked for; that has been refused already.
    ReofferWithdrawn,
    /// It answered our change.
    ReofferAnswered {
        /// The answer; or an offer when we sent none.
        body: Option<Sdp>,
        /// `body` is an offer that wants an answer.
        needs_answer: bool,
    },
    /// It refused our change; the session goes on as it was.
    ReofferRefused {
        /// SIP status.
        status: u16,
    },
    /// Its answer to the offer we sent on request.
    ReofferAcknowledged {
        /// The answer.
        answer: Option<Sdp>,
    },
    /// It is gone.
    Ended(Cause),
    /// Its media stopped for too long.
    Silent,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LegState {
    /// Called us; not answered yet.
    Offered,
    /// Called by us; not answered yet.
    Invited,
    /// In the conversation.
    Up,
}

#[derive(Clone, Debug)]
pub(crate) struct Leg {
    pub(crate) id: LegId,
    pub(crate) state: LegState,
    /// The last description it sent.
    pub(crate) described: Option<Sdp>,
    /// What it had sent before an offer that is not answered yet.
    pub(crate) before: Option<Sdp>,
}

impl Leg {
    pub(crate) fn new(id: LegId, state: LegState, described: Option<Sdp>) -> Leg {
        Leg {
            id,
            state,
            described,
            before: None,
        }
    }
}

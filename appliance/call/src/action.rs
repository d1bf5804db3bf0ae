//! What a call is made from, what it wants done, and what is left of it.

use std::time::Instant;

use branchline_sdp::Sdp;

use crate::cause::Cause;
use crate::dialing::Attempt;
use crate::leg::{CallId, LegId};

/// Something to do, in order.
#[derive(Clone, Debug)]
pub enum Action<T> {
    /// Call a target; its events come back under `leg`.
    Invite {
        /// The call it is for.
        call: CallId,
        /// The new leg.
        leg: LegId,
        /// The leg that waits for its answer.
        caller: LegId,
        /// Where to.
        target: T,
        /// What the caller offers; `None` asks the target for an offer.
        offer: Option<Sdp>,
    },
    /// Tell a leg that called us how it goes.
    Progress {
        /// The leg.
        leg: LegId,
        /// SIP status, 180 to 189.
        status: u16,
        /// Description of early media.
        early: Option<Sdp>,
    },
    /// Answer a leg that called us.
    Answer {
        /// The leg.
        leg: LegId,
        /// Answer, or an offer when it sent none.
        body: Option<Sdp>,
    },
    /// Refuse a leg that called us.
    Refuse {
        /// The leg.
        leg: LegId,
        /// Why.
        cause: Cause,
    },
    /// Answer the offer that came with a leg's answer.
    Acknowledge {
        /// The leg.
        leg: LegId,
        /// Our answer.
        answer: Option<Sdp>,
    },
    /// Change the session of a leg.
    Reoffer {
        /// The leg.
        leg: LegId,
        /// The offer; `None` asks for one.
        offer: Option<Sdp>,
    },
    /// Answer the change a leg asked for.
    AnswerReoffer {
        /// The leg.
        leg: LegId,
        /// The answer, or an offer when it sent none.
        body: Option<Sdp>,
    },
    /// Refuse the change a leg asked for.
    RefuseReoffer {
        /// The leg.
        leg: LegId,
        /// SIP status.
        status: u16,
    },
    /// Answer the offer that came back from an offerless change.
    AcknowledgeReoffer {
        /// The leg.
        leg: LegId,
        /// Our answer.
        answer: Option<Sdp>,
    },
    /// Cancel or end a leg.
    HangUp {
        /// The leg.
        leg: LegId,
        /// Why.
        cause: Cause,
    },
    /// Tell the leg that asked for a transfer how it goes (RFC 3515).
    TransferProgress {
        /// The leg.
        leg: LegId,
        /// SIP status; 200 and above is the last.
        status: u16,
    },
    /// The legs that hear each other, or what they may hear, may have changed: see [`Calls::bridge`].
    MediaChanged(CallId),
    /// The caller hears the answer, for the first time.
    Answered {
        /// The call.
        call: CallId,
        /// The leg that answered.
        by: LegId,
    },
    /// The call is over and forgotten.
    Finished(Box<Summary>),
}

/// The facts of a finished call.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// The call.
    pub call: CallId,
    /// When it came in.
    pub started: Instant,
    /// When the caller was first answered.
    pub answered: Option<Instant>,
    /// When it ended.
    pub ended: Instant,
    /// Why.
    pub cause: Cause,
    /// Who ended it.
    pub ended_by: EndedBy,
    /// How many times it was transferred.
    pub transfers: u32,
    /// The legs in the conversation at its end, caller's side first.
    pub legs: Vec<LegId>,
}

/// Who ended a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndedBy {
    /// The side that called.
    Caller,
    /// The side that was called.
    Callee,
    /// The box: a limit, a fault, an operator.
    Box,
}

/// A call as it comes in.
pub struct NewCall<T> {
    /// Its id, and later its record's.
    pub id: CallId,
    /// The caller's offer; `None` asks for ours.
    pub offer: Option<Sdp>,
    /// What to try, in order.
    pub attempts: Vec<Attempt<T>>,
}

/// The outcome of taking a leg's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replaced {
    /// The new leg is in or on its way in.
    Taken(LegId),
    /// There is no such leg any more, or it cannot be replaced now.
    Gone,
}

//! What the agent reports upward.

use crate::dialog::{Body, Replaces, SessionId};
use crate::flow::Flow;
use crate::message::{Message, Method};
use crate::subscription::SubscriptionEvent;
use crate::transaction::{ClientKey, Failure, ServerKey};

use super::SubscriptionId;

/// One thing that happened. Drain these after each `handle_*` and each command.
#[derive(Clone, Debug)]
pub enum AgentEvent {
    /// A new call. Answer `key` yourself (401, 403, 503) or hand it to [`Agent::accept_invite`](super::Agent::accept_invite).
    Invite {
        /// The INVITE server transaction.
        key: ServerKey,
        /// Where it came from.
        flow: Flow,
        /// The INVITE.
        request: Message,
    },
    /// The caller cancelled an INVITE that was not accepted as a session yet; 487 has been sent.
    InviteCancelled {
        /// The INVITE server transaction.
        key: ServerKey,
    },
    /// A request outside of any dialog. Answer it with [`Agent::respond`](super::Agent::respond) or `accept_subscription`.
    Request {
        /// The server transaction.
        key: ServerKey,
        /// Where it came from.
        flow: Flow,
        /// The request.
        request: Message,
    },
    /// A response to [`Agent::request`](super::Agent::request), provisional or final.
    Response {
        /// What `request` returned.
        key: ClientKey,
        /// The response.
        response: Message,
    },
    /// No final response came to [`Agent::request`](super::Agent::request).
    Failed {
        /// What `request` returned.
        key: ClientKey,
        /// Why.
        why: Failure,
    },
    /// Something happened in a session.
    Session {
        /// Which one.
        id: SessionId,
        /// What.
        event: SessionEvent,
    },
    /// Something happened in a subscription (RFC 6665).
    Subscription {
        /// Which one.
        id: SubscriptionId,
        /// What.
        event: SubscriptionEvent,
    },
}

/// Progress of one session. Exactly one of `Refused`, `Cancelled` and `Ended` comes, and it comes last; only a REFER that was
/// accepted before may still be reported with `notify_refer` afterwards.
#[derive(Clone, Debug)]
pub enum SessionEvent {
    /// Outgoing: the peer was heard, by the first provisional response (100 to 199). Once at most, before any `Progress`; a peer
    /// that answers at once or challenges first is not reported so.
    Trying,
    /// Outgoing: 101 to 199. A reliable one has been PRACKed already.
    Progress {
        /// Status code, 101 to 199.
        status: u16,
        /// Its text.
        reason_phrase: String,
        /// Early offer or answer.
        body: Option<Body>,
        /// Which early dialog: 1 for the first, counted up per fork; 0 when the response names no dialog.
        fork: u32,
        /// The whole response.
        response: Message,
    },
    /// Outgoing: 401 or 407, unless the session has an account. Call `retry_invite` with credentials, or `hang_up`; after 32 s without either it is `Refused`.
    Challenged {
        /// The challenge.
        response: Message,
    },
    /// Outgoing: 3xx, followed by `Refused`.
    Redirected {
        /// The Contact URIs in the order given.
        contacts: Vec<String>,
    },
    /// Outgoing: 2xx. The ACK is sent unless it has to carry an answer.
    Answered {
        /// Answer, or the offer when `needs_answer`.
        body: Option<Body>,
        /// True: call `acknowledge` with the answer to the offer in `body`.
        needs_answer: bool,
        /// The whole response.
        response: Message,
    },
    /// Outgoing: over without an answer. Last event.
    Refused {
        /// The final status; 408 for no answer at all, 503 when the peer cannot be reached.
        status: u16,
        /// The final response, if there was one.
        response: Option<Message>,
        /// Who refused.
        why: Refusal,
    },
    /// Incoming: the caller cancelled and got its 487. Last event.
    Cancelled {
        /// The CANCEL, for its Reason header.
        cancel: Message,
    },
    /// Incoming: our 200 is on its way, at once after `answer` or once the PRACK that it waited for has come.
    AnswerSent,
    /// Incoming: the ACK to our 200 came.
    Acknowledged {
        /// The answer when our 200 carried the offer.
        body: Option<Body>,
    },
    /// The peer sent a re-INVITE, an UPDATE, or an offer in a PRACK. Owed: `answer_reoffer` or `refuse_reoffer`.
    Reoffer {
        /// The offer; `None` asks for ours (re-INVITE only).
        body: Option<Body>,
        /// INVITE, UPDATE or PRACK.
        method: Method,
    },
    /// 2xx to our re-INVITE or UPDATE. Without a `reoffer` before: a refresh brought another description of the peer.
    ReofferAnswered {
        /// Answer, or the offer when `needs_answer`.
        body: Option<Body>,
        /// True: call `acknowledge_reoffer` with the answer to the offer in `body`.
        needs_answer: bool,
    },
    /// Our re-INVITE or UPDATE failed; the session goes on as it was.
    ReofferRefused {
        /// The final status; 491 also when it could not be sent now.
        status: u16,
    },
    /// The peer withdrew the re-INVITE of the last `Reoffer`; nothing is owed any more.
    ReofferWithdrawn,
    /// The ACK to our 200 to a re-INVITE came.
    ReofferAcknowledged {
        /// The answer when our 200 carried the offer.
        body: Option<Body>,
    },
    /// The peer asks for a transfer (RFC 3515). Owed: `answer_refer`.
    Refer {
        /// The server transaction of the REFER.
        key: ServerKey,
        /// The URI in Refer-To, without its embedded headers.
        refer_to: String,
        /// The dialog to replace (RFC 3891), from the headers embedded in Refer-To.
        replaces: Option<Replaces>,
        /// Referred-By as it came.
        referred_by: Option<String>,
        /// The whole REFER.
        request: Message,
    },
    /// Progress of our own REFER.
    ReferProgress {
        /// Status of the REFER itself or of the sipfrag in a NOTIFY.
        status: u16,
        /// True: nothing more will come.
        ended: bool,
    },
    /// INFO in the dialog. Owed: `respond_in_dialog`.
    Info {
        /// Its server transaction.
        key: ServerKey,
        /// The INFO.
        request: Message,
    },
    /// Another request in the dialog, such as MESSAGE. Owed: `respond_in_dialog`.
    InDialog {
        /// Its server transaction.
        key: ServerKey,
        /// The request.
        request: Message,
    },
    /// The final response to `send_in_dialog`.
    InDialogAnswered {
        /// What `send_in_dialog` returned.
        key: ClientKey,
        /// Final status; 408 for none, 503 when the peer cannot be reached.
        status: u16,
        /// The response, if there was one.
        response: Option<Message>,
    },
    /// Over. Last event.
    Ended {
        /// Who ended it.
        why: End,
    },
}

/// Who refused an outgoing session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// The peer, by a final response.
    Peer,
    /// Nobody answered in time (as 408).
    Timeout,
    /// The flow failed (as 503).
    Flow,
}

/// Why a session ended.
#[derive(Clone, Debug)]
pub enum End {
    /// The peer said BYE.
    Bye {
        /// Its Reason header.
        reason: Option<String>,
        /// The BYE.
        request: Message,
    },
    /// By `hang_up`, `cancel` or `reject`.
    ByBox,
    /// The session timer ran out (RFC 4028), or an incoming call stayed unanswered for `ring_max`.
    Expired,
    /// Our 200 (or a reliable provisional) was never acknowledged, or the answer owed in an ACK never came.
    Unacknowledged,
    /// The peer does not know the dialog any more or does not answer in it (481, 408).
    PeerGone,
}

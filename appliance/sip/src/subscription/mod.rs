//! Subscriptions (RFC 6665) in both roles: dialogs of their own, kept alive by SUBSCRIBE and fed by NOTIFY.

mod notifier;
mod subscriber;

use std::time::Instant;

use crate::agent::AgentEvent;
use crate::dialog::{Body, Core, Headers, NextHop, Tag};
use crate::flow::Flow;
use crate::message::{Message, Method};
use crate::transaction::{Failure, Full, ServerKey};

use notifier::Notifier;
use subscriber::Subscriber;

/// A subscription of an agent; never reused while the program runs.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct SubscriptionId(pub u64);

/// A SUBSCRIBE to accept.
#[derive(Clone, Debug)]
pub struct Acceptance {
    /// Its server transaction.
    pub key: ServerKey,
    /// Where it came from.
    pub flow: Flow,
    /// Where our NOTIFYs are sent.
    pub next_hop: NextHop,
    /// The SUBSCRIBE.
    pub request: Message,
    /// Value of our Contact.
    pub local_contact: String,
    /// Longest time granted, in seconds; what the peer asks for beyond is shortened.
    pub expires_s_max: u32,
}

/// A SUBSCRIBE to send.
#[derive(Clone, Debug)]
pub struct SubscriptionRequest {
    /// Where it is sent.
    pub flow: Flow,
    /// Where further requests in the dialog are sent.
    pub next_hop: NextHop,
    /// Request URI.
    pub request_uri: String,
    /// Value of From, without tag.
    pub from: String,
    /// Value of To.
    pub to: String,
    /// Value of Contact.
    pub contact: String,
    /// Value of Event.
    pub event: String,
    /// Time asked for, in seconds.
    pub expires_s: u32,
    /// Further headers: Accept, Route, credentials.
    pub headers: Headers,
}

/// A state to report.
#[derive(Clone, Debug)]
pub struct Notice {
    /// What becomes of the subscription.
    pub state: NoticeState,
    /// The state itself.
    pub body: Option<Body>,
}

/// Subscription-State of a NOTIFY.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NoticeState {
    /// Goes on.
    Active,
    /// Goes on, but is not authorised yet.
    Pending,
    /// Ends with this reason: `deactivated`, `probation`, `rejected`, `timeout`, `giveup`, `noresource` or `invariant`.
    Terminated {
        /// The reason.
        reason: String,
    },
}

/// Progress of one subscription. `Ended` comes exactly once, and last.
#[derive(Clone, Debug)]
pub enum SubscriptionEvent {
    /// Notifier: the peer refreshed it; the last state has been sent again.
    Refreshed {
        /// Seconds granted.
        expires_s: u32,
    },
    /// Subscriber: accepted, for the first time or by a refresh.
    Accepted {
        /// Seconds granted.
        expires_s: u32,
    },
    /// Subscriber: a NOTIFY came and has its 200.
    Notified {
        /// The state.
        body: Option<Body>,
        /// The whole NOTIFY.
        request: Message,
    },
    /// Over. Last event.
    Ended {
        /// Why.
        why: SubscriptionEnd,
    },
}

/// Why a subscription ended.
#[derive(Clone, Debug)]
pub enum SubscriptionEnd {
    /// The peer ended it by a SUBSCRIBE with Expires 0, or only fetched the state once.
    Unsubscribed,
    /// It was not refreshed.
    Expired,
    /// We ended it.
    ByBox,
    /// The peer does not know it any more or does not answer (481, 408, 503).
    PeerGone,
    /// Subscriber: the first SUBSCRIBE was refused.
    Refused {
        /// The refusal; a 401 or 407 holds the challenge for another attempt.
        response: Message,
    },
    /// Subscriber: the notifier ended it.
    Terminated {
        /// The reason parameter of Subscription-State.
        reason: Option<String>,
    },
}

pub(crate) struct Subscription {
    pub(crate) tag: Tag,
    role: Role,
    /// The entry in the agent's timer queue.
    pub(crate) scheduled: Option<Instant>,
}

enum Role {
    Notifier(Notifier),
    Subscriber(Subscriber),
}

/// A final response with the flow it came over, or why there is none.
pub(crate) type Outcome<'a> = Result<(Flow, &'a Message), Failure>;

impl Subscription {
    pub(crate) fn accept(
        core: &mut Core,
        now: Instant,
        (id, tag): (SubscriptionId, Tag),
        acceptance: Acceptance,
    ) -> Subscription {
        let role = Role::Notifier(Notifier::accept(core, now, (id, tag), acceptance));
        Subscription {
            tag,
            role,
            scheduled: None,
        }
    }

    pub(crate) fn subscribe(
        core: &mut Core,
        now: Instant,
        (id, tag): (SubscriptionId, Tag),
        request: SubscriptionRequest,
    ) -> Result<Subscription, Full> {
        let role = Role::Subscriber(Subscriber::start(core, now, (id, tag), request)?);
        Ok(Subscription {
            tag,
            role,
            scheduled: None,
        })
    }

    pub(crate) fn is_over(&self) -> bool {
        match &self.role {
            Role::Notifier(notifier) => notifier.is_over(),
            Role::Subscriber(subscriber) => subscriber.is_over(),
        }
    }

    pub(crate) fn call_id(&self) -> &str {
        match &self.role {
            Role::Notifier(notifier) => notifier.call_id(),
            Role::Subscriber(subscriber) => subscriber.call_id(),
        }
    }

    pub(crate) fn due_at(&self) -> Option<Instant> {
        match &self.role {
            Role::Notifier(notifier) => notifier.due_at(),
            Role::Subscriber(subscriber) => subscriber.due_at(),
        }
    }

    pub(crate) fn handle_timeout(&mut self, core: &mut Core, now: Instant) {
        match &mut self.role {
            Role::Notifier(notifier) => notifier.handle_timeout(core, now),
            Role::Subscriber(subscriber) => subscriber.handle_timeout(core, now),
        }
    }

    pub(crate) fn handle_request(
        &mut self,
        core: &mut Core,
        now: Instant,
        (key, flow): (ServerKey, Flow),
        request: Message,
    ) {
        match (&mut self.role, request.method()) {
            (Role::Notifier(notifier), Method::Subscribe) => {
                notifier.handle_subscribe(core, now, (key, flow), &request);
            }
            (Role::Subscriber(subscriber), Method::Notify) => {
                subscriber.handle_notify(core, now, (key, flow), request);
            }
            (Role::Notifier(_) | Role::Subscriber(_), _) => respond(core, now, (key, &request), 481),
        }
    }

    pub(crate) fn handle_final(&mut self, core: &mut Core, now: Instant, outcome: Outcome<'_>) {
        match &mut self.role {
            Role::Notifier(notifier) => notifier.handle_final(core, now, outcome),
            Role::Subscriber(subscriber) => subscriber.handle_final(core, now, outcome),
        }
    }

    pub(crate) fn notify(&mut self, core: &mut Core, now: Instant, notice: Notice) {
        match &mut self.role {
            Role::Notifier(notifier) => notifier.notify(core, now, notice),
            Role::Subscriber(_) => {}
        }
    }

    pub(crate) fn unsubscribe(&mut self, core: &mut Core, now: Instant) {
        match &mut self.role {
            Role::Notifier(_) => {}
            Role::Subscriber(subscriber) => subscriber.unsubscribe(core, now),
        }
    }
}

fn emit(core: &mut Core, id: SubscriptionId, event: SubscriptionEvent) {
    core.events.push_back(AgentEvent::Subscription { id, event });
}

fn respond(core: &mut Core, now: Instant, (key, request): (ServerKey, &Message), status: u16) {
    let response = crate::message::Builder::response(request, status).finish();
    core.endpoint.respond(now, key, response);
}

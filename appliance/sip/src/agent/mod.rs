//! The user agent core of the box: transactions, dialogs, sessions and subscriptions behind one machine. In: messages, commands,
//! time. Out: [`AgentEvent`]s, messages to send, the next deadline.

mod commands;
mod dispatch;
mod event;
mod settings;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

use bytes::Bytes;
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::dialog::session::Session;
use crate::dialog::{Core, Tag, Turn};
use crate::flow::{Flow, Transmit};
use crate::message::{Message, Method, ParseError};
use crate::subscription::Subscription;
use crate::transaction::{self, Counters, Endpoint};

pub use crate::dialog::session::{
    Answer, Direction, Finality, InDialogRequest, IncomingInvite, Invitation, Progress, Referral, Rejection,
    SessionState, SessionView, TransferProgress, Verdict,
};
pub use crate::dialog::{Attachment, Body, Headers, NextHop, Replaces, ReplacesFault, SessionId};
pub use crate::subscription::{
    Acceptance, Notice, NoticeState, SubscriptionEnd, SubscriptionEvent, SubscriptionId, SubscriptionRequest,
};
pub use crate::transaction::{ClientKey, Failure, Full, Response, ServerKey};
pub use event::{AgentEvent, End, Refusal, SessionEvent};
pub use settings::AgentSettings;

/// Value of Allow: the methods that the agent and the box above it take.
pub const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, REGISTER, PRACK, UPDATE, REFER, NOTIFY, INFO, MESSAGE";

/// Everything above the transport (RFC 3261, 3262, 3311, 3515, 3891, 4028, 6665).
///
/// Inputs: [`handle_message`](Agent::handle_message) or [`handle_bytes`](Agent::handle_bytes),
/// [`handle_flow_failed`](Agent::handle_flow_failed), [`handle_timeout`](Agent::handle_timeout). After each input and each
/// command drain [`poll_event`](Agent::poll_event) and [`poll_transmit`](Agent::poll_transmit), then ask
/// [`poll_timeout`](Agent::poll_timeout). A command for a session that is over does nothing.
pub struct Agent {
    core: Core,
    /// Bounded by `sessions_max`.
    sessions: BTreeMap<SessionId, Box<Session>>,
    /// Bounded by `subscriptions_max`.
    subscriptions: BTreeMap<SubscriptionId, Box<Subscription>>,
    /// Our tags: one per session and per subscription.
    tags: BTreeMap<Tag, Holder>,
    /// At most one entry per holder.
    deadlines: BTreeSet<(Instant, Holder)>,
    next_id: u64,
}

/// What a tag or a deadline belongs to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Holder {
    Session(SessionId),
    Subscription(SubscriptionId),
}

/// Why an agent wants to be woken.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Reason {
    /// A transaction timer.
    Transaction(transaction::Reason),
    /// Something is to be repeated, refreshed or given up in a session.
    Session,
    /// A subscription is to be refreshed or has expired.
    Subscription,
}

impl Agent {
    /// An agent without sessions. The seed makes tags, Call-IDs and branches; it must not be guessable in the field.
    pub fn new(settings: AgentSettings, seed: [u8; 32]) -> Agent {
        let mut rng = ChaCha12Rng::from_seed(seed);
        let mut endpoint_seed = [0; 32];
        rng.fill_bytes(&mut endpoint_seed);
        let endpoint = Endpoint::new(settings.limits.clone(), endpoint_seed);
        let core = Core {
            endpoint,
            settings,
            rng,
            events: VecDeque::new(),
            clients: BTreeMap::new(),
            invites: BTreeMap::new(),
            signers: BTreeMap::new(),
        };
        Agent {
            core,
            sessions: BTreeMap::new(),
            subscriptions: BTreeMap::new(),
            tags: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            next_id: 0,
        }
    }

    /// Takes what arrived on `flow`.
    pub fn handle_message(&mut self, now: Instant, flow: Flow, message: Message) {
        self.core.endpoint.handle_message(now, flow, message);
        self.dispatch(now);
    }

    /// Parses one datagram or framed message and takes it; see [`Endpoint::handle_bytes`].
    pub fn handle_bytes(&mut self, now: Instant, flow: Flow, bytes: &Bytes) {
        self.core.endpoint.handle_bytes(now, flow, bytes);
        self.dispatch(now);
    }

    /// Takes what did not parse; see [`Endpoint::handle_malformed`].
    pub fn handle_malformed(&mut self, now: Instant, flow: Flow, bytes: &[u8], fault: ParseError) {
        self.core.endpoint.handle_malformed(flow, bytes, fault);
        self.dispatch(now);
    }

    /// A connection was refused or reset, or a datagram came back by ICMP.
    pub fn handle_flow_failed(&mut self, now: Instant, flow: Flow) {
        self.core.endpoint.handle_flow_failed(now, flow);
        self.dispatch(now);
    }

    /// Fires the timers that are due, a bounded number in one call; the rest stays due for the next.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.core.endpoint.handle_timeout(now);
        self.dispatch(now);
        for _ in 0..FIRED_MAX {
            let due = self.deadlines.first().copied().filter(|(at, _)| *at <= now);
            match due {
                Some((_, Holder::Session(id))) => {
                    self.with_session(now, id, |session, turn| session.handle_timeout(turn));
                }
                Some((_, Holder::Subscription(id))) => {
                    self.with_subscription(id, |subscription, core| subscription.handle_timeout(core, now));
                }
                None => break,
            }
        }
    }

    /// When `handle_timeout` is to be called next, and why.
    pub fn poll_timeout(&self) -> Option<(Instant, Reason)> {
        let transaction = self
            .core
            .endpoint
            .poll_timeout()
            .map(|(at, reason)| (at, Reason::Transaction(reason)));
        let own = self.deadlines.first().map(|(at, holder)| match holder {
            Holder::Session(_) => (*at, Reason::Session),
            Holder::Subscription(_) => (*at, Reason::Subscription),
        });
        [transaction, own].into_iter().flatten().min()
    }

    /// The next piece of news.
    pub fn poll_event(&mut self) -> Option<AgentEvent> {
        self.core.events.pop_front()
    }

    /// The next message to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.core.endpoint.poll_transmit()
    }

    /// Sessions alive, those on their way out included.
    pub fn session_len(&self) -> usize {
        self.sessions.len()
    }

    /// Sessions that there is room for, the reserved ones included.
    pub fn sessions_left(&self) -> usize {
        self.core.settings.sessions_max.saturating_sub(self.sessions.len())
    }

    /// Subscriptions alive, both roles.
    pub fn subscription_len(&self) -> usize {
        self.subscriptions.len()
    }

    /// Transactions alive, absorbing ones included.
    pub fn transaction_len(&self) -> usize {
        self.core.endpoint.len()
    }

    /// The method of each transaction alive.
    pub fn transaction_methods(&self) -> impl Iterator<Item = &Method> {
        self.core.endpoint.methods()
    }

    /// What the transaction layer has done so far.
    pub fn counters(&self) -> Counters {
        self.core.endpoint.counters()
    }

    /// True if nothing at all is kept: no session, subscription, transaction, timer or unread event.
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
            && self.subscriptions.is_empty()
            && self.tags.is_empty()
            && self.deadlines.is_empty()
            && self.core.endpoint.is_empty()
            && self.core.clients.is_empty()
            && self.core.invites.is_empty()
            && self.core.signers.is_empty()
            && self.core.events.is_empty()
    }

    fn fresh_id(&mut self) -> u64 {
        self.next_id = self.next_id.wrapping_add(1);
        self.next_id
    }

    fn with_session<R>(
        &mut self,
        now: Instant,
        id: SessionId,
        act: impl FnOnce(&mut Session, &mut Turn<'_>) -> R,
    ) -> Option<R> {
        let session = self.sessions.get_mut(&id)?;
        let tag = session.tag;
        let result = act(
            session,
            &mut Turn {
                now,
                id,
                tag,
                core: &mut self.core,
            },
        );
        let due_at = session.due_at();
        let holder = Holder::Session(id);
        reschedule(&mut self.deadlines, holder, &mut session.scheduled, due_at);
        if session.is_over() {
            self.tags.remove(&tag);
            self.sessions.remove(&id);
            self.core.signers.remove(&id);
        }
        Some(result)
    }

    fn with_subscription<R>(
        &mut self,
        id: SubscriptionId,
        act: impl FnOnce(&mut Subscription, &mut Core) -> R,
    ) -> Option<R> {
        let subscription = self.subscriptions.get_mut(&id)?;
        let result = act(subscription, &mut self.core);
        let due_at = subscription.due_at();
        reschedule(
            &mut self.deadlines,
            Holder::Subscription(id),
            &mut subscription.scheduled,
            due_at,
        );
        if subscription.is_over() {
            self.tags.remove(&subscription.tag);
            self.subscriptions.remove(&id);
        }
        Some(result)
    }

    fn failed(&mut self, now: Instant, key: ClientKey, why: Failure) {
        use crate::dialog::Owner;
        match self.core.clients.remove(&key) {
            None => self.core.events.push_back(AgentEvent::Failed { key, why }),
            Some(Owner::Unwanted) => {}
            Some(Owner::Session(id, purpose)) => {
                self.with_session(now, id, |session, turn| {
                    session.handle_failed(turn, (key, purpose), why);
                });
            }
            Some(Owner::Subscription(id)) => {
                self.with_subscription(id, |subscription, core| subscription.handle_final(core, now, Err(why)));
            }
        }
    }
}

fn reschedule(
    deadlines: &mut BTreeSet<(Instant, Holder)>,
    holder: Holder,
    scheduled: &mut Option<Instant>,
    due_at: Option<Instant>,
) {
    if *scheduled == due_at {
        return;
    }
    if let Some(at) = scheduled.take() {
        deadlines.remove(&(at, holder));
    }
    if let Some(at) = due_at {
        deadlines.insert((at, holder));
        *scheduled = Some(at);
    }
}

// A storm of timers is worked off in slices, so that messages get their turn in between.
const FIRED_MAX: usize = 1024;

//! What a session may touch while it handles one input: the transaction layer, the event queue, random numbers.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::Rng;

use crate::agent::{ALLOW, AgentEvent, AgentSettings, SessionEvent, SubscriptionId};
use crate::flow::Flow;
use crate::message::{Builder, Message, Method, Name};
use crate::transaction::{ClientKey, Endpoint, Full, ServerKey};

use super::signer::{self, Asked, Sent, Signer};
use super::{Dialog, Headers, SessionId, Tag};

/// What a client transaction is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Purpose {
    /// The INVITE that starts a session.
    Invite,
    /// A re-INVITE or UPDATE.
    Offer,
    Prack,
    Bye,
    Refer,
    /// A NOTIFY about a REFER.
    Notify,
    /// Sent by the caller.
    Caller,
}

/// Whose client transaction it is; the ones without an owner belong to the caller.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Owner {
    Session(SessionId, Purpose),
    Subscription(SubscriptionId),
    /// A BYE to a dialog that nobody wants.
    Unwanted,
}

/// Everything below the sessions.
pub(crate) struct Core {
    pub(crate) endpoint: Endpoint,
    pub(crate) settings: AgentSettings,
    pub(crate) rng: ChaCha12Rng,
    /// Drained by the caller after each input; one input makes a bounded number of events.
    pub(crate) events: VecDeque<AgentEvent>,
    /// Bounded by the client limit of the endpoint: an entry goes with its final response.
    pub(crate) clients: BTreeMap<ClientKey, Owner>,
    /// INVITE server transactions of sessions that owe a final response.
    pub(crate) invites: BTreeMap<ServerKey, SessionId>,
    /// Accounts of sessions; each goes with its session.
    pub(crate) signers: BTreeMap<SessionId, Box<Signer>>,
}

impl Core {
    pub(crate) fn fresh_tag(&mut self) -> Tag {
        Tag(self.rng.next_u64())
    }

    pub(crate) fn fresh_call_id(&mut self) -> String {
        format!("{:016x}{:016x}", self.rng.next_u64(), self.rng.next_u64())
    }

    /// A random number below `bound`; 0 for a bound of 0.
    pub(crate) fn below(&mut self, bound: u32) -> u32 {
        self.rng.next_u32().checked_rem(bound).unwrap_or(0)
    }

    pub(crate) fn send(&mut self, now: Instant, flow: Flow, request: Builder, owner: Owner) -> Result<ClientKey, Full> {
        let request = request.header(Name::UserAgent, &self.settings.user_agent);
        let key = self.endpoint.request(now, flow, request)?;
        self.clients.insert(key, owner);
        Ok(key)
    }

    /// ACK and BYE to a 2xx that no session wants (RFC 3261 section 13.2.2.4). Returns the ACK, which carries the credentials of
    /// the INVITE, for its retransmissions.
    pub(crate) fn dismiss(&mut self, now: Instant, dialog: &mut Dialog, credentials: &Headers) -> Message {
        let ack = credentials.write(dialog.ack(dialog.local_cseq()));
        let ack = self.endpoint.send_ack(dialog.flow(), ack);
        let bye = dialog.request(&Method::Bye);
        // When the table is full the peer's own timers end its dialog.
        let _ = self.send(now, dialog.flow(), bye, Owner::Unwanted);
        ack
    }

    /// Supported as we send it.
    pub(crate) fn supported(&self, reliable: Reliability) -> &'static str {
        match (self.settings.session_expires_s > 0, reliable) {
            (true, Reliability::Offered) => "100rel, timer, replaces",
            (true, Reliability::Withheld) => "timer, replaces",
            (false, Reliability::Offered) => "100rel, replaces",
            (false, Reliability::Withheld) => "replaces",
        }
    }

    /// Allow, Supported and Server for a response that ends an OPTIONS, INVITE or UPDATE well.
    pub(crate) fn describe(&self, response: Builder) -> Builder {
        response
            .header(Name::Allow, ALLOW)
            .header(Name::Supported, self.supported(Reliability::Offered))
            .header(Name::Server, &self.settings.user_agent)
    }
}

/// Whether an INVITE of ours invites reliable provisional responses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Reliability {
    Offered,
    /// Without an offer of ours a reliable provisional would carry one that only a PRACK could answer.
    Withheld,
}

/// One input to one session.
pub(crate) struct Turn<'a> {
    pub(crate) now: Instant,
    pub(crate) id: SessionId,
    pub(crate) tag: Tag,
    pub(crate) core: &'a mut Core,
}

impl Turn<'_> {
    pub(crate) fn emit(&mut self, event: SessionEvent) {
        self.core.events.push_back(AgentEvent::Session { id: self.id, event });
    }

    /// A response to `request` with our tag.
    pub(crate) fn response(&self, request: &Message, status: u16) -> Builder {
        Builder::response_with_tag(request, status, &self.tag.to_string())
    }

    pub(crate) fn respond(&mut self, key: ServerKey, response: Message) {
        if response.status() >= 200 {
            self.core.invites.remove(&key);
        }
        self.core.endpoint.respond(self.now, key, response);
    }

    /// Answers `request` with nothing but a status.
    pub(crate) fn refuse(&mut self, key: ServerKey, request: &Message, status: u16) {
        let response = self.response(request, status).finish();
        self.respond(key, response);
    }

    /// Sends a request in a dialog; `None` when the transaction table is full.
    pub(crate) fn send(&mut self, dialog: &Dialog, request: Builder, purpose: Purpose) -> Option<ClientKey> {
        let unsigned = self.core.signers.contains_key(&self.id).then(|| request.clone());
        let key = self.send_on(dialog.flow(), request, purpose).ok()?;
        if let (Some(request), Some(signer)) = (unsigned, self.core.signers.get_mut(&self.id)) {
            let asked = Asked::default();
            signer.keep(
                key,
                Sent {
                    request,
                    first: key,
                    asked,
                },
            );
        }
        Some(key)
    }

    /// Sends a request with the credentials that are known, if any.
    pub(crate) fn send_on(&mut self, flow: Flow, request: Builder, purpose: Purpose) -> Result<ClientKey, Full> {
        let request = self.sign(request);
        self.core
            .send(self.now, flow, request, Owner::Session(self.id, purpose))
    }

    /// Sends a request whose answer nobody waits for.
    pub(crate) fn send_unwatched(&mut self, dialog: &Dialog, request: Builder) {
        let request = self.sign(request);
        // The peer's own timers end its side if the table is full.
        let _ = self.core.send(self.now, dialog.flow(), request, Owner::Unwanted);
    }

    fn sign(&mut self, request: Builder) -> Builder {
        match self.core.signers.get_mut(&self.id) {
            Some(signer) => signer.sign(request),
            None => request,
        }
    }

    /// The credentials that the last request was sent with.
    pub(crate) fn credentials(&self) -> Headers {
        let signer = self.core.signers.get(&self.id);
        signer.map_or_else(Headers::new, |signer| signer.last().clone())
    }

    /// A 401 or 407 to a request that the session composes anew.
    pub(crate) fn answer_challenge(&mut self, asked: &mut Asked, response: &Message) -> signer::Outcome {
        match self.core.signers.get_mut(&self.id) {
            Some(signer) => signer.handle_challenge(asked, response),
            None => signer::Outcome::NoAccount,
        }
    }

    /// Sends a challenged request again with credentials and the next number of its dialog; `None` if that is not to be.
    pub(crate) fn send_again(&mut self, dialog: &mut Dialog, challenge: Challenge<'_>) -> Option<ClientKey> {
        let Challenge { key, purpose, response } = challenge;
        let signer = self.core.signers.get_mut(&self.id)?;
        let mut sent = signer.take(key)?;
        let outcome = signer.handle_challenge(&mut sent.asked, response);
        let again = match outcome {
            signer::Outcome::Answered => {
                sent.request = sent.request.renumbered(dialog.next_cseq());
                self.send_on(dialog.flow(), sent.request.clone(), purpose).ok()
            }
            signer::Outcome::Refused | signer::Outcome::NoAccount => None,
        };
        // An offer of ours is told its new transaction.
        if let Some(again) = again.filter(|_| purpose == Purpose::Offer) {
            sent.first = again;
        }
        if let Some(signer) = self.core.signers.get_mut(&self.id) {
            signer.keep(again.unwrap_or(key), sent);
        }
        again
    }

    /// A request in the dialog is through; gives the transaction that the session knows it by.
    pub(crate) fn settle(&mut self, key: ClientKey, status: Option<u16>) -> ClientKey {
        match self.core.signers.get_mut(&self.id) {
            Some(signer) => signer.settle(key, status),
            None => key,
        }
    }
}

/// A 401 or 407 to a request inside a dialog.
#[derive(Clone, Copy)]
pub(crate) struct Challenge<'a> {
    pub(crate) key: ClientKey,
    pub(crate) purpose: Purpose,
    pub(crate) response: &'a Message,
}

/// Extensions that a request may require of us.
const UNDERSTOOD: [&str; 5] = ["100rel", "timer", "replaces", "path", "outbound"];

/// Value of Unsupported when `request` requires what we don't know (RFC 3261 section 8.2.2.3).
pub(crate) fn unsupported(request: &Message) -> Option<String> {
    let unknown: Vec<_> = request
        .values(Name::Require)
        .map(String::from_utf8_lossy)
        .filter(|option| !UNDERSTOOD.iter().any(|known| known.eq_ignore_ascii_case(option.trim())))
        .collect();
    (!unknown.is_empty()).then(|| unknown.join(", "))
}

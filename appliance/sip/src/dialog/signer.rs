//! Credentials for the requests of one session: signed ahead with the nonce that is known, sent again once they are challenged
//! (RFC 3261 section 22).

use std::collections::BTreeMap;

use crate::digest::Answerer;
use crate::message::{Builder, Message, Name};
use crate::transaction::ClientKey;

use super::Headers;

/// The account of a session.
pub(crate) struct Signer {
    pub(crate) answerer: Answerer,
    sent: BTreeMap<ClientKey, Sent>,
    /// Credentials of the request that was signed last.
    last: Headers,
}

/// A request inside the dialog without its credentials, while it waits for its final response.
pub(crate) struct Sent {
    pub(crate) request: Builder,
    /// The transaction that the session knows it by.
    pub(crate) first: ClientKey,
    pub(crate) asked: Asked,
}

/// The challenges to one request that were answered, by status.
#[derive(Clone, Default, Debug)]
pub(crate) struct Asked(Vec<u16>);

/// What becomes of a challenge.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    /// The request is to be sent again.
    Answered,
    /// The account is not accepted, or the challenge cannot be answered.
    Refused,
    /// There is no account.
    NoAccount,
}

// One challenge of the server, one of the proxy, and each nonce may run out on the way.
const ASKED_MAX: usize = 4;
// Requests of one session that wait for their answers; further ones are not repeated.
const SENT_MAX: usize = 32;

impl Signer {
    pub(crate) fn new(answerer: Answerer) -> Signer {
        Signer {
            answerer,
            sent: BTreeMap::new(),
            last: Headers::new(),
        }
    }

    pub(crate) fn sign(&mut self, request: Builder) -> Builder {
        let lines = self
            .answerer
            .credentials_of_all(request.method().as_str(), request.request_uri());
        self.last = lines.into_iter().collect();
        self.last.write(request)
    }

    pub(crate) fn last(&self) -> &Headers {
        &self.last
    }

    /// Keeps a request until [`Signer::settle`], so that it can be sent again.
    pub(crate) fn keep(&mut self, key: ClientKey, sent: Sent) {
        if self.sent.len() < SENT_MAX {
            self.sent.insert(key, sent);
        }
    }

    pub(crate) fn take(&mut self, key: ClientKey) -> Option<Sent> {
        self.sent.remove(&key)
    }

    pub(crate) fn handle_challenge(&mut self, asked: &mut Asked, response: &Message) -> Outcome {
        let is_new = !asked.0.contains(&response.status()) || is_stale(response);
        if asked.0.len() >= ASKED_MAX || !is_new || self.answerer.handle_challenge(response).is_err() {
            return Outcome::Refused;
        }
        asked.0.push(response.status());
        Outcome::Answered
    }

    /// A request is through; gives the transaction that the session knows it by.
    pub(crate) fn settle(&mut self, key: ClientKey, status: Option<u16>) -> ClientKey {
        if status.is_some_and(|status| !is_challenge(status)) {
            self.answerer.handle_accepted();
        }
        self.sent.remove(&key).map_or(key, |sent| sent.first)
    }
}

/// True for 401 and 407.
pub(crate) fn is_challenge(status: u16) -> bool {
    matches!(status, 401 | 407)
}

fn is_stale(response: &Message) -> bool {
    [Name::WwwAuthenticate, Name::ProxyAuthenticate]
        .into_iter()
        .flat_map(|name| response.authentications(name))
        .any(|challenge| {
            challenge
                .get("stale")
                .is_some_and(|word| word.eq_ignore_ascii_case("true"))
        })
}

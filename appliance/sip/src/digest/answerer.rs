//! The asked side: challenges of a trunk in, credentials out.

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::response::{Algorithm, Count, Facts, Ha1, Hex, quote, response};
use crate::message::{Authentication, Builder, Message, Name};

/// Who we are to a trunk.
#[derive(Clone)]
pub struct Account {
    /// Username of the credentials.
    pub username: String,
    /// What proves it.
    pub proof: Proof,
}

/// What proves an account.
#[derive(Clone)]
pub enum Proof {
    /// The password.
    Password(String),
    /// H(user:realm:password) of the one realm that there is, as far as it is known.
    Hashes {
        /// By MD5.
        md5: Option<[u8; 16]>,
        /// By SHA-256.
        sha256: Option<[u8; 32]>,
    },
}

impl Account {
    /// One that knows its password.
    pub fn with_password(username: impl Into<String>, password: impl Into<String>) -> Account {
        Account {
            username: username.into(),
            proof: Proof::Password(password.into()),
        }
    }

    fn ha1(&self, realm: &str, algorithm: Algorithm) -> Option<Ha1> {
        match &self.proof {
            Proof::Password(password) => Some(Ha1::of(&self.username, realm, password)),
            Proof::Hashes { md5, sha256 } => {
                let is_known = match algorithm {
                    Algorithm::Md5 => md5.is_some(),
                    Algorithm::Sha256 => sha256.is_some(),
                };
                is_known.then(|| Ha1 {
                    md5: md5.unwrap_or_default(),
                    sha256: sha256.unwrap_or_default(),
                })
            }
        }
    }
}

impl std::fmt::Debug for Account {
    /// The username alone.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Account")
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

/// Why a challenge can't be answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AnswerRefused {
    /// The response holds no challenge that we can answer.
    #[error("no digest challenge with MD5 or SHA-256 and qop auth")]
    Unsupported,
    /// The peer asked again although it was answered: it does not accept the account.
    #[error("credentials are not accepted")]
    NotAccepted,
}

struct Challenge {
    name: Name<'static>,
    realm: String,
    nonce: String,
    opaque: Option<String>,
    algorithm: Algorithm,
    qop: bool,
    count: u32,
    ha1: Ha1,
}

/// Answers the challenges of one peer and signs further requests with the same nonce.
pub struct Answerer {
    account: Account,
    rng: ChaCha20Rng,
    /// One of the server and one of the proxy at most; the newest last.
    challenges: Vec<Challenge>,
    answers_refused: u8,
}

impl Answerer {
    /// An answerer that has not been asked yet.
    pub fn new(account: Account, seed: [u8; 32]) -> Answerer {
        Answerer {
            account,
            rng: ChaCha20Rng::from_seed(seed),
            challenges: Vec::new(),
            answers_refused: 0,
        }
    }

    /// Takes the strongest challenge of a 401 or 407. Send the request again, with a new CSeq, where this gives `Ok`.
    pub fn handle_challenge(&mut self, response: &Message) -> Result<(), AnswerRefused> {
        let best = [
            (Name::WwwAuthenticate, Name::Authorization),
            (Name::ProxyAuthenticate, Name::ProxyAuthorization),
        ]
        .into_iter()
        .flat_map(|(asked, answer)| response.authentications(asked).map(move |value| (answer, value)))
        .filter_map(|(answer, value)| self.read(answer, &value))
        .max_by_key(|(challenge, _)| challenge.algorithm);
        let (challenge, stale) = best.ok_or(AnswerRefused::Unsupported)?;
        let was_answered = self
            .challenges
            .iter()
            .any(|known| known.count > 0 && known.name == challenge.name);
        if was_answered && !stale {
            self.answers_refused = self.answers_refused.saturating_add(1);
            // A peer that forgot its nonce, after a restart say, asks once without saying stale.
            if self.answers_refused > 1 {
                self.challenges.clear();
                return Err(AnswerRefused::NotAccepted);
            }
        }
        self.challenges.retain(|known| known.name != challenge.name);
        self.challenges.push(challenge);
        Ok(())
    }

    /// To be called when a signed request went through.
    pub fn handle_accepted(&mut self) {
        self.answers_refused = 0;
    }

    /// Adds credentials to a request, for each challenge that is known.
    pub fn authorize(&mut self, request: Builder) -> Builder {
        self.credentials_of_all(request.method().as_str(), request.request_uri())
            .into_iter()
            .fold(request, |request, (name, value)| request.header(name, value))
    }

    /// The header that answers the newest challenge for one request, if one is known.
    pub fn credentials(&mut self, method: &str, uri: &str) -> Option<(Name<'static>, String)> {
        self.credentials_of_all(method, uri).pop()
    }

    /// The headers that prove the account for one request to the server and to the proxy, as far as they have asked (RFC 3261
    /// section 22.3); the one for the newest challenge last.
    pub fn credentials_of_all(&mut self, method: &str, uri: &str) -> Vec<(Name<'static>, String)> {
        (0..self.challenges.len())
            .filter_map(|at| self.answer(at, method, uri))
            .collect()
    }

    fn answer(&mut self, at: usize, method: &str, uri: &str) -> Option<(Name<'static>, String)> {
        let mut cnonce = [0; 8];
        self.rng.fill_bytes(&mut cnonce);
        let cnonce = Hex::of(&cnonce);
        let challenge = self.challenges.get_mut(at)?;
        challenge.count = challenge.count.saturating_add(1);
        let nc = format!("{:08x}", challenge.count);
        let facts = Facts {
            algorithm: challenge.algorithm,
            method,
            uri,
            nonce: &challenge.nonce,
            count: challenge.qop.then_some(Count {
                nc: &nc,
                cnonce: cnonce.as_str(),
            }),
        };
        let answer = response(&challenge.ha1, &facts);
        let mut value = format!(
            "Digest username={}, realm={}, nonce={}, uri={}, response=\"{}\", algorithm={}",
            quote(&self.account.username),
            quote(&challenge.realm),
            quote(&challenge.nonce),
            quote(uri),
            answer.as_str(),
            challenge.algorithm.name(),
        );
        if challenge.qop {
            value.push_str(&format!(", qop=auth, nc={nc}, cnonce=\"{}\"", cnonce.as_str()));
        }
        if let Some(opaque) = &challenge.opaque {
            value.push_str(&format!(", opaque={}", quote(opaque)));
        }
        Some((challenge.name, value))
    }

    fn read(&self, name: Name<'static>, value: &Authentication<'_>) -> Option<(Challenge, bool)> {
        if !value.is_digest() {
            return None;
        }
        let algorithm = match value.get("algorithm") {
            Some(word) => Algorithm::of(&word)?,
            None => Algorithm::Md5,
        };
        let qop = match value.get("qop") {
            Some(list)
                if list
                    .split(',')
                    .any(|word| word.trim_ascii().eq_ignore_ascii_case("auth")) =>
            {
                true
            }
            Some(_) => return None,
            None => false,
        };
        let realm = value.get("realm")?.into_owned();
        let stale = value.get("stale").is_some_and(|word| word.eq_ignore_ascii_case("true"));
        let ha1 = self.account.ha1(&realm, algorithm)?;
        let nonce = value.get("nonce")?.into_owned();
        let opaque = value.get("opaque").map(std::borrow::Cow::into_owned);
        Some((
            Challenge {
                name,
                realm,
                nonce,
                opaque,
                algorithm,
                qop,
                count: 0,
                ha1,
            },
            stale,
        ))
    }
}

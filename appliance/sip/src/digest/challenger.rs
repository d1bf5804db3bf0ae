//! The asking side: 401 or 407 out, credentials in, a verdict out.

use std::borrow::Cow;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::nonce::{NonceState, Nonces};
use super::response::{Algorithm, Count, Facts, Ha1, quote, response};
use crate::message::lex::unquote;
use crate::message::{Authentication, Builder, Message, Name, Uri};

/// Whether credentials are asked for as a server (401) or as a proxy (407).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Asker {
    /// 401, WWW-Authenticate, Authorization.
    Server,
    /// 407, Proxy-Authenticate, Proxy-Authorization.
    Proxy,
}

/// Settings of a [`Challenger`].
#[derive(Clone, Debug)]
pub struct ChallengerConfig {
    /// Realm that the stored secrets are for.
    pub realm: String,
    /// How credentials are asked for.
    pub asker: Asker,
    /// How long a nonce is good for.
    pub nonce_lifetime: Duration,
    /// What is offered, in this order; credentials by another algorithm are not taken.
    pub algorithms: Vec<Algorithm>,
    /// Most nonces whose use is remembered; beyond, the oldest become stale.
    pub nonces_max: usize,
}

/// Whether the credentials came with a nonce that does not hold, so that the phone need not ask its user (RFC 7616 section 3.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stale {
    /// No or wrong credentials.
    No,
    /// They came with an old nonce.
    Yes,
}

/// What credentials are worth.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The sender knows the password of this user.
    Ok {
        /// The user, as written in the credentials.
        username: String,
    },
    /// Ask (again).
    Challenge {
        /// What to tell about the old nonce.
        stale: Stale,
    },
    /// Wrong password or unknown user, which look the same.
    Denied {
        /// The user that was claimed, for counting guesses.
        username: String,
        /// Whether the sender has heard a challenge of ours. If not, answer like [`Stale::Yes`]: another answer would let
        /// passwords be tried over nonces that prove nothing.
        nonce: Minter,
    },
}

/// Who made the nonce of some credentials.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Minter {
    /// This challenger, for this source and not long ago: the sender receives what is sent to the source.
    Ours,
    /// Somebody else, or for another source, or long ago; a datagram with it may come from anybody.
    Foreign,
}

/// Challenges requests and verifies credentials. Wrong guesses cost no memory.
pub struct Challenger {
    config: ChallengerConfig,
    /// Stands for the secret of a user who does not exist; random, and no answer to it is taken.
    absent: Ha1,
    nonces: Nonces,
}

struct Claim<'a> {
    algorithm: Algorithm,
    username: Cow<'a, str>,
    uri: Cow<'a, str>,
    nonce: Cow<'a, str>,
    response: Cow<'a, str>,
    count: Option<(u32, Cow<'a, str>, Cow<'a, str>)>,
}

impl Challenger {
    /// `epoch` is any instant before the first call; `seed` yields the nonce key and all random parts.
    pub fn new(config: ChallengerConfig, epoch: Instant, seed: [u8; 32]) -> Challenger {
        let mut rng = ChaCha20Rng::from_seed(seed);
        let mut absent = Ha1 {
            md5: [0; 16],
            sha256: [0; 32],
        };
        rng.fill_bytes(&mut absent.md5);
        rng.fill_bytes(&mut absent.sha256);
        let nonces = Nonces::new(epoch, config.nonce_lifetime, config.nonces_max, rng);
        Challenger { config, absent, nonces }
    }

    /// The realm asked for.
    pub fn realm(&self) -> &str {
        &self.config.realm
    }

    /// 401 or 407.
    pub fn status(&self) -> u16 {
        match self.config.asker {
            Asker::Server => 401,
            Asker::Proxy => 407,
        }
    }

    /// Adds a challenge per algorithm to a response, in the order of preference (RFC 8760 section 2.4), over one nonce
    /// that only `source` can use: its IPv4 address, of IPv6 its /64.
    pub fn challenge(&mut self, now: Instant, source: IpAddr, stale: Stale, response: Builder) -> Builder {
        let name = match self.config.asker {
            Asker::Server => Name::WwwAuthenticate,
            Asker::Proxy => Name::ProxyAuthenticate,
        };
        let nonce = self.nonces.mint(now, source);
        let stale = match stale {
            Stale::No => "",
            Stale::Yes => ", stale=true",
        };
        self.config.algorithms.iter().fold(response, |response, algorithm| {
            let realm = quote(&self.config.realm);
            let algorithm = algorithm.name();
            response.header(
                name,
                format_args!("Digest realm={realm}, nonce=\"{nonce}\", algorithm={algorithm}, qop=\"auth\"{stale}"),
            )
        })
    }

    /// Verifies the credentials of a request from `source`. `lookup` gives the secret of a user; work and answer are the
    /// same where it gives none.
    pub fn verify(
        &mut self,
        now: Instant,
        source: IpAddr,
        request: &Message,
        lookup: impl FnOnce(&str) -> Option<Ha1>,
    ) -> Verdict {
        let Some(claim) = self.claim(request) else {
            return Verdict::Challenge { stale: Stale::No };
        };
        let known = lookup(&claim.username);
        let ha1 = known.unwrap_or(self.absent);
        let facts = Facts {
            algorithm: claim.algorithm,
            method: request.method().as_str(),
            uri: &claim.uri,
            nonce: &claim.nonce,
            count: claim.count.as_ref().map(|(_, nc, cnonce)| Count { nc, cnonce }),
        };
        let right = response(&ha1, &facts).matches(claim.response.as_bytes());
        let username = claim.username.into_owned();
        let nonce = self.nonces.check(now, source, &claim.nonce);
        if !right || known.is_none() || !same_target(&claim.uri, request.request_uri()) {
            let nonce = match nonce {
                NonceState::Valid(_) => Minter::Ours,
                NonceState::Expired | NonceState::Foreign => Minter::Foreign,
            };
            return Verdict::Denied { username, nonce };
        }
        let fresh = match nonce {
            NonceState::Valid(id) => self.nonces.use_once(now, id, claim.count.map(|(count, _, _)| count)),
            NonceState::Expired | NonceState::Foreign => false,
        };
        if fresh {
            Verdict::Ok { username }
        } else {
            Verdict::Challenge { stale: Stale::Yes }
        }
    }

    fn claim<'a>(&self, request: &'a Message) -> Option<Claim<'a>> {
        let name = match self.config.asker {
            Asker::Server => Name::Authorization,
            Asker::Proxy => Name::ProxyAuthorization,
        };
        request
            .authentications(name)
            .filter(Authentication::is_digest)
            .map(|value| Parameters::of(&value))
            .filter(|parameters| parameters.is_for(&self.config.realm))
            .filter_map(Parameters::claim)
            .filter(|claim| self.config.algorithms.contains(&claim.algorithm))
            .max_by_key(|claim| claim.algorithm)
    }
}

/// The parameters of digest credentials (RFC 7616 section 3.4), found in one pass; the first of a name counts.
#[derive(Default)]
struct Parameters<'a> {
    values: [Option<&'a [u8]>; NAMES.len()],
}

#[derive(Clone, Copy)]
enum Parameter {
    Algorithm,
    Cnonce,
    Nc,
    Nonce,
    Qop,
    Realm,
    Response,
    Uri,
    Username,
}

const NAMES: [&str; 9] = [
    "algorithm",
    "cnonce",
    "nc",
    "nonce",
    "qop",
    "realm",
    "response",
    "uri",
    "username",
];

impl<'a> Parameters<'a> {
    fn of(value: &Authentication<'a>) -> Parameters<'a> {
        let mut parameters = Parameters::default();
        for (name, value) in value.iter() {
            if let Some(at) = NAMES.iter().position(|known| known.eq_ignore_ascii_case(name)) {
                parameters.values[at].get_or_insert(value);
            }
        }
        parameters
    }

    fn text(&self, parameter: Parameter) -> Option<Cow<'a, str>> {
        self.values[parameter as usize].map(unquote)
    }

    fn is_for(&self, realm: &str) -> bool {
        self.text(Parameter::Realm).is_some_and(|given| given == realm)
    }

    fn claim(self) -> Option<Claim<'a>> {
        let algorithm = match self.text(Parameter::Algorithm) {
            Some(word) => Algorithm::of(&word)?,
            None => Algorithm::Md5,
        };
        let count = match self.text(Parameter::Qop) {
            Some(qop) if qop.eq_ignore_ascii_case("auth") => {
                let nc = self.text(Parameter::Nc)?;
                let eight = nc.len() == 8 && nc.bytes().all(|byte| byte.is_ascii_hexdigit());
                let number = u32::from_str_radix(&nc, 16).ok().filter(|_| eight)?;
                Some((number, nc, self.text(Parameter::Cnonce)?))
            }
            Some(_) => return None,
            // RFC 2617 section 3.2.2 keeps the older form alive; RFC 8760 does not allow it with SHA-256.
            None if algorithm == Algorithm::Md5 => None,
            None => return None,
        };
        Some(Claim {
            algorithm,
            username: self.text(Parameter::Username)?,
            uri: self.text(Parameter::Uri)?,
            nonce: self.text(Parameter::Nonce)?,
            response: self.text(Parameter::Response)?,
            count,
        })
    }
}

/// Credentials for one callee are not taken for another. A signed URI without a user is: some phones, and SIPp, sign the
/// server's address for every request; that they are used once protects those.
fn same_target(signed: &str, requested: &str) -> bool {
    if signed == requested {
        return true;
    }
    match (Uri::parse(signed), Uri::parse(requested)) {
        (Ok(signed), Ok(requested)) if signed.is_sip() && requested.is_sip() => {
            signed.user.is_none() || signed.user_unescaped() == requested.user_unescaped()
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::response::HASHED_BYTES;
    use super::super::{Account, Answerer};
    use super::*;
    use crate::message::Method;

    fn register() -> Builder {
        Builder::request(&Method::Register, "sip:branch")
            .header(Name::Via, "SIP/2.0/UDP a;branch=z9hG4bK1")
            .header(Name::From, "<sip:201@branch>;tag=1")
            .header(Name::To, "<sip:201@branch>")
            .header(Name::CallId, "c")
            .header(Name::CSeq, "1 REGISTER")
    }

    /// What is hashed to refuse a password, with both algorithms.
    fn hashed_bytes(algorithm: Algorithm, username: &str) -> usize {
        #[expect(clippy::disallowed_methods, reason = "any instant will do as the start of a test")]
        let now = Instant::now();
        let source = IpAddr::from([192, 0, 2, 11]);
        let config = ChallengerConfig {
            realm: "branch".into(),
            asker: Asker::Server,
            nonce_lifetime: Duration::from_secs(300),
            algorithms: vec![algorithm],
            nonces_max: 10,
        };
        let mut challenger = Challenger::new(config, now, [7; 32]);
        let account = Account::with_password(username, "wrong");
        let mut answerer = Answerer::new(account, [1; 32]);
        let challenge = Builder::response_with_tag(&register().finish(), 401, "t");
        let challenge = challenger.challenge(now, source, Stale::No, challenge).finish();
        answerer.handle_challenge(&challenge).expect("it is a challenge");
        let request = answerer.authorize(register()).finish();
        let known = Some(Ha1::of("201", "branch", "secret"));
        let before = HASHED_BYTES.get();
        let verdict = challenger.verify(now, source, &request, |name| known.filter(|_| name == "201"));
        assert!(matches!(verdict, Verdict::Denied { .. }), "{verdict:?}");
        HASHED_BYTES.get() - before
    }

    #[test]
    fn a_wrong_password_and_an_unknown_user_cost_the_same_work() {
        for algorithm in [Algorithm::Md5, Algorithm::Sha256] {
            let (known, unknown) = (hashed_bytes(algorithm, "201"), hashed_bytes(algorithm, "999"));
            assert!(known > 0);
            assert_eq!(known, unknown, "{algorithm:?}");
        }
    }
}

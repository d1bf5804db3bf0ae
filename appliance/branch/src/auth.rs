//! Who sent a request: an extension by its password, a trunk by its address.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use branchline_config::{Config, Digest};
use branchline_route::{FailureKind, Source, Sources};
use branchline_sip::Flow;
use branchline_sip::agent::Response;
use branchline_sip::digest::{Algorithm, Asker, Challenger, ChallengerConfig, Ha1, Minter, Stale, Verdict};
use branchline_sip::message::{Builder, Message, Method, Uri};

use crate::Branch;
use crate::legs::Party;
use crate::now::Now;

/// The passwords' digests and the challenges that are out.
pub(crate) struct Auth {
    challenger: Challenger,
    users: HashMap<String, Ha1>,
    /// Stands in for the digest an extension has not got; random, so that nobody can compute an answer from it.
    absent: Ha1,
    /// Names that a source was challenged for and answered no challenge since: somebody who tries names, not a phone.
    unanswered: Sources<Unanswered>,
}

struct Unanswered {
    since: Instant,
    names: BTreeSet<String>,
}

impl Auth {
    pub(crate) fn new(config: &Config, epoch: Instant, seeds: ([u8; 32], [u8; 32])) -> Self {
        let challenger = ChallengerConfig {
            realm: config.site.realm.clone(),
            asker: Asker::Server,
            algorithms: config.sip.digest.iter().map(|digest| algorithm(*digest)).collect(),
            nonce_lifetime: Duration::from_secs(u64::from(config.sip.nonce_lifetime_s)),
            nonces_max: NONCES_MAX,
        };
        let (seed, absent) = seeds;
        let mut md5 = [0; 16];
        md5.copy_from_slice(&absent[..16]);
        let mut auth = Auth {
            challenger: Challenger::new(challenger, epoch, seed),
            users: HashMap::new(),
            absent: Ha1 { md5, sha256: absent },
            unanswered: Sources::new(SOURCES_MAX),
        };
        auth.handle_users(config);
        auth
    }

    /// A new configuration: other passwords count from now on. The realm stays until the next start.
    pub(crate) fn handle_users(&mut self, config: &Config) {
        let digest = |hashes: &branchline_config::Hashes| Ha1 {
            md5: hashes.md5.unwrap_or(self.absent.md5),
            sha256: hashes.sha256.unwrap_or(self.absent.sha256),
        };
        self.users = config
            .extensions
            .iter()
            .map(|entry| (entry.number.as_str().to_owned(), digest(&entry.hashes)))
            .collect();
    }
}

impl Branch {
    /// Who sent a request; otherwise the challenge or refusal to answer it with.
    pub(crate) fn identify(&mut self, now: Now, flow: Flow, request: &Message) -> Result<Party, Response> {
        if self.hosted.is_at(flow.remote)
            && let Some(line) = called_line(request).and_then(|user| self.hosted.line_of_user(&user))
            && !self.bindings.iter().any(|binding| binding.flow.remote == flow.remote)
        {
            return Ok(Party::Hosted(line));
        }
        // A phone may sit at the same address as a trunk: its own port tells it apart.
        if let Some(trunk) = self.trunks.of_call(flow.remote, &crate::dial::dialled(request))
            && !self.bindings.iter().any(|binding| binding.flow.remote == flow.remote)
        {
            return Ok(Party::Trunk(trunk));
        }
        self.authenticate(now, flow, request).map(Party::Extension)
    }

    /// The extension whose password the request proves.
    pub(crate) fn authenticate(&mut self, now: Now, flow: Flow, request: &Message) -> Result<String, Response> {
        let source = flow.remote.ip();
        let Auth { challenger, users, .. } = &mut self.auth;
        match challenger.verify(now.mono, source, request, |user| users.get(user).copied()) {
            Verdict::Ok { username } => {
                self.auth.unanswered.remove(Source::new(source));
                let lasts = Duration::from_secs(u64::from(self.config.sip.expires_max_s));
                self.guard.handle_success(now.mono, source, lasts);
                Ok(username)
            }
            Verdict::Challenge { stale } => {
                let why = match stale {
                    Stale::No => "it shows no password",
                    Stale::Yes => "its nonce is no longer good",
                };
                self.explain_turned_away(flow, (self.auth.challenger.status(), why));
                if stale == Stale::No {
                    self.count_unanswered(now, flow, request);
                }
                Err(self.challenge(now, flow, (request, stale)))
            }
            Verdict::Denied { username, nonce } => {
                self.counters.auth_failures += 1;
                self.auth.unanswered.remove(Source::new(source));
                // Unknown users and wrong passwords count alike: the difference must not show in when a ban comes.
                self.explain_turned_away(flow, (403, "wrong password"));
                let why = format!("wrong password for {username:?} again");
                match nonce {
                    Minter::Ours => {
                        self.count_failure(now, flow, (FailureKind::WrongPassword, &why));
                        // Not another challenge: phones would answer it with the same password until they are shut out.
                        Err(Builder::response_with_tag(request, 403, "0").into())
                    }
                    Minter::Foreign => {
                        self.count_failure(now, flow, (FailureKind::ForeignNonce, &why));
                        Err(self.challenge(now, flow, (request, Stale::Yes)))
                    }
                }
            }
        }
    }

    fn count_unanswered(&mut self, now: Now, flow: Flow, request: &Message) {
        let source = Source::new(flow.remote.ip());
        let fresh = || Unanswered {
            since: now.mono,
            names: BTreeSet::new(),
        };
        let tried = self.auth.unanswered.entry(source, fresh);
        if now.mono.saturating_duration_since(tried.since) > UNANSWERED_WITHIN {
            *tried = fresh();
        }
        let asked = if *request.method() == Method::Register {
            request.to()
        } else {
            request.from()
        };
        tried
            .names
            .insert(asked.uri_text.chars().take(NAME_CHARS_MAX).collect());
        if tried.names.len() >= UNANSWERED_MAX {
            self.auth.unanswered.remove(source);
            let why = "it tries names and answers no challenge";
            self.count_failure(now, flow, (FailureKind::Scanner, why));
        }
    }

    fn challenge(&mut self, now: Now, flow: Flow, (request, stale): (&Message, Stale)) -> Response {
        let response = Builder::response_with_tag(request, self.auth.challenger.status(), "0");
        let challenger = &mut self.auth.challenger;
        challenger.challenge(now.mono, flow.remote.ip(), stale, response).into()
    }
}

/// User part of the contact we registered, as the hosted PBX calls it.
fn called_line(request: &Message) -> Option<String> {
    let uri = Uri::parse(request.request_uri()).ok()?;
    Some(uri.user_unescaped().into_owned())
}

fn algorithm(digest: Digest) -> Algorithm {
    match digest {
        Digest::Md5 => Algorithm::Md5,
        Digest::Sha256 => Algorithm::Sha256,
    }
}

/// A branch whose phones all start at once behind one address stays below this: each answers before the next hundred ask.
const UNANSWERED_MAX: usize = 100;
const UNANSWERED_WITHIN: Duration = Duration::from_secs(60);
const NAME_CHARS_MAX: usize = 64;
/// Sources counted at once.
const SOURCES_MAX: usize = 4096;
/// Nonces whose counts are remembered; 20,000 phones and their retries.
const NONCES_MAX: usize = 32_768;

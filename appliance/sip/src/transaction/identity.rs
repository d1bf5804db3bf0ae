//! What makes two messages belong to one transaction (RFC 3261 sections 17.1.3, 17.2.3 and 8.2.2.2), as keyed 128-bit digests: a
//! sender who doesn't know the key can neither craft collisions nor fill one bucket.

use std::hash::{BuildHasherDefault, DefaultHasher, Hash, Hasher};

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::Rng;

use crate::message::{Message, Method, Name, Via};

/// Start of every branch that is unique by itself (RFC 3261 section 8.1.1.7).
pub(super) const MAGIC_COOKIE: &str = "z9hG4bK";

/// Digest that identifies a transaction, or all copies of one request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Identity([u64; 2]);

impl Hash for Identity {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0[0]);
    }
}

/// Hashes an [`Identity`] to itself: it is a keyed digest already.
#[derive(Default)]
pub(super) struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }

    fn write_u64(&mut self, digest: u64) {
        self.0 = digest;
    }
}

pub(super) type AsIsBuilder = BuildHasherDefault<AsIs>;

/// The key of all digests of one endpoint.
pub(super) struct Identifier {
    keyed: DefaultHasher,
}

impl Identifier {
    pub(super) fn new(rng: &mut ChaCha12Rng) -> Identifier {
        let mut keyed = DefaultHasher::new();
        let mut key = [0; 32];
        rng.fill_bytes(&mut key);
        keyed.write(&key);
        Identifier { keyed }
    }

    /// Identity of the server transaction that a request belongs to; ACK and CANCEL belong to their INVITE.
    pub(super) fn of_request(&self, request: &Message, via: &Via<'_>) -> Identity {
        let method = match request.method() {
            Method::Ack | Method::Cancel => &Method::Invite,
            other @ (Method::Invite
            | Method::Bye
            | Method::Register
            | Method::Options
            | Method::Prack
            | Method::Update
            | Method::Info
            | Method::Refer
            | Method::Notify
            | Method::Subscribe
            | Method::Publish
            | Method::Message
            | Method::Other(_)) => other,
        };
        match branch(via) {
            Some(branch) => {
                let digest = self
                    .digest(Domain::Server)
                    .text(branch)
                    .text(via.sent_by)
                    .bytes(method.as_str().as_bytes());
                digest.finish()
            }
            None => self.of_old_request(request, method),
        }
    }

    // RFC 2543 matching. The To tag stays out: an ACK carries the one of the response, the INVITE none.
    fn of_old_request(&self, request: &Message, method: &Method) -> Identity {
        self.digest(Domain::Old)
            .bytes(request.request_uri().as_bytes())
            .bytes(request.from_tag().unwrap_or_default().as_bytes())
            .bytes(request.call_id().as_bytes())
            .bytes(&request.cseq().to_be_bytes())
            .bytes(method.as_str().as_bytes())
            .bytes(request.value(Name::Via).unwrap_or_default())
            .finish()
    }

    /// Identity shared by the copies of one request that came over different paths; `None` inside a dialog. The request URI is part
    /// of it: a hosted PBX may ring two extensions of the box with one forked INVITE, and both must ring.
    pub(super) fn of_copies(&self, request: &Message) -> Option<Identity> {
        if request.to_tag().is_some() {
            return None;
        }
        let digest = self
            .digest(Domain::Copies)
            .bytes(request.request_uri().as_bytes())
            .bytes(request.from_tag().unwrap_or_default().as_bytes())
            .bytes(request.call_id().as_bytes())
            .bytes(&request.cseq().to_be_bytes())
            .bytes(request.method().as_str().as_bytes());
        Some(digest.finish())
    }

    /// Identity of the client transaction with this branch and method; a CANCEL belongs to its INVITE.
    pub(super) fn of_branch(&self, branch: &str, method: &Method) -> Identity {
        let method = match method {
            Method::Cancel => &Method::Invite,
            other @ (Method::Invite
            | Method::Ack
            | Method::Bye
            | Method::Register
            | Method::Options
            | Method::Prack
            | Method::Update
            | Method::Info
            | Method::Refer
            | Method::Notify
            | Method::Subscribe
            | Method::Publish
            | Method::Message
            | Method::Other(_)) => other,
        };
        self.digest(Domain::Client)
            .text(branch)
            .bytes(method.as_str().as_bytes())
            .finish()
    }

    /// To tag of a stateless answer: the same for each copy of the request (RFC 3261 section 8.2.7).
    pub(super) fn tag(&self, of: Identity) -> String {
        let digest = self
            .digest(Domain::Tag)
            .bytes(&of.0[0].to_be_bytes())
            .bytes(&of.0[1].to_be_bytes())
            .finish();
        format!("{:016x}", digest.0[0])
    }

    /// To tag for the answer to a request that could not be parsed.
    pub(super) fn tag_of_bytes(&self, request: &[u8]) -> String {
        self.tag(self.digest(Domain::Tag).bytes(request).finish())
    }

    fn digest(&self, domain: Domain) -> Digest {
        let mut digest = Digest(self.keyed.clone());
        digest.0.write_u8(domain as u8);
        digest
    }
}

/// The branch, if it is unique by itself.
pub(super) fn branch<'a>(via: &Via<'a>) -> Option<&'a str> {
    let branch = via.branch()?;
    let (cookie, own) = branch.split_at_checked(MAGIC_COOKIE.len())?;
    (cookie.eq_ignore_ascii_case(MAGIC_COOKIE) && !own.is_empty()).then_some(branch)
}

#[derive(Clone, Copy)]
enum Domain {
    Server,
    Old,
    Copies,
    Client,
    Tag,
}

struct Digest(DefaultHasher);

impl Digest {
    fn bytes(mut self, part: &[u8]) -> Digest {
        self.0.write_usize(part.len());
        self.0.write(part);
        self
    }

    // Branch and sent-by compare without regard to case (RFC 3261 section 7.3.1).
    fn text(mut self, part: &str) -> Digest {
        self.0.write_usize(part.len());
        for chunk in part.as_bytes().chunks(CHUNK_BYTES) {
            let mut lower = [0; CHUNK_BYTES];
            let lower = &mut lower[..chunk.len()];
            lower.copy_from_slice(chunk);
            lower.make_ascii_lowercase();
            self.0.write(lower);
        }
        self
    }

    // The state is wider than its 64-bit output, so a second output after one more byte is independent of the first.
    fn finish(mut self) -> Identity {
        let first = self.0.finish();
        self.0.write_u8(0xff);
        Identity([first, self.0.finish()])
    }
}

const CHUNK_BYTES: usize = 64;

//! Digest as a telephone computes it (RFC 7616 section 3.4), apart from the box's own.

use branchline_sip::message::{Message, Name};
use md5::Md5;
use sha2::{Digest, Sha256};

/// What somebody proves a user with.
#[derive(Clone)]
pub enum Proof {
    /// The password itself.
    Password(String),
    /// Lower-case hexadecimal hashes of user, realm and password, for who knows no more.
    Hashes {
        /// MD5.
        md5: Option<String>,
        /// SHA-256.
        sha256: Option<String>,
    },
}

impl std::fmt::Debug for Proof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl From<String> for Proof {
    fn from(password: String) -> Proof {
        Proof::Password(password)
    }
}

/// What a telephone proves itself with.
#[derive(Clone, Debug)]
pub(super) struct Account {
    pub(super) user: String,
    pub(super) proof: Proof,
}

impl Account {
    /// HA1 (RFC 7616 section 3.4.2), if it is known for this algorithm.
    fn ha1(&self, realm: &str, algorithm: Algorithm) -> Option<String> {
        match (&self.proof, algorithm) {
            (Proof::Password(password), Algorithm::Md5 | Algorithm::Sha256) => {
                Some(algorithm.hash(&format!("{}:{realm}:{password}", self.user)))
            }
            (Proof::Hashes { md5, .. }, Algorithm::Md5) => md5.clone(),
            (Proof::Hashes { sha256, .. }, Algorithm::Sha256) => sha256.clone(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Algorithm {
    Md5,
    Sha256,
}

impl Algorithm {
    fn hash(self, text: &str) -> String {
        match self {
            Algorithm::Md5 => hex(&Md5::digest(text)),
            Algorithm::Sha256 => hex(&Sha256::digest(text)),
        }
    }
}

/// A challenge as it came.
#[derive(Clone, Debug)]
pub(super) struct Challenge {
    answer_in: Name<'static>,
    realm: String,
    nonce: String,
    opaque: Option<String>,
    algorithm: Algorithm,
    qop: bool,
    count: u32,
}

impl Challenge {
    /// Reads the best challenge of a 401 or 407 that the account can answer.
    pub(super) fn of(response: &Message, account: &Account) -> Option<Challenge> {
        let (asked, answer_in) = match response.status() {
            401 => (Name::WwwAuthenticate, Name::Authorization),
            407 => (Name::ProxyAuthenticate, Name::ProxyAuthorization),
            _ => return None,
        };
        let all: Vec<Challenge> = response
            .fields()
            .filter(|field| field.name == asked)
            .filter_map(|field| read(&String::from_utf8_lossy(field.value), answer_in))
            .filter(|challenge| account.ha1(&challenge.realm, challenge.algorithm).is_some())
            .collect();
        let is_sha256 = |challenge: &&Challenge| challenge.algorithm == Algorithm::Sha256;
        let best = all.iter().find(is_sha256).or(all.first());
        best.cloned()
    }

    /// The header that proves the account for one request.
    pub(super) fn answer(&mut self, account: &Account, method: &str, uri: &str) -> (Name<'static>, String) {
        self.count += 1;
        let user = &account.user;
        let (realm, nonce) = (&self.realm, &self.nonce);
        let hash = |text: &str| self.algorithm.hash(text);
        let ha1 = account.ha1(realm, self.algorithm).unwrap_or_default();
        let ha2 = hash(&format!("{method}:{uri}"));
        let nc = format!("{:08x}", self.count);
        let cnonce = format!("c{}", self.count);
        let response = match self.qop {
            true => hash(&format!("{ha1}:{nonce}:{nc}:{cnonce}:auth:{ha2}")),
            false => hash(&format!("{ha1}:{nonce}:{ha2}")),
        };
        let algorithm = match self.algorithm {
            Algorithm::Md5 => "MD5",
            Algorithm::Sha256 => "SHA-256",
        };
        let mut value = format!(
            "Digest username=\"{user}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", \
             response=\"{response}\", algorithm={algorithm}"
        );
        if self.qop {
            value.push_str(&format!(", qop=auth, nc={nc}, cnonce=\"{cnonce}\""));
        }
        if let Some(opaque) = &self.opaque {
            value.push_str(&format!(", opaque=\"{opaque}\""));
        }
        (self.answer_in, value)
    }
}

/// Whether credentials prove the account; for the provider's side of a trunk.
pub(super) fn proves(account: &Account, request: &Message, nonce: &str) -> bool {
    let fields = [Name::Authorization, Name::ProxyAuthorization];
    let text = fields.iter().find_map(|name| request.value(*name));
    let Some(text) = text.map(|value| String::from_utf8_lossy(value).into_owned()) else {
        return false;
    };
    let wanted = |name: &str| param(&text, name).unwrap_or_default();
    let (user, realm, uri) = (wanted("username"), wanted("realm"), wanted("uri"));
    let ha1 = account.ha1(&realm, Algorithm::Md5).unwrap_or_default();
    let ha2 = hex(&Md5::digest(format!("{}:{uri}", request.method().as_str())));
    let (nc, cnonce) = (wanted("nc"), wanted("cnonce"));
    let response = hex(&Md5::digest(format!("{ha1}:{nonce}:{nc}:{cnonce}:auth:{ha2}")));
    user == account.user && wanted("nonce") == nonce && wanted("response") == response
}

/// Whether a message's credentials prove one user; for a hosted PBX.
pub(crate) fn proves_user((user, password): (&str, &str), bytes: &bytes::Bytes, nonce: &str) -> bool {
    let account = Account {
        user: user.to_owned(),
        proof: password.to_owned().into(),
    };
    Message::parse(bytes.clone()).is_ok_and(|request| proves(&account, &request, nonce))
}

/// Lower-case hexadecimal of both hashes of an account, for a configuration file.
pub(super) fn hashes(user: &str, realm: &str, password: &str) -> (String, String) {
    let text = format!("{user}:{realm}:{password}");
    (hex(&Md5::digest(&text)), hex(&Sha256::digest(&text)))
}

fn read(text: &str, answer_in: Name<'static>) -> Option<Challenge> {
    let algorithm = param(text, "algorithm").unwrap_or_else(|| "MD5".to_owned());
    let sha256 = algorithm.eq_ignore_ascii_case("SHA-256");
    if !sha256 && !algorithm.eq_ignore_ascii_case("MD5") {
        return None;
    }
    Some(Challenge {
        answer_in,
        realm: param(text, "realm")?,
        nonce: param(text, "nonce")?,
        opaque: param(text, "opaque"),
        algorithm: if sha256 { Algorithm::Sha256 } else { Algorithm::Md5 },
        qop: param(text, "qop").is_some(),
        count: 0,
    })
}

fn param(text: &str, name: &str) -> Option<String> {
    let text = text.trim().strip_prefix("Digest").unwrap_or(text);
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (found, after) = rest.split_once('=')?;
        let found = found.trim_matches([' ', ',', '\t']);
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => after.split_once(',').unwrap_or((after, "")),
        };
        if found.eq_ignore_ascii_case(name) {
            return Some(value.trim().to_owned());
        }
        rest = next;
    }
    None
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_7616_comes_out() {
        let text = "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm=MD5, \
                    nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", opaque=\"FQhe\"";
        let mut challenge = read(text, Name::Authorization).unwrap();
        let account = Account {
            user: "Mufasa".into(),
            proof: "Circle of Life".to_owned().into(),
        };
        let (name, value) = challenge.answer(&account, "GET", "/dir/index.html");
        assert_eq!(name, Name::Authorization);
        assert_eq!(param(&value, "opaque").unwrap(), "FQhe");
        let ha1 = hex(&Md5::digest("Mufasa:http-auth@example.org:Circle of Life"));
        let ha2 = hex(&Md5::digest("GET:/dir/index.html"));
        let nonce = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v";
        let expected = hex(&Md5::digest(format!("{ha1}:{nonce}:00000001:c1:auth:{ha2}")));
        assert_eq!(param(&value, "response").unwrap(), expected);
    }
}

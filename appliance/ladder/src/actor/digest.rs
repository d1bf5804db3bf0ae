//! Digest as a telephone computes it (RFC 7616 section 3.4), apart from the box's own.

use branchline_sip::message::{Message, Name};
use md5::Md5;
use sha2::{Digest, Sha256};

/// What a telephone proves itself with.
#[derive(Clone, Debug)]
pub(super) struct Account {
    pub(super) user: String,
    pub(super) password: String,
}

/// A challenge as it came.
#[derive(Clone, Debug)]
pub(super) struct Challenge {
    answer_in: Name<'static>,
    realm: String,
    nonce: String,
    opaque: Option<String>,
    sha256: bool,
    qop: bool,
    count: u32,
}

impl Challenge {
    /// Reads the best challenge of a 401 or 407.
    pub(super) fn of(response: &Message) -> Option<Challenge> {
        let (asked, answer_in) = match response.status() {
            401 => (Name::WwwAuthenticate, Name::Authorization),
            407 => (Name::ProxyAuthenticate, Name::ProxyAuthorization),
            _ => return None,
        };
        let all: Vec<Challenge> = response
            .fields()
            .filter(|field| field.name == asked)
            .filter_map(|field| read(&String::from_utf8_lossy(field.value), answer_in))
            .collect();
        let best = all.iter().find(|challenge| challenge.sha256).or(all.first());
        best.cloned()
    }

    /// The header that proves the account for one request.
    pub(super) fn answer(&mut self, account: &Account, method: &str, uri: &str) -> (Name<'static>, String) {
        self.count += 1;
        let Account { user, password } = account;
        let (realm, nonce) = (&self.realm, &self.nonce);
        let ha1 = self.hash(&format!("{user}:{realm}:{password}"));
        let ha2 = self.hash(&format!("{method}:{uri}"));
        let nc = format!("{:08x}", self.count);
        let cnonce = format!("c{}", self.count);
        let response = match self.qop {
            true => self.hash(&format!("{ha1}:{nonce}:{nc}:{cnonce}:auth:{ha2}")),
            false => self.hash(&format!("{ha1}:{nonce}:{ha2}")),
        };
        let algorithm = if self.sha256 { "SHA-256" } else { "MD5" };
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

    fn hash(&self, text: &str) -> String {
        if self.sha256 {
            hex(&Sha256::digest(text))
        } else {
            hex(&Md5::digest(text))
        }
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
    let ha1 = hex(&Md5::digest(format!("{user}:{realm}:{}", account.password)));
    let ha2 = hex(&Md5::digest(format!("{}:{uri}", request.method().as_str())));
    let (nc, cnonce) = (wanted("nc"), wanted("cnonce"));
    let response = hex(&Md5::digest(format!("{ha1}:{nonce}:{nc}:{cnonce}:auth:{ha2}")));
    user == account.user && wanted("nonce") == nonce && wanted("response") == response
}

/// Whether a message's credentials prove one user; for a hosted PBX.
pub(crate) fn proves_user((user, password): (&str, &str), bytes: &bytes::Bytes, nonce: &str) -> bool {
    let account = Account {
        user: user.to_owned(),
        password: password.to_owned(),
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
        sha256,
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
            password: "Circle of Life".into(),
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

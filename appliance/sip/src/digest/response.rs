//! The digest arithmetic of RFC 7616 section 3.4, for MD5 and SHA-256.

use md5::Md5;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Hash of a digest; the greater is the stronger.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum Algorithm {
    /// MD5: all that older phones know.
    Md5,
    /// SHA-256 (RFC 8760).
    Sha256,
}

impl Algorithm {
    /// The word on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Md5 => "MD5",
            Algorithm::Sha256 => "SHA-256",
        }
    }

    /// Reads the word of an `algorithm` parameter; the `-sess` variants are not offered and not read.
    pub fn of(word: &str) -> Option<Algorithm> {
        [Algorithm::Md5, Algorithm::Sha256]
            .into_iter()
            .find(|known| known.name().eq_ignore_ascii_case(word))
    }
}

/// What stands for a password: the hashes of `username:realm:password`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Ha1 {
    /// By MD5.
    pub md5: [u8; 16],
    /// By SHA-256.
    pub sha256: [u8; 32],
}

impl Ha1 {
    /// Hashes a password for one user and realm.
    pub fn of(username: &str, realm: &str, password: &str) -> Ha1 {
        let parts = [username.as_bytes(), b":", realm.as_bytes(), b":", password.as_bytes()];
        Ha1 {
            md5: digest::<Md5>(&parts).into(),
            sha256: digest::<Sha256>(&parts).into(),
        }
    }

    fn hex(&self, algorithm: Algorithm) -> Hex {
        match algorithm {
            Algorithm::Md5 => Hex::of(&self.md5),
            Algorithm::Sha256 => Hex::of(&self.sha256),
        }
    }
}

impl std::fmt::Debug for Ha1 {
    /// Nothing: it is as good as the password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ha1(..)")
    }
}

/// Lower-case hexadecimal of at most 32 bytes.
#[derive(Clone, Copy)]
pub(crate) struct Hex {
    digits: [u8; 64],
    count: usize,
}

impl Hex {
    pub(crate) fn of(bytes: &[u8]) -> Hex {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut hex = Hex {
            digits: [0; 64],
            count: 0,
        };
        for (pair, byte) in hex.digits.chunks_exact_mut(2).zip(bytes) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        hex.count = bytes.len().min(32) * 2;
        hex
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.digits[..self.count]
    }

    /// Whether `given` is the same in either case; how long that takes does not tell where they differ.
    pub(crate) fn matches(&self, given: &[u8]) -> bool {
        let mut lower = [0; 64];
        let Some(lower) = lower.get_mut(..given.len()) else {
            return false;
        };
        lower.copy_from_slice(given);
        lower.make_ascii_lowercase();
        self.as_bytes().ct_eq(lower).into()
    }

    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }
}

/// What a response is computed over, besides the secret.
#[derive(Clone, Copy)]
pub(crate) struct Facts<'a> {
    pub(crate) algorithm: Algorithm,
    pub(crate) method: &'a str,
    pub(crate) uri: &'a str,
    pub(crate) nonce: &'a str,
    pub(crate) count: Option<Count<'a>>,
}

/// What `qop=auth` adds, as written.
#[derive(Clone, Copy)]
pub(crate) struct Count<'a> {
    pub(crate) nc: &'a str,
    pub(crate) cnonce: &'a str,
}

pub(crate) fn response(ha1: &Ha1, facts: &Facts<'_>) -> Hex {
    let ha1 = ha1.hex(facts.algorithm);
    let ha2 = hash(facts.algorithm, &[facts.method.as_bytes(), b":", facts.uri.as_bytes()]);
    let nonce = facts.nonce.as_bytes();
    match facts.count {
        Some(count) => hash(
            facts.algorithm,
            &[
                ha1.as_bytes(),
                b":",
                nonce,
                b":",
                count.nc.as_bytes(),
                b":",
                count.cnonce.as_bytes(),
                b":auth:",
                ha2.as_bytes(),
            ],
        ),
        None => hash(facts.algorithm, &[ha1.as_bytes(), b":", nonce, b":", ha2.as_bytes()]),
    }
}

fn hash(algorithm: Algorithm, parts: &[&[u8]]) -> Hex {
    match algorithm {
        Algorithm::Md5 => Hex::of(&digest::<Md5>(parts)),
        Algorithm::Sha256 => Hex::of(&digest::<Sha256>(parts)),
    }
}

#[cfg(test)]
std::thread_local! {
    /// Bytes that this thread has hashed: what a look at a password costs.
    pub(super) static HASHED_BYTES: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

fn digest<D: Digest>(parts: &[&[u8]]) -> sha2::digest::Output<D> {
    #[cfg(test)]
    HASHED_BYTES.set(HASHED_BYTES.get() + parts.iter().map(|part| part.len()).sum::<usize>());
    let mut hasher = D::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize()
}

/// `text` as a quoted string.
pub(crate) fn quote(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_7616_comes_out() {
        let ha1 = Ha1::of("Mufasa", "http-auth@example.org", "Circle of Life");
        let facts = Facts {
            algorithm: Algorithm::Md5,
            method: "GET",
            uri: "/dir/index.html",
            nonce: "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
            count: Some(Count {
                nc: "00000001",
                cnonce: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
            }),
        };
        assert_eq!(response(&ha1, &facts).as_str(), "8ca523f5e9506fed4657c9700eebdbec");
        let sha = Facts {
            algorithm: Algorithm::Sha256,
            ..facts
        };
        assert_eq!(
            response(&ha1, &sha).as_str(),
            "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"
        );
    }
}

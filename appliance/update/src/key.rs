//! Ed25519 keys (RFC 8032): the one that signs, and those a site trusts.

use std::fmt;
use std::str::FromStr;

use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use sha2::{Digest, Sha256};

use crate::hex;

/// Keys that a site may trust at once: an old one and its successor, for a few makers.
const KEYS_MAX: usize = 8;

/// Why keys cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// Without a key nothing can be checked, so nothing is accepted.
    #[error("no key is trusted: put the maker's public key into update.keys")]
    None,
    /// More than [`KEYS_MAX`].
    #[error("more than {KEYS_MAX} keys are trusted: remove the old ones from update.keys")]
    TooMany,
    /// Not a key.
    #[error(
        "\"{0}\" is not a public key: write 64 hexadecimal digits in lower case, as `branchline release key` shows"
    )]
    Malformed(String),
}

/// A public key; written as 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKey([u8; 32]);

/// Names a key in a manifest: the beginning of its SHA-256.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeyId(pub(crate) [u8; 8]);

impl PublicKey {
    pub(crate) fn id(&self) -> KeyId {
        let mut id = [0; 8];
        id.copy_from_slice(&Sha256::digest(self.0)[..8]);
        KeyId(id)
    }

    pub(crate) fn proves(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.0)
            .verify(message, signature)
            .is_ok()
    }
}

impl FromStr for PublicKey {
    type Err = KeyFault;

    fn from_str(text: &str) -> Result<PublicKey, KeyFault> {
        let bytes = hex::read(text).ok_or_else(|| KeyFault::Malformed(text.chars().take(80).collect()))?;
        Ok(PublicKey(bytes))
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::write(&self.0))
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::write(&self.0))
    }
}

/// The keys that a site trusts; there is at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedKeys(Vec<PublicKey>);

impl TrustedKeys {
    /// Refuses an empty list: it would mean that everything is accepted.
    pub fn new(keys: Vec<PublicKey>) -> Result<TrustedKeys, KeyFault> {
        match keys.len() {
            0 => Err(KeyFault::None),
            1..=KEYS_MAX => Ok(TrustedKeys(keys)),
            _ => Err(KeyFault::TooMany),
        }
    }

    pub(crate) fn find(&self, id: KeyId) -> Option<&PublicKey> {
        self.0.iter().find(|key| key.id() == id)
    }
}

/// A secret key.
pub struct SigningKey {
    seed: [u8; 32],
    pair: Ed25519KeyPair,
}

impl SigningKey {
    /// The key that belongs to a seed, which must come from a random source and stays secret. `None` if it has none.
    pub fn from_seed(seed: [u8; 32]) -> Option<SigningKey> {
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).ok()?;
        Some(SigningKey { seed, pair })
    }

    /// Reads what [`expose`](SigningKey::expose) wrote.
    pub fn read(text: &str) -> Option<SigningKey> {
        SigningKey::from_seed(hex::read(text.trim_end())?)
    }

    /// The secret, as it is kept in a file.
    pub fn expose(&self) -> String {
        hex::write(&self.seed)
    }

    /// What others check signatures with.
    pub fn public(&self) -> PublicKey {
        let mut public = [0; 32];
        public.copy_from_slice(self.pair.public_key().as_ref());
        PublicKey(public)
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.public().id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_list_of_keys_is_an_error() {
        assert_eq!(TrustedKeys::new(Vec::new()), Err(KeyFault::None));
        let key = SigningKey::from_seed([7; 32]).unwrap().public();
        assert!(TrustedKeys::new(vec![key]).is_ok());
        assert_eq!(TrustedKeys::new(vec![key; KEYS_MAX + 1]), Err(KeyFault::TooMany));
    }

    #[test]
    fn keys_are_read_back_and_the_secret_is_not_shown() {
        let key = SigningKey::from_seed([7; 32]).unwrap();
        assert_eq!(key.public().to_string().parse(), Ok(key.public()));
        let again = SigningKey::read(&(key.expose() + "\n")).unwrap();
        assert_eq!(again.public(), key.public());
        assert!(!format!("{key:?}").contains(&key.expose()[..8]));
        assert!("0123".parse::<PublicKey>().is_err());
    }
}

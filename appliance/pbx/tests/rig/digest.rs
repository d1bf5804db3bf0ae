//! HA1 values for the daemon's configuration (RFC 8760 section 2.4): it never holds a password.

use md5::Md5;
use sha2::{Digest, Sha256};

/// HA1 with MD5, in hexadecimal.
pub fn ha1_md5(user: &str, realm: &str, password: &str) -> String {
    hex(&Md5::digest(format!("{user}:{realm}:{password}")))
}

/// HA1 with SHA-256, in hexadecimal.
pub fn ha1_sha256(user: &str, realm: &str, password: &str) -> String {
    sha256(format!("{user}:{realm}:{password}").as_bytes())
}

fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

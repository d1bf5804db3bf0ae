//! What a box and the cloud say to each other, as data.
//!
//! In and out: bytes of one stream, as [`frame`]s, and the messages in them. A shipped version of the messages is never
//! changed: what is new gets a new field that may be missing, a new kind that older programs pass over ([`v1::Up::Unknown`],
//! [`v1::Down::Unknown`]), or a folder `v2`. The golden files in `tests/golden` hold every version to that.
//!
//! This crate never opens a socket, checks a signature or decides who may say what.

pub mod frame;
pub mod v1;

/// Name of the protocol in the TLS handshake (ALPN, RFC 7301); the version of the messages is agreed in `hello`.
pub const ALPN: &[u8] = b"branchline-link";
/// Versions of the messages that this program speaks.
pub const VERSIONS: [u16; 1] = [1];

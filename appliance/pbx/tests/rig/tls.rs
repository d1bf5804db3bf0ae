//! A self-signed certificate for a loopback address.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

/// Certificate and key in PEM.
pub struct Certificate {
    /// The certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// Writes a certificate for `ip` into `folder`.
pub fn self_signed(folder: &Path, ip: Ipv4Addr) -> Certificate {
    let made = rcgen::generate_simple_self_signed(vec![ip.to_string()]).expect("an address is a valid name");
    let files = Certificate {
        certificate: folder.join("certificate.pem"),
        key: folder.join("key.pem"),
    };
    std::fs::write(&files.certificate, made.cert.pem()).expect("the test's folder is writable");
    std::fs::write(&files.key, made.signing_key.serialize_pem()).expect("the test's folder is writable");
    files
}

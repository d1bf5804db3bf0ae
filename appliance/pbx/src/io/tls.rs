//! What the box shows of itself over TLS, and whom it believes.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};

/// Where certificate and key lie, both PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFiles {
    /// The chain, own certificate first.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsFault {
    /// A file.
    #[error("{}: {problem}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The two do not fit, or are of a kind that TLS does not use.
    #[error("{} with {}: {source}", .files.certificate.display(), .files.key.display())]
    Pair {
        /// Which.
        files: KeyFiles,
        /// What TLS says.
        source: rustls::Error,
    },
    /// The library itself.
    #[error("TLS cannot be set up: {0}")]
    Library(#[from] rustls::Error),
}

/// For connections that phones and trunks open: TLS 1.2 and 1.3, no certificate asked of the peer.
pub fn server(files: &KeyFiles) -> Result<Arc<ServerConfig>, TlsFault> {
    let fault = |path: &Path| {
        let path = path.to_owned();
        move |error: rustls::pki_types::pem::Error| TlsFault::File {
            path,
            problem: error.to_string(),
        }
    };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect)
        .map_err(fault(&files.certificate))?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(fault(&files.key))?;
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|source| TlsFault::Pair {
            files: files.clone(),
            source,
        })?;
    Ok(Arc::new(config))
}

/// For connections that the box opens: the peer is believed if the system's roots vouch for its name.
pub fn client() -> Result<Arc<ClientConfig>, TlsFault> {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::debug!(%error, "some of the system's roots cannot be read");
    }
    let mut roots = RootCertStore::empty();
    let (taken, refused) = roots.add_parsable_certificates(found.certs);
    tracing::debug!(taken, refused, "the system's roots");
    if taken == 0 {
        tracing::warn!("no root certificates found: trunks over TLS stay down; install the package ca-certificates");
    }
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// Authorities that may vouch for a web server: those in a PEM file, or the system's.
pub(crate) fn authorities(file: Option<&Path>) -> Result<Vec<CertificateDer<'static>>, String> {
    let Some(path) = file else {
        return Ok(rustls_native_certs::load_native_certs().certs);
    };
    let fault = |error: rustls::pki_types::pem::Error| format!("{}: {error}", path.display());
    let found: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).map_err(fault)?.collect();
    let found = found.map_err(fault)?;
    match found.is_empty() {
        true => Err(format!("{}: there is no certificate in it", path.display())),
        false => Ok(found),
    }
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// The chain of an error, for one line of log.
pub(crate) fn chain(error: &io::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(deeper) = cause {
        let more = deeper.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = deeper.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_or_foreign_key_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let write = |name: &str| {
            let made = crate::certificate::self_signed(&["box".to_owned()], &[], 0).unwrap();
            std::fs::write(path(&format!("{name}.pem")), made.certificate).unwrap();
            std::fs::write(path(&format!("{name}.key")), made.key.expose()).unwrap();
        };
        write("own");
        write("foreign");
        let files = |certificate: &str, key: &str| KeyFiles {
            certificate: path(certificate),
            key: path(key),
        };
        assert!(server(&files("own.pem", "own.key")).is_ok());
        for (certificate, key, names) in [
            ("none.pem", "own.key", "none.pem"),
            ("own.pem", "none.key", "none.key"),
            ("own.pem", "own.pem", "own.pem"),
        ] {
            let fault = server(&files(certificate, key)).unwrap_err().to_string();
            assert!(fault.contains(names), "{fault}");
        }
        assert!(matches!(
            server(&files("own.pem", "foreign.key")),
            Err(TlsFault::Pair { .. })
        ));
    }
}

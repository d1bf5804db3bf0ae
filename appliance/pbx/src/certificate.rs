//! The certificate the box makes for itself, and when a certificate runs out.

use std::io;
use std::net::IpAddr;
use std::path::Path;

use branchline_config::Secret;
use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair, SanType, date_time_ymd};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::clock::Civil;

const YEARS: i64 = 10;
// A box without a clock starts in 1970; its certificate must still be good once the time is known.
const OLDEST_NOW_YEAR: i64 = 2026;

/// A certificate with its key, both PEM.
#[derive(Clone, Debug)]
pub struct SelfSigned {
    /// The certificate.
    pub certificate: String,
    /// The private key.
    pub key: Secret,
}

/// Makes a certificate for host names and addresses, good for ten years; the first name is the common name.
pub fn self_signed(names: &[String], addresses: &[IpAddr], utc_ms: i64) -> io::Result<SelfSigned> {
    let mut params = CertificateParams::new(names.to_vec()).map_err(io::Error::other)?;
    params
        .subject_alt_names
        .extend(addresses.iter().copied().map(SanType::IpAddress));
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, names.first().map_or("branchline", String::as_str));
    params.distinguished_name = subject;
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    let year = Civil::from_utc_ms(utc_ms).year.clamp(OLDEST_NOW_YEAR, 9000);
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(i32::try_from(year + YEARS).unwrap_or(i32::MAX), 1, 1);
    let key = KeyPair::generate().map_err(io::Error::other)?;
    let certificate = params.self_signed(&key).map_err(io::Error::other)?;
    Ok(SelfSigned {
        certificate: certificate.pem(),
        key: Secret::new(key.serialize_pem()),
    })
}

/// When the first certificate of a PEM file runs out, UTC milliseconds; `None` when it cannot be read.
pub fn expires_utc_ms(path: &Path) -> Option<i64> {
    let der = CertificateDer::from_pem_file(path).ok()?;
    not_after(&der)
}

const SEQUENCE: u8 = 0x30;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const VERSION: u8 = 0xa0;

// RFC 5280 section 4.1: Certificate { tbs { [0] version, serial, signature, issuer, validity { notBefore, notAfter …
fn not_after(der: &[u8]) -> Option<i64> {
    let (certificate, _) = element(der, SEQUENCE)?;
    let (mut rest, _) = element(certificate, SEQUENCE)?;
    if rest.first() == Some(&VERSION) {
        rest = skip(rest)?;
    }
    for _ in ["serial", "signature", "issuer"] {
        rest = skip(rest)?;
    }
    let (validity, _) = element(rest, SEQUENCE)?;
    time(skip(validity)?)
}

fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    if *der.first()? != tag {
        return None;
    }
    let first = usize::from(*der.get(1)?);
    let (length, start) = match first {
        0..=0x7f => (first, 2),
        0x81..=0x84 => {
            let bytes = der.get(2..2 + (first & 0x7f))?;
            (
                bytes.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)),
                2 + bytes.len(),
            )
        }
        _ => return None,
    };
    let end = start.checked_add(length)?;
    Some((der.get(start..end)?, der.get(end..)?))
}

fn skip(der: &[u8]) -> Option<&[u8]> {
    element(der, *der.first()?).map(|(_, rest)| rest)
}

// RFC 5280 section 4.1.2.5: YYMMDDHHMMSSZ, of 1950 to 2049, or YYYYMMDDHHMMSSZ.
fn time(der: &[u8]) -> Option<i64> {
    let (century, digits) = match *der.first()? {
        UTC_TIME => {
            let digits = element(der, UTC_TIME)?.0;
            (if *digits.first()? < b'5' { "20" } else { "19" }, digits)
        }
        GENERALIZED_TIME => ("", element(der, GENERALIZED_TIME)?.0),
        _ => return None,
    };
    let text = format!("{century}{}", std::str::from_utf8(digits).ok()?);
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<u8>().ok();
    let midnight = Civil::midnight_utc_ms(text.get(..4)?.parse().ok()?, number(4, 6)?, number(6, 8)?)?;
    let s = i64::from(number(8, 10)?) * 3600 + i64::from(number(10, 12)?) * 60 + i64::from(number(12, 14)?);
    Some(midnight + s * 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_made_before_the_time_is_known_is_still_good_later() {
        let names = ["branch.example".to_owned()];
        let made = self_signed(&names, &["192.0.2.1".parse().unwrap()], 0).unwrap();
        let der = CertificateDer::from_pem_slice(made.certificate.as_bytes()).unwrap();
        assert_eq!(not_after(&der), Civil::midnight_utc_ms(2036, 1, 1));
        assert!(made.key.expose().contains("PRIVATE KEY"));
    }

    #[test]
    fn what_is_no_certificate_has_no_expiry_and_does_no_harm() {
        let names = ["a".to_owned()];
        let made = self_signed(&names, &[], 2_600_000_000_000).unwrap();
        let der = CertificateDer::from_pem_slice(made.certificate.as_bytes()).unwrap();
        assert_eq!(not_after(&der), Civil::midnight_utc_ms(2062, 1, 1));
        for end in 0..der.len() {
            let _ = not_after(&der[..end]);
            let mut broken = der.to_vec();
            broken[end] ^= 0xff;
            let _ = not_after(&broken);
        }
        assert_eq!(not_after(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]), None);
    }
}

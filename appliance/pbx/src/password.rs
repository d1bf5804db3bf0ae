//! Passwords: made here, shown once, kept only as hashes.

use std::io;

use argon2::{Argon2, PasswordHasher, PasswordVerifier};
use branchline_config::{Hashes, Secret};
use md5::Md5;
use sha2::{Digest, Sha256};

// Crockford's base 32 without look-alikes: no I, L, O, U.
const LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
// 26 letters of 5 bits: 130 bits.
const GROUPS: [usize; 5] = [5, 5, 5, 5, 6];

/// A fresh password of 130 bits, in groups that can be typed on a phone: `k7m2q-…`.
pub fn generate() -> io::Result<Secret> {
    let mut random = [0_u8; 26];
    fill_random(&mut random)?;
    let mut letters = random.iter().map(|byte| char::from(LETTERS[usize::from(byte & 31)]));
    let groups: Vec<String> = GROUPS
        .iter()
        .map(|length| letters.by_ref().take(*length).collect())
        .collect();
    Ok(Secret::new(groups.join("-")))
}

/// Bytes from the operating system.
pub fn fill_random(bytes: &mut [u8]) -> io::Result<()> {
    getrandom::fill(bytes).map_err(|error| io::Error::other(format!("no random numbers: {error}")))
}

/// 128 random bits as hexadecimal.
pub fn random_hex() -> io::Result<String> {
    let mut random = [0_u8; 16];
    fill_random(&mut random)?;
    Ok(hex(&random))
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What the configuration keeps of a phone's password: H(number:realm:password) (RFC 7616 section 3.4.2, RFC 8760).
pub fn phone_hashes(number: &str, realm: &str, password: &Secret) -> Hashes {
    let joined = format!("{number}:{realm}:{}", password.expose());
    Hashes {
        md5: Some(Md5::digest(&joined).into()),
        sha256: Some(Sha256::digest(&joined).into()),
    }
}

/// Argon2id hash of the page's password, as a PHC string.
pub fn page_hash(password: &Secret) -> io::Result<Secret> {
    let hash = Argon2::default()
        .hash_password(password.expose().as_bytes())
        .map_err(io::Error::other)?;
    Ok(Secret::new(hash.to_string()))
}

/// Whether `offered` is the password behind the PHC string; takes the same time whichever it is.
pub fn page_password_fits(offered: &str, hash: &Secret) -> bool {
    Argon2::default()
        .verify_password(as_generated(offered).as_bytes(), hash.expose())
        .is_ok()
}

// A generated password may be typed in capitals and without its hyphens; any other is taken as it is.
fn as_generated(offered: &str) -> String {
    let offered = offered.trim();
    let bare: String = offered
        .chars()
        .filter(|c| !matches!(c, ' ' | '-'))
        .map(|c| c.to_ascii_lowercase())
        .collect();
    let known = bare.bytes().all(|byte| LETTERS.contains(&byte));
    if !known || bare.len() != GROUPS.iter().sum::<usize>() {
        return offered.to_owned();
    }
    let mut letters = bare.chars();
    let groups: Vec<String> = GROUPS
        .iter()
        .map(|length| letters.by_ref().take(*length).collect())
        .collect();
    groups.join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_typeable_hold_128_bits_and_differ() {
        let one = generate().unwrap();
        let two = generate().unwrap();
        assert_ne!(one, two);
        let letters: Vec<char> = one.expose().chars().filter(|c| *c != '-').collect();
        assert!(letters.len() * 5 >= 128);
        assert!(letters.iter().all(|c| LETTERS.contains(&(*c as u8))));
        assert_eq!(one.expose().split('-').map(str::len).collect::<Vec<_>>(), GROUPS);
    }

    #[test]
    fn phone_hashes_are_those_of_the_digest() {
        // RFC 7616 section 3.9.1 gives user, realm and password.
        let hashes = phone_hashes("Mufasa", "http-auth@example.org", &Secret::new("Circle of Life"));
        assert_eq!(hex(&hashes.md5.unwrap()), "3d78807defe7de2157e2b0b6573a855f");
        assert_eq!(
            hex(&hashes.sha256.unwrap()),
            "7987c64c30e25f1b74be53f966b49b90f2808aa92faf9a00262392d7b4794232"
        );
    }

    #[test]
    fn the_page_password_fits_its_hash_however_it_is_typed() {
        let password = generate().unwrap();
        let hash = page_hash(&password).unwrap();
        assert!(hash.expose().starts_with("$argon2id$"));
        let typed = password.expose();
        for offered in [
            typed.to_owned(),
            typed.replace('-', ""),
            typed.to_uppercase(),
            format!(" {typed}\n"),
        ] {
            assert!(page_password_fits(&offered, &hash), "{offered}");
        }
        for wrong in ["", "-", &typed[1..]] {
            assert!(!page_password_fits(wrong, &hash), "{wrong}");
        }
        assert!(!page_password_fits(typed, &Secret::new("not a hash")));
    }
}

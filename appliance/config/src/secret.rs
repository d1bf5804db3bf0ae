use std::fmt;

/// A text that is never printed: `Debug` and `Display` write `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps `text`.
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    /// The text itself, for the digest that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// H(user:realm:password) (RFC 7616 section 3.4.2, RFC 8760). At least one is there. Worth as much as the password, so never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Hashes {
    /// For phones that know only MD5.
    pub md5: Option<[u8; 16]>,
    /// SHA-256.
    pub sha256: Option<[u8; 32]>,
}

impl fmt::Debug for Hashes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Reads exactly `N` bytes of hexadecimal.
pub(crate) fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let mut out = [0; N];
    for (byte, pair) in out.iter_mut().zip(digits.chunks_exact(2)) {
        let high = char::from(pair[0]).to_digit(16)?;
        let low = char::from(pair[1]).to_digit(16)?;
        *byte = u8::try_from(high * 16 + low).ok()?;
    }
    Some(out)
}

/// Lower-case hexadecimal.
pub(crate) fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_never_shows_itself() {
        let secret = Secret::new("hunter2");
        let hashes = Hashes {
            md5: Some([7; 16]),
            sha256: None,
        };
        assert_eq!(format!("{secret} {secret:?} {hashes:?} {hashes:#?}"), "*** *** *** ***");
        assert_eq!(secret.expose(), "hunter2");
    }

    #[test]
    fn hexadecimal_is_read_exactly() {
        assert_eq!(from_hex::<2>("0aFf"), Some([10, 255]));
        assert_eq!(to_hex(&[10, 255]), "0aff");
        for bad in ["", "0a", "0aff0", "0ag0", "+1+1", "é1a"] {
            assert_eq!(from_hex::<2>(bad), None, "{bad}");
        }
    }
}

//! Credentials and challenges: a scheme and comma-separated parameters (RFC 3261 section 25.1, RFC 8760).

use std::borrow::Cow;

use crate::message::ParseError;
use crate::message::lex::{find_outside, is_blank, is_token, quoted_end, trim, unquote};

/// The value of Authorization, WWW-Authenticate or one of their proxy forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Authentication<'a> {
    /// Scheme as written, such as `Digest`.
    pub scheme: &'a str,
    raw: &'a [u8],
}

impl<'a> Authentication<'a> {
    /// Reads `Digest name=value, name="value"`; refuses open quotes.
    pub fn parse(value: &'a [u8]) -> Result<Authentication<'a>, ParseError> {
        let fault = ParseError::Malformed("Authorization");
        let value = trim(value);
        let end = value.iter().position(|&byte| is_blank(byte)).unwrap_or(value.len());
        let (scheme, raw) = value.split_at(end);
        if !is_token(scheme) {
            return Err(fault);
        }
        let scheme = std::str::from_utf8(scheme).map_err(|_| fault)?;
        let mut at = 0;
        while let Some(open) = raw[at..].iter().position(|&byte| byte == b'"') {
            at = quoted_end(raw, at + open).ok_or(fault)?;
        }
        Ok(Authentication { scheme, raw })
    }

    /// True for the Digest scheme.
    pub fn is_digest(&self) -> bool {
        self.scheme.eq_ignore_ascii_case("Digest")
    }

    /// The first parameter of that name, without quotes and escapes.
    pub fn get(&self, name: &str) -> Option<Cow<'a, str>> {
        self.iter()
            .find(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| unquote(value))
    }

    /// Parameters in order: name, and value as written with its quotes.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> + use<'a> {
        let mut rest = Some(self.raw);
        std::iter::from_fn(move || {
            loop {
                let text = rest?;
                let (one, next) = match find_outside(text, b',') {
                    Some(comma) => (&text[..comma], Some(&text[comma + 1..])),
                    None => (text, None),
                };
                rest = next;
                let Some(equals) = one.iter().position(|&byte| byte == b'=') else {
                    continue;
                };
                let name = std::str::from_utf8(trim(&one[..equals])).unwrap_or_default();
                return Some((name, trim(&one[equals + 1..])));
            }
        })
    }
}

//! `;name=value` parameters of headers and URIs, read on demand.

use std::borrow::Cow;

use super::error::ParseError;
use super::lex::{is_blank, quoted_end, trim, unquote};

/// The parameters after a value, without the leading semicolon. Names compare without regard to case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Params<'a> {
    raw: &'a [u8],
}

/// One parameter: its name and, where it has one, its value with quotes as written.
#[derive(Clone, Copy, Debug)]
pub struct Param<'a> {
    /// The name as written.
    pub name: &'a str,
    /// The value as written, trimmed.
    pub raw: Option<&'a [u8]>,
}

impl<'a> Param<'a> {
    /// The value without quotes and escapes.
    pub fn value(&self) -> Option<Cow<'a, str>> {
        self.raw.map(unquote)
    }
}

impl<'a> Params<'a> {
    /// Takes what follows a value: nothing, or `;a=b;c`. Refuses empty parameters, open quotes and stray bytes.
    pub(crate) fn parse(after: &'a [u8]) -> Result<Params<'a>, ParseError> {
        let after = trim(after);
        let raw = match after {
            [] => return Ok(Params::default()),
            [b';', rest @ ..] => rest,
            _ => return Err(ParseError::Parameter),
        };
        // Some phones end a value with one lone semicolon; it carries nothing.
        let raw = match raw.strip_suffix(b";") {
            Some(most) if !most.is_empty() && !most.ends_with(b";") => trim(most),
            Some(_) | None => trim(raw),
        };
        if raw.is_empty() {
            return Ok(Params::default());
        }
        let mut rest = Some(raw);
        while let Some(text) = rest {
            let (one, next) = split(text).ok_or(ParseError::Parameter)?;
            check(one)?;
            rest = next;
        }
        Ok(Params { raw })
    }

    /// All parameters in order.
    pub fn iter(&self) -> impl Iterator<Item = Param<'a>> + use<'a> {
        self.pairs().map(|(name, raw)| Param {
            name: std::str::from_utf8(name).unwrap_or(""),
            raw,
        })
    }

    fn pairs(&self) -> impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)> + use<'a> {
        let mut rest = (!self.raw.is_empty()).then_some(self.raw);
        std::iter::from_fn(move || {
            let (one, next) = split(rest?)?;
            rest = next;
            Some(halves(one))
        })
    }

    /// `None`: absent. `Some(None)`: present without a value. Quotes and escapes are taken off.
    pub fn get(&self, name: &str) -> Option<Option<Cow<'a, str>>> {
        self.find(name).map(|raw| raw.map(unquote))
    }

    /// The value as written if it is present and plain UTF-8; quotes stay.
    pub fn raw(&self, name: &str) -> Option<&'a str> {
        self.find(name).flatten().and_then(|raw| std::str::from_utf8(raw).ok())
    }

    /// True if the parameter is there, with or without a value.
    pub fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// The value as a 32-bit number; `None` if absent or malformed.
    pub fn number(&self, name: &str) -> Option<u32> {
        self.find(name).flatten().and_then(super::lex::number)
    }

    /// The parameters as written, without the leading semicolon.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.raw
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }

    fn find(&self, name: &str) -> Option<Option<&'a [u8]>> {
        let mut pairs = self.pairs();
        let found = pairs.find(|(known, _)| known.eq_ignore_ascii_case(name.as_bytes()));
        found.map(|(_, raw)| raw)
    }
}

fn split(text: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        match byte {
            b'"' => at = quoted_end(text, at)?,
            b';' => return Some((&text[..at], Some(&text[at + 1..]))),
            _ => at += 1,
        }
    }
    Some((text, None))
}

fn halves(one: &[u8]) -> (&[u8], Option<&[u8]>) {
    match one.iter().position(|&byte| byte == b'=') {
        Some(at) => (trim(&one[..at]), Some(trim(&one[at + 1..]))),
        None => (trim(one), None),
    }
}

// Names are tokens plus the characters that RFC 3261 allows in URI parameters.
fn is_name_byte(byte: u8) -> bool {
    super::lex::is_token_byte(byte) || matches!(byte, b'[' | b']' | b'/' | b':' | b'&' | b'$' | b'(' | b')')
}

fn check(one: &[u8]) -> Result<(), ParseError> {
    let (name, value) = halves(one);
    if name.is_empty() || !name.iter().all(|&byte| is_name_byte(byte)) {
        return Err(ParseError::Parameter);
    }
    match value {
        None => Ok(()),
        Some(quoted @ [b'"', ..]) if quoted_end(quoted, 0) == Some(quoted.len()) => Ok(()),
        Some(plain)
            if plain
                .iter()
                .any(|&byte| is_blank(byte) || matches!(byte, b'"' | b'<' | b'>' | b',')) =>
        {
            Err(ParseError::Parameter)
        }
        Some(_) => Ok(()),
    }
}

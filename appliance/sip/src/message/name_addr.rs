//! `"Display" <uri>;params` and the bare `uri;params` (RFC 3261 section 20.10).

use std::borrow::Cow;

use super::error::ParseError;
use super::lex::{is_blank, quoted_end, trim, unfold, unquote};
use super::params::Params;
use super::uri::Uri;

/// The value of From, To, Contact, Route and their kin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameAddr<'a> {
    /// Display name without quotes and escapes.
    pub display: Option<Cow<'a, str>>,
    /// The URI as written, without angle brackets.
    pub uri_text: &'a str,
    /// Header parameters.
    pub params: Params<'a>,
}

impl<'a> NameAddr<'a> {
    /// Reads one value. Unquoted display names of any characters are let through: phones send them.
    pub fn parse(value: &'a [u8]) -> Result<NameAddr<'a>, ParseError> {
        let value = trim(value);
        let (display, rest) = match value {
            [b'"', ..] => {
                let end = quoted_end(value, 0).ok_or(ParseError::Address)?;
                (Some(unquote(&value[..end])), trim(&value[end..]))
            }
            other => match other.iter().position(|&byte| byte == b'<') {
                Some(open) => {
                    let text = trim(&other[..open]);
                    ((!text.is_empty()).then(|| unfold(text)), &other[open..])
                }
                None => return NameAddr::bare(other),
            },
        };
        let Some(inner) = rest.strip_prefix(b"<") else {
            return Err(ParseError::Address);
        };
        let close = inner.iter().position(|&byte| byte == b'>').ok_or(ParseError::Address)?;
        let params = Params::parse(&inner[close + 1..])?;
        Ok(NameAddr {
            display,
            uri_text: uri_text(&inner[..close])?,
            params,
        })
    }

    // Without brackets the parameters belong to the header and the URI may hold no comma or question mark.
    fn bare(value: &'a [u8]) -> Result<NameAddr<'a>, ParseError> {
        let end = value.iter().position(|&byte| byte == b';').unwrap_or(value.len());
        let uri = uri_text(&value[..end])?;
        if uri.bytes().any(|byte| matches!(byte, b'?' | b',' | b'"' | b'>')) {
            return Err(ParseError::Address);
        }
        Ok(NameAddr {
            display: None,
            uri_text: uri,
            params: Params::parse(&value[end..])?,
        })
    }

    pub(crate) fn none() -> NameAddr<'static> {
        NameAddr {
            display: None,
            uri_text: "",
            params: Params::default(),
        }
    }

    /// The URI in its parts.
    pub fn uri(&self) -> Result<Uri<'a>, ParseError> {
        Uri::parse(self.uri_text)
    }

    /// The `tag` parameter.
    pub fn tag(&self) -> Option<&'a str> {
        self.params.raw("tag")
    }

    /// A header parameter: `None` absent, `Some(None)` without a value.
    pub fn param(&self, name: &str) -> Option<Option<Cow<'a, str>>> {
        self.params.get(name)
    }
}

fn uri_text(bytes: &[u8]) -> Result<&str, ParseError> {
    let bytes = trim(bytes);
    if bytes.is_empty() || bytes.iter().any(|&byte| is_blank(byte)) {
        return Err(ParseError::Address);
    }
    std::str::from_utf8(bytes).map_err(|_| ParseError::Address)
}

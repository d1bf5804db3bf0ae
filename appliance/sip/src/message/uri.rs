//! SIP, SIPS and tel URIs (RFC 3261 section 19.1, RFC 3966); other schemes stay opaque.

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::error::ParseError;
use super::lex::{position, split_once};
use super::params::Params;

/// Scheme of a URI.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scheme<'a> {
    /// `sip:`
    Sip,
    /// `sips:`
    Sips,
    /// `tel:` (RFC 3966)
    Tel,
    /// `urn:` (RFC 5031 service URNs among others)
    Urn,
    /// Any other, as written.
    Other(&'a str),
}

/// Host part of a URI or of a Via.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Host<'a> {
    /// A domain name, or empty for URIs without a host.
    Name(&'a str),
    /// An IPv4 address.
    V4(Ipv4Addr),
    /// An IPv6 reference (written in brackets).
    V6(Ipv6Addr),
}

impl<'a> Host<'a> {
    /// Reads `name`, `1.2.3.4` or `[v6]`.
    pub fn parse(text: &'a str) -> Result<Host<'a>, ParseError> {
        if let Some(inner) = text.strip_prefix('[') {
            let inner = inner.strip_suffix(']').ok_or(ParseError::Uri)?;
            // RFC 5118 section 4.10: an old grammar wrote three colons before an embedded IPv4 address.
            let address = inner.parse().or_else(|_| inner.replacen(":::", "::", 1).parse());
            return address.map(Host::V6).map_err(|_| ParseError::Uri);
        }
        let first = text.as_bytes().first().ok_or(ParseError::Uri)?;
        if first.is_ascii_digit()
            && let Ok(address) = text.parse()
        {
            return Ok(Host::V4(address));
        }
        // Underscores and UTF-8 labels are not in the grammar, but both are seen on branch networks.
        let valid = text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_') || byte >= 0x80);
        if valid {
            Ok(Host::Name(text))
        } else {
            Err(ParseError::Uri)
        }
    }

    /// The address, where the host is one.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Host::Name(_) => None,
            Host::V4(address) => Some(IpAddr::V4(*address)),
            Host::V6(address) => Some(IpAddr::V6(*address)),
        }
    }

    /// Equal names without regard to case, or equal addresses.
    pub fn same_as(&self, other: &Host<'_>) -> bool {
        match (self, other) {
            (Host::Name(left), Host::Name(right)) => left.eq_ignore_ascii_case(right),
            (Host::V4(left), Host::V4(right)) => left == right,
            (Host::V6(left), Host::V6(right)) => left == right,
            (Host::Name(_) | Host::V4(_) | Host::V6(_), _) => false,
        }
    }
}

impl fmt::Display for Host<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Name(name) => f.write_str(name),
            Host::V4(address) => write!(f, "{address}"),
            Host::V6(address) => write!(f, "[{address}]"),
        }
    }
}

/// Splits `host[:port]`, brackets respected; blanks around the colon are allowed, as Via allows them.
pub(crate) fn host_port(text: &str) -> Result<(Host<'_>, Option<u16>), ParseError> {
    let end = if text.starts_with('[') {
        position(text, b']').ok_or(ParseError::Uri)? + 1
    } else {
        position(text, b':').unwrap_or(text.len())
    };
    let (host, rest) = text.split_at(end);
    let host = Host::parse(host.trim_ascii_end())?;
    let rest = rest.trim_ascii();
    if rest.is_empty() {
        return Ok((host, None));
    }
    let digits = rest.strip_prefix(':').ok_or(ParseError::Uri)?.trim_ascii();
    let port = super::lex::number(digits.as_bytes())
        .and_then(|port| u16::try_from(port).ok())
        .ok_or(ParseError::Uri)?;
    Ok((host, Some(port)))
}

/// A URI in its parts, all as written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Uri<'a> {
    /// Scheme.
    pub scheme: Scheme<'a>,
    /// User part, escapes kept; the number of a tel URI.
    pub user: Option<&'a str>,
    /// Password of the user part.
    pub password: Option<&'a str>,
    /// Host; empty name where the scheme has none.
    pub host: Host<'a>,
    /// Port, if written.
    pub port: Option<u16>,
    /// Parameters.
    pub params: Params<'a>,
    /// What follows `?`, or empty.
    pub headers: &'a str,
    /// Everything after the scheme's colon.
    pub rest: &'a str,
}

impl<'a> Uri<'a> {
    /// Reads a URI without its angle brackets.
    pub fn parse(text: &'a str) -> Result<Uri<'a>, ParseError> {
        let (scheme, rest) = split_once(text, b':').ok_or(ParseError::Uri)?;
        let alphabet = scheme
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
        if !alphabet || !scheme.bytes().next().is_some_and(|first| first.is_ascii_alphabetic()) {
            return Err(ParseError::Uri);
        }
        if rest.is_empty()
            || rest
                .bytes()
                .any(|byte| byte <= b' ' || matches!(byte, b'<' | b'>' | b'"' | 0x7f))
        {
            return Err(ParseError::Uri);
        }
        let bare = Uri {
            scheme: Scheme::Other(scheme),
            user: None,
            password: None,
            host: Host::Name(""),
            port: None,
            params: Params::default(),
            headers: "",
            rest,
        };
        if scheme.eq_ignore_ascii_case("sip") {
            Uri {
                scheme: Scheme::Sip,
                ..bare
            }
            .with_authority()
        } else if scheme.eq_ignore_ascii_case("sips") {
            Uri {
                scheme: Scheme::Sips,
                ..bare
            }
            .with_authority()
        } else if scheme.eq_ignore_ascii_case("tel") {
            let (number, params) = rest.split_at(position(rest, b';').unwrap_or(rest.len()));
            Ok(Uri {
                scheme: Scheme::Tel,
                user: Some(number),
                params: Params::parse(params.as_bytes())?,
                ..bare
            })
        } else if scheme.eq_ignore_ascii_case("urn") {
            Ok(Uri {
                scheme: Scheme::Urn,
                ..bare
            })
        } else {
            Ok(bare)
        }
    }

    fn with_authority(self) -> Result<Uri<'a>, ParseError> {
        let (userinfo, rest) = match split_once(self.rest, b'@') {
            Some((userinfo, rest)) => (Some(userinfo), rest),
            None => (None, self.rest),
        };
        let (user, password) = match userinfo.map(|userinfo| split_once(userinfo, b':').ok_or(userinfo)) {
            None => (None, None),
            Some(Ok((user, password))) => (Some(user), Some(password)),
            Some(Err(user)) => (Some(user), None),
        };
        if user.is_some_and(str::is_empty) {
            return Err(ParseError::Uri);
        }
        let (rest, headers) = split_once(rest, b'?').unwrap_or((rest, ""));
        let (authority, params) = rest.split_at(position(rest, b';').unwrap_or(rest.len()));
        let (host, port) = host_port(authority)?;
        Ok(Uri {
            user,
            password,
            host,
            port,
            params: Params::parse(params.as_bytes())?,
            headers,
            ..self
        })
    }

    /// The user part with `%xx` escapes resolved, lossily as UTF-8.
    pub fn user_unescaped(&self) -> Cow<'a, str> {
        unescape(self.user.unwrap_or(""))
    }

    /// A parameter: `None` absent, `Some(None)` without a value.
    pub fn param(&self, name: &str) -> Option<Option<Cow<'a, str>>> {
        self.params.get(name)
    }

    /// True for `sip:` and `sips:`.
    pub fn is_sip(&self) -> bool {
        match self.scheme {
            Scheme::Sip | Scheme::Sips => true,
            Scheme::Tel | Scheme::Urn | Scheme::Other(_) => false,
        }
    }

    /// Equality of RFC 3261 section 19.1.4; tel numbers compare without visual separators (RFC 3966 section 4).
    pub fn same_as(&self, other: &Uri<'_>) -> bool {
        if self.scheme_text().eq_ignore_ascii_case(other.scheme_text()) {
            match self.scheme {
                Scheme::Sip | Scheme::Sips => self.same_sip(other),
                Scheme::Tel => digits(self.user).eq(digits(other.user)) && same_params(&self.params, &other.params),
                Scheme::Urn | Scheme::Other(_) => self.rest == other.rest,
            }
        } else {
            false
        }
    }

    fn same_sip(&self, other: &Uri<'_>) -> bool {
        let users = match (self.user, other.user) {
            (None, None) => true,
            (Some(left), Some(right)) => unescape(left) == unescape(right),
            (Some(_), None) | (None, Some(_)) => false,
        };
        users
            && self.password == other.password
            && self.host.same_as(&other.host)
            && self.port == other.port
            && same_params(&self.params, &other.params)
            && same_headers(self.headers, other.headers)
    }

    fn scheme_text(&self) -> &'a str {
        match self.scheme {
            Scheme::Sip => "sip",
            Scheme::Sips => "sips",
            Scheme::Tel => "tel",
            Scheme::Urn => "urn",
            Scheme::Other(text) => text,
        }
    }
}

fn digits(number: Option<&str>) -> impl Iterator<Item = u8> {
    number
        .unwrap_or("")
        .bytes()
        .filter(|byte| !matches!(byte, b'-' | b'.' | b'(' | b')'))
        .map(|byte| byte.to_ascii_lowercase())
}

// A parameter in one URI only is ignored, except these four.
const SIGNIFICANT: [&str; 5] = ["user", "ttl", "method", "maddr", "transport"];

fn same_params(left: &Params<'_>, right: &Params<'_>) -> bool {
    let covered = |one: &Params<'_>, other: &Params<'_>| {
        one.iter().all(|param| match other.get(param.name) {
            Some(value) => match (param.value(), value) {
                (Some(left), Some(right)) => unescape(&left).eq_ignore_ascii_case(&unescape(&right)),
                (None, None) => true,
                (Some(_), None) | (None, Some(_)) => false,
            },
            None => !SIGNIFICANT.iter().any(|name| name.eq_ignore_ascii_case(param.name)),
        })
    };
    covered(left, right) && covered(right, left)
}

fn same_headers(left: &str, right: &str) -> bool {
    let contains = |all: &str, one: &str| all.split('&').any(|other| other.eq_ignore_ascii_case(one));
    left.len() == right.len()
        && left.split('&').all(|one| contains(right, one))
        && right.split('&').all(|one| contains(left, one))
}

/// Resolves `%xx`; a malformed escape stays as written.
pub fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let bytes = text.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let hex = (byte == b'%')
            .then(|| bytes.get(at + 1..at + 3))
            .flatten()
            .and_then(|pair| {
                let digit = |byte: u8| char::from(byte).to_digit(16);
                Some((digit(pair[0])? * 16 + digit(pair[1])?) as u8)
            });
        plain.push(hex.unwrap_or(byte));
        at += if hex.is_some() { 3 } else { 1 };
    }
    Cow::Owned(String::from_utf8_lossy(&plain).into_owned())
}

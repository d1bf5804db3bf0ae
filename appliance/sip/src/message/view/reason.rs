//! Reason: why a request was sent, as a Q.850 cause or a SIP status.

use std::borrow::Cow;
use std::fmt;

use crate::message::ParseError;
use crate::message::lex::trim;
use crate::message::params::Params;

/// Number space of a Reason's cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReasonProtocol<'a> {
    /// ITU-T Q.850 causes.
    Q850,
    /// SIP status codes.
    Sip,
    /// Any other, as written.
    Other(&'a str),
}

/// Reason (RFC 3326 section 2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason<'a> {
    /// Number space of `cause`.
    pub protocol: ReasonProtocol<'a>,
    /// The cause.
    pub cause: Option<u16>,
    /// Text for people.
    pub text: Option<Cow<'a, str>>,
}

impl<'a> Reason<'a> {
    /// Reads `Q.850;cause=16;text="Normal call clearing"`.
    pub fn parse(value: &'a [u8]) -> Result<Reason<'a>, ParseError> {
        let fault = ParseError::Malformed("Reason");
        let end = value.iter().position(|&byte| byte == b';').unwrap_or(value.len());
        let word = std::str::from_utf8(trim(&value[..end])).map_err(|_| fault)?;
        let protocol = if word.eq_ignore_ascii_case("Q.850") {
            ReasonProtocol::Q850
        } else if word.eq_ignore_ascii_case("SIP") {
            ReasonProtocol::Sip
        } else if word.is_empty() {
            return Err(fault);
        } else {
            ReasonProtocol::Other(word)
        };
        let params = Params::parse(&value[end..]).map_err(|_| fault)?;
        let cause = params.number("cause").and_then(|cause| u16::try_from(cause).ok());
        Ok(Reason {
            protocol,
            cause,
            text: params.get("text").flatten(),
        })
    }
}

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.protocol {
            ReasonProtocol::Q850 => "Q.850",
            ReasonProtocol::Sip => "SIP",
            ReasonProtocol::Other(word) => word,
        })?;
        if let Some(cause) = self.cause {
            write!(f, ";cause={cause}")?;
        }
        if let Some(text) = &self.text {
            write!(f, ";text=\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))?;
        }
        Ok(())
    }
}

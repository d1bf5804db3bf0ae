//! One Via value (RFC 3261 section 20.42, RFC 3581).

use std::net::IpAddr;

use super::error::ParseError;
use super::lex::{is_token, split_once, trim};
use super::params::Params;
use super::uri::{Host, host_port};

/// A Via value in its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Via<'a> {
    /// Transport word as written, such as `UDP`.
    pub transport: &'a str,
    /// Host of the sent-by part.
    pub host: Host<'a>,
    /// Port of the sent-by part, if written.
    pub port: Option<u16>,
    /// Sent-by as written: host, or host and port.
    pub sent_by: &'a str,
    /// Parameters.
    pub params: Params<'a>,
}

impl<'a> Via<'a> {
    /// Reads one value: `SIP/2.0/UDP host:port;params`.
    pub fn parse(value: &'a [u8]) -> Result<Via<'a>, ParseError> {
        let fault = ParseError::Malformed("Via");
        let end = value.iter().position(|&byte| byte == b';').unwrap_or(value.len());
        let head = std::str::from_utf8(&value[..end]).map_err(|_| fault)?;
        let (protocol, rest) = split_once(head, b'/').ok_or(fault)?;
        let (version, rest) = split_once(rest, b'/').ok_or(fault)?;
        if !protocol.trim_ascii().eq_ignore_ascii_case("SIP") || version.trim_ascii() != "2.0" {
            return Err(fault);
        }
        let (transport, sent_by) = rest
            .trim_ascii()
            .split_once(|c: char| c.is_ascii_whitespace())
            .ok_or(fault)?;
        let sent_by = sent_by.trim_ascii();
        if !is_token(transport.as_bytes()) {
            return Err(fault);
        }
        let (host, port) = host_port(sent_by).map_err(|_| fault)?;
        let params = Params::parse(trim(&value[end..])).map_err(|_| fault)?;
        Ok(Via {
            transport,
            host,
            port,
            sent_by,
            params,
        })
    }

    pub(crate) fn none() -> Via<'static> {
        Via {
            transport: "",
            host: Host::Name(""),
            port: None,
            sent_by: "",
            params: Params::default(),
        }
    }

    /// The branch, if it carries one.
    pub fn branch(&self) -> Option<&'a str> {
        self.params.raw("branch")
    }

    /// The `received` address; brackets around IPv6 are optional (RFC 5118 section 4.5).
    pub fn received(&self) -> Option<IpAddr> {
        let text = self.params.raw("received")?;
        text.strip_prefix('[')
            .and_then(|text| text.strip_suffix(']'))
            .unwrap_or(text)
            .parse()
            .ok()
    }

    /// `None`: absent. `Some(None)`: asked for. `Some(Some(port))`: filled in (RFC 3581).
    pub fn rport(&self) -> Option<Option<u16>> {
        self.params
            .has("rport")
            .then(|| self.params.number("rport").and_then(|port| u16::try_from(port).ok()))
    }

    /// The `maddr` parameter as written.
    pub fn maddr(&self) -> Option<&'a str> {
        self.params.raw("maddr")
    }
}

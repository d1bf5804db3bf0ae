//! Connection addresses (RFC 8866 section 5.7).

use std::fmt;
use std::net::IpAddr;

/// Where a stream is to be sent: a literal address, or a name as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// An IPv4 or IPv6 literal.
    Ip(IpAddr),
    /// Anything else; the relay learns the real address from the packets.
    Host(String),
}

impl Address {
    /// Reads the value of a `c=` line: `IN IP4 192.0.2.1`, with or without a multicast suffix.
    #[must_use]
    pub fn from_connection(value: &str) -> Option<Self> {
        let mut fields = value.split_ascii_whitespace();
        let (_network, _family, address) = (fields.next()?, fields.next()?, fields.next()?);
        let address = address.split('/').next().unwrap_or(address);
        match address.parse() {
            Ok(ip) => Some(Self::Ip(ip)),
            Err(_) => Some(Self::Host(address.to_owned())),
        }
    }

    /// The literal address, if it is one.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Ip(ip) => Some(*ip),
            Self::Host(_) => None,
        }
    }

    /// `0.0.0.0` or `::`: "do not send me anything", the hold of RFC 2543.
    #[must_use]
    pub fn is_unspecified(&self) -> bool {
        match self {
            Self::Ip(ip) => ip.is_unspecified(),
            Self::Host(_) => false,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(ip) => ip.fmt(out),
            Self::Host(name) => name.fmt(out),
        }
    }
}

/// `IN IP4 192.0.2.1` or `IN IP6 2001:db8::1`.
pub(crate) fn connection_value(address: IpAddr) -> String {
    match address {
        IpAddr::V4(ip) => format!("IN IP4 {ip}"),
        IpAddr::V6(ip) => format!("IN IP6 {ip}"),
    }
}

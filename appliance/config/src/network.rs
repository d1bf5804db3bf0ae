use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use crate::fault::Wrong;
use crate::read::Word;
use crate::text::FromText;

/// How SIP travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// RFC 3261 section 18
    Udp,
    /// RFC 3261 section 18
    Tcp,
    /// TLS over TCP, 1.2 or 1.3
    Tls,
}

impl Transport {
    /// The port when none is written (RFC 3261 section 19.1.2).
    pub fn default_port(self) -> u16 {
        match self {
            Transport::Udp | Transport::Tcp => 5060,
            Transport::Tls => 5061,
        }
    }

    /// `udp`, `tcp` or `tls`.
    pub fn as_str(self) -> &'static str {
        match self {
            Transport::Udp => "udp",
            Transport::Tcp => "tcp",
            Transport::Tls => "tls",
        }
    }
}

impl Word for Transport {
    const WORDS: &'static [(&'static str, Transport)] = &[
        ("udp", Transport::Udp),
        ("tcp", Transport::Tcp),
        ("tls", Transport::Tls),
    ];
}

/// Where to listen: `udp:0.0.0.0:5060`, `tcp:[::]:5060`; the port may be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Listen {
    /// The transport.
    pub transport: Transport,
    /// The local address; unspecified means every interface.
    pub address: SocketAddr,
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.transport.as_str(), self.address)
    }
}

impl FromText for Listen {
    fn from_text(text: &str) -> Result<Listen, Wrong> {
        let parsed = text.split_once(':').and_then(|(word, rest)| {
            let transport = Transport::WORDS.iter().find(|(known, _)| *known == word)?.1;
            let bare = rest.trim_start_matches('[').trim_end_matches(']');
            let without_port = || Some(SocketAddr::new(bare.parse().ok()?, transport.default_port()));
            let address = rest.parse().ok().or_else(without_port)?;
            Some(Listen { transport, address })
        });
        parsed.ok_or_else(|| {
            let problem = format!("\"{text}\" is not a place to listen");
            Wrong::new(
                problem,
                "write \"udp:0.0.0.0:5060\", \"tcp:[::]:5060\" or \"tls:0.0.0.0:5061\"",
            )
        })
    }
}

/// A range of addresses: `192.0.2.0/24`, `2001:db8::/32`, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Network {
    address: IpAddr,
    prefix_bits: u8,
}

impl Network {
    /// True when `address` is inside; an IPv4 address mapped into IPv6 counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => {
                let shift = 32_u32.saturating_sub(u32::from(self.prefix_bits));
                u32::from(ours).checked_shr(shift) == u32::from(theirs).checked_shr(shift)
            }
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => {
                let shift = 128_u32.saturating_sub(u32::from(self.prefix_bits));
                u128::from(ours).checked_shr(shift) == u128::from(theirs).checked_shr(shift)
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

impl Network {
    /// True when some address is inside both.
    pub fn overlaps(&self, other: &Network) -> bool {
        self.contains(other.address) || other.contains(self.address)
    }
}

impl FromStr for Network {
    type Err = String;
    fn from_str(text: &str) -> Result<Network, String> {
        let parsed = match text.split_once('/') {
            Some((address, bits)) => address.parse().ok().zip(bits.parse().ok()),
            None => text
                .parse()
                .ok()
                .map(|address: IpAddr| (address, if address.is_ipv4() { 32 } else { 128 })),
        };
        match parsed {
            Some((address, prefix_bits)) if prefix_bits <= if address.is_ipv4() { 32 } else { 128 } => {
                Ok(Network { address, prefix_bits })
            }
            Some(_) | None => Err(format!("\"{text}\" is not a network")),
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix_bits)
    }
}

impl FromText for Network {
    fn from_text(text: &str) -> Result<Network, Wrong> {
        text.parse()
            .map_err(|problem: String| Wrong::new(problem, "write \"192.0.2.0/24\" or one address"))
    }
}

impl FromText for IpAddr {
    fn from_text(text: &str) -> Result<IpAddr, Wrong> {
        text.parse()
            .map_err(|_| Wrong::new(format!("\"{text}\" is not an IP address"), "write \"192.0.2.10\""))
    }
}

impl FromText for SocketAddr {
    fn from_text(text: &str) -> Result<SocketAddr, Wrong> {
        let wrong = |_| {
            Wrong::new(
                format!("\"{text}\" is not an address and port"),
                "write \"127.0.0.1:8080\"",
            )
        };
        text.parse().map_err(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_holds_its_addresses_and_no_others() {
        let cases = [
            ("192.0.2.0/24", "192.0.2.255", true),
            ("192.0.2.0/24", "192.0.3.0", false),
            ("192.0.2.0/24", "::ffff:192.0.2.9", true),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.8", false),
            ("0.0.0.0/0", "203.0.113.9", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("2001:db8::/32", "2001:db8:ffff::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("::/0", "2001:db8::1", true),
        ];
        for (network, address, inside) in cases {
            let network: Network = network.parse().unwrap();
            assert_eq!(
                network.contains(address.parse().unwrap()),
                inside,
                "{network} {address}"
            );
        }
        for bad in [
            "",
            "192.0.2.0/33",
            "192.0.2/24",
            "2001:db8::/129",
            "a/8",
            "192.0.2.0/",
            "192.0.2.0/-1",
        ] {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_listen_line_may_leave_the_port_out() {
        let cases = [
            ("udp:0.0.0.0:5060", "udp:0.0.0.0:5060"),
            ("tcp:[::]:5070", "tcp:[::]:5070"),
            ("tls:192.0.2.1", "tls:192.0.2.1:5061"),
            ("tls:[::1]", "tls:[::1]:5061"),
        ];
        for (written, read) in cases {
            assert_eq!(Listen::from_text(written).unwrap().to_string(), read);
        }
        for bad in [
            "",
            "0.0.0.0:5060",
            "sctp:0.0.0.0:5060",
            "udp:",
            "udp:host:5060",
            "udp:0.0.0.0:99999",
        ] {
            assert!(Listen::from_text(bad).is_err(), "{bad}");
        }
    }
}

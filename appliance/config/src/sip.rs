use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use crate::fault::Wrong;
use crate::read::Reader;
use crate::text::FromText;
use crate::{Listen, Network, Transport};

/// `[sip]`: where the box listens and what it bears.
#[derive(Clone, Debug, PartialEq)]
pub struct Sip {
    /// Default UDP and TCP on 5060, TLS on 5061, every IPv4 interface: the ports phones try first (RFC 3261 section 19.1.2).
    pub listen: Vec<Listen>,
    /// PEM chain. Default none: the box makes its own certificate.
    pub tls_certificate: Option<PathBuf>,
    /// PEM private key of that certificate.
    pub tls_key: Option<PathBuf>,
    /// Bindings of all extensions together. Default 10,000: ten each for a branch of a thousand.
    pub max_registrations: u32,
    /// Bindings of one extension. Default 10: desk, cordless, laptop and mobile with room for stale ones.
    pub max_contacts: u32,
    /// Shortest registration granted; shorter ones get 423. Default 60 s: below it phones are a load.
    pub expires_min_s: u32,
    /// Registration granted when the phone names none. Default 3600 s (RFC 3261 section 10.2.1.1).
    pub expires_default_s: u32,
    /// Longest registration granted. Default 7200 s: a vanished phone is forgotten the same morning.
    pub expires_max_s: u32,
    /// Session timer. Default 1800 s (RFC 4028 section 4).
    pub session_expires_s: u32,
    /// Shortest session timer accepted. Default 90 s, the floor of RFC 4028 section 4.
    pub min_se_s: u32,
    /// Ringing before no-answer. Default 30 s, about five rings.
    pub ring_s: u32,
    /// Calls at once. Default 500: what one small ARM board relays with room to spare.
    pub max_calls: u32,
    /// New calls a second before 503. Default 50: a branch of a thousand does one or two.
    pub max_calls_per_second: u32,
    /// REGISTER requests a second before 503. Default 200: a thousand phones are back 5 s after a power cut.
    pub max_registers_per_second: u32,
    /// Life of a digest nonce. Default 300 s: short for a thief, long enough that phones rarely see `stale`.
    pub nonce_lifetime_s: u32,
    /// Digest algorithms offered to phones, in this order. MD5 alone by default: common phones give up when they see another
    /// one beside it (baresip 1.0, sipsak 0.9.8), and the passwords made by the box are too long to be guessed either way.
    pub digest: Vec<Digest>,
    /// `[sip.ban]`
    pub ban: Ban,
}

/// `[sip.ban]`: scanners and password guessers are shut out.
#[derive(Clone, Debug, PartialEq)]
pub struct Ban {
    /// Failures of one address before it is banned. Default 10: a mistyped password survives, svwar does not.
    pub failures: u32,
    /// Seconds in which they count. Default 60 s: a broken phone that retries every minute is left alone.
    pub within_s: u32,
    /// How long. Default 30 minutes: scanners move on, a locked-out person waits for a coffee.
    pub minutes: u32,
    /// Networks that are never banned. Default none.
    pub never: Vec<Network>,
}

/// A digest algorithm (RFC 8760).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Digest {
    /// What every phone knows.
    Md5,
    /// What every phone should know.
    Sha256,
}

impl FromText for Digest {
    fn from_text(text: &str) -> Result<Digest, Wrong> {
        match text {
            "md5" => Ok(Digest::Md5),
            "sha-256" => Ok(Digest::Sha256),
            _ => Err(Wrong::new(
                format!("\"{text}\" is not a digest algorithm"),
                "write \"sha-256\" or \"md5\"",
            )),
        }
    }
}

impl Sip {
    pub(crate) fn read(mut table: Reader<'_>) -> Option<Sip> {
        let everywhere = |transport: Transport| Listen {
            transport,
            address: SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), transport.default_port()),
        };
        let defaults = || {
            [Transport::Udp, Transport::Tcp, Transport::Tls]
                .map(everywhere)
                .to_vec()
        };
        let listen = table.list("listen");
        if table.is_empty_list("listen") {
            table.wrong(
                "listen",
                Wrong::new("is empty", "write [\"udp:0.0.0.0:5060\"], or remove the line"),
            );
        }
        let sip = Sip {
            listen: listen.unwrap_or_else(defaults),
            tls_certificate: table.optional::<String>("tls_certificate").map(PathBuf::from),
            tls_key: table.optional::<String>("tls_key").map(PathBuf::from),
            max_registrations: table.number("max_registrations", 1..=100_000, 10_000),
            max_contacts: table.number("max_contacts", 1..=50, 10),
            expires_min_s: table.number("expires_min_s", 10..=3600, 60),
            expires_default_s: table.number("expires_default_s", 10..=86_400, 3600),
            expires_max_s: table.number("expires_max_s", 10..=86_400, 7200),
            session_expires_s: table.number("session_expires_s", 90..=86_400, 1800),
            min_se_s: table.number("min_se_s", 90..=3600, 90),
            ring_s: table.number("ring_s", 5..=300, 30),
            max_calls: table.number("max_calls", 1..=20_000, 500),
            max_calls_per_second: table.number("max_calls_per_second", 1..=5000, 50),
            max_registers_per_second: table.number("max_registers_per_second", 1..=20_000, 200),
            digest: table
                .list("digest")
                .filter(|list: &Vec<Digest>| !list.is_empty())
                .unwrap_or_else(|| vec![Digest::Md5]),
            nonce_lifetime_s: table.number("nonce_lifetime_s", 10..=86_400, 300),
            ban: Ban::read(table.table("ban")),
        };
        sip.check(&table);
        table.finish();
        Some(sip)
    }

    fn check(&self, table: &Reader<'_>) {
        for (at, listen) in self.listen.iter().enumerate() {
            if self.listen[..at].contains(listen) {
                table.wrong(
                    &format!("listen[{at}]"),
                    Wrong::new(format!("{listen} is there twice"), "remove one"),
                );
            }
        }
        if !(self.expires_min_s..=self.expires_max_s).contains(&self.expires_default_s) {
            let fix = format!("write a value from {} to {}", self.expires_min_s, self.expires_max_s);
            table.wrong(
                "expires_default_s",
                Wrong::new("is not between expires_min_s and expires_max_s", fix),
            );
        }
        if self.session_expires_s < self.min_se_s {
            let fix = format!("write at least {}", self.min_se_s);
            table.wrong("session_expires_s", Wrong::new("is below min_se_s", fix));
        }
        match (&self.tls_certificate, &self.tls_key) {
            (Some(_), None) => table.wrong(
                "tls_certificate",
                Wrong::new("has no tls_key", "add the key, or remove both"),
            ),
            (None, Some(_)) => table.wrong(
                "tls_key",
                Wrong::new("has no tls_certificate", "add it, or remove both"),
            ),
            (Some(_), Some(_)) | (None, None) => {}
        }
    }
}

impl Ban {
    fn read(mut table: Reader<'_>) -> Ban {
        let ban = Ban {
            failures: table.number("failures", 3..=1000, 10),
            within_s: table.number("within_s", 1..=3600, 60),
            minutes: table.number("minutes", 1..=10_080, 30),
            never: table.list("never").unwrap_or_default(),
        };
        table.finish();
        ban
    }
}

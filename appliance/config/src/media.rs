use std::net::IpAddr;

use crate::fault::Wrong;
use crate::read::Reader;

/// `[media]`: the RTP relay.
#[derive(Clone, Debug, PartialEq)]
pub struct Media {
    /// Local addresses for RTP, at most one per family is used for a call. Default none: the interface SIP came in on.
    pub addresses: Vec<IpAddr>,
    /// First port, even. Default 16384: below Linux's ephemeral range, where phones' firewalls expect RTP.
    pub port_min: u16,
    /// Last port. Default 32767: 8,192 pairs, 4,096 calls.
    pub port_max: u16,
    /// Silence in both directions before the call is hung up. Default 60 s: longer than any comfort-noise pause.
    pub rtp_timeout_s: u32,
    /// The same while held, and how often a phone that need not send is asked whether it is there. Default 1800 s: held
    /// phones may be silent, but not for ever.
    pub rtp_timeout_hold_s: u32,
    /// Relay threads. Default none: one per core.
    pub workers: Option<u32>,
}

impl Media {
    pub(crate) fn read(mut table: Reader<'_>) -> Option<Media> {
        let media = Media {
            addresses: table.list("addresses").unwrap_or_default(),
            port_min: table.number("port_min", 1024..=65_534, 16_384),
            port_max: table.number("port_max", 1025..=65_535, 32_767),
            rtp_timeout_s: table.number("rtp_timeout_s", 5..=3600, 60),
            rtp_timeout_hold_s: table.number("rtp_timeout_hold_s", 5..=86_400, 1800),
            workers: table.optional_number("workers", 1..=64),
        };
        if !media.port_min.is_multiple_of(2) {
            let fix = format!("write {}", media.port_min - 1);
            table.wrong("port_min", Wrong::new("is odd; RTP takes the even port of a pair", fix));
        }
        if media.port_max < media.port_min.saturating_add(3) {
            let fix = format!("write at least {}", media.port_min.saturating_add(3));
            table.wrong(
                "port_max",
                Wrong::new("leaves no room for one call (two pairs) above port_min", fix),
            );
        }
        table.finish();
        Some(media)
    }
}

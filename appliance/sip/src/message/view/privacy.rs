//! Privacy: what a caller wants hidden.

use crate::message::lex::trim;

/// Privacy values that this stack acts on (RFC 3323 section 4.2, RFC 3325 section 9.3, RFC 7044 section 10.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Privacy {
    /// `id`: keep the asserted identity inside the trust domain.
    pub id: bool,
    /// `header`: hide what headers tell.
    pub header: bool,
    /// `user`: hide what the user agent itself tells.
    pub user: bool,
    /// `session`: hide addresses in the session description.
    pub session: bool,
    /// `history`: hide History-Info.
    pub history: bool,
    /// `critical`: refuse the request rather than tell.
    pub critical: bool,
    /// `none`: explicitly nothing.
    pub none: bool,
}

impl Privacy {
    /// Reads `id;critical`; words that are not known are ignored. Some senders write commas.
    pub fn parse(value: &[u8]) -> Privacy {
        let mut privacy = Privacy::default();
        for word in value.split(|&byte| matches!(byte, b';' | b',')).map(trim) {
            match word.to_ascii_lowercase().as_slice() {
                b"id" => privacy.id = true,
                b"header" => privacy.header = true,
                b"user" => privacy.user = true,
                b"session" => privacy.session = true,
                b"history" => privacy.history = true,
                b"critical" => privacy.critical = true,
                b"none" => privacy.none = true,
                _ => {}
            }
        }
        privacy
    }

    /// True if the caller's number must not be shown to the callee.
    pub fn hides_caller(&self) -> bool {
        (self.id || self.header || self.user) && !self.none
    }
}

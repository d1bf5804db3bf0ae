//! Session-Expires: how long a session lives without a refresh, and who refreshes.

use std::fmt;

use crate::message::ParseError;
use crate::message::lex::number;
use crate::message::params::Params;

/// Who sends the session refreshes (RFC 4028 section 7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refresher {
    /// The side that sent the request.
    Uac,
    /// The side that answers it.
    Uas,
}

/// Session-Expires (RFC 4028 section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionExpires {
    /// Session interval in seconds.
    pub interval_s: u32,
    /// The refresher, if named.
    pub refresher: Option<Refresher>,
}

impl SessionExpires {
    /// Reads `1800;refresher=uac`. An unknown refresher counts as none.
    pub fn parse(value: &[u8]) -> Result<SessionExpires, ParseError> {
        let fault = ParseError::Malformed("Session-Expires");
        let end = value.iter().position(|&byte| byte == b';').unwrap_or(value.len());
        let interval_s = number(&value[..end]).ok_or(fault)?;
        let params = Params::parse(&value[end..]).map_err(|_| fault)?;
        let refresher = params
            .raw("refresher")
            .and_then(|word| match word.to_ascii_lowercase().as_str() {
                "uac" => Some(Refresher::Uac),
                "uas" => Some(Refresher::Uas),
                _ => None,
            });
        Ok(SessionExpires { interval_s, refresher })
    }
}

impl fmt::Display for SessionExpires {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let refresher = match self.refresher {
            None => "",
            Some(Refresher::Uac) => ";refresher=uac",
            Some(Refresher::Uas) => ";refresher=uas",
        };
        write!(f, "{}{refresher}", self.interval_s)
    }
}

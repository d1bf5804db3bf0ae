//! Event: an event package and which of its subscriptions.

use crate::message::ParseError;
use crate::message::lex::{is_token, trim};
use crate::message::params::Params;

/// Event (RFC 6665 section 8.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// Package with templates, such as `dialog` or `presence.winfo`.
    pub package: &'a str,
    /// Parameters.
    pub params: Params<'a>,
}

impl<'a> Event<'a> {
    /// Reads `refer;id=93809824`.
    pub fn parse(value: &'a [u8]) -> Result<Event<'a>, ParseError> {
        let fault = ParseError::Malformed("Event");
        let end = value.iter().position(|&byte| byte == b';').unwrap_or(value.len());
        let package = trim(&value[..end]);
        if !is_token(package) {
            return Err(fault);
        }
        let package = std::str::from_utf8(package).map_err(|_| fault)?;
        Ok(Event {
            package,
            params: Params::parse(&value[end..]).map_err(|_| fault)?,
        })
    }

    /// The `id` parameter.
    pub fn id(&self) -> Option<&'a str> {
        self.params.raw("id")
    }
}

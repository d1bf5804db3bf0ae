//! Diversion and History-Info: how a call came to be redirected.

use std::borrow::Cow;

use crate::message::{NameAddr, ParseError, unescape};

/// One redirection (RFC 5806).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diversion<'a> {
    /// Who diverted.
    pub by: NameAddr<'a>,
    /// `user-busy`, `no-answer`, `unconditional` and so on.
    pub reason: Option<Cow<'a, str>>,
    /// How many redirections this value stands for; 1 unless written.
    pub count: u32,
}

impl<'a> Diversion<'a> {
    /// Reads one value.
    pub fn parse(value: &'a [u8]) -> Result<Diversion<'a>, ParseError> {
        let by = NameAddr::parse(value)?;
        let (reason, count) = (by.param("reason").flatten(), by.params.number("counter").unwrap_or(1));
        Ok(Diversion { by, reason, count })
    }
}

/// One target that the request had (RFC 7044).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryEntry<'a> {
    /// The target.
    pub target: NameAddr<'a>,
    /// Its place in the tree, such as `1.2`.
    pub index: Option<&'a str>,
    /// The escaped Reason in the target's headers, unescaped.
    pub reason: Option<String>,
}

impl<'a> HistoryEntry<'a> {
    /// Reads one value.
    pub fn parse(value: &'a [u8]) -> Result<HistoryEntry<'a>, ParseError> {
        let target = NameAddr::parse(value)?;
        let reason = target.uri()?.headers.split('&').find_map(|header| {
            let (name, value) = header.split_once('=')?;
            name.eq_ignore_ascii_case("Reason")
                .then(|| unescape(value).into_owned())
        });
        let index = target.params.raw("index");
        Ok(HistoryEntry { target, index, reason })
    }
}

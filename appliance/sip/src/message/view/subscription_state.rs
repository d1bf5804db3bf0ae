//! Subscription-State: whether a subscription lives, for how long, or why it ended.

use crate::message::ParseError;
use crate::message::lex::trim;
use crate::message::params::Params;

/// State of a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubscriptionPhase<'a> {
    /// Accepted.
    Active,
    /// Not yet authorised.
    Pending,
    /// Over.
    Terminated,
    /// An extension state.
    Other(&'a str),
}

/// Subscription-State (RFC 6665 section 8.2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubscriptionState<'a> {
    /// The state.
    pub phase: SubscriptionPhase<'a>,
    /// Why it ended: `noresource`, `timeout` and so on.
    pub reason: Option<&'a str>,
    /// Seconds left.
    pub expires_s: Option<u32>,
    /// Seconds to wait before a new attempt.
    pub retry_after_s: Option<u32>,
}

impl<'a> SubscriptionState<'a> {
    /// Reads `active;expires=60`.
    pub fn parse(value: &'a [u8]) -> Result<SubscriptionState<'a>, ParseError> {
        let fault = ParseError::Malformed("Subscription-State");
        let end = value.iter().position(|&byte| byte == b';').unwrap_or(value.len());
        let word = std::str::from_utf8(trim(&value[..end])).map_err(|_| fault)?;
        let known = [
            ("active", SubscriptionPhase::Active),
            ("pending", SubscriptionPhase::Pending),
            ("terminated", SubscriptionPhase::Terminated),
        ];
        let phase = known
            .into_iter()
            .find(|(text, _)| text.eq_ignore_ascii_case(word))
            .map_or(SubscriptionPhase::Other(word), |(_, phase)| phase);
        if word.is_empty() {
            return Err(fault);
        }
        let params = Params::parse(&value[end..]).map_err(|_| fault)?;
        Ok(SubscriptionState {
            phase,
            reason: params.raw("reason"),
            expires_s: params.number("expires"),
            retry_after_s: params.number("retry-after"),
        })
    }
}

//! Contact: an address with its registration parameters.

use std::borrow::Cow;

use crate::message::{NameAddr, ParseError};

/// One value of Contact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contact<'a> {
    /// `*`, which with Expires 0 removes all bindings (RFC 3261 section 10.2.2).
    All,
    /// An address.
    Address(NameAddr<'a>),
}

/// The q of a contact that gives none, in thousandths.
const Q_DEFAULT: u16 = 1000;

impl<'a> Contact<'a> {
    /// Reads one value.
    pub fn parse(value: &'a [u8]) -> Result<Contact<'a>, ParseError> {
        if value == b"*" {
            Ok(Contact::All)
        } else {
            NameAddr::parse(value).map(Contact::Address)
        }
    }
}

impl<'a> NameAddr<'a> {
    /// `q` in thousandths, 0 to 1000; 1000 if absent, `None` if malformed.
    pub fn q_thousandths(&self) -> Option<u16> {
        let Some(text) = self.params.raw("q") else {
            return Some(Q_DEFAULT);
        };
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let all_digits = fraction.len() <= 3 && fraction.bytes().all(|byte| byte.is_ascii_digit());
        let padded = || format!("{fraction:0<3}").parse::<u16>().ok();
        match whole {
            "0" | "" if all_digits => padded(),
            "1" if all_digits && fraction.bytes().all(|byte| byte == b'0') => Some(Q_DEFAULT),
            _ => None,
        }
    }

    /// `expires` of a contact in seconds; `None` if absent or malformed.
    pub fn expires_s(&self) -> Option<u32> {
        self.params.number("expires")
    }

    /// `+sip.instance` without quotes (RFC 5626 section 4.1).
    pub fn instance(&self) -> Option<Cow<'a, str>> {
        self.params.get("+sip.instance").flatten()
    }

    /// `reg-id`, 1 or more (RFC 5626 section 4.2); `None` if absent or malformed.
    pub fn reg_id(&self) -> Option<u32> {
        self.params.number("reg-id").filter(|&id| id > 0)
    }
}

//! Replaces: the dialog that an INVITE takes over.

use std::borrow::Cow;

use crate::message::lex::unfold;
use crate::message::params::Params;
use crate::message::{ParseError, unescape};

/// Replaces (RFC 3891 section 6.1), as seen by its recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replaces<'a> {
    /// Call-ID of the dialog.
    pub call_id: Cow<'a, str>,
    /// The recipient's own tag.
    pub to_tag: Cow<'a, str>,
    /// The tag of the recipient's peer.
    pub from_tag: Cow<'a, str>,
    /// True where only an early dialog may be replaced.
    pub early_only: bool,
}

impl<'a> Replaces<'a> {
    /// Reads `call-id;to-tag=x;from-tag=y;early-only`.
    pub fn parse(value: &'a [u8]) -> Result<Replaces<'a>, ParseError> {
        let fault = ParseError::Malformed("Replaces");
        let end = value.iter().position(|&byte| byte == b';').ok_or(fault)?;
        let call_id = unfold(super::super::lex::trim(&value[..end]));
        let params = Params::parse(&value[end..]).map_err(|_| fault)?;
        let to_tag = params.get("to-tag").flatten().ok_or(fault)?;
        let from_tag = params.get("from-tag").flatten().ok_or(fault)?;
        if call_id.is_empty() {
            return Err(fault);
        }
        Ok(Replaces {
            call_id,
            to_tag,
            from_tag,
            early_only: params.has("early-only"),
        })
    }

    /// Reads the escaped form that stands in the headers of a Refer-To URI, and gives it as a header value for [`Replaces::parse`].
    pub fn in_uri_headers(headers: &str) -> Option<String> {
        headers.split('&').find_map(|header| {
            let (name, value) = header.split_once('=')?;
            name.eq_ignore_ascii_case("Replaces")
                .then(|| unescape(value).into_owned())
        })
    }
}

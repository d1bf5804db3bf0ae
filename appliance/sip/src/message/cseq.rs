//! CSeq: sequence number and method.

use super::lex::{is_blank, is_token, number, trim};

/// Splits `314159 INVITE`; `None` if either half breaks the grammar.
pub(crate) fn split(value: &[u8]) -> Option<(u32, &str)> {
    let value = trim(value);
    let end = value.iter().position(|&byte| is_blank(byte))?;
    let method = trim(&value[end..]);
    if !is_token(method) {
        return None;
    }
    Some((number(&value[..end])?, std::str::from_utf8(method).ok()?))
}

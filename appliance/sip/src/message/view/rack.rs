//! RAck: which reliable provisional response a PRACK acknowledges.

use crate::message::lex::{is_blank, number, trim};
use crate::message::{ParseError, cseq};

/// RAck (RFC 3262 section 7.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RAck<'a> {
    /// RSeq of the provisional response.
    pub rseq: u32,
    /// CSeq number of the request it answered.
    pub cseq: u32,
    /// CSeq method of that request.
    pub method: &'a str,
}

impl<'a> RAck<'a> {
    /// Reads `776656 1 INVITE`.
    pub fn parse(value: &'a [u8]) -> Result<RAck<'a>, ParseError> {
        let fault = ParseError::Malformed("RAck");
        let value = trim(value);
        let end = value.iter().position(|&byte| is_blank(byte)).ok_or(fault)?;
        let rseq = number(&value[..end]).ok_or(fault)?;
        let (cseq, method) = cseq::split(&value[end..]).ok_or(fault)?;
        Ok(RAck { rseq, cseq, method })
    }
}

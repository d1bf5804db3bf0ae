//! Finds the end of a head and its Content-Length while the bytes still arrive, by the parser's own rules.

use super::error::ParseError;
use super::field::{Id, lookup};
use super::lex::{is_blank, is_token_byte, number};
use super::parse::line_end;

/// How far a head has been read. Lines are looked at once, however the bytes arrive.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct StreamHead {
    line_start: usize,
    // A header may still be continued on the next line, so it is read when that one is there.
    pending: Option<(usize, usize)>,
    length: Option<u32>,
}

impl StreamHead {
    /// True if no line has been read yet.
    pub(crate) fn is_fresh(&self) -> bool {
        self.line_start == 0
    }

    /// The Content-Length, once the head is whole.
    pub(crate) fn content_length(&self) -> Option<u32> {
        self.length
    }

    /// Reads on in `bytes`, which only grow from call to call. Gives the bytes of the head with its empty line once it is whole.
    pub(crate) fn advance(&mut self, bytes: &[u8]) -> Result<Option<usize>, ParseError> {
        loop {
            let end = match line_end(bytes, self.line_start) {
                Ok(end) => end,
                Err(ParseError::Truncated) => return Ok(None),
                Err(fault) => return Err(fault),
            };
            let folded = matches!(bytes.get(self.line_start), Some(b' ' | b'\t'));
            if folded && let Some((_, pending_end)) = &mut self.pending {
                *pending_end = end.text;
            } else {
                let empty = end.text == self.line_start;
                let next = (!empty).then_some((self.line_start, end.text));
                if let Some((start, end)) = std::mem::replace(&mut self.pending, next) {
                    self.read(&bytes[start..end])?;
                }
                if empty && self.line_start > 0 {
                    return Ok(Some(end.next));
                }
            }
            self.line_start = end.next;
        }
    }

    fn read(&mut self, line: &[u8]) -> Result<(), ParseError> {
        let name = line.iter().take_while(|&&byte| is_token_byte(byte)).count();
        if lookup(&line[..name]) != Id::ContentLength as u8 {
            return Ok(());
        }
        let blanks = line[name..].iter().take_while(|&&byte| is_blank(byte)).count();
        let fault = ParseError::Malformed("Content-Length");
        let value = line[name + blanks..].strip_prefix(b":").ok_or(fault)?;
        let length = number(value).ok_or(fault)?;
        if self.length.replace(length).is_some_and(|earlier| earlier != length) {
            return Err(ParseError::LengthConflict);
        }
        Ok(())
    }
}

//! Character classes and small steps shared by all value parsers. Line ends count as blanks: folding is left in values.

use std::borrow::Cow;

pub(crate) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

const TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = (byte as u8).is_ascii_alphanumeric()
            || matches!(
                byte as u8,
                b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~'
            );
        byte += 1;
    }
    table
};

/// Token characters (RFC 3261 section 25.1).
pub(crate) fn is_token_byte(byte: u8) -> bool {
    TOKEN[usize::from(byte)]
}

pub(crate) fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|&byte| is_token_byte(byte))
}

pub(crate) fn trim(mut text: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = text
        && is_blank(*first)
    {
        text = rest;
    }
    while let [rest @ .., last] = text
        && is_blank(*last)
    {
        text = rest;
    }
    text
}

/// Where `wanted` first stands. URIs are too short for a vector search to pay.
pub(crate) fn position(text: &str, wanted: u8) -> Option<usize> {
    text.as_bytes().iter().position(|&byte| byte == wanted)
}

/// The text before and after the first `wanted`, which is ASCII.
pub(crate) fn split_once(text: &str, wanted: u8) -> Option<(&str, &str)> {
    let at = position(text, wanted)?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

/// Index just after the closing quote of the quoted string that opens at `open`; `None` if it never closes.
pub(crate) fn quoted_end(text: &[u8], open: usize) -> Option<usize> {
    let mut at = open + 1;
    while let Some(&byte) = text.get(at) {
        match byte {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    None
}

/// Where `wanted` first stands outside quoted strings and angle brackets.
pub(crate) fn find_outside(text: &[u8], wanted: u8) -> Option<usize> {
    let mut at = 0;
    let mut in_angle = false;
    while let Some(&byte) = text.get(at) {
        match byte {
            b'"' if !in_angle => match quoted_end(text, at) {
                Some(end) => {
                    at = end;
                    continue;
                }
                None => return None,
            },
            b'<' => in_angle = true,
            b'>' => in_angle = false,
            byte if byte == wanted && !in_angle => return Some(at),
            _ => {}
        }
        at += 1;
    }
    None
}

/// The text inside the quotes of `quoted` (quotes included in the argument), unescaped and unfolded.
pub(crate) fn unquote(quoted: &[u8]) -> Cow<'_, str> {
    let inner = match quoted {
        [b'"', inner @ .., b'"'] => inner,
        other => other,
    };
    if !inner.iter().any(|byte| matches!(byte, b'\\' | b'\r' | b'\n')) {
        return String::from_utf8_lossy(inner);
    }
    let mut plain = Vec::with_capacity(inner.len());
    let mut at = 0;
    while let Some(&byte) = inner.get(at) {
        match byte {
            b'\\' => {
                at += 1;
                plain.extend(inner.get(at));
                at += 1;
            }
            b'\r' | b'\n' => {
                at += inner[at..].iter().take_while(|&&next| is_blank(next)).count();
                plain.push(b' ');
            }
            other => {
                plain.push(other);
                at += 1;
            }
        }
    }
    Cow::Owned(String::from_utf8_lossy(&plain).into_owned())
}

/// `value` on one line, lossily as UTF-8: each fold becomes one space.
pub(crate) fn unfold(value: &[u8]) -> Cow<'_, str> {
    if !value.contains(&b'\n') {
        return String::from_utf8_lossy(value);
    }
    let mut plain = Vec::with_capacity(value.len());
    let mut at = 0;
    while let Some(&byte) = value.get(at) {
        if matches!(byte, b'\r' | b'\n') {
            while plain.last().is_some_and(|&last| is_blank(last)) {
                plain.pop();
            }
            plain.push(b' ');
            at += value[at..].iter().take_while(|&&next| is_blank(next)).count();
        } else {
            plain.push(byte);
            at += 1;
        }
    }
    Cow::Owned(String::from_utf8_lossy(&plain).into_owned())
}

/// A decimal number that fits 32 bits; blanks around it are allowed, a sign is not.
pub(crate) fn number(text: &[u8]) -> Option<u32> {
    let digits = trim(text);
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u32, |sum, byte| match byte {
        b'0'..=b'9' => sum.checked_mul(10)?.checked_add(u32::from(byte - b'0')),
        _ => None,
    })
}

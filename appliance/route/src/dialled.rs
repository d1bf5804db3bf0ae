//! From what a phone sent (a user part, a tel: or sip: URI) to the digits a person meant.

/// Longest digit string with its separators and escapes.
const TEXT_BYTES_MAX: usize = 256;
/// Parameters looked at; a number with more is still a number.
const PARAMETERS_MAX: usize = 16;
/// Longest digit string kept; E.164 has 15, prefixes and carrier codes come in front.
const DIGITS_MAX: usize = 40;

/// What was dialled, without visual separators, parameters and escapes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dialled {
    /// `0-9`, `*` and `#`, perhaps after one `+`.
    pub digits: String,
    /// `;phone-context=+…` (RFC 3966 section 5.1.5): its digits.
    pub context: Option<String>,
}

impl Dialled {
    /// Reads a user part, `tel:` (RFC 3966) or `sip:`/`sips:` URI. `None` when it is not a number, such as `alice`.
    pub fn new(text: &str) -> Option<Dialled> {
        let mut parts = user_part(text.trim()).split(';');
        let digits = digits_of(parts.next().unwrap_or_default())?;
        let context = parts.take(PARAMETERS_MAX).find_map(|part| {
            let (name, value) = part.split_once('=')?;
            if !name.trim().eq_ignore_ascii_case("phone-context") {
                return None;
            }
            digits_of(value)?.strip_prefix('+').map(str::to_owned)
        });
        Some(Dialled { digits, context })
    }

    /// The digits without +.
    pub fn bare(&self) -> &str {
        self.digits.strip_prefix('+').unwrap_or(&self.digits)
    }
}

fn user_part(text: &str) -> &str {
    let after_scheme = ["tel:", "sip:", "sips:"].into_iter().find_map(|scheme| {
        let head = text.get(..scheme.len())?;
        if head.eq_ignore_ascii_case(scheme) {
            text.get(scheme.len()..)
        } else {
            None
        }
    });
    let rest = after_scheme.unwrap_or(text);
    let user = rest.split(['@', '?']).next().unwrap_or(rest);
    // user:password is deprecated, but legal (RFC 3261 section 19.1.1).
    user.split_once(':').map_or(user, |(user, _)| user)
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let high = char::from(bytes.next()?).to_digit(16)?;
        let low = char::from(bytes.next()?).to_digit(16)?;
        out.push(u8::try_from(high * 16 + low).ok()?);
    }
    String::from_utf8(out).ok()
}

fn digits_of(written: &str) -> Option<String> {
    if written.len() > TEXT_BYTES_MAX {
        return None;
    }
    let text = percent_decoded(written)?;
    let text = text.trim();
    // People write +44 (0)20: the national prefix of a number that has its country code is not dialled.
    let text = if text.starts_with('+') {
        text.replacen("(0)", "", 1)
    } else {
        text.to_owned()
    };
    let mut digits = String::new();
    for sign in text.chars() {
        match sign {
            '0'..='9' | '*' | '#' => digits.push(sign),
            '+' if digits.is_empty() => digits.push(sign),
            '-' | '.' | '(' | ')' | '/' => {}
            space if space.is_whitespace() => {}
            _ => return None,
        }
    }
    // A # after the number only says that dialling is over; *21# needs it, and is not a number.
    let number = digits
        .strip_suffix('#')
        .filter(|number| !number.contains(['*', '#']))
        .unwrap_or(&digits);
    let is_number = (1..=DIGITS_MAX).contains(&number.len()) && number != "+";
    is_number.then(|| number.to_owned())
}

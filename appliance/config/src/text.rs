//! What a text may be: names, hosts, digits. Each refusal says what to write instead.

use crate::Extension;
use crate::fault::Wrong;

const TEXT_CHARS_MAX: usize = 255;

/// A value written as text.
pub(crate) trait FromText: Sized {
    fn from_text(text: &str) -> Result<Self, Wrong>;
}

impl FromText for String {
    fn from_text(text: &str) -> Result<String, Wrong> {
        if text.is_empty() || text.chars().count() > TEXT_CHARS_MAX || text.chars().any(char::is_control) {
            let problem = "is empty, too long or holds control characters";
            return Err(Wrong::new(
                problem,
                format!("write 1 to {TEXT_CHARS_MAX} printable characters"),
            ));
        }
        Ok(text.to_owned())
    }
}

impl FromText for Extension {
    fn from_text(text: &str) -> Result<Extension, Wrong> {
        Extension::new(text).map_err(|fault| Wrong::new(fault.to_string(), "write 1 to 15 digits, such as \"201\""))
    }
}

/// A host name (RFC 1123) or an address; IPv6 with or without brackets.
pub(crate) struct Host(pub(crate) String);

impl FromText for Host {
    fn from_text(text: &str) -> Result<Host, Wrong> {
        let bare = text
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .unwrap_or(text);
        if bare.parse::<std::net::IpAddr>().is_ok() {
            return Ok(Host(bare.to_owned()));
        }
        let label_is_good = |label: &str| {
            (1..=63).contains(&label.len())
                && label
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        let name = text.strip_suffix('.').unwrap_or(text);
        if name.len() > 253 || !name.split('.').all(label_is_good) {
            let problem = format!("\"{text}\" is neither a host name nor an IP address");
            return Err(Wrong::new(
                problem,
                "write \"sip.example.net\", \"192.0.2.5\" or \"2001:db8::5\"",
            ));
        }
        Ok(Host(name.to_ascii_lowercase()))
    }
}

/// A name that other sections refer to.
pub(crate) struct Name(pub(crate) String);

impl FromText for Name {
    fn from_text(text: &str) -> Result<Name, Wrong> {
        let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        if text.is_empty() || text.len() > 64 || !text.bytes().all(good) {
            let problem = format!("\"{text}\" cannot be a name");
            return Err(Wrong::new(problem, "write 1 to 64 letters, digits, -, _ or ."));
        }
        Ok(Name(text.to_owned()))
    }
}

/// Digits to dial, perhaps after a plus; visual separators are dropped.
pub(crate) struct Digits(pub(crate) String);

impl FromText for Digits {
    fn from_text(text: &str) -> Result<Digits, Wrong> {
        let digits: String = text
            .chars()
            .filter(|c| !matches!(c, ' ' | '-' | '.' | '(' | ')'))
            .collect();
        let bare = digits.strip_prefix('+').unwrap_or(&digits);
        if bare.is_empty() || bare.len() > 20 || !bare.bytes().all(|b| b.is_ascii_digit()) {
            let problem = format!("\"{text}\" is not a telephone number");
            return Err(Wrong::new(problem, "write digits, such as \"+15551230100\""));
        }
        Ok(Digits(digits))
    }
}

/// Digits, `*` and `#`, as put in front of a number.
pub(crate) struct DialString(pub(crate) String);

impl FromText for DialString {
    fn from_text(text: &str) -> Result<DialString, Wrong> {
        let good = |(at, b): (usize, u8)| b.is_ascii_digit() || matches!(b, b'*' | b'#') || (at == 0 && b == b'+');
        if text.len() > 20 || !text.bytes().enumerate().all(good) {
            let problem = format!("\"{text}\" cannot be dialled");
            return Err(Wrong::new(
                problem,
                "write up to 20 digits, * or #, with an optional leading +",
            ));
        }
        Ok(DialString(text.to_owned()))
    }
}

/// The candidate within two edits (or a third of a long word), the closest first.
pub(crate) fn nearest<'c>(word: &str, candidates: &[&'c str]) -> Option<&'c str> {
    let limit = (word.len() / 3).clamp(1, 3);
    let scored = candidates.iter().map(|candidate| (edits(word, candidate), *candidate));
    scored
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Letters put in, left out, replaced or swapped with their neighbour.
fn edits(from: &str, to: &str) -> usize {
    let from: Vec<char> = from.chars().take(64).collect();
    let to: Vec<char> = to.chars().take(64).collect();
    let width = to.len() + 1;
    let mut cost: Vec<usize> = (0..(from.len() + 1) * width)
        .map(|at| (at / width).max(at % width))
        .collect();
    for row in 1..=from.len() {
        for column in 1..=to.len() {
            let at = row * width + column;
            let replaced = cost[at - width - 1] + usize::from(from[row - 1] != to[column - 1]);
            cost[at] = replaced.min(cost[at - 1] + 1).min(cost[at - width] + 1);
            let swapped = row > 1 && column > 1 && from[row - 1] == to[column - 2] && from[row - 2] == to[column - 1];
            if swapped {
                cost[at] = cost[at].min(cost[at - 2 * width - 2] + 1);
            }
        }
    }
    cost.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_proposed_and_a_far_one_is_not() {
        let known = ["host", "port", "transport", "max_calls"];
        let cases = [
            ("hots", Some("host")),
            ("hosts", Some("host")),
            ("prot", Some("port")),
            ("trnsprot", Some("transport")),
            ("max_call", Some("max_calls")),
            ("maxcalls", Some("max_calls")),
            ("colour", None),
            ("", None),
        ];
        for (word, near) in cases {
            assert_eq!(nearest(word, &known), near, "{word}");
        }
    }
}

use std::fmt;
use std::str::FromStr;

use crate::fault::Wrong;
use crate::text::FromText;

const STEPS_MAX: usize = 32;

/// Which numbers a line means.
///
/// * a digit stands for itself; a leading `+` means an international number;
/// * `x` is any digit, `n` is 2 to 9, `[2-5]` or `[178]` is one digit out of the set;
/// * `*` at the end is any rest, also none; without it the number must end there.
///
/// A pattern with `+` is held against the number in E.164 form, one without against the digits as they were dialled.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Pattern {
    plus: bool,
    /// Each step is the set of digits it accepts, bit 0 for `0`.
    steps: Vec<u16>,
    rest: bool,
    text: String,
}

/// Why a text is not a pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternFault {
    /// No step at all, or more than 32.
    #[error("a pattern has 1 to 32 digits or signs")]
    Length,
    /// `*` is not the last character.
    #[error("* stands only at the end of a pattern")]
    StarInside,
    /// Unclosed, empty or reversed `[…]`.
    #[error("a set is written [2-5] or [178]")]
    BadSet,
    /// A character without a meaning.
    #[error("'{0}' means nothing in a pattern")]
    BadSign(char),
}

impl Pattern {
    /// Reads the notation described on the type.
    pub fn new(text: &str) -> Result<Pattern, PatternFault> {
        let (plus, body) = match text.strip_prefix('+') {
            Some(body) => (true, body),
            None => (false, text),
        };
        let (body, rest) = match body.strip_suffix('*') {
            Some(body) => (body, true),
            None => (body, false),
        };
        let mut steps = Vec::new();
        let mut signs = body.chars();
        while let Some(sign) = signs.next() {
            if steps.len() == STEPS_MAX {
                return Err(PatternFault::Length);
            }
            steps.push(match sign {
                '0'..='9' => bit(sign),
                'x' | 'X' => ANY,
                'n' | 'N' => ANY & !0b11,
                '[' => {
                    let (set, after) = signs.as_str().split_once(']').ok_or(PatternFault::BadSet)?;
                    signs = after.chars();
                    read_set(set)?
                }
                '*' => return Err(PatternFault::StarInside),
                other => return Err(PatternFault::BadSign(other)),
            });
        }
        if steps.is_empty() && !rest {
            return Err(PatternFault::Length);
        }
        Ok(Pattern {
            plus,
            steps,
            rest,
            text: text.to_owned(),
        })
    }

    /// True for a pattern that starts with `+`.
    pub fn is_international(&self) -> bool {
        self.plus
    }

    /// True when `number` (digits, or `+` and digits) is meant. A `+` in one and not in the other never matches.
    pub fn matches(&self, number: &str) -> bool {
        let (plus, digits) = match number.strip_prefix('+') {
            Some(digits) => (true, digits.as_bytes()),
            None => (false, number.as_bytes()),
        };
        let long_enough = if self.rest {
            digits.len() >= self.steps.len()
        } else {
            digits.len() == self.steps.len()
        };
        plus == self.plus
            && long_enough
            && digits.iter().all(u8::is_ascii_digit)
            && self
                .steps
                .iter()
                .zip(digits)
                .all(|(step, digit)| step & bit(char::from(*digit)) != 0)
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for Pattern {
    type Err = PatternFault;
    fn from_str(text: &str) -> Result<Pattern, PatternFault> {
        Pattern::new(text)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pattern({})", self.text)
    }
}

impl FromText for Pattern {
    fn from_text(text: &str) -> Result<Pattern, Wrong> {
        Pattern::new(text).map_err(|fault| Wrong::new(fault.to_string(), "write digits, x, n, [2-5], and * at the end"))
    }
}

const ANY: u16 = 0x3ff;

fn bit(digit: char) -> u16 {
    digit.to_digit(10).map_or(0, |value| 1 << value)
}

fn read_set(set: &str) -> Result<u16, PatternFault> {
    let mut bits = 0;
    let mut digits = set.chars().peekable();
    while let Some(low) = digits.next() {
        let high = if digits.next_if_eq(&'-').is_some() {
            digits.next().ok_or(PatternFault::BadSet)?
        } else {
            low
        };
        if !low.is_ascii_digit() || !high.is_ascii_digit() || low > high {
            return Err(PatternFault::BadSet);
        }
        bits = (low..=high).fold(bits, |bits, digit| bits | bit(digit));
    }
    if bits == 0 { Err(PatternFault::BadSet) } else { Ok(bits) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_what_it_says() {
        let cases = [
            ("201", "201", true),
            ("201", "2011", false),
            ("201", "20", false),
            ("2xx", "299", true),
            ("2xx", "29", false),
            ("nxx", "199", false),
            ("nxx", "200", true),
            ("[2-5]x", "59", true),
            ("[2-5]x", "69", false),
            ("[178]0", "80", true),
            ("[1-37]0", "70", true),
            ("[1-37]0", "40", false),
            ("+1900*", "+19005551234", true),
            ("+1900*", "+1900", true),
            ("+1900*", "19005551234", false),
            ("1900*", "+19005551234", false),
            ("*", "5", true),
            ("*", "+5", false),
            ("+*", "+5", true),
            ("*", "*98", false),
            ("X.", "", false),
        ];
        for (pattern, number, expected) in cases {
            let matched = Pattern::new(pattern).is_ok_and(|pattern| pattern.matches(number));
            assert_eq!(matched, expected, "{pattern} against {number}");
        }
    }

    #[test]
    fn a_bad_pattern_says_why() {
        let cases = [
            ("", PatternFault::Length),
            ("+", PatternFault::Length),
            ("2*3", PatternFault::StarInside),
            ("2[", PatternFault::BadSet),
            ("2[]", PatternFault::BadSet),
            ("2[5-2]", PatternFault::BadSet),
            ("2[5-]", PatternFault::BadSet),
            ("2[a]", PatternFault::BadSet),
            ("X.", PatternFault::BadSign('.')),
            ("2 0", PatternFault::BadSign(' ')),
            ("111111111111111111111111111111111", PatternFault::Length),
        ];
        for (pattern, fault) in cases {
            assert_eq!(Pattern::new(pattern), Err(fault), "{pattern}");
        }
    }
}

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;

/// The number of a telephone of this box: 1 to 15 digits. Star codes are features, not extensions.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Extension(String);

/// Why a text is not an extension.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NumberFault {
    /// Nothing, or more digits than E.164 allows.
    #[error("an extension has 1 to 15 digits, this has {0}")]
    Length(usize),
    /// `*` and `#` start feature codes.
    #[error("star codes cannot be extensions")]
    StarCode,
    /// Something other than 0-9.
    #[error("an extension has digits only")]
    NotDigits,
}

impl Extension {
    /// Checks and keeps the digits.
    pub fn new(text: &str) -> Result<Extension, NumberFault> {
        if text.contains(['*', '#']) {
            return Err(NumberFault::StarCode);
        }
        if !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(NumberFault::NotDigits);
        }
        if !(1..=15).contains(&text.len()) {
            return Err(NumberFault::Length(text.len()));
        }
        Ok(Extension(text.to_owned()))
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Extension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Extension {
    type Err = NumberFault;
    fn from_str(text: &str) -> Result<Extension, NumberFault> {
        Extension::new(text)
    }
}

impl Borrow<str> for Extension {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Extension {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_extension_is_one_to_fifteen_digits() {
        for good in ["0", "201", "123456789012345"] {
            assert_eq!(Extension::new(good).unwrap().as_str(), good);
        }
        let refused = [
            ("", NumberFault::Length(0)),
            ("1234567890123456", NumberFault::Length(16)),
            ("*98", NumberFault::StarCode),
            ("20#", NumberFault::StarCode),
            ("2o1", NumberFault::NotDigits),
            ("+201", NumberFault::NotDigits),
            ("٢٠١", NumberFault::NotDigits),
        ];
        for (bad, fault) in refused {
            assert_eq!(Extension::new(bad), Err(fault), "{bad}");
        }
    }
}

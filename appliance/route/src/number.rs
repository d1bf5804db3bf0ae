//! Numbers in the one form that everything compares: E.164.

use std::fmt;

use branchline_config::Kind;
use branchline_config::country::{self, Country, Plan};

use crate::dialled::Dialled;

const DIGITS_MIN: usize = 5;
const DIGITS_MAX: usize = 15;
/// Global services and satellite networks (ITU-T E.164.1 list of assigned codes): nobody can say what they cost.
const COSTLY_CODES: [&str; 7] = ["870", "878", "881", "882", "883", "888", "979"];

/// An international number: `+` and 5 to 15 digits, the first not 0 (ITU-T E.164).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct E164(String);

impl E164 {
    /// From digits without +.
    pub fn new(digits: &str) -> Result<E164, NumberFault> {
        if digits.starts_with('0') || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(NumberFault::NotANumber);
        }
        match digits.len() {
            0..DIGITS_MIN => Err(NumberFault::TooShort),
            DIGITS_MIN..=DIGITS_MAX => Ok(E164(format!("+{digits}"))),
            _ => Err(NumberFault::TooLong),
        }
    }

    /// With +.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Without +.
    pub fn digits(&self) -> &str {
        self.0.get(1..).unwrap_or_default()
    }
}

impl fmt::Display for E164 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where dialling starts from.
#[derive(Clone, Copy, Debug)]
pub struct Home<'a> {
    /// The site's country.
    pub country: &'static Country,
    /// The site's area code, to complete local numbers.
    pub area_code: Option<&'a str>,
}

/// A number that can be sent to a trunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Number {
    /// Anything with a subscriber at its end.
    E164(E164),
    /// A short number of the country, or one that a route names; sent as it is.
    Short(String),
}

impl Number {
    /// `+…` or the short digits.
    pub fn as_str(&self) -> &str {
        match self {
            Number::E164(number) => number.as_str(),
            Number::Short(digits) => digits,
        }
    }
}

/// Why digits are not a number here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NumberFault {
    /// Letters, star codes, a prefix nobody has.
    #[error("not a telephone number")]
    NotANumber,
    /// Digits are missing.
    #[error("the number is incomplete")]
    TooShort,
    /// More digits than the plan has.
    #[error("the number has too many digits")]
    TooLong,
    /// A local number, and the site has no area code.
    #[error("a local number, but the site has no area_code")]
    NoAreaCode,
}

/// The number meant by digits dialled at `home`, outside prefix already removed.
pub fn normalise(dialled: &Dialled, home: Home<'_>) -> Result<Number, NumberFault> {
    let digits = dialled.digits.as_str();
    if let Some(international) = digits.strip_prefix('+') {
        return international_number(international);
    }
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(NumberFault::NotANumber);
    }
    match dialled.context.as_deref() {
        Some(context) if context != home.country.calling_code => in_context(digits, context),
        Some(_) | None => dialled_at(digits, home),
    }
}

/// What a call to `number` costs, seen from `home`. Kinds that are not known are the dearest.
pub fn kind_of(number: &Number, home: Home<'_>) -> Kind {
    let digits = match number {
        Number::Short(digits) => return home.country.short_kind(digits).unwrap_or(Kind::Premium),
        Number::E164(number) => number.digits(),
    };
    if let Some(national) = digits.strip_prefix(home.country.calling_code) {
        let kind = home.country.kind_of(national);
        let is_local = home.area_code.is_some_and(|area| national.starts_with(area)) && kind == Kind::National;
        return if is_local { Kind::Local } else { kind };
    }
    if COSTLY_CODES.iter().any(|code| digits.starts_with(code)) {
        return Kind::Premium;
    }
    let abroad = country::by_number(digits);
    let listed = abroad.and_then(|country| country.listed_kind(digits.strip_prefix(country.calling_code)?));
    if listed == Some(Kind::Premium) {
        Kind::Premium
    } else {
        Kind::International
    }
}

fn international_number(digits: &str) -> Result<Number, NumberFault> {
    let number = E164::new(digits)?;
    let national = country::by_number(digits).and_then(|country| {
        let national = digits.strip_prefix(country.calling_code)?;
        Some((country, national))
    });
    match national {
        Some((country, national)) => check_length(national, country).map(|()| Number::E164(number)),
        None => Ok(Number::E164(number)),
    }
}

/// RFC 3966 section 5.1.5: a whole country code means "as dialled there", a longer context is the number's front.
fn in_context(digits: &str, context: &str) -> Result<Number, NumberFault> {
    match country::ALL.iter().find(|country| country.calling_code == context) {
        Some(country) => dialled_at(
            digits,
            Home {
                country,
                area_code: None,
            },
        ),
        None => international_number(&format!("{context}{digits}")),
    }
}

fn dialled_at(digits: &str, home: Home<'_>) -> Result<Number, NumberFault> {
    let country = home.country;
    if country.short_kind(digits).is_some() {
        return Ok(Number::Short(digits.to_owned()));
    }
    let mut prefixes: Vec<&str> = country.international_prefixes.to_vec();
    // 001 and 00 may both be prefixes; the longer is meant.
    prefixes.sort_unstable_by_key(|prefix| std::cmp::Reverse(prefix.len()));
    if let Some(international) = prefixes.iter().find_map(|prefix| digits.strip_prefix(prefix)) {
        return international_number(international);
    }
    let national = national_digits(digits, home)?;
    check_length(&national, country)?;
    E164::new(&format!("{}{national}", country.calling_code)).map(Number::E164)
}

fn national_digits(digits: &str, home: Home<'_>) -> Result<String, NumberFault> {
    let country = home.country;
    let with_area = || {
        let area = home.area_code.ok_or(NumberFault::NoAreaCode)?;
        Ok(format!("{area}{digits}"))
    };
    match country.plan {
        Plan::NorthAmerican => match (digits.len(), digits.strip_prefix('1')) {
            (11, Some(national)) => Ok(national.to_owned()),
            (0..11, Some(_)) => Err(NumberFault::TooShort),
            (_, Some(_)) => Err(NumberFault::TooLong),
            (7, None) => with_area(),
            (_, None) => Ok(digits.to_owned()),
        },
        Plan::AreaCodes => {
            let after_prefix = Some(country.national_prefix).filter(|prefix| !prefix.is_empty());
            match after_prefix.and_then(|prefix| digits.strip_prefix(prefix)) {
                Some(national) => Ok(national.to_owned()),
                None if is_bare(digits, country) => Ok(digits.to_owned()),
                None => with_area(),
            }
        }
        Plan::Closed if is_bare(digits, country) => Ok(digits.to_owned()),
        Plan::Closed => {
            let national = digits
                .strip_prefix(country.national_prefix)
                .ok_or(NumberFault::NotANumber)?;
            Ok(national.to_owned())
        }
    }
}

fn is_bare(digits: &str, country: &Country) -> bool {
    digits.len() >= country.digits.0 && country.bare.iter().any(|start| digits.starts_with(start))
}

fn check_length(national: &str, country: &Country) -> Result<(), NumberFault> {
    let (least, most) = country.digits;
    if country.plan == Plan::NorthAmerican && national.starts_with(['0', '1']) {
        return Err(NumberFault::NotANumber);
    }
    if national.len() < least {
        return Err(NumberFault::TooShort);
    }
    if national.len() > most {
        Err(NumberFault::TooLong)
    } else {
        Ok(())
    }
}

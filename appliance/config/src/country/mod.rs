//! Countries as data: how numbers are dialled there, which are emergencies, what others cost, and how analog lines sound.
//!
//! Sources: ITU-T E.164 national numbering plans, ITU-T E.129, the European emergency number directive for 112.

mod americas;
mod analog;
mod asia_pacific;
mod europe_east;
mod europe_north;
mod europe_west;

pub use analog::{Analog, CallerIdSignal, Impedance, Ring, Tone};

use crate::Kind;

/// One country's numbering plan, as far as a branch needs it.
#[derive(Debug, PartialEq)]
pub struct Country {
    /// ISO 3166 alpha-2.
    pub code: &'static str,
    /// English short name.
    pub name: &'static str,
    /// Without +.
    pub calling_code: &'static str,
    /// What is dialled for +; the first is used when sending.
    pub international_prefixes: &'static [&'static str],
    /// Dialled before a national number; empty where there is none.
    pub national_prefix: &'static str,
    /// How local and national numbers differ.
    pub plan: Plan,
    /// Shortest and longest national significant number.
    pub digits: (usize, usize),
    /// Starts of national significant numbers that are dialled without national prefix.
    pub bare: &'static [&'static str],
    /// Emergency numbers; the first is the general one. A number that several services answer is there for each.
    pub emergency: &'static [(&'static str, Service)],
    /// Starts of national significant numbers; the longest match counts, no match is [`Kind::Premium`].
    pub kinds: &'static [(Kind, &'static [&'static str])],
    /// Starts of short numbers (up to 6 digits) dialled as they are.
    pub short: &'static [(Kind, &'static [&'static str])],
    /// Tones, ringing and caller id of its analog lines.
    pub analog: &'static Analog,
}

/// How local and national numbers differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// North America: 10 digits, 7 within the area, 1 before both as one likes.
    NorthAmerican,
    /// Without national prefix a number is local.
    AreaCodes,
    /// Every number is dialled whole.
    Closed,
}

/// Who answers an emergency number (RFC 5031 section 4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// All of them.
    General,
    /// `sos.police`
    Police,
    /// `sos.fire`
    Fire,
    /// `sos.ambulance`
    Ambulance,
    /// `sos.marine`
    Marine,
    /// `sos.mountain`
    Mountain,
}

/// Answered, or passed on, in every network of the world (3GPP TS 22.101 section 10); where the country itself does not
/// route it from fixed lines, the general number is sent instead.
pub const EVERYWHERE: &str = "112";

/// Longest short number; more digits are a subscriber's.
pub const SHORT_DIGITS_MAX: usize = 6;

/// Every country known, by code.
pub static ALL: [&Country; 50] = [
    &asia_pacific::AE,
    &americas::AR,
    &europe_west::AT,
    &asia_pacific::AU,
    &europe_west::BE,
    &europe_east::BG,
    &americas::BR,
    &americas::CA,
    &europe_west::CH,
    &americas::CL,
    &asia_pacific::CN,
    &europe_east::CZ,
    &europe_west::DE,
    &europe_north::DK,
    &europe_north::EE,
    &europe_west::ES,
    &europe_north::FI,
    &europe_west::FR,
    &europe_west::GB,
    &europe_east::GR,
    &asia_pacific::HK,
    &europe_east::HR,
    &europe_east::HU,
    &europe_west::IE,
    &asia_pacific::IL,
    &asia_pacific::IN,
    &europe_north::IS,
    &europe_west::IT,
    &asia_pacific::JP,
    &asia_pacific::KR,
    &europe_north::LT,
    &europe_west::LU,
    &europe_north::LV,
    &americas::MX,
    &asia_pacific::MY,
    &europe_west::NL,
    &europe_north::NO,
    &asia_pacific::NZ,
    &europe_east::PL,
    &europe_west::PT,
    &europe_east::RO,
    &asia_pacific::SA,
    &europe_north::SE,
    &asia_pacific::SG,
    &europe_east::SI,
    &europe_east::SK,
    &asia_pacific::TH,
    &europe_east::TR,
    &americas::US,
    &asia_pacific::ZA,
];

/// The country with this ISO 3166 alpha-2 code, in capitals.
pub fn by_code(code: &str) -> Option<&'static Country> {
    ALL.iter().copied().find(|country| country.code == code)
}

/// The country of an international number without +. Shared codes (+1) answer with one of their countries.
pub fn by_number(digits: &str) -> Option<&'static Country> {
    // Calling codes are prefix-free, so at most one matches.
    ALL.iter()
        .copied()
        .find(|country| digits.starts_with(country.calling_code))
}

impl Country {
    /// What to send for a dialled emergency number; `None` when it is not one here.
    pub fn emergency_number(&self, dialled: &str) -> Option<&'static str> {
        let native = self
            .emergency
            .iter()
            .find(|(number, _)| *number == dialled)
            .map(|(number, _)| *number);
        native.or_else(|| (dialled == EVERYWHERE).then(|| self.general_number()))
    }

    /// The number for a service, the general one where the service has none of its own.
    pub fn service_number(&self, service: Service) -> &'static str {
        let own = self.emergency.iter().find(|(_, of)| *of == service);
        own.map_or_else(|| self.general_number(), |(number, _)| number)
    }

    /// The first number of the list.
    pub fn general_number(&self) -> &'static str {
        self.emergency.first().map_or(EVERYWHERE, |(number, _)| number)
    }

    /// The kind of a national significant number (no prefixes), as seen from inside the country. Never [`Kind::Local`].
    pub fn kind_of(&self, national: &str) -> Kind {
        // 976 was North America's local pay-per-call exchange.
        if self.plan == Plan::NorthAmerican && national.get(3..6) == Some("976") {
            return Kind::Premium;
        }
        self.listed_kind(national).unwrap_or(Kind::Premium)
    }

    /// The kind when the tables name one.
    pub fn listed_kind(&self, national: &str) -> Option<Kind> {
        longest_match(self.kinds, national)
    }

    /// The kind of a short number dialled as it is; `None` when it is not one.
    pub fn short_kind(&self, dialled: &str) -> Option<Kind> {
        if dialled.len() > SHORT_DIGITS_MAX {
            return None;
        }
        longest_match(self.short, dialled)
    }
}

fn longest_match(table: &[(Kind, &[&str])], digits: &str) -> Option<Kind> {
    let starts = table
        .iter()
        .flat_map(|(kind, starts)| starts.iter().map(move |start| (start, *kind)));
    starts
        .filter(|(start, _)| digits.starts_with(**start))
        .max_by_key(|(start, _)| start.len())
        .map(|(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_in_order() {
        assert!(ALL.windows(2).all(|pair| pair[0].code < pair[1].code));
        assert_eq!(by_code("us"), None);
        assert_eq!(by_code("GB").unwrap().name, "United Kingdom");
    }

    #[test]
    fn every_country_answers_112_and_its_own_numbers() {
        for country in ALL {
            assert!(country.emergency_number(EVERYWHERE).is_some(), "{}", country.code);
            for (number, _) in country.emergency {
                assert_eq!(country.emergency_number(number), Some(*number), "{}", country.code);
                assert!(
                    number.bytes().all(|b| b.is_ascii_digit()) && (2..=6).contains(&number.len()),
                    "{number}"
                );
            }
            assert!(!country.emergency.is_empty(), "{}", country.code);
        }
    }

    #[test]
    fn every_table_is_digits_and_no_start_has_two_kinds() {
        for country in ALL {
            let (least, most) = country.digits;
            assert!(
                least <= most && country.calling_code.len() + most <= 16,
                "{}",
                country.code
            );
            for table in [country.kinds, country.short] {
                let mut starts: Vec<&str> = table.iter().flat_map(|(_, starts)| starts.iter().copied()).collect();
                assert!(
                    starts.iter().all(|start| start.bytes().all(|b| b.is_ascii_digit())),
                    "{}",
                    country.code
                );
                let all = starts.len();
                starts.sort_unstable();
                starts.dedup();
                assert_eq!(all, starts.len(), "{} lists a start twice", country.code);
            }
        }
    }

    #[test]
    fn an_unknown_kind_is_the_dearest() {
        assert_eq!(by_code("DE").unwrap().kind_of("1912345"), Kind::Premium);
        assert_eq!(by_code("US").unwrap().kind_of("2129765555"), Kind::Premium);
    }
}

use crate::country::{self, Country};
use crate::fault::Wrong;
use crate::read::Reader;
use crate::text::{DialString, Digits, FromText, Host};

/// `[site]`: where the box stands; decides how dialled digits are read and which numbers are emergencies.
#[derive(Clone, Debug, PartialEq)]
pub struct Site {
    /// Shown on the page and in logs. Default `branch`: one box needs no name.
    pub name: String,
    /// Digest realm. Default `branchline`. Part of every password hash: a new realm means new passwords.
    pub realm: String,
    /// `country = "US"` (ISO 3166 alpha-2). No default: a guess would get the emergency numbers wrong.
    pub country: &'static Country,
    /// Area code of the site without national prefix; without it local numbers cannot be completed.
    pub area_code: Option<String>,
    /// Digit dialled for an outside line, such as `9`. Default none: phones dial outside numbers as they are.
    pub outside_prefix: Option<String>,
}

impl Site {
    pub(crate) fn read(mut table: Reader<'_>) -> Option<Site> {
        let name = table.or("name", "branch".to_owned());
        let realm = table.or("realm", Realm("branchline".to_owned()));
        let country: Option<&'static Country> = table.required("country", "US");
        let area_code = table.optional::<Digits>("area_code").map(|digits| digits.0);
        let prefix = table.optional::<DialString>("outside_prefix").map(|prefix| prefix.0);
        if area_code.as_ref().is_some_and(|code| code.starts_with('+')) {
            table.wrong(
                "area_code",
                Wrong::new("has a +", "write it without country code and national prefix"),
            );
        }
        if let (Some(country), Some(code)) = (country, &area_code)
            && !country.national_prefix.is_empty()
            && code.starts_with(country.national_prefix)
        {
            let fix = format!("write \"{}\"", code.trim_start_matches(country.national_prefix));
            table.wrong(
                "area_code",
                Wrong::new(
                    format!("starts with the national prefix {}", country.national_prefix),
                    fix,
                ),
            );
        }
        if let Some(prefix) = &prefix
            && (prefix.is_empty() || prefix.len() > 3 || !prefix.bytes().all(|b| b.is_ascii_digit()))
        {
            table.wrong(
                "outside_prefix",
                Wrong::new("is not 1 to 3 digits", "write \"9\", or remove the line"),
            );
        }
        table.finish();
        Some(Site {
            name,
            realm: realm.0,
            country: country?,
            area_code,
            outside_prefix: prefix,
        })
    }
}

struct Realm(String);

impl FromText for Realm {
    fn from_text(text: &str) -> Result<Realm, Wrong> {
        let text = String::from_text(text)?;
        // A colon would make the digest's user:realm:password ambiguous; a quote would end the header's string.
        if text.contains([':', '"', '\\']) {
            return Err(Wrong::new(
                "a realm has no colon, quotation mark or backslash",
                "write \"branchline\"",
            ));
        }
        Ok(Realm(text))
    }
}

impl FromText for &'static Country {
    fn from_text(text: &str) -> Result<&'static Country, Wrong> {
        country::by_code(text).ok_or_else(|| {
            let codes: Vec<&str> = country::ALL.iter().map(|country| country.code).collect();
            Wrong::new(
                format!("\"{text}\" is not a country known here"),
                format!("write one of {}", codes.join(" ")),
            )
        })
    }
}

pub(crate) fn optional_host(table: &mut Reader<'_>, key: &'static str) -> Option<String> {
    table.optional::<Host>(key).map(|host| host.0)
}

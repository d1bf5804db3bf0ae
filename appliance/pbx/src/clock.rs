//! The clock of the program: the only place of this half that reads time.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Monotonic now.
#[expect(clippy::disallowed_methods, reason = "this is the clock of the program")]
pub fn now() -> Instant {
    Instant::now()
}

/// UTC now, milliseconds since 1970-01-01T00:00:00Z.
#[expect(clippy::disallowed_methods, reason = "this is the clock of the program")]
pub fn utc_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Whether a clock that says this can have been set: a box without a battery starts in 1970, or at the date of its image.
pub fn is_sane(utc_ms: i64) -> bool {
    utc_ms >= BUILT_AFTER_UTC_MS
}

/// 2026-01-01.
const BUILT_AFTER_UTC_MS: i64 = 1_767_225_600_000;

/// A moment of UTC, split up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Civil {
    /// Year of the Gregorian calendar.
    pub year: i64,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// Milliseconds since midnight.
    pub day_ms: u32,
}

const DAY_MS: i64 = 86_400_000;

impl Civil {
    /// Splits UTC milliseconds; works before 1970 too.
    pub fn from_utc_ms(utc_ms: i64) -> Civil {
        let day_ms = u32::try_from(utc_ms.rem_euclid(DAY_MS)).unwrap_or(0);
        // Days are counted from 0000-03-01, so that the leap day ends the year.
        let days = utc_ms.div_euclid(DAY_MS) + 719_468;
        let era = days.div_euclid(146_097);
        let day_of_era = days.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * day_of_year + 2) / 153;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
        Civil {
            year: year_of_era + era * 400 + i64::from(month <= 2),
            month: u8::try_from(month).unwrap_or(1),
            day: u8::try_from(day_of_year - (153 * shifted + 2) / 5 + 1).unwrap_or(1),
            day_ms,
        }
    }

    /// UTC milliseconds of midnight of a date; `None` when there is no such day or it is outside years 1970 to 9999.
    pub fn midnight_utc_ms(year: i64, month: u8, day: u8) -> Option<i64> {
        if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || day == 0 {
            return None;
        }
        let shifted_year = if month <= 2 { year - 1 } else { year };
        let shifted_month = (i64::from(month) + 9) % 12;
        let day_of_year = (153 * shifted_month + 2) / 5 + i64::from(day) - 1;
        let year_of_era = shifted_year.rem_euclid(400);
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        let utc_ms = (shifted_year.div_euclid(400) * 146_097 + day_of_era - 719_468) * DAY_MS;
        let back = Civil::from_utc_ms(utc_ms);
        (back.month == month && back.day == day).then_some(utc_ms)
    }
}

/// `2026-11-22 09:30:05`, UTC.
pub fn date_time_text(utc_ms: i64) -> String {
    let civil = Civil::from_utc_ms(utc_ms);
    format!(
        "{:04}-{:02}-{:02} {}",
        civil.year,
        civil.month,
        civil.day,
        &time_text(utc_ms)[..8]
    )
}

/// `09:30:05.120`, UTC.
pub fn time_text(utc_ms: i64) -> String {
    let ms = Civil::from_utc_ms(utc_ms).day_ms;
    format!(
        "{:02}:{:02}:{:02}.{:03}",
        ms / 3_600_000,
        ms / 60_000 % 60,
        ms / 1000 % 60,
        ms % 1000
    )
}

/// `3:05` or `1:00:09`.
pub fn duration_text(ms: u64) -> String {
    let s = ms / 1000;
    match s / 3600 {
        0 => format!("{}:{:02}", s / 60, s % 60),
        hours => format!("{hours}:{:02}:{:02}", s / 60 % 60, s % 60),
    }
}

/// Reads `2026-11-22` as midnight UTC, milliseconds.
pub fn parse_date(text: &str) -> Option<i64> {
    let mut parts = text.splitn(3, '-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    if !text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') {
        return None;
    }
    Civil::midnight_utc_ms(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_and_read_back() {
        let cases = [
            (0, "1970-01-01 00:00:00"),
            (951_782_400_000, "2000-02-29 00:00:00"),
            (1_795_341_296_123, "2026-11-22 09:54:56"),
            (-1000, "1969-12-31 23:59:59"),
        ];
        for (utc_ms, text) in cases {
            assert_eq!(date_time_text(utc_ms), text);
        }
        assert_eq!(parse_date("2000-02-29"), Some(951_782_400_000));
        for bad in [
            "",
            "2001-02-29",
            "2026-13-01",
            "2026-1",
            "2026-01-00",
            "today",
            "+026-01-01",
            "9999999-01-01",
        ] {
            assert_eq!(parse_date(bad), None, "{bad}");
        }
    }

    #[test]
    fn every_day_of_four_centuries_is_read_back() {
        for day in (0..146_097).map(|n| n * DAY_MS) {
            let civil = Civil::from_utc_ms(day);
            assert_eq!(Civil::midnight_utc_ms(civil.year, civil.month, civil.day), Some(day));
        }
    }

    #[test]
    fn the_year_of_an_unset_clock_is_never_sane() {
        for (utc_ms, sane) in [(0, false), (1_600_000_000_000, false), (BUILT_AFTER_UTC_MS, true)] {
            assert_eq!(is_sane(utc_ms), sane);
        }
    }

    #[test]
    fn durations_are_short() {
        assert_eq!(duration_text(5_999), "0:05");
        assert_eq!(duration_text(3_609_000), "1:00:09");
    }
}

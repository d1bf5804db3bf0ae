//! Hours in which a box may change its version.

/// Part of each day, UTC; it may go over midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Minute of the day that it begins with.
    pub from_minute: u32,
    /// Minute of the day before which it ends.
    pub to_minute: u32,
}

const MINUTE_MS: i64 = 60_000;
const DAY_MINUTES: i64 = 24 * 60;

impl Window {
    /// Whether a moment lies in it.
    pub fn holds(self, utc_ms: i64) -> bool {
        let minute = utc_ms.div_euclid(MINUTE_MS).rem_euclid(DAY_MINUTES);
        let minute = u32::try_from(minute).unwrap_or(0);
        match self.from_minute <= self.to_minute {
            true => (self.from_minute..self.to_minute).contains(&minute),
            false => minute >= self.from_minute || minute < self.to_minute,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_holds_its_minutes_also_over_midnight() {
        let at = |hours: i64, minutes: i64| (hours * 60 + minutes) * MINUTE_MS + 86_400_000 * 20_000;
        let night = Window {
            from_minute: 90,
            to_minute: 240,
        };
        let late = Window {
            from_minute: 1320,
            to_minute: 120,
        };
        let cases = [
            (night, at(1, 29), false),
            (night, at(1, 30), true),
            (night, at(3, 59), true),
            (night, at(4, 0), false),
            (late, at(21, 59), false),
            (late, at(23, 0), true),
            (late, at(0, 0), true),
            (late, at(2, 0), false),
        ];
        for (window, moment, holds) in cases {
            assert_eq!(window.holds(moment), holds, "{window:?} {moment}");
        }
    }
}

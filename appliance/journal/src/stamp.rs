//! When something happened, by both clocks of the box.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// One start of the box's kernel; monotonic times compare only within the same one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BootId(pub Uuid);

/// A moment by the wall clock and by the monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// Milliseconds since 1970-01-01T00:00:00Z; may be wrong while `clock_trusted` is false.
    pub utc_ms: i64,
    /// Whether the wall clock had been set from a time source when this was taken.
    pub clock_trusted: bool,
    /// Milliseconds since the box booted, from the monotonic clock.
    pub mono_ms: u64,
    /// The boot that `mono_ms` counts from.
    pub boot: BootId,
}

impl Stamp {
    /// Milliseconds from `earlier` to `self`: by the monotonic clock within one boot, by the wall clock otherwise.
    /// Zero when the clocks say that `earlier` is later.
    pub fn ms_since(&self, earlier: &Stamp) -> u64 {
        if self.boot == earlier.boot {
            return self.mono_ms.saturating_sub(earlier.mono_ms);
        }
        u64::try_from(self.utc_ms.saturating_sub(earlier.utc_ms)).unwrap_or(0)
    }

    /// This moment by a wall clock that was set later, at `known`; `None` where it needs no other time, or where the two were
    /// not taken in one boot.
    pub fn dated_by(&self, known: &Stamp) -> Option<Stamp> {
        if self.clock_trusted || !known.clock_trusted || self.boot != known.boot {
            return None;
        }
        let before_ms = i128::from(known.mono_ms) - i128::from(self.mono_ms);
        let utc_ms = i64::try_from(i128::from(known.utc_ms) - before_ms).ok()?;
        Some(Stamp {
            utc_ms,
            clock_trusted: true,
            ..*self
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(utc_ms: i64, mono_ms: u64, boot: u128) -> Stamp {
        Stamp {
            utc_ms,
            clock_trusted: true,
            mono_ms,
            boot: BootId(Uuid::from_u128(boot)),
        }
    }

    #[test]
    fn a_wall_clock_step_does_not_change_a_duration_within_one_boot() {
        for utc_ms in [i64::MIN, -5, 0, 90_000, i64::MAX] {
            assert_eq!(stamp(utc_ms, 61_000, 1).ms_since(&stamp(7, 1_000, 1)), 60_000);
        }
    }

    #[test]
    fn a_moment_before_the_clock_was_set_is_dated_by_one_after() {
        let untrusted = |utc_ms, mono_ms, boot| Stamp {
            clock_trusted: false,
            ..stamp(utc_ms, mono_ms, boot)
        };
        let known = stamp(1_800_000_000_000, 90_000, 1);
        let dated = untrusted(5_000, 30_000, 1).dated_by(&known);
        assert_eq!(dated, Some(stamp(1_799_999_940_000, 30_000, 1)));
        // What needs no date, what is of another boot, and what nobody can tell.
        assert_eq!(stamp(5_000, 30_000, 1).dated_by(&known), None);
        assert_eq!(untrusted(5_000, 30_000, 2).dated_by(&known), None);
        assert_eq!(untrusted(5_000, 30_000, 1).dated_by(&untrusted(9, 40_000, 1)), None);
        let edge = stamp(i64::MIN, u64::MAX, 1);
        assert_eq!(untrusted(0, 0, 1).dated_by(&edge), None);
    }

    #[test]
    fn across_boots_the_wall_clock_counts_and_never_below_zero() {
        assert_eq!(stamp(5_000, 10, 2).ms_since(&stamp(2_000, 900_000, 1)), 3_000);
        assert_eq!(stamp(i64::MIN, 10, 2).ms_since(&stamp(i64::MAX, 0, 1)), 0);
        assert_eq!(stamp(i64::MAX, 0, 2).ms_since(&stamp(i64::MIN, 0, 1)), i64::MAX as u64);
    }
}

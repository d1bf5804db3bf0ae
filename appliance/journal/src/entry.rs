//! One line of the journal.

use serde::{Deserialize, Serialize};
use uuid::{Builder, Uuid};

use crate::{Event, Stamp};

/// A fact with its identity, its place in the order of the box, and its time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// `UUIDv7`; replaying an id that is known changes nothing.
    pub id: Uuid,
    /// Place in the order of this box: 1, 2, 3, ... without gaps.
    pub seq: u64,
    /// When it was journalled.
    pub stamp: Stamp,
    /// What happened.
    pub event: Event,
}

/// A `UUIDv7` (RFC 9562 section 5.7) from wall time in milliseconds and 10 random bytes; times before 1970 count as 0.
pub fn uuid_v7(utc_ms: i64, random: &[u8; 10]) -> Uuid {
    Builder::from_unix_timestamp_millis(u64::try_from(utc_ms).unwrap_or(0), random).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_time_and_are_version_seven() {
        let early = uuid_v7(1_700_000_000_000, &[0xff; 10]);
        let late = uuid_v7(1_700_000_000_001, &[0; 10]);
        assert!(early < late);
        assert_eq!(early.get_version_num(), 7);
        assert_eq!(uuid_v7(-1, &[0; 10]).get_version_num(), 7);
    }
}

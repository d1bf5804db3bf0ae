//! How many connections there are, in all and per source.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[derive(Clone, Debug)]
pub(super) struct Census {
    seats: Arc<Mutex<Seats>>,
    total_max: usize,
    per_source_max: usize,
}

#[derive(Debug, Default)]
struct Seats {
    total: usize,
    /// Holds sources with a connection only, so it is no larger than the total.
    per_source: HashMap<IpAddr, usize>,
}

/// One connection's place; dropping it makes room.
#[derive(Debug)]
pub(super) struct Seat {
    census: Census,
    source: IpAddr,
}

impl Census {
    pub(super) fn new(total_max: usize, per_source_max: usize) -> Census {
        Census {
            seats: Arc::default(),
            total_max,
            per_source_max,
        }
    }

    /// A place for one more; `None` when there is none.
    pub(super) fn admit(&self, source: IpAddr) -> Option<Seat> {
        let mut seats = self.lock();
        if seats.total >= self.total_max {
            return None;
        }
        let from_source = seats.per_source.entry(source).or_default();
        if *from_source >= self.per_source_max {
            return None;
        }
        *from_source += 1;
        seats.total += 1;
        Some(Seat {
            census: self.clone(),
            source,
        })
    }

    pub(super) fn total(&self) -> usize {
        self.lock().total
    }

    fn lock(&self) -> MutexGuard<'_, Seats> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut seats = self.census.lock();
        seats.total = seats.total.saturating_sub(1);
        if let Some(from_source) = seats.per_source.get_mut(&self.source) {
            *from_source = from_source.saturating_sub(1);
            if *from_source == 0 {
                seats.per_source.remove(&self.source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_source_cannot_take_all_places_and_a_place_is_given_back() {
        let census = Census::new(3, 2);
        let [a, b, c]: [IpAddr; 3] = ["192.0.2.1", "192.0.2.2", "192.0.2.3"].map(|text| text.parse().unwrap());
        let first = census.admit(a).unwrap();
        let _second = census.admit(a).unwrap();
        assert!(census.admit(a).is_none(), "two of one source");
        let _third = census.admit(b).unwrap();
        assert!(census.admit(c).is_none(), "three in all");
        drop(first);
        assert_eq!(census.total(), 2);
        assert!(census.admit(c).is_some());
    }
}

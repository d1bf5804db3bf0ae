//! When each member was out of reach.

use std::time::{Duration, Instant};

/// Times in which messages of a member were lost for good.
#[derive(Debug, Default)]
pub struct Cuts(Vec<Cut>);

#[derive(Debug)]
struct Cut {
    member: usize,
    from: Instant,
    until: Option<Instant>,
}

/// What was on a stream that broke is missed for as long as a transaction lasts.
const MISSED: Duration = Duration::from_secs(32);

impl Cuts {
    pub(super) fn began(&mut self, now: Instant, member: usize) {
        if self.open(member).is_none() {
            self.0.push(Cut {
                member,
                from: now,
                until: None,
            });
        }
    }

    pub(super) fn ended(&mut self, now: Instant, member: usize) {
        if let Some(cut) = self.open(member) {
            cut.until = Some(now);
        }
    }

    fn open(&mut self, member: usize) -> Option<&mut Cut> {
        let mut open = self.0.iter_mut().filter(|cut| cut.until.is_none());
        open.find(|cut| cut.member == member)
    }

    /// Its stream broke.
    pub(super) fn broke(&mut self, now: Instant, member: usize) {
        self.0.push(Cut {
            member,
            from: now,
            until: Some(now + MISSED),
        });
    }

    /// Whether a member was out of reach at some moment of a time.
    pub fn within(&self, member: usize, from: Instant, until: Instant) -> bool {
        let overlaps = |cut: &Cut| cut.from <= until && cut.until.is_none_or(|end| end >= from);
        self.0.iter().any(|cut| cut.member == member && overlaps(cut))
    }
}

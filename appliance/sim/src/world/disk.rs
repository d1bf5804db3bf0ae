//! The disk under the journal: slow, stuck, and in a power cut forgetful.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use branchline_calldb::Fold;
use branchline_journal::{Entry, Event};

use crate::dice::Dice;

/// How long the disk takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Speed {
    /// From an entry to its acknowledgement, at least.
    pub least: Duration,
    /// At most.
    pub most: Duration,
}

impl Speed {
    /// A healthy card.
    pub const FAST: Speed = Speed {
        least: Duration::from_millis(1),
        most: Duration::from_millis(8),
    };
}

/// The journal's disk.
#[derive(Debug)]
pub struct Disk {
    speed: Speed,
    stuck_until: Option<Instant>,
    /// Entries that are safe, in order.
    safe: Vec<Entry>,
    /// Entries on their way, with the time they become safe.
    moving: VecDeque<(Instant, Entry)>,
    /// Entries that a stop took.
    lost: Vec<Entry>,
    next_seq: u64,
}

/// How the box stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The program is killed: what the kernel has stays.
    Kill,
    /// The power goes: what was not synced goes with it.
    PowerCut,
}

impl Disk {
    pub(super) fn new(speed: Speed) -> Disk {
        Disk {
            speed,
            stuck_until: None,
            safe: Vec::new(),
            moving: VecDeque::new(),
            lost: Vec::new(),
            next_seq: 1,
        }
    }

    /// Takes an entry; says what is wrong with its number.
    pub(super) fn append(&mut self, now: Instant, entry: Entry, dice: &mut Dice) -> Result<(), String> {
        let expected = self.next_seq;
        let seq = entry.seq;
        self.next_seq = seq + 1;
        let span_ms = u64::try_from((self.speed.most - self.speed.least).as_millis()).unwrap_or(0);
        let ready = now + self.speed.least + dice.ms(0..span_ms + 1);
        let ready = self.stuck_until.map_or(ready, |until| ready.max(until));
        let ready = self.moving.back().map_or(ready, |(at, _)| ready.max(*at));
        self.moving.push_back((ready, entry));
        if seq == expected {
            Ok(())
        } else {
            Err(format!("journal entry {seq} follows {}", expected - 1))
        }
    }

    /// Nothing becomes safe before `until`.
    pub(super) fn stick(&mut self, until: Instant) {
        self.stuck_until = Some(until);
        for (ready, _) in &mut self.moving {
            *ready = (*ready).max(until);
        }
    }

    pub(super) fn is_stuck(&self, now: Instant) -> bool {
        self.stuck_until.is_some_and(|until| now < until)
    }

    pub(super) fn set_speed(&mut self, speed: Speed) {
        self.speed = speed;
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.moving.front().map(|(ready, _)| *ready)
    }

    /// The number up to which all is safe, when it grew.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> Option<u64> {
        let before = self.safe.len();
        while self.moving.front().is_some_and(|(ready, _)| *ready <= now) {
            if let Some((_, entry)) = self.moving.pop_front() {
                self.safe.push(entry);
            }
        }
        (self.safe.len() > before).then(|| self.safe.last().map_or(0, |entry| entry.seq))
    }

    /// The box stops; entries on their way are lost, and in a power cut those after the last synced one.
    pub(super) fn stop(&mut self, how: Stop) {
        self.lost.extend(self.moving.drain(..).map(|(_, entry)| entry));
        if how == Stop::PowerCut {
            let synced = self
                .safe
                .iter()
                .rposition(|entry| entry.event.needs_sync())
                .map_or(0, |at| at + 1);
            self.lost.extend(self.safe.drain(synced..));
        }
        self.stuck_until = None;
        self.next_seq = self.safe.last().map_or(1, |entry| entry.seq + 1);
    }

    /// Adds the records of calls that the stop cut short, as the call database does when it opens.
    pub(super) fn mend(&mut self, make: impl Fn(u64, Event) -> Entry) {
        for record in self.fold().interrupted() {
            let entry = make(self.next_seq, Event::CallEnded(Box::new(record)));
            self.next_seq += 1;
            self.safe.push(entry);
        }
    }

    pub(super) fn fold(&self) -> Fold {
        let mut fold = Fold::default();
        self.safe.iter().for_each(|entry| fold.apply(entry));
        fold
    }

    pub(super) fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// Entries that are safe.
    pub fn safe(&self) -> &[Entry] {
        &self.safe
    }

    /// Entries that a stop took.
    pub fn lost(&self) -> &[Entry] {
        &self.lost
    }

    /// Entries on their way.
    pub fn moving(&self) -> usize {
        self.moving.len()
    }
}

//! A button that tells by how long it was held.

use std::time::{Duration, Instant};

use crate::Level;
use crate::debounce::{Debounced, Settled};
use crate::events::Events;

/// How long a button was held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Held {
    /// Less than 3 s
    Short,
    /// 3 s and more
    Long,
    /// 10 s and more: nobody does that by accident
    VeryLong,
}

/// What was done with a button.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ButtonEvent {
    /// Held for this long, and still held: the time to show it.
    Reached(Held),
    /// Let go.
    Released(Held),
}

/// One button. One that is down when the box starts is stuck until it is let go, so that it resets nothing by itself.
#[derive(Clone, Debug)]
pub struct Button {
    contact: Debounced,
    state: State,
    events: Events<ButtonEvent>,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Up,
    Stuck,
    Down { since: Instant, reached: Held },
}

impl Button {
    /// As it is found.
    #[must_use]
    pub fn new(level: Level) -> Button {
        Button {
            contact: Debounced::new(level, SETTLE),
            state: match level {
                Level::Inactive => State::Up,
                Level::Active => State::Stuck,
            },
            events: Events::new(),
        }
    }

    /// The contact changed; active is down.
    pub fn handle_edge(&mut self, at: Instant, level: Level) {
        self.handle_timeout(at);
        self.contact.handle_edge(at, level);
    }

    /// Time passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        // If it was let go, then at that time, however late it is believed.
        self.reach(self.contact.pending().unwrap_or(now));
        if let Some(change) = self.contact.handle_timeout(now) {
            self.handle_change(change);
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let next = match self.state {
            State::Up | State::Stuck => None,
            State::Down { since, reached } => next(reached).map(|(_, after)| since + after),
        };
        self.contact.poll_timeout().or(next)
    }

    /// What happened, oldest first.
    pub fn poll_event(&mut self) -> Option<ButtonEvent> {
        self.events.pop()
    }

    /// How many events nobody asked for in time.
    #[must_use]
    pub fn events_dropped(&self) -> u64 {
        self.events.dropped()
    }

    fn handle_change(&mut self, change: Settled) {
        self.state = match (self.state, change.level) {
            (State::Down { reached, .. }, Level::Inactive) => {
                self.events.push(ButtonEvent::Released(reached));
                State::Up
            }
            (State::Up | State::Stuck, Level::Inactive) => State::Up,
            (State::Up, Level::Active) => State::Down {
                since: change.since,
                reached: Held::Short,
            },
            (State::Stuck | State::Down { .. }, Level::Active) => self.state,
        };
    }

    fn reach(&mut self, now: Instant) {
        while let State::Down { since, reached } = self.state
            && let Some((held, after)) = next(reached)
            && now >= since + after
        {
            self.state = State::Down { since, reached: held };
            self.events.push(ButtonEvent::Reached(held));
        }
    }
}

fn next(reached: Held) -> Option<(Held, Duration)> {
    match reached {
        Held::Short => Some((Held::Long, LONG)),
        Held::Long => Some((Held::VeryLong, VERY_LONG)),
        Held::VeryLong => None,
    }
}

/// Push buttons bounce for up to 10 ms; a person does not press for less than 50.
const SETTLE: Duration = Duration::from_millis(20);
const LONG: Duration = Duration::from_secs(3);
const VERY_LONG: Duration = Duration::from_secs(10);

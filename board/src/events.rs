//! What a device has to tell, until somebody asks.

use std::collections::VecDeque;

/// Events one device keeps until they are polled; the oldest goes when there are more.
pub const EVENTS_MAX: usize = 64;

#[derive(Clone, Debug)]
pub(crate) struct Events<T> {
    waiting: VecDeque<T>,
    dropped: u64,
}

impl<T> Events<T> {
    pub(crate) fn new() -> Events<T> {
        Events {
            waiting: VecDeque::new(),
            dropped: 0,
        }
    }

    pub(crate) fn push(&mut self, event: T) {
        if self.waiting.len() >= EVENTS_MAX {
            self.waiting.pop_front();
            self.dropped += 1;
        }
        self.waiting.push_back(event);
    }

    pub(crate) fn pop(&mut self) -> Option<T> {
        self.waiting.pop_front()
    }

    /// How many nobody asked for in time.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }
}

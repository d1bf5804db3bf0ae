//! Events of a client in the order they came, until the test asks for them.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use serde_json::Value;

use crate::clock;

/// Fed by the thread that reads the client.
pub struct Inbox {
    incoming: Receiver<Value>,
    pending: Vec<Value>,
}

/// Why there is no such event.
#[derive(Debug)]
pub enum Missing {
    /// It did not come in time; these did.
    NotYet(Vec<Value>),
    /// The client has closed its side.
    Ended,
}

impl Inbox {
    /// An empty inbox.
    pub fn new(incoming: Receiver<Value>) -> Inbox {
        Inbox {
            incoming,
            pending: Vec::new(),
        }
    }

    /// Takes out the first event that fits, waiting for it.
    pub fn take(&mut self, within: Duration, fits: impl Fn(&Value) -> bool) -> Result<Value, Missing> {
        let give_up_at = clock::now() + within;
        let mut looked_at = 0;
        loop {
            if let Some(found) = self.pending[looked_at..].iter().position(&fits) {
                return Ok(self.pending.remove(looked_at + found));
            }
            looked_at = self.pending.len();
            match self
                .incoming
                .recv_timeout(give_up_at.saturating_duration_since(clock::now()))
            {
                Ok(event) => self.pending.push(event),
                Err(RecvTimeoutError::Timeout) => return Err(Missing::NotYet(self.pending.clone())),
                Err(RecvTimeoutError::Disconnected) => return Err(Missing::Ended),
            }
        }
    }

    /// Whether an event that fits has come and was not taken.
    pub fn has(&mut self, fits: impl Fn(&Value) -> bool) -> bool {
        self.pending.extend(self.incoming.try_iter());
        self.pending.iter().any(fits)
    }

    /// Forgets the events so far.
    pub fn clear(&mut self) {
        self.pending.clear();
        self.incoming.try_iter().for_each(drop);
    }
}

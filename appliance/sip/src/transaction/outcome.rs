//! What a machine wants done after one input.

use bytes::Bytes;

/// Bytes to send and news for the user.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct Outcome {
    pub(super) send: Send,
    pub(super) tell: Tell,
}

/// Bytes for the transaction's flow.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Send {
    Nothing,
    /// Sent for the first time.
    First(Bytes),
    /// A retransmission, counted as such.
    Again(Bytes),
}

/// News for the user of the transaction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Tell {
    Nothing,
    /// The response just handled goes up.
    Response,
    /// A 2xx that came after another final: goes up without a transaction.
    Stray,
    /// The ACK just handled belongs to a 2xx.
    Ack,
    /// Nothing final came in time.
    Timeout,
    /// A non-2xx final was never acknowledged.
    Unacknowledged,
    /// The endpoint owes a 100.
    Trying,
}

impl Outcome {
    pub(super) const NOTHING: Outcome = Outcome {
        send: Send::Nothing,
        tell: Tell::Nothing,
    };

    pub(super) fn first(bytes: Bytes) -> Outcome {
        Outcome {
            send: Send::First(bytes),
            tell: Tell::Nothing,
        }
    }

    pub(super) fn again(bytes: Bytes) -> Outcome {
        Outcome {
            send: Send::Again(bytes),
            tell: Tell::Nothing,
        }
    }

    pub(super) fn tell(tell: Tell) -> Outcome {
        Outcome {
            send: Send::Nothing,
            tell,
        }
    }
}

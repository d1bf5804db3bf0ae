//! What the two threads of the streams share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use branchline_branch::FlowFault;
use branchline_sip::{ConnectionId, Flow};
use bytes::Bytes;
use tokio::sync::mpsc;

use super::Settings;
use super::census::Census;

/// From a connection to the branch's end.
#[derive(Debug)]
pub(super) enum Event {
    /// A peer opened a connection.
    Opened { flow: Flow, writer: Writer },
    /// It carried a message.
    Message { flow: Flow, bytes: Bytes },
    /// It is over, or could not be opened.
    Closed { id: ConnectionId, fault: FlowFault },
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) settings: Settings,
    pub(super) events: mpsc::Sender<Event>,
    pub(super) census: Census,
    pub(super) counts: Counts,
    next_id: AtomicU64,
}

/// Counters since start.
#[derive(Debug, Default)]
pub struct Counts {
    /// Refused because there were too many, in all or from one address.
    pub refused: AtomicU64,
    /// Closed because the peer did not read.
    pub slow_closed: AtomicU64,
    /// Closed because what came could not be cut into messages.
    pub malformed_closed: AtomicU64,
    /// Closed because nothing came, or only part of a message or of a handshake.
    pub idle_closed: AtomicU64,
    /// TLS handshakes that failed.
    pub handshakes_failed: AtomicU64,
}

impl Shared {
    pub(super) fn new(settings: Settings, events: mpsc::Sender<Event>) -> Shared {
        let census = Census::new(settings.connections_max, settings.per_source_max);
        Shared {
            settings,
            events,
            census,
            counts: Counts::default(),
            next_id: AtomicU64::new(1),
        }
    }

    /// A number that no connection had before.
    pub(super) fn next_id(&self) -> ConnectionId {
        ConnectionId(self.next_id.fetch_add(1, Ordering::Relaxed))
    }
}

pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Why a message was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The peer reads too slowly.
    Full,
    /// The connection is over.
    Closed,
}

/// The bounded queue of what a connection has to write.
#[derive(Clone, Debug)]
pub struct Writer {
    queue: mpsc::Sender<Bytes>,
    queued_bytes: Arc<AtomicUsize>,
}

/// Its other end.
#[derive(Debug)]
pub(super) struct Queue {
    queue: mpsc::Receiver<Bytes>,
    queued_bytes: Arc<AtomicUsize>,
}

/// A writer that does not keep the connection open.
#[derive(Clone, Debug)]
pub(super) struct WeakWriter {
    queue: mpsc::WeakSender<Bytes>,
    queued_bytes: Arc<AtomicUsize>,
}

pub(super) fn writer() -> (Writer, Queue) {
    let (sender, receiver) = mpsc::channel(QUEUED_MESSAGES_MAX);
    let queued_bytes = Arc::new(AtomicUsize::new(0));
    (
        Writer {
            queue: sender,
            queued_bytes: Arc::clone(&queued_bytes),
        },
        Queue {
            queue: receiver,
            queued_bytes,
        },
    )
}

impl Writer {
    /// Queues a message; never waits.
    pub fn write(&self, bytes: Bytes) -> Result<(), Refused> {
        let length = bytes.len();
        let before = self.queued_bytes.fetch_add(length, Ordering::AcqRel);
        // One message of any size passes when nothing waits.
        let written = match before > 0 && before + length > QUEUED_BYTES_MAX {
            true => Err(Refused::Full),
            false => self.queue.try_send(bytes).map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => Refused::Full,
                mpsc::error::TrySendError::Closed(_) => Refused::Closed,
            }),
        };
        if written.is_err() {
            self.queued_bytes.fetch_sub(length, Ordering::AcqRel);
        }
        written
    }

    pub(super) fn downgrade(&self) -> WeakWriter {
        WeakWriter {
            queue: self.queue.downgrade(),
            queued_bytes: Arc::clone(&self.queued_bytes),
        }
    }
}

impl WeakWriter {
    pub(super) fn write(&self, bytes: Bytes) -> Result<(), Refused> {
        let queue = self.queue.upgrade().ok_or(Refused::Closed)?;
        Writer {
            queue,
            queued_bytes: Arc::clone(&self.queued_bytes),
        }
        .write(bytes)
    }
}

impl Queue {
    /// The next message to write; `None` once the writer is gone and everything was taken. Safe to cancel.
    pub(super) async fn next(&mut self) -> Option<Bytes> {
        self.queue.recv().await
    }

    /// The branch wants nothing more of the connection.
    pub(super) fn is_given_up(&self) -> bool {
        self.queue.is_closed()
    }

    /// A message has left.
    pub(super) fn written(&self, bytes: usize) {
        self.queued_bytes.fetch_sub(bytes, Ordering::AcqRel);
    }
}

/// Messages that wait for one slow reader.
pub(super) const QUEUED_MESSAGES_MAX: usize = 128;
/// And bytes; four thousand slow readers together stay below 512 MiB, which the caps on accounts make unreachable.
pub(super) const QUEUED_BYTES_MAX: usize = 128 << 10;

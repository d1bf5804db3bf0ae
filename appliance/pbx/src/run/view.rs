//! What people see of the branch, a few times a second.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use branchline_branch::view::{BoardView, SocketsView, UpdateView};
use branchline_branch::{Branch, Now};
use branchline_calldb::CallDb;

use super::storage::Storage;
use crate::hub::Feed;
use crate::io::stream::{Counts, Streams};
use crate::io::udp::Udp;

/// What a view is made from besides the branch, and where it goes.
pub(super) struct Shown<'a> {
    pub(super) feed: &'a Feed,
    pub(super) db: &'a CallDb,
    pub(super) storage: &'a Storage,
    /// SHA-256 of its text.
    pub(super) configuration: &'a str,
    /// Keys of the configuration.
    pub(super) awaits_restart: &'a [&'static str],
    pub(super) update: &'a UpdateView,
    pub(super) udp: &'a Udp,
    pub(super) streams: &'a Streams,
}

/// Publishes views, at most one per [`LOOKED_AT_EVERY`].
#[derive(Debug, Default)]
pub(super) struct Publisher {
    shown: Option<Version>,
    board: Option<BoardView>,
}

#[derive(Debug)]
struct Version {
    branch: u64,
    alarms: u64,
    at: Instant,
}

impl Publisher {
    /// When the next view is due.
    pub(super) fn poll_timeout(&self, branch: &Branch, feed: &Feed) -> Option<Instant> {
        self.shown.as_ref().map(|shown| {
            shown.at
                + if shown.alarms != branch.alarms() {
                    Duration::ZERO
                } else if shown.branch == branch.version() {
                    AT_LEAST_EVERY
                } else if feed.looked() {
                    LOOKED_AT_EVERY
                } else {
                    UNSEEN_EVERY
                }
        })
    }

    /// The program of the board says what is wired, or has gone.
    pub(super) fn handle_board(&mut self, told: Option<BoardView>) {
        match (told, &mut self.board) {
            (Some(told), known) => *known = Some(told),
            (None, Some(known)) => known.is_running = false,
            (None, None) => {}
        }
        self.shown = None;
    }

    /// Publishes when it is time.
    pub(super) fn handle_timeout(&mut self, now: Now, branch: &Branch, shown: &Shown<'_>) {
        if self.poll_timeout(branch, shown.feed).is_some_and(|due| now.mono < due) {
            return;
        }
        let mut view = branch.view(now);
        shown.storage.show(&mut view, shown.db.status());
        view.update = shown.update.clone();
        view.sockets = sockets(shown.udp, shown.streams.counts());
        view.configuration = shown.configuration.to_owned();
        view.board.clone_from(&self.board);
        view.health.awaits_restart = shown.awaits_restart.iter().map(|key| (*key).to_owned()).collect();
        shown.feed.publish(view);
        self.shown = Some(Version {
            branch: branch.version(),
            alarms: branch.alarms(),
            at: now.mono,
        });
    }
}

fn sockets(udp: &Udp, streams: &Counts) -> SocketsView {
    let count = |counted: &AtomicU64| counted.load(Ordering::Relaxed);
    SocketsView {
        datagrams_unsent: udp.dropped,
        connections_refused: count(&streams.refused),
        connections_slow: count(&streams.slow_closed),
        connections_malformed: count(&streams.malformed_closed),
        connections_idle: count(&streams.idle_closed),
        handshakes_failed: count(&streams.handshakes_failed),
    }
}

/// A person sees no more than four changes a second.
const LOOKED_AT_EVERY: Duration = Duration::from_millis(250);
/// Whoever looks next is shown nothing older.
const UNSEEN_EVERY: Duration = Duration::from_secs(1);
/// The time in the view goes on, so that a reader knows that the daemon lives.
const AT_LEAST_EVERY: Duration = Duration::from_secs(5);

//! What travels over the control socket: one JSON object a line, each request answered by one reply, except that a
//! trace is answered by lines until either side closes.

use std::net::IpAddr;

use branchline_branch::view::{BoardView, Outlook, TraceLine, UpdateView, View};
use branchline_update::Vitals;
use serde::{Deserialize, Serialize};

use super::signs::Signs;
use crate::hub::{DatabaseOrder, HostedOrder};

/// Bytes of a request line; a board with a fault at each of its pins has half of it.
pub const REQUEST_BYTES_MAX: usize = 65_536;

/// From the command line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// The latest view.
    View,
    /// What a call for help would do now, phone by phone.
    Outlook,
    /// Read the configuration again.
    Reload,
    /// End a call.
    HangUp {
        /// Its id.
        call: String,
    },
    /// Bypass the call database, or use it again.
    Database(DatabaseOrder),
    /// Take the hosted PBX away for a drill, or end that.
    Hosted(HostedOrder),
    /// Let an address in that was shut out.
    Unban {
        /// Whose.
        address: IpAddr,
    },
    /// End the daemon.
    Shutdown,
    /// End the daemon if no call is up, and refuse otherwise.
    StopWhenIdle,
    /// How the box is, for the updater.
    Vitals,
    /// What became of an update, for the page.
    Updated(UpdateView),
    /// Log everybody out of the page: its password has changed.
    EndSessions,
    /// What is wired to the box. Answered by [`Signs`], again and again until either side closes; may be said again.
    Board(BoardView),
    /// Messages as they pass.
    Trace {
        /// Only calls from or to a number that contains this.
        number: Option<String>,
    },
}

/// From the daemon.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// The latest view.
    View(Box<View>),
    /// What a call for help would do now.
    Outlook(Box<Outlook>),
    /// How the box is.
    Vitals(Vitals),
    /// It was done.
    Done(String),
    /// It was not done, and why.
    Refused(String),
    /// How the box is, for its lights.
    Signs(Signs),
    /// A message that passed.
    Line(Box<TraceLine>),
    /// So many messages were lost: the reader was slow.
    Gap(u64),
}

//! Where the daemon loop and everything a person sees meet.
//!
//! The loop holds the [`Feed`]: it publishes views and trace lines and takes commands. Page, control socket and metrics
//! hold clones of the [`Hub`]. Nobody waits for anybody: a view replaces the one before, a slow trace reader loses
//! lines and is told how many, and a full command queue is an answer.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use branchline_branch::view::{BoardView, Outlook, TraceLine, UpdateView, View};
use branchline_config::Secret;
use branchline_update::Vitals;
use tokio::sync::{broadcast, mpsc, oneshot, watch};

/// Commands waiting for the loop; people give them, so a few are plenty.
pub const COMMANDS_MAX: usize = 16;
/// Trace lines kept for a slow reader before it gets a gap; about a second of a busy branch.
pub const TRACE_LINES_MAX: usize = 1024;

/// What a person may ask of the running daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Read the configuration again.
    Reload,
    /// End a call, by the id of its view.
    HangUp {
        /// The id.
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
    /// What is wired to the box; nothing when the program that knows has gone.
    Board(Option<BoardView>),
    /// End the daemon.
    Shutdown,
    /// End the daemon if no call is up.
    StopWhenIdle,
    /// What became of an update.
    Updated(UpdateView),
    /// What a call for help would do now, as JSON of an [`Outlook`].
    Outlook,
    /// How the box is now, as JSON of [`Vitals`]; a view may be a second old.
    Vitals,
}

/// What the operator says of the call database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "order", rename_all = "snake_case", deny_unknown_fields)]
pub enum DatabaseOrder {
    /// Leave it alone.
    Fail {
        /// For so many seconds; without, until it is restored.
        at_most_s: Option<u64>,
    },
    /// Try it, and use it again once it has proved itself.
    Restore,
}

impl DatabaseOrder {
    /// A line for the one who gave it.
    pub fn outcome(self) -> String {
        match self {
            DatabaseOrder::Fail { at_most_s: None } => {
                "the call database is bypassed until `branchline database restore`; the journal keeps every call"
                    .to_owned()
            }
            DatabaseOrder::Fail { at_most_s: Some(s) } => {
                format!("the call database is bypassed for {s} s; the journal keeps every call")
            }
            DatabaseOrder::Restore => "the call database is tried, and used again once it has proved itself".to_owned(),
        }
    }
}

/// What the operator says of the hosted PBX.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "order", rename_all = "snake_case", deny_unknown_fields)]
pub enum HostedOrder {
    /// Treat it as gone.
    Away {
        /// For so many seconds.
        lasts_s: u64,
        /// For these extensions and classes of service; empty is everybody.
        canary: Vec<String>,
    },
    /// End that now.
    Return,
}

/// What became of a command: a line for the person who gave it, or why not.
pub type Outcome = Result<String, String>;

/// A command and where its outcome goes.
#[derive(Debug)]
pub struct Request {
    /// The command.
    pub command: Command,
    /// Takes the outcome; dropping it counts as a refusal.
    pub reply: oneshot::Sender<Outcome>,
}

/// Why a command has no outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandFault {
    /// [`COMMANDS_MAX`] are waiting.
    #[error("the daemon is busy with other commands; try again")]
    Busy,
    /// The loop is gone.
    #[error("the daemon is stopping")]
    Stopping,
}

/// The readers' end; cheap to clone.
#[derive(Clone, Debug)]
pub struct Hub {
    view: watch::Receiver<Arc<View>>,
    page_hash: watch::Receiver<Option<Secret>>,
    looked: Arc<AtomicBool>,
    trace: broadcast::WeakSender<TraceLine>,
    trace_readers: Arc<AtomicUsize>,
    commands: mpsc::Sender<Request>,
    records: PathBuf,
}

/// The daemon loop's end.
#[derive(Debug)]
pub struct Feed {
    view: watch::Sender<Arc<View>>,
    page_hash: watch::Sender<Option<Secret>>,
    looked: Arc<AtomicBool>,
    trace: broadcast::Sender<TraceLine>,
    trace_readers: Arc<AtomicUsize>,
    commands: mpsc::Receiver<Request>,
}

/// Both ends; `records` is the path of the database of call records.
pub fn hub(records: PathBuf) -> (Hub, Feed) {
    let (view_out, view_in) = watch::channel(Arc::new(View::default()));
    let (page_hash_out, page_hash_in) = watch::channel(None);
    let (trace_out, _) = broadcast::channel(TRACE_LINES_MAX);
    let (commands_out, commands_in) = mpsc::channel(COMMANDS_MAX);
    let trace_readers = Arc::new(AtomicUsize::new(0));
    let looked = Arc::new(AtomicBool::new(false));
    let hub = Hub {
        view: view_in,
        page_hash: page_hash_in,
        looked: Arc::clone(&looked),
        trace: trace_out.downgrade(),
        trace_readers: Arc::clone(&trace_readers),
        commands: commands_out,
        records,
    };
    (
        hub,
        Feed {
            view: view_out,
            page_hash: page_hash_out,
            looked,
            trace: trace_out,
            trace_readers,
            commands: commands_in,
        },
    )
}

impl Hub {
    /// The latest view.
    pub fn view(&self) -> Arc<View> {
        self.looked.store(true, Ordering::Relaxed);
        Arc::clone(&self.view.borrow())
    }

    /// The same for a program that reads along all the time: that is no reason to build views more often.
    pub fn last_view(&self) -> Arc<View> {
        Arc::clone(&self.view.borrow())
    }

    /// Waits for a view after those that this hub, or the one it was cloned from, has waited for. `false` when the
    /// loop has ended. Safe to cancel.
    pub async fn changed(&mut self) -> bool {
        self.view.changed().await.is_ok()
    }

    /// Hash of the page's password from the configuration in force.
    pub fn page_hash(&self) -> Option<Secret> {
        self.page_hash.borrow().clone()
    }

    /// Waits for another hash. `false` when the loop has ended. Safe to cancel.
    pub async fn page_hash_changed(&mut self) -> bool {
        self.page_hash.changed().await.is_ok()
    }

    /// Starts listening to the trace; `None` once the loop has ended.
    pub fn trace(&self) -> Option<TraceReader> {
        let lines = self.trace.upgrade()?.subscribe();
        self.trace_readers.fetch_add(1, Ordering::Relaxed);
        Some(TraceReader {
            lines,
            readers: Arc::clone(&self.trace_readers),
        })
    }

    /// Gives a command and waits for its outcome.
    pub async fn command(&self, command: Command) -> Result<Outcome, CommandFault> {
        let (reply, outcome) = oneshot::channel();
        self.commands
            .try_send(Request { command, reply })
            .map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => CommandFault::Busy,
                mpsc::error::TrySendError::Closed(_) => CommandFault::Stopping,
            })?;
        outcome.await.map_err(|_| CommandFault::Stopping)
    }

    /// What a call for help would do now.
    pub async fn outlook(&self) -> Result<Outlook, CommandFault> {
        let outcome = self.command(Command::Outlook).await?;
        let text = outcome.map_err(|_| CommandFault::Stopping)?;
        serde_json::from_str(&text).map_err(|_| CommandFault::Stopping)
    }

    /// How the box is now.
    pub async fn vitals(&self) -> Result<Vitals, CommandFault> {
        let outcome = self.command(Command::Vitals).await?;
        let text = outcome.map_err(|_| CommandFault::Stopping)?;
        serde_json::from_str(&text).map_err(|_| CommandFault::Stopping)
    }

    /// The database of call records; it may not exist yet.
    pub fn records(&self) -> &Path {
        &self.records
    }
}

impl Feed {
    /// Shows a new view; at most four a second, please.
    pub fn publish(&self, view: View) {
        self.looked.store(false, Ordering::Relaxed);
        self.view.send_replace(Arc::new(view));
    }

    /// Tells the page the hash of its password from a configuration that comes into force.
    pub fn tell_page_hash(&self, hash: Option<&Secret>) {
        self.page_hash.send_if_modified(|known| {
            let is_new = known.as_ref() != hash;
            *known = hash.cloned();
            is_new
        });
    }

    /// Whether anybody has looked at the last view: building the next for nobody can wait.
    pub fn looked(&self) -> bool {
        self.looked.load(Ordering::Relaxed)
    }

    /// Whether anybody reads the trace: building lines for nobody is waste.
    pub fn trace_wanted(&self) -> bool {
        self.trace_readers.load(Ordering::Relaxed) > 0
    }

    /// Shows one message to those who listen; never waits.
    pub fn trace(&self, line: TraceLine) {
        // An error says that nobody listens.
        let _ = self.trace.send(line);
    }

    /// The next command; waits. `None` when every hub is gone. Safe to cancel.
    pub async fn command(&mut self) -> Option<Request> {
        self.commands.recv().await
    }

    /// The next command if one is waiting.
    pub fn try_command(&mut self) -> Option<Request> {
        self.commands.try_recv().ok()
    }
}

/// What a trace reader sees.
#[derive(Clone, Debug, PartialEq)]
pub enum Traced {
    /// One message.
    Line(Box<TraceLine>),
    /// Messages were lost because the reader was slow.
    Gap {
        /// How many.
        lines: u64,
    },
}

/// One listener of the trace; dropping it stops the tracing when it was the last.
#[derive(Debug)]
pub struct TraceReader {
    lines: broadcast::Receiver<TraceLine>,
    readers: Arc<AtomicUsize>,
}

impl TraceReader {
    /// The next message or gap; `None` when the loop has ended. Safe to cancel.
    pub async fn next(&mut self) -> Option<Traced> {
        match self.lines.recv().await {
            Ok(line) => Some(Traced::Line(Box::new(line))),
            Err(broadcast::error::RecvError::Lagged(lines)) => Some(Traced::Gap { lines }),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

impl Drop for TraceReader {
    fn drop(&mut self) {
        self.readers.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(n: usize) -> TraceLine {
        TraceLine {
            utc_ms: 0,
            local: String::new(),
            remote: String::new(),
            transport: "udp".into(),
            arrived: true,
            summary: n.to_string(),
            sip_call_id: String::new(),
            numbers: [String::new(), String::new()],
            text: String::new(),
        }
    }

    #[tokio::test]
    async fn a_slow_trace_reader_is_told_how_much_it_missed() {
        let (hub, feed) = hub(PathBuf::new());
        assert!(!feed.trace_wanted());
        let mut reader = hub.trace().unwrap();
        assert!(feed.trace_wanted());
        for n in 0..TRACE_LINES_MAX + 3 {
            feed.trace(line(n));
        }
        assert_eq!(reader.next().await, Some(Traced::Gap { lines: 3 }));
        assert_eq!(reader.next().await, Some(Traced::Line(Box::new(line(3)))));
        drop(reader);
        assert!(!feed.trace_wanted());
    }

    #[tokio::test]
    async fn a_command_gets_its_outcome_and_a_full_queue_is_an_answer() {
        let (hub, mut feed) = hub(PathBuf::new());
        let giver = hub.clone();
        let asked = tokio::spawn(async move { giver.command(Command::Reload).await });
        let request = feed.command().await.unwrap();
        assert_eq!(request.command, Command::Reload);
        request.reply.send(Ok("done".into())).unwrap();
        assert_eq!(asked.await.unwrap(), Ok(Ok("done".into())));

        let waiting: Vec<_> = (0..COMMANDS_MAX)
            .map(|_| {
                let giver = hub.clone();
                tokio::spawn(async move { giver.command(Command::Shutdown).await })
            })
            .collect();
        while feed.commands.len() < COMMANDS_MAX {
            tokio::task::yield_now().await;
        }
        assert_eq!(hub.command(Command::Reload).await, Err(CommandFault::Busy));
        drop(feed);
        for given in waiting {
            assert_eq!(given.await.unwrap(), Err(CommandFault::Stopping));
        }
        assert!(hub.trace().is_none());
    }
}

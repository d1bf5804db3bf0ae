//! The control socket: how the command line talks to the running daemon.
//!
//! A Unix stream socket of mode 0600, so that only the daemon's user and root reach it: in a directory in memory that systemd
//! makes, with a link in the state directory; in the state directory itself where there is none.

pub mod client;
pub mod protocol;
pub mod signs;

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::OwnedReadHalf;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::file;
use crate::hub::{Command, Hub, Traced};
use crate::page::Sessions;
use crate::place::ControlPlace;
use branchline_branch::view::BoardView;
use protocol::{REQUEST_BYTES_MAX, Reply, Request};
use signs::Signs;

/// Connections at once; more wait.
pub const CONNECTIONS_MAX: usize = 16;
const WRITE_WITHIN: Duration = Duration::from_secs(10);
const RETRY_AFTER: Duration = Duration::from_millis(100);

fn refuse_second(path: &Path) -> io::Result<()> {
    if std::os::unix::net::UnixStream::connect(path).is_ok() {
        let running = format!("branchline is already running ({})", path.display());
        return Err(io::Error::new(io::ErrorKind::AddrInUse, running));
    }
    Ok(())
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// The listening socket; its file goes when it is dropped.
#[derive(Debug)]
pub struct Control {
    listener: UnixListener,
    path: PathBuf,
}

impl Control {
    /// Binds the socket in the directory in memory where the system has made one, with a link in the state directory; else in
    /// the state directory; and where that cannot be written, in a directory in memory all the same. One that a dead daemon
    /// left is taken over. Fails with `AddrInUse` while another daemon runs.
    pub fn bind(ControlPlace { state, runtime }: &ControlPlace) -> io::Result<Control> {
        refuse_second(state)?;
        if runtime.parent().is_some_and(Path::is_dir) {
            match Control::bind_private(runtime) {
                Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
                    tracing::warn!(path = %runtime.display(), %error, "no control socket there");
                }
                done => {
                    // The commands find it without, where the state directory cannot be written.
                    let _ = remove(state).and_then(|()| std::os::unix::fs::symlink(runtime, state));
                    return done;
                }
            }
        }
        match Control::bind_at(state) {
            Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
                tracing::error!(path = %state.display(), %error, otherwise = %runtime.display(), "the control socket is elsewhere");
                Control::bind_private(runtime)
            }
            done => done,
        }
    }

    fn bind_private(path: &Path) -> io::Result<Control> {
        if let Some(directory) = path.parent() {
            file::create_private_directory(directory).map_err(io::Error::other)?;
            // Where everybody may write, somebody else may have made it first.
            let found = fs::symlink_metadata(directory)?;
            if !found.is_dir() || found.uid() != nix::unistd::geteuid().as_raw() || found.mode() & 0o077 != 0 {
                return Err(io::Error::other(format!(
                    "{} is not this user's alone",
                    directory.display()
                )));
            }
        }
        Control::bind_at(path)
    }

    fn bind_at(path: &Path) -> io::Result<Control> {
        refuse_second(path)?;
        remove(path)?;
        // Until the mode is set, the directory (0700) keeps others out.
        let listener = UnixListener::bind(path)?;
        listener.set_nonblocking(true)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
        Ok(Control {
            listener,
            path: path.to_owned(),
        })
    }

    /// Answers until the future is dropped. Needs a tokio runtime.
    pub async fn serve(self, hub: Hub, sessions: Arc<Sessions>) -> io::Result<()> {
        let listener = tokio::net::UnixListener::from_std(self.listener.try_clone()?)?;
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else {
                return Ok(());
            };
            match listener.accept().await {
                Ok((stream, _)) => {
                    tokio::spawn(converse_and_log(stream, hub.clone(), Arc::clone(&sessions), place));
                }
                Err(error) => {
                    tracing::warn!(%error, "control socket does not accept");
                    tokio::time::sleep(RETRY_AFTER).await;
                }
            }
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

async fn converse_and_log(stream: UnixStream, hub: Hub, sessions: Arc<Sessions>, place: OwnedSemaphorePermit) {
    if let Err(error) = converse(stream, &hub, &sessions).await {
        tracing::debug!(%error, "control connection ended");
    }
    drop(place);
}

async fn converse(stream: UnixStream, hub: &Hub, sessions: &Sessions) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    while let Some(line) = next_line(&mut read).await? {
        let reply = match serde_json::from_slice(&line) {
            Ok(Request::View) => Reply::View(Box::new(view_now(hub))),
            Ok(Request::Outlook) => match hub.outlook().await {
                Ok(outlook) => Reply::Outlook(Box::new(outlook)),
                Err(fault) => Reply::Refused(fault.to_string()),
            },
            Ok(Request::Reload) => command(hub, Command::Reload).await,
            Ok(Request::HangUp { call }) => command(hub, Command::HangUp { call }).await,
            Ok(Request::Database(order)) => command(hub, Command::Database(order)).await,
            Ok(Request::Hosted(order)) => command(hub, Command::Hosted(order)).await,
            Ok(Request::Unban { address }) => command(hub, Command::Unban { address }).await,
            Ok(Request::StopWhenIdle) => command(hub, Command::StopWhenIdle).await,
            Ok(Request::Vitals) => match hub.vitals().await {
                Ok(vitals) => Reply::Vitals(vitals),
                Err(fault) => Reply::Refused(fault.to_string()),
            },
            Ok(Request::Updated(view)) => command(hub, Command::Updated(view)).await,
            Ok(Request::Shutdown) => command(hub, Command::Shutdown).await,
            Ok(Request::EndSessions) => {
                sessions.end_all();
                Reply::Done("everybody is logged out of the page".into())
            }
            Ok(Request::Board(board)) => return follow_board(hub, board, (read, write)).await,
            Ok(Request::Trace { number }) => return trace(hub, number, (read, write)).await,
            Err(error) => Reply::Refused(format!("not understood: {error}")),
        };
        send(&mut write, &reply).await?;
    }
    Ok(())
}

fn view_now(hub: &Hub) -> branchline_branch::view::View {
    hub.view().as_ref().clone()
}

async fn command(hub: &Hub, command: Command) -> Reply {
    match hub.command(command).await {
        Ok(Ok(text)) => Reply::Done(text),
        Ok(Err(why)) => Reply::Refused(why),
        Err(fault) => Reply::Refused(fault.to_string()),
    }
}

type Halves = (BufReader<OwnedReadHalf>, tokio::net::unix::OwnedWriteHalf);

async fn trace(hub: &Hub, number: Option<String>, (mut read, mut write): Halves) -> io::Result<()> {
    let Some(mut lines) = hub.trace() else { return Ok(()) };
    let mut filter = TraceFilter::new(number);
    let mut ignored = [0; 64];
    loop {
        tokio::select! {
            traced = lines.next() => match traced {
                Some(Traced::Line(line)) if filter.shows(&line) => send(&mut write, &Reply::Line(line)).await?,
                Some(Traced::Line(_)) => {}
                Some(Traced::Gap { lines }) => send(&mut write, &Reply::Gap(lines)).await?,
                None => return Ok(()),
            },
            // The reader closing its end is how a trace stops.
            gone = read.read(&mut ignored) => if gone? == 0 { return Ok(()) },
        }
    }
}

/// The program of the board: it tells what is wired, and hears how the box is. The box is told when it goes.
async fn follow_board(hub: &Hub, board: BoardView, halves: Halves) -> io::Result<()> {
    let ended = converse_with_board(hub, board, halves).await;
    // A daemon that stops has nobody to show it to.
    let _ = hub.command(Command::Board(None)).await;
    ended
}

async fn converse_with_board(hub: &Hub, board: BoardView, (mut read, mut write): Halves) -> io::Result<()> {
    let mut hub = hub.clone();
    let mut told = Some(board);
    let mut line = Vec::new();
    loop {
        if let Some(board) = told.take()
            && let Reply::Refused(why) = command(&hub, Command::Board(Some(board))).await
        {
            return send(&mut write, &Reply::Refused(why)).await;
        }
        let signs = Signs::of(&hub.last_view());
        send(&mut write, &Reply::Signs(signs)).await?;
        tokio::select! {
            is_there = hub.changed() => if !is_there { return Ok(()) },
            read = read_more(&mut read, &mut line) => match read? {
                Some(board) => told = Some(board),
                None => return Ok(()),
            },
        }
    }
}

/// The board's next word. Safe to cancel: what was read stays in `line`.
async fn read_more(read: &mut BufReader<OwnedReadHalf>, line: &mut Vec<u8>) -> io::Result<Option<BoardView>> {
    let limit = u64::try_from(REQUEST_BYTES_MAX.saturating_sub(line.len())).unwrap_or(u64::MAX);
    read.take(limit).read_until(b'\n', line).await?;
    if line.is_empty() {
        return Ok(None);
    }
    match serde_json::from_slice(&std::mem::take(line)) {
        Ok(Request::Board(board)) => Ok(Some(board)),
        Ok(_) | Err(_) => Err(io::ErrorKind::InvalidData.into()),
    }
}

async fn next_line(read: &mut BufReader<OwnedReadHalf>) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let limit = u64::try_from(REQUEST_BYTES_MAX).unwrap_or(u64::MAX);
    read.take(limit).read_until(b'\n', &mut line).await?;
    match line.last() {
        None => Ok(None),
        Some(b'\n') => Ok(Some(line)),
        Some(_) => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "request too long or cut short",
        )),
    }
}

async fn send(write: &mut tokio::net::unix::OwnedWriteHalf, reply: &Reply) -> io::Result<()> {
    let mut line = serde_json::to_vec(reply)?;
    line.push(b'\n');
    timeout(WRITE_WITHIN, write.write_all(&line)).await?
}

/// Which messages of a trace are shown: all, or those of calls that touch a number.
#[derive(Debug)]
pub struct TraceFilter {
    number: Option<String>,
    calls: std::collections::VecDeque<String>,
}

/// Calls a filter follows at once; the oldest is forgotten first.
const CALLS_FOLLOWED_MAX: usize = 256;

impl TraceFilter {
    /// Shows calls from or to a number that contains `number`, or everything.
    pub fn new(number: Option<String>) -> TraceFilter {
        TraceFilter {
            number,
            calls: std::collections::VecDeque::new(),
        }
    }

    /// Whether to show `line`. A call that matched once is shown to its end, whatever its later messages carry.
    pub fn shows(&mut self, line: &branchline_branch::view::TraceLine) -> bool {
        let Some(number) = &self.number else { return true };
        if self.calls.contains(&line.sip_call_id) {
            return true;
        }
        if !line.numbers.iter().any(|seen| seen.contains(number.as_str())) {
            return false;
        }
        if self.calls.len() == CALLS_FOLLOWED_MAX {
            self.calls.pop_front();
        }
        self.calls.push_back(line.sip_call_id.clone());
        true
    }
}

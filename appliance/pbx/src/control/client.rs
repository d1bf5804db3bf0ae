//! The command line's end of the control socket.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use branchline_branch::view::{Outlook, View};
use branchline_update::Vitals;

use super::protocol::{Reply, Request};

const REPLY_WITHIN: Duration = Duration::from_secs(10);

/// Why the daemon did not answer.
#[derive(Debug, thiserror::Error)]
pub enum Unreachable {
    /// Nobody listens.
    #[error("branchline is not running")]
    NotRunning,
    /// The socket belongs to somebody else.
    #[error("no permission to talk to the running branchline; run this as root or as its user")]
    Forbidden,
    /// It listens and does not answer as it should.
    #[error("the running branchline does not answer: {0}")]
    Silent(#[from] io::Error),
    /// It answered something else, such as another version would.
    #[error("the running branchline does not understand this program; restart it after an update")]
    Stranger,
    /// It answered that it will not.
    #[error("refused: {0}")]
    Refused(String),
}

/// A connection.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<UnixStream>,
}

impl Client {
    /// Connects to the socket at `path`.
    pub fn connect(path: &Path) -> Result<Client, Unreachable> {
        let stream = UnixStream::connect(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Unreachable::NotRunning,
            io::ErrorKind::PermissionDenied => Unreachable::Forbidden,
            _ => Unreachable::Silent(error),
        })?;
        stream.set_read_timeout(Some(REPLY_WITHIN))?;
        stream.set_write_timeout(Some(REPLY_WITHIN))?;
        Ok(Client {
            stream: BufReader::new(stream),
        })
    }

    /// The latest view.
    pub fn view(&mut self) -> Result<View, Unreachable> {
        match self.ask(&Request::View)? {
            Reply::View(view) => Ok(*view),
            Reply::Refused(why) => Err(Unreachable::Refused(why)),
            Reply::Outlook(_)
            | Reply::Vitals(_)
            | Reply::Done(_)
            | Reply::Signs(_)
            | Reply::Line(_)
            | Reply::Gap(_) => Err(Unreachable::Stranger),
        }
    }

    /// What a call for help would do now.
    pub fn outlook(&mut self) -> Result<Outlook, Unreachable> {
        match self.ask(&Request::Outlook)? {
            Reply::Outlook(outlook) => Ok(*outlook),
            Reply::Refused(why) => Err(Unreachable::Refused(why)),
            Reply::View(_) | Reply::Vitals(_) | Reply::Done(_) | Reply::Signs(_) | Reply::Line(_) | Reply::Gap(_) => {
                Err(Unreachable::Stranger)
            }
        }
    }

    /// How the box is, for the updater.
    pub fn vitals(&mut self) -> Result<Vitals, Unreachable> {
        match self.ask(&Request::Vitals)? {
            Reply::Vitals(vitals) => Ok(vitals),
            Reply::Refused(why) => Err(Unreachable::Refused(why)),
            Reply::View(_) | Reply::Outlook(_) | Reply::Done(_) | Reply::Signs(_) | Reply::Line(_) | Reply::Gap(_) => {
                Err(Unreachable::Stranger)
            }
        }
    }

    /// Gives a command; the outcome is a line for a person.
    pub fn command(&mut self, request: &Request) -> Result<String, Unreachable> {
        match self.ask(request)? {
            Reply::Done(text) => Ok(text),
            Reply::Refused(why) => Err(Unreachable::Refused(why)),
            Reply::View(_)
            | Reply::Outlook(_)
            | Reply::Vitals(_)
            | Reply::Signs(_)
            | Reply::Line(_)
            | Reply::Gap(_) => Err(Unreachable::Stranger),
        }
    }

    /// Asks for the trace; then [`Client::next_reply`] gives its lines, waiting as long as it takes.
    pub fn follow(&mut self, number: Option<String>) -> Result<(), Unreachable> {
        self.send(&Request::Trace { number })?;
        self.stream.get_ref().set_read_timeout(None)?;
        Ok(())
    }

    /// The next reply; `None` when the daemon has closed.
    pub fn next_reply(&mut self) -> Result<Option<Reply>, Unreachable> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        serde_json::from_str(&line).map(Some).map_err(|_| Unreachable::Stranger)
    }

    /// Follows how the box is, waiting as long as it takes: [`Speaker::say`] what is wired, then [`Client::next_reply`].
    pub fn follow_board(&mut self) -> Result<Speaker, Unreachable> {
        self.stream.get_ref().set_read_timeout(None)?;
        Ok(Speaker(self.stream.get_ref().try_clone()?))
    }

    fn ask(&mut self, request: &Request) -> Result<Reply, Unreachable> {
        self.send(request)?;
        self.next_reply()?
            .ok_or_else(|| Unreachable::Silent(io::ErrorKind::UnexpectedEof.into()))
    }

    fn send(&mut self, request: &Request) -> Result<(), Unreachable> {
        write(self.stream.get_mut(), request)
    }
}

/// Speaks on a connection that somebody else listens to.
#[derive(Debug)]
pub struct Speaker(UnixStream);

impl Speaker {
    /// Sends one request.
    pub fn say(&mut self, request: &Request) -> Result<(), Unreachable> {
        write(&mut self.0, request)
    }

    /// Ends the connection, also for who listens.
    pub fn hang_up(&self) {
        // It may have ended by itself.
        let _ = self.0.shutdown(std::net::Shutdown::Both);
    }
}

fn write(stream: &mut UnixStream, request: &Request) -> Result<(), Unreachable> {
    let mut line = serde_json::to_vec(request).map_err(io::Error::from)?;
    line.push(b'\n');
    Ok(stream.write_all(&line)?)
}

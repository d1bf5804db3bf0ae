//! The box in its namespace.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::namespace::Namespace;
use super::office::Account;
use crate::{Fault, clock};

/// A running box.
pub struct Daemon {
    child: Child,
    command: Command,
    state: PathBuf,
}

const READY_WITHIN: Duration = Duration::from_secs(20);
const HELD_WITHIN: Duration = Duration::from_secs(10);
const GONE_WITHIN: Duration = Duration::from_secs(5);

impl Daemon {
    pub(super) fn start(namespace: &Namespace, folder: &Path, text: &str) -> Result<Daemon, Fault> {
        let (configuration, state) = (folder.join("branchline.toml"), folder.join("state"));
        std::fs::create_dir_all(&state).map_err(Fault::system("a state folder"))?;
        std::fs::write(&configuration, text).map_err(Fault::system("branchline.toml"))?;
        let mut command = namespace.command(binary()?);
        command.arg("run").arg("--config").arg(&configuration);
        command.arg("--state").arg(&state);
        let log = std::fs::File::create(folder.join("box.log")).map_err(Fault::system("box.log"))?;
        let errors = log.try_clone().map_err(Fault::system("box.log"))?;
        command.stdin(Stdio::null()).stdout(log).stderr(errors);
        let child = command.spawn().map_err(Fault::system("the box"))?;
        let daemon = Daemon { child, command, state };
        daemon.wait_until_up(&folder.join("box.log"))?;
        Ok(daemon)
    }

    fn wait_until_up(&self, log: &Path) -> Result<(), Fault> {
        let up = clock::try_for(READY_WITHIN, || self.view());
        up.map(|_| ()).ok_or_else(|| {
            let said = std::fs::read_to_string(log).unwrap_or_default();
            Fault::Late(format!("the box did not start: {said}"))
        })
    }

    /// Killed as by a power cut, and started again.
    ///
    /// # Errors
    /// It did not come up.
    pub fn restart(&mut self) -> Result<(), Fault> {
        self.restart_after(|| Ok(()))
    }

    /// The same with something done while it is off.
    ///
    /// # Errors
    /// That was not done, or the box did not come up.
    pub fn restart_after(&mut self, act: impl FnOnce() -> Result<(), Fault>) -> Result<(), Fault> {
        stop(&mut self.child);
        act()?;
        let _ = std::fs::remove_file(self.state.join("control.sock"));
        self.child = self.command.spawn().map_err(Fault::system("the box"))?;
        self.wait_until_up(Path::new("/nonexistent"))
    }

    /// What it shows; `None` while it does not answer.
    #[must_use]
    pub fn view(&self) -> Option<Value> {
        let mut stream = UnixStream::connect(self.state.join("control.sock")).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
        stream.write_all(b"{\"op\":\"view\"}\n").ok()?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).ok()?;
        let mut reply: Value = serde_json::from_str(&line).ok()?;
        Some(reply["view"].take())
    }

    /// Gives it an order, one line of JSON as the control socket takes it.
    ///
    /// # Errors
    /// It does not do it.
    pub fn order(&self, line: &str) -> Result<(), Fault> {
        let asked = || {
            let mut stream = UnixStream::connect(self.state.join("control.sock"))?;
            stream.set_read_timeout(Some(Duration::from_secs(2)))?;
            stream.write_all(format!("{line}\n").as_bytes())?;
            let mut reply = String::new();
            BufReader::new(stream).read_line(&mut reply)?;
            Ok(reply)
        };
        let reply = asked().map_err(Fault::system("the control socket"))?;
        if reply.contains("\"done\"") {
            return Ok(());
        }
        Err(Fault::Late(format!("the box refuses {line}: {reply}")))
    }

    /// Holds its call database as another program may; until the connection is dropped.
    ///
    /// # Errors
    /// The database cannot be held.
    pub fn hold_database(&self) -> Result<rusqlite::Connection, Fault> {
        let held = || {
            let other = rusqlite::Connection::open(self.state.join("calls.db"))?;
            other.busy_timeout(HELD_WITHIN)?;
            other.execute_batch("BEGIN IMMEDIATE")?;
            Ok(other)
        };
        held().map_err(|error: rusqlite::Error| Fault::Late(format!("the call database is not to be held: {error}")))
    }

    /// Begins a command of the command line against it.
    ///
    /// # Errors
    /// It does not begin.
    pub fn command(&self, words: &[&str]) -> Result<Child, Fault> {
        let mut command = Command::new(binary()?);
        command.arg("--state").arg(&self.state).args(words);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command.spawn().map_err(Fault::system("branchline"))
    }

    /// Its state directory.
    #[must_use]
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// How many calls the database holds.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn records_counted(&self) -> Result<u64, Fault> {
        let counted = rusqlite::Connection::open(self.state.join("calls.db"))
            .and_then(|it| it.query_row("SELECT COUNT(*) FROM call_record", [], |row| row.get::<_, u32>(0)));
        counted
            .map(u64::from)
            .map_err(|error| Fault::Late(format!("the call database cannot be read: {error}")))
    }

    /// All records of its calls, as the command line lists them.
    ///
    /// # Errors
    /// It lists none.
    pub fn records(&self) -> Result<Vec<Value>, Fault> {
        let program = self.command(&["calls", "--past", "--json", "--limit", "500"])?;
        let output = program.wait_with_output().map_err(Fault::system("branchline calls"))?;
        let listed: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        Ok(listed.as_array().cloned().unwrap_or_default())
    }

    /// How it sees the hosted PBX: mode, confirmed lines, losses so far.
    #[must_use]
    pub fn hosted(&self) -> Option<(String, u64, u64)> {
        let view = self.view()?;
        let hosted = &view["hosted"];
        Some((
            hosted["mode"].as_str()?.to_owned(),
            hosted["lines_confirmed"].as_u64()?,
            hosted["lost_total"].as_u64()?,
        ))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        stop(&mut self.child);
    }
}

/// Ends a program that was started through `ip netns exec`, which is the program itself by now.
pub(super) fn stop(child: &mut Child) {
    if let Ok(pid) = i32::try_from(child.id()) {
        let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
    }
    let ended = clock::try_for(GONE_WITHIN, || child.try_wait().ok().flatten());
    if ended.is_none() {
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// `branchline` beside this program, as one build leaves them.
fn binary() -> Result<PathBuf, Fault> {
    let own = std::env::current_exe().map_err(Fault::system("this program"))?;
    let beside = own.ancestors().skip(1).map(|folder| folder.join("branchline"));
    let found = beside.take(2).find(|path| path.is_file());
    found.ok_or_else(|| Fault::Late("branchline is not built: cargo build --package branchline-pbx".to_owned()))
}

/// An extension with its password; `more` goes in as it is.
pub(super) fn extension_text(number: &str, more: &str) -> String {
    let (md5, sha256) = branchline_ladder::hashes(number, "branchline", &Account::of(number).password);
    format!(
        "[[extension]]\nnumber = \"{number}\"\nha1_md5 = \"{md5}\"\nha1_sha256 = \"{sha256}\"\nmax_calls = 4\n{more}"
    )
}

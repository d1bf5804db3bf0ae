//! A program under test: started with its output in a file, stopped by its pid.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::clock;

/// How long a program may take to end after SIGTERM before it is killed.
const STOP_WITHIN: Duration = Duration::from_secs(5);
const TAIL_LINES: usize = 60;

/// A running program; dropping it stops it.
pub struct Program {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Program {
    /// Starts `command`, both outputs appended to `log`.
    pub fn start(name: &str, command: &mut Command, log: &Path) -> Program {
        let output = File::options()
            .create(true)
            .append(true)
            .open(log)
            .expect("the log is writable");
        command
            .stdout(output.try_clone().expect("a second handle"))
            .stderr(output);
        Program::start_with_own_output(name, command.stdin(Stdio::null()), log)
    }

    /// Starts `command` as it is; `log` is only what to show when the test fails.
    pub fn start_with_own_output(name: &str, command: &mut Command, log: &Path) -> Program {
        let child = command.spawn().unwrap_or_else(|error| {
            panic!(
                "{name} does not start: {:?}: {error}; `make test` installs what is missing",
                command.get_program()
            )
        });
        Program {
            name: name.to_owned(),
            child,
            log: log.to_owned(),
        }
    }

    /// Its process.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, `None` while it runs.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("our own child")
    }

    /// Waits for the end; fails the test after `within`.
    pub fn wait(&mut self, within: Duration) -> ExitStatus {
        let what = format!("end of {}; its log:\n{}", self.name, self.log_tail());
        clock::wait_for(&what, within, || self.ended())
    }

    /// SIGTERM, then SIGKILL after a while, its children included; says how it ended.
    pub fn stop(&mut self) -> ExitStatus {
        if self.ended().is_none() {
            self.signal(Signal::SIGTERM);
        }
        match clock::try_for(STOP_WITHIN, || self.ended()) {
            Some(status) => status,
            None => {
                self.kill_children();
                self.kill9()
            }
        }
    }

    /// The workers of a program that does not end would outlive it.
    fn kill_children(&self) {
        let list = format!("/proc/{pid}/task/{pid}/children", pid = self.pid());
        let list = std::fs::read_to_string(list).unwrap_or_default();
        for pid in list.split_whitespace().filter_map(|pid| pid.parse().ok()) {
            // It may have ended by now.
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }

    /// SIGKILL: no chance to tidy up.
    pub fn kill9(&mut self) -> ExitStatus {
        if self.ended().is_none() {
            self.signal(Signal::SIGKILL);
        }
        self.child.wait().expect("our own child")
    }

    /// What it has printed so far.
    pub fn log(&self) -> String {
        std::fs::read(&self.log)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// The last lines it has printed.
    pub fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).expect("a pid fits");
        // The child is not reaped yet, so the pid is still its own.
        kill(Pid::from_raw(pid), signal).expect("our own child");
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.stop();
        if std::thread::panicking() {
            eprintln!("---- last lines of {} ----\n{}\n----", self.name, self.log_tail());
        }
    }
}

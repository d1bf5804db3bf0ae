//! A program under measurement: started on a core of its own, accounted by the operating system, stopped by its pid.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::signal::{Signal, kill};
use nix::time::ClockId;
use nix::unistd::Pid;

use crate::{Done, clock};

const STOP_WITHIN: Duration = Duration::from_secs(8);

/// A running program with its children; dropping it stops them.
pub(crate) struct Program {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl Program {
    /// Starts `command` on the first core; its output goes to `log`.
    pub(crate) fn start(name: &'static str, command: &mut Command, log: &Path) -> Done<Program> {
        let output = File::options().create(true).append(true).open(log)?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let child = on_server_core(|| command.spawn())?;
        let child = child.map_err(|error| format!("{name} does not start: {error}; `make bench` installs it"))?;
        Ok(Program {
            name,
            child,
            log: log.to_owned(),
        })
    }

    /// Fails with the end of its log when it has ended.
    pub(crate) fn check(&mut self) -> Done<()> {
        match self.child.try_wait()? {
            Some(status) => Err(format!("{} ended with {status}:\n{}", self.name, self.log_tail()).into()),
            None => Ok(()),
        }
    }

    /// CPU time of the program and its children so far, user and system, in nanoseconds.
    pub(crate) fn cpu_ns(&self) -> Done<u64> {
        let mut total = 0;
        for pid in self.family() {
            // A child that has just ended has no clock.
            let Ok(clock) = ClockId::pid_cpu_clock_id(Pid::from_raw(pid)) else {
                continue;
            };
            let time = clock.now()?;
            total += time.tv_sec() as u64 * 1_000_000_000 + time.tv_nsec() as u64;
        }
        Ok(total)
    }

    /// Memory in bytes: RSS, and where processes share pages each page once (PSS).
    pub(crate) fn memory_bytes(&self) -> Done<u64> {
        let family = self.family();
        let mut total_kb = 0;
        for pid in &family {
            let (file, field) = match family.len() {
                1 => ("status", "VmRSS:"),
                _ => ("smaps_rollup", "Pss:"),
            };
            let text = fs::read_to_string(format!("/proc/{pid}/{file}"))?;
            let line = text.lines().find_map(|line| line.strip_prefix(field));
            let kb = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
            total_kb += kb.ok_or("no memory figures in /proc")?;
        }
        Ok(total_kb * 1024)
    }

    pub(crate) fn log_tail(&self) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        let tail = &log[log.len().saturating_sub(3000)..];
        String::from_utf8_lossy(tail).into_owned()
    }

    /// The pid and those of its children, and theirs.
    fn family(&self) -> Vec<i32> {
        let mut parents = Vec::new();
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
                continue;
            };
            let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
            // The name in parentheses may hold blanks; the parent is the second field after it.
            let after = stat.rsplit_once(')').map_or("", |(_, after)| after);
            if let Some(parent) = after
                .split_whitespace()
                .nth(1)
                .and_then(|field| field.parse::<i32>().ok())
            {
                parents.push((pid, parent));
            }
        }
        let mut family = vec![i32::try_from(self.child.id()).unwrap_or_default()];
        let mut at = 0;
        while at < family.len() {
            let parent = family[at];
            family.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid));
            at += 1;
        }
        family
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let Ok(pid) = i32::try_from(self.child.id()) else {
            return;
        };
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            // The child is not reaped yet, so the pid is still its own.
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
            if clock::try_for(STOP_WITHIN, || self.child.try_wait().ok().flatten()).is_none() {
                let _ = self.child.kill();
            }
        }
        let _ = self.child.wait();
    }
}

/// Keeps the load off the core of the servers, where there is more than one.
pub(crate) fn keep_off_the_server_core() -> Done<()> {
    let mut others = sched_getaffinity(Pid::from_raw(0))?;
    others.unset(SERVER_CORE)?;
    if (0..CpuSet::count()).any(|core| others.is_set(core).unwrap_or(false)) {
        sched_setaffinity(Pid::from_raw(0), &others)?;
    }
    Ok(())
}

/// Children inherit the core of the thread that starts them.
fn on_server_core<T>(start: impl FnOnce() -> T) -> Done<T> {
    let ours = sched_getaffinity(Pid::from_raw(0))?;
    let mut first = CpuSet::new();
    first.set(SERVER_CORE)?;
    sched_setaffinity(Pid::from_raw(0), &first)?;
    let started = start();
    sched_setaffinity(Pid::from_raw(0), &ours)?;
    Ok(started)
}

const SERVER_CORE: usize = 0;

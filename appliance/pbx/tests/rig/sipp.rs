//! SIPp: many callers or callees in one process, and how many of their calls succeeded.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::program::Program;
use super::{Rig, phone_file, sip};

/// A user of the CSV: name, password, and the number it calls.
#[derive(Clone)]
pub struct User {
    /// Name in From, Contact and digest.
    pub name: String,
    /// Its password.
    pub password: String,
    /// Whom it calls.
    pub calls: String,
}

/// One run of SIPp.
pub struct Load<'a> {
    /// Tells this run's files from others.
    pub name: &'a str,
    /// A file of `tests/phones`.
    pub scenario: &'a str,
    /// Where it sends from; port 5060.
    pub from: Ipv4Addr,
    /// Where it sends to.
    pub to: SocketAddr,
    /// The lines of the CSV, used in turn.
    pub users: &'a [User],
    /// Calls in all.
    pub calls: u32,
    /// New calls per second.
    pub rate_per_s: u32,
    /// Length of a call where the scenario has a pause.
    pub talk: Duration,
    /// SIPp gives up after this and the run counts as failed.
    pub within: Duration,
}

/// SIPp at work.
pub struct Sipp {
    program: Program,
    statistics: PathBuf,
    errors: PathBuf,
    log: PathBuf,
    within: Duration,
}

/// A call that rang.
#[derive(Clone, Copy, Debug)]
pub struct Ring {
    /// When its INVITE with credentials left; UTC seconds.
    pub asked_utc_s: f64,
    /// From there to the 180.
    pub after_ms: f64,
}

/// How a run ended.
#[derive(Debug)]
pub struct Outcome {
    /// 0: every call succeeded.
    pub exit_code: Option<i32>,
    /// Calls that followed the scenario to its end.
    pub successful: u64,
    /// Calls that did not.
    pub failed: u64,
    /// When its calls ended, where the scenario logs it; UTC seconds.
    pub ended_utc_s: Vec<f64>,
    /// Its calls that rang, where the scenario logs it.
    pub rings: Vec<Ring>,
    /// SIP messages sent again.
    pub retransmissions: u64,
    /// The most calls at once.
    pub at_once_max: u64,
    /// What SIPp says about failures.
    pub errors: String,
}

impl Sipp {
    /// Starts a run.
    pub fn start(rig: &Rig, load: &Load) -> Sipp {
        let folder = rig.subfolder(&format!("sipp-{}", load.name));
        let users = folder.join("users.csv");
        std::fs::write(&users, csv(load.users)).expect("the test's folder is writable");
        let (statistics, errors) = (folder.join("statistics.csv"), folder.join("errors"));
        let log = folder.join("ended");
        let ip = load.from.to_string();
        let mut command = Command::new("sipp");
        command
            .current_dir(&folder)
            .arg("-sf")
            .arg(phone_file(load.scenario))
            .arg("-inf")
            .arg(&users);
        command.args([
            "-i",
            &ip,
            "-mi",
            &ip,
            "-p",
            &sip::PORT.to_string(),
            &load.to.to_string(),
        ]);
        command.args(["-m", &load.calls.to_string(), "-l", &load.calls.to_string()]);
        command.args([
            "-r",
            &load.rate_per_s.to_string(),
            "-d",
            &load.talk.as_millis().to_string(),
        ]);
        command.args([
            "-nostdin",
            "-timeout",
            &format!("{}s", load.within.as_secs()),
            "-timeout_error",
        ]);
        command.args(["-trace_stat", "-fd", "1", "-stf"]).arg(&statistics);
        command.args(["-trace_err", "-error_file"]).arg(&errors);
        command.args(["-trace_logs", "-log_file"]).arg(&log);
        let program = Program::start(&format!("sipp {}", load.name), &mut command, &folder.join("log"));
        Sipp {
            program,
            statistics,
            errors,
            log,
            within: load.within,
        }
    }

    /// Runs it to its end.
    pub fn run(rig: &Rig, load: &Load) -> Outcome {
        Sipp::start(rig, load).finish()
    }

    /// Waits for the end.
    pub fn finish(mut self) -> Outcome {
        let spare = Duration::from_secs(20);
        let status = self.program.wait(self.within + spare);
        self.outcome(status.code())
    }

    /// Ends it before its time: what it had reached.
    pub fn stop(mut self) -> Outcome {
        let status = self.program.stop();
        self.outcome(status.code())
    }

    /// What it has reached so far; its statistics are a second old at most.
    pub fn so_far(&self) -> Outcome {
        self.outcome(None)
    }

    fn outcome(&self, exit_code: Option<i32>) -> Outcome {
        let table = std::fs::read_to_string(&self.statistics).unwrap_or_default();
        let column = |name: &str| last_value(&table, name).unwrap_or(0);
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        Outcome {
            exit_code,
            successful: column("SuccessfulCall(C)"),
            failed: column("FailedCall(C)"),
            ended_utc_s: logged(&log, "ended").into_iter().map(|(_, at)| at).collect(),
            rings: rings(&log),
            retransmissions: column("Retransmissions(C)"),
            at_once_max: highest_value(&table, "CurrentCall"),
            errors: first_lines(&self.errors),
        }
    }
}

impl Outcome {
    /// Fails the test unless `calls` calls succeeded and none failed.
    pub fn assert_all(&self, calls: u32) {
        assert_eq!((self.successful, self.failed), (u64::from(calls), 0), "{self:#?}");
    }
}

fn csv(users: &[User]) -> String {
    let lines = users.iter().map(|User { name, password, calls }| {
        format!("{name};[authentication username={name} password={password}];{calls}\n")
    });
    std::iter::once("SEQUENTIAL\n".to_owned()).chain(lines).collect()
}

fn values<'t>(table: &'t str, name: &str) -> impl Iterator<Item = u64> + 't {
    let mut lines = table.lines();
    let column = lines
        .next()
        .and_then(|head| head.split(';').position(|title| title == name));
    lines.filter_map(move |line| line.split(';').nth(column?)?.parse().ok())
}

fn last_value(table: &str, name: &str) -> Option<u64> {
    values(table, name).last()
}

fn highest_value(table: &str, name: &str) -> u64 {
    values(table, name).max().unwrap_or(0)
}

fn rings(log: &str) -> Vec<Ring> {
    let asked: BTreeMap<&str, f64> = logged(log, "asks").into_iter().collect();
    let rang = logged(log, "rings").into_iter();
    rang.filter_map(|(call, at)| {
        let asked_utc_s = *asked.get(call)?;
        Some(Ring {
            asked_utc_s,
            after_ms: (at - asked_utc_s) * 1000.0,
        })
    })
    .collect()
}

/// Lines `word call … time` that are whole: each call with its time.
fn logged<'l>(log: &'l str, word: &str) -> Vec<(&'l str, f64)> {
    let lines = log.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    lines
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            if words.next() != Some(word) {
                return None;
            }
            Some((words.next()?, words.last()?.parse().ok()?))
        })
        .collect()
}

fn first_lines(path: &Path) -> String {
    const LINES: usize = 20;
    let text = std::fs::read(path).unwrap_or_default();
    String::from_utf8_lossy(&text)
        .lines()
        .take(LINES)
        .collect::<Vec<_>>()
        .join("\n")
}

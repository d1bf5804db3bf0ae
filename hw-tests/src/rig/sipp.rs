//! SIPp as telephones of the branch: many calls by somebody else's program, which counts them itself.

use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use super::namespace::Namespace;
use super::{BOX_INSIDE, sip};
use crate::{Fault, clock};

const SCENARIOS: [(&str, &str); 3] = [
    (
        "register",
        include_str!("../../../appliance/pbx/tests/phones/register.xml"),
    ),
    ("callee", include_str!("../../../appliance/pbx/tests/phones/callee.xml")),
    ("caller", include_str!("../../../appliance/pbx/tests/phones/caller.xml")),
];
/// Beyond the time that the calls take.
const SPARE: Duration = Duration::from_secs(60);

/// Calls from one half of some extensions to the other.
#[derive(Clone, Debug)]
pub struct Load {
    /// Extensions; the first half calls the second.
    pub numbers: Vec<String>,
    /// Calls in all.
    pub calls: u32,
    /// New calls per second.
    pub per_second: u32,
    /// How long each talks.
    pub talk: Duration,
}

/// What SIPp counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// Calls that went as they should.
    pub successful: u64,
    /// Calls that did not.
    pub failed: u64,
}

/// A load under way.
pub struct Sipp {
    callers: Child,
    callees: Child,
    statistics: PathBuf,
    errors: PathBuf,
    within: Duration,
}

impl Sipp {
    /// Registers all and begins the calls.
    pub(super) fn start(namespace: &Namespace, folder: &Path, load: &Load) -> Result<Sipp, Fault> {
        let ips = [Ipv4Addr::new(10, 98, 0, 250), Ipv4Addr::new(10, 98, 0, 251)];
        let (callers, callees) = load.numbers.split_at(load.numbers.len() / 2);
        for (name, text) in SCENARIOS {
            std::fs::write(folder.join(format!("{name}.xml")), text).map_err(Fault::system("a scenario"))?;
        }
        for (who, (ip, (own, others))) in ["callers", "callees"]
            .iter()
            .zip(ips.into_iter().zip([(callers, callees), (callees, callers)]))
        {
            namespace.address("lo", ip)?;
            let mut users = "SEQUENTIAL\n".to_owned();
            for (number, other) in own.iter().zip(others) {
                // A string grows.
                let _ = writeln!(
                    users,
                    "{number};[authentication username={number} password=secret-{number}];{other}"
                );
            }
            std::fs::write(folder.join(format!("{who}.csv")), users).map_err(Fault::system("users"))?;
            let count = u32::try_from(own.len()).unwrap_or(u32::MAX);
            let run = Run {
                scenario: "register",
                users: who,
                ip,
                calls: count,
                per_second: count,
                talk: Duration::ZERO,
            };
            let mut child = run.start(namespace, folder)?;
            let done = clock::try_for(SPARE, || child.try_wait().ok().flatten());
            if !done.is_some_and(|status| status.success()) {
                super::daemon::stop(&mut child);
                return Err(Fault::Late("SIPp does not register".to_owned()));
            }
        }
        let [caller_ip, callee_ip] = ips;
        let run = |scenario, users, ip| Run {
            scenario,
            users,
            ip,
            calls: load.calls,
            per_second: load.per_second,
            talk: load.talk,
        };
        let callees = run("callee", "callees", callee_ip).start(namespace, folder)?;
        let callers = run("caller", "callers", caller_ip).start(namespace, folder)?;
        Ok(Sipp {
            callers,
            callees,
            statistics: folder.join("caller.statistics"),
            errors: folder.join("caller.errors"),
            within: Duration::from_secs(u64::from(load.calls / load.per_second.max(1))) + load.talk + SPARE,
        })
    }

    /// Whether all calls are over.
    pub fn is_over(&mut self) -> bool {
        matches!(self.callers.try_wait(), Ok(Some(_)) | Err(_))
    }

    /// How long all calls may take.
    #[must_use]
    pub fn within(&self) -> Duration {
        self.within
    }

    /// What the callers say of failures, from the beginning; empty when nothing failed.
    #[must_use]
    pub fn errors(&self) -> String {
        const CHARS: usize = 800;
        let text = std::fs::read(&self.errors).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let shown: String = text.chars().take(CHARS).collect();
        if shown.is_empty() { shown } else { format!(": {shown}") }
    }

    /// What the callers counted.
    #[must_use]
    pub fn counted(&self) -> Counted {
        let table = std::fs::read_to_string(&self.statistics).unwrap_or_default();
        let last = |title: &str| {
            let mut lines = table.lines();
            let column = lines.next()?.split(';').position(|word| word == title)?;
            lines.last()?.split(';').nth(column)?.parse().ok()
        };
        Counted {
            successful: last("SuccessfulCall(C)").unwrap_or(0),
            failed: last("FailedCall(C)").unwrap_or(0),
        }
    }
}

impl Drop for Sipp {
    fn drop(&mut self) {
        super::daemon::stop(&mut self.callers);
        super::daemon::stop(&mut self.callees);
    }
}

/// One run of the program.
struct Run<'a> {
    scenario: &'a str,
    users: &'a str,
    ip: Ipv4Addr,
    calls: u32,
    per_second: u32,
    talk: Duration,
}

impl Run<'_> {
    fn start(&self, namespace: &Namespace, folder: &Path) -> Result<Child, Fault> {
        let (ip, calls) = (self.ip.to_string(), self.calls.to_string());
        let mut command = namespace.command("sipp");
        command.current_dir(folder);
        command.args(["-sf", &format!("{}.xml", self.scenario)]);
        command.args(["-inf", &format!("{}.csv", self.users)]);
        command.args(["-i", &ip, "-mi", &ip, "-p", "5060"]);
        command.args(["-m", &calls, "-l", &calls, "-r", &self.per_second.to_string()]);
        command.args(["-d", &self.talk.as_millis().to_string(), "-nostdin"]);
        command.args(["-trace_stat", "-fd", "1"]);
        command.args(["-stf", &format!("{}.statistics", self.scenario)]);
        command.args(["-trace_err", "-error_file", &format!("{}.errors", self.scenario)]);
        command.arg(sip(BOX_INSIDE).to_string());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().map_err(Fault::system("sipp"))
    }
}

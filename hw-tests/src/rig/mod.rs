//! Two namespaces, the line between them, and the programs in each.

mod daemon;
mod lan;
mod line;
pub(crate) mod namespace;
mod office;
mod real;
mod sipp;
mod sound;
mod upstream;

use std::net::{Ipv4Addr, SocketAddr};

pub use daemon::Daemon;
pub use lan::Lan;
pub use line::{Line, Quality};
pub use office::{Account, Office, Telephone};
pub use real::{BARESIPS, PJSIPS, RealPhones, tone_hz};
pub use sipp::{Counted, Load, Sipp};
pub use upstream::{Media, Upstream};

use crate::Fault;
use namespace::Namespace;

/// Everything a drill needs, taken down when it goes.
pub struct Rig {
    /// The branch.
    pub office: Office,
    /// The box.
    pub daemon: Daemon,
    /// The hosted PBX.
    pub upstream: Upstream,
    /// What lies between.
    pub line: Line,
    // Dropped after the programs in them.
    branch: Namespace,
    _elsewhere: Namespace,
    folder: tempfile::TempDir,
}

/// How a rig is set up.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Telephones, from extension 201 on.
    pub telephones: u8,
    /// Extensions after those, for other programs.
    pub further: u8,
    /// Whether the hosted PBX holds the sound of calls.
    pub media: Media,
    /// `settle_s` of the box.
    pub settle_s: u32,
    /// `registers_per_second` of the box.
    pub registers_per_second: u32,
}

impl Plan {
    /// Two telephones and a hosted PBX that passes their sound on.
    pub const TWO: Plan = Plan {
        telephones: 2,
        further: 0,
        media: Media::Passed,
        settle_s: 1,
        registers_per_second: 100,
    };
}

/// The box's end of the line.
pub const BOX_OUTSIDE: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 1);
/// The hosted PBX's end of the line.
pub const HOSTED: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 2);
/// The box on the branch's network; telephone n is at .(10 + n).
pub const BOX_INSIDE: Ipv4Addr = Ipv4Addr::new(10, 98, 0, 1);

/// Where a program listens for SIP.
#[must_use]
pub fn sip(ip: Ipv4Addr) -> SocketAddr {
    (ip, 5060).into()
}

/// Why no rig can stand here: a line for a person; `None` where it can.
#[must_use]
pub fn obstacle() -> Option<String> {
    if !nix::unistd::geteuid().is_root() {
        return Some("network namespaces want root".to_owned());
    }
    if let Some(missing) = ["ip", "kamailio", "sipp", "baresip"]
        .into_iter()
        .find(|program| !is_installed(program))
    {
        return Some(format!("{missing} is not installed"));
    }
    if branchline_phones::pjsua::python().is_none() {
        return Some("PJSIP is not installed: make setup-drill".to_owned());
    }
    let probe = Namespace::new("probe").and_then(|namespace| namespace.tun("probe0", BOX_OUTSIDE));
    probe.err().map(|fault| fault.to_string())
}

/// A program is in the path.
#[must_use]
pub fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .any(|folder| folder.join(program).exists())
}

impl Rig {
    /// Stands everything up and waits until all telephones and all lines are registered.
    ///
    /// # Errors
    /// What the system refused, or what did not come up in time.
    pub fn new(plan: Plan) -> Result<Rig, Fault> {
        let folder = tempfile::tempdir().map_err(Fault::system("a folder"))?;
        let branch = Namespace::new("branch")?;
        let elsewhere = Namespace::new("elsewhere")?;
        let line = Line::new(branch.tun("line0", BOX_OUTSIDE)?, elsewhere.tun("line0", HOSTED)?);
        let numbers: Vec<String> = (0..plan.telephones + plan.further)
            .map(|at| format!("{}", 201 + u16::from(at)))
            .collect();
        branch.address("lo", BOX_INSIDE)?;
        for at in 0..plan.telephones {
            branch.address("lo", Ipv4Addr::new(10, 98, 0, 11 + at))?;
        }
        let upstream = Upstream::start(&elsewhere, folder.path(), (&numbers, plan.media))?;
        let daemon = Daemon::start(&branch, folder.path(), &configuration_text(&numbers, plan))?;
        let seats = &numbers[..usize::from(plan.telephones)];
        let accounts: Vec<Account> = seats.iter().map(|number| Account::of(number)).collect();
        let mut office = Office::new(&branch, &accounts)?;
        office.register_all()?;
        let rig = Rig {
            office,
            daemon,
            upstream,
            line,
            branch,
            _elsewhere: elsewhere,
            folder,
        };
        Ok(rig)
    }

    /// Telephones of other makers at the further extensions.
    ///
    /// # Errors
    /// One does not start or register.
    pub fn real_phones(&self) -> Result<RealPhones, Fault> {
        RealPhones::start(&self.branch, self.folder.path())
    }

    /// Calls by SIPp between the further extensions.
    ///
    /// # Errors
    /// SIPp is missing or does not register.
    pub fn sipp(&self, load: &Load) -> Result<Sipp, Fault> {
        Sipp::start(&self.branch, self.folder.path(), load)
    }
}

fn configuration_text(numbers: &[String], plan: Plan) -> String {
    let mut text = format!(
        "[site]\ncountry = \"US\"\narea_code = \"212\"\n[sip]\nlisten = [\"udp:{BOX_INSIDE}:5060\", \"udp:{BOX_OUTSIDE}:5060\"]\nmax_calls_per_second = 50\nring_s = 120\n\
         [page]\nlisten = \"{BOX_INSIDE}:8080\"\n[hosted]\nhost = \"{HOSTED}\"\nport = 5060\nprobe_s = 1\nsettle_s = {}\n\
         registers_per_second = {}\n",
        plan.settle_s, plan.registers_per_second
    );
    for number in numbers {
        let line = upstream::line_password(number);
        let hosted = format!("hosted = {{ username = \"{number}\", password = \"{line}\" }}\n");
        text.push_str(&daemon::extension_text(number, &hosted));
    }
    text
}

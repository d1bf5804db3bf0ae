//! The programs under measurement, each with the same accounts.

mod branchline;
mod floor;
mod kamailio;
mod rtpengine;

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(crate) use branchline::{Bounds, Branchline};
pub(crate) use floor::Floor;
pub(crate) use kamailio::Kamailio;
pub(crate) use rtpengine::Rtpengine;

use crate::accounts::User;
use crate::load::wire::Wire;
use crate::program::Program;
use crate::{Done, clock};

/// Port of SIP on every server.
pub(crate) const SIP_PORT: u16 = 5060;
const READY_WITHIN: Duration = Duration::from_secs(20);

/// Where a server lives.
#[derive(Clone)]
pub(crate) struct Site {
    pub(crate) ip: Ipv4Addr,
    /// Where the load asks from whether it is ready.
    pub(crate) asking_ip: Ipv4Addr,
    /// For its configuration, state and log; made anew.
    pub(crate) folder: PathBuf,
    pub(crate) users: Vec<User>,
}

impl Site {
    pub(crate) fn address(&self) -> SocketAddr {
        (self.ip, SIP_PORT).into()
    }

    fn prepare(&self) -> Done<()> {
        if self.folder.exists() {
            fs::remove_dir_all(&self.folder)?;
        }
        fs::create_dir_all(&self.folder)?;
        Ok(())
    }
}

/// A SIP server, whatever it consists of.
pub(crate) trait Server {
    fn name(&self) -> &'static str;
    fn address(&self) -> SocketAddr;
    fn programs(&self) -> Vec<&Program>;
    fn programs_mut(&mut self) -> Vec<&mut Program>;

    /// CPU time of all its programs so far, in nanoseconds.
    fn cpu_ns(&self) -> Done<u64> {
        self.programs().into_iter().map(Program::cpu_ns).sum()
    }

    /// Memory of all its programs, in bytes.
    fn memory_bytes(&self) -> Done<u64> {
        self.programs().into_iter().map(Program::memory_bytes).sum()
    }

    /// Fails with a log when one of its programs has ended.
    fn check(&mut self) -> Done<()> {
        self.programs_mut().into_iter().try_for_each(Program::check)
    }
}

fn wait_until_answering(program: &mut Program, site: &Site) -> Done<()> {
    let mut wire = Wire::open(&[site.asking_ip], 0, site.address())?;
    let own = wire.address(0);
    let mut cseq = 0;
    let answered = clock::try_for(READY_WITHIN, || {
        if let Err(error) = program.check() {
            return Some(Err(error));
        }
        cseq += 1;
        let options = format!(
            "OPTIONS sip:{} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bKready{cseq};rport\r\nMax-Forwards: 70\r\n\
             From: <sip:bench@{own}>;tag=ready\r\nTo: <sip:{}>\r\nCall-ID: ready{cseq}\r\nCSeq: {cseq} OPTIONS\r\n\
             Content-Length: 0\r\n\r\n",
            wire.server, wire.server
        );
        wire.send(0, options.as_bytes());
        match wire.receive(Duration::from_millis(200)) {
            Ok(arrived) if arrived.is_empty() => None,
            Ok(_) => Some(Ok(())),
            Err(error) => Some(Err(error)),
        }
    });
    answered.unwrap_or_else(|| Err(format!("no answer to OPTIONS; log:\n{}", program.log_tail()).into()))
}

/// A program that was built together with this one.
fn built(name: &str) -> Done<PathBuf> {
    let own = std::env::current_exe()?;
    let path = own.parent().unwrap_or(Path::new(".")).join(name);
    match path.exists() {
        true => Ok(path),
        false => Err(format!("{} is not built; `make bench` builds it", path.display()).into()),
    }
}

/// First line of what a program says of itself.
pub(crate) fn version(command: &str, argument: &str) -> String {
    let path = built(command).unwrap_or_else(|_| command.into());
    let output = std::process::Command::new(path).arg(argument).output();
    let text = output
        .map(|output| [output.stdout, output.stderr].concat())
        .unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    text.lines().next().unwrap_or("not installed").trim().to_owned()
}

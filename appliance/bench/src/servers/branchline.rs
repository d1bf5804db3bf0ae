//! Branchline itself: the daemon as it is shipped, journal and records included.

use std::fmt::Write;
use std::fs;
use std::net::SocketAddr;
use std::process::Command;

use branchline_sip::digest::Ha1;

use super::{Server, Site, built, wait_until_answering};
use crate::Done;
use crate::accounts::REALM;
use crate::program::Program;

/// How much the box takes on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bounds {
    /// As far as the load goes.
    Wide,
    /// The defaults, except that the load's addresses are not banned.
    Shipped,
}

/// A running box.
pub(crate) struct Branchline {
    program: Program,
    address: SocketAddr,
}

impl Branchline {
    pub(crate) fn start(site: &Site, bounds: Bounds) -> Done<Branchline> {
        site.prepare()?;
        let (file, state) = (site.folder.join("branchline.toml"), site.folder.join("state"));
        fs::write(&file, configuration(site, bounds))?;
        let mut command = Command::new(built("branchline")?);
        command.arg("run").arg("--config").arg(&file).arg("--state").arg(&state);
        // As in branchline.service.
        command.env("MALLOC_ARENA_MAX", "1");
        let mut program = Program::start("branchline", &mut command, &site.folder.join("log"))?;
        wait_until_answering(&mut program, site)?;
        Ok(Branchline {
            program,
            address: site.address(),
        })
    }
}

impl Server for Branchline {
    fn name(&self) -> &'static str {
        "Branchline"
    }

    fn address(&self) -> SocketAddr {
        self.address
    }

    fn programs(&self) -> Vec<&Program> {
        vec![&self.program]
    }

    fn programs_mut(&mut self) -> Vec<&mut Program> {
        vec![&mut self.program]
    }
}

fn configuration(site: &Site, bounds: Bounds) -> String {
    let ip = site.ip;
    let wide = match bounds {
        Bounds::Wide => {
            "max_registrations = 20000\nmax_calls = 2000\nmax_calls_per_second = 2000\nmax_registers_per_second = 20000\n"
        }
        Bounds::Shipped => "",
    };
    let mut text = format!(
        "[site]\ncountry = \"DE\"\nrealm = \"{REALM}\"\n\n[sip]\nlisten = [\"udp:{ip}:5060\"]\n{wide}\n\
         [sip.ban]\nnever = [\"127.0.0.0/8\"]\n\n\
         [media]\naddresses = [\"{ip}\"]\nport_min = 20000\nport_max = 29999\nworkers = 1\n\n\
         [page]\nlisten = \"{ip}:8080\"\n"
    );
    for user in &site.users {
        let ha1 = Ha1::of(&user.name, REALM, &user.password).md5;
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "\n[[extension]]\nnumber = \"{}\"\nmax_calls = 100\nha1_md5 = \"",
            user.name
        );
        ha1.iter().for_each(|byte| {
            let _ = write!(text, "{byte:02x}");
        });
        text.push_str("\"\n");
    }
    text
}

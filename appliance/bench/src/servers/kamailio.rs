//! Kamailio with its registrar in memory, and with rtpengine for the calls.

use std::fmt::Write;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use super::{Rtpengine, Server, Site, wait_until_answering};
use crate::Done;
use crate::accounts::REALM;
use crate::program::Program;

/// A running Kamailio, and the rtpengine it steers.
pub(crate) struct Kamailio {
    kamailio: Program,
    rtpengine: Rtpengine,
    address: SocketAddr,
}

impl Kamailio {
    pub(crate) fn start(site: &Site) -> Done<Kamailio> {
        site.prepare()?;
        let rtpengine = Rtpengine::start(site)?;
        let file = site.folder.join("kamailio.cfg");
        fs::write(&file, configuration(site)?)?;
        let mut command = Command::new("kamailio");
        // -DD: the parent stays in the foreground, and SIGTERM to it ends its workers.
        command.args(["-DD", "-E", "-m", "256", "-M", "16", "-f"]).arg(&file);
        command.arg("-Y").arg(&site.folder).arg("-w").arg(&site.folder);
        command.arg("-P").arg(site.folder.join("pid"));
        let mut kamailio = Program::start("kamailio", &mut command, &site.folder.join("log"))?;
        wait_until_answering(&mut kamailio, site)?;
        Ok(Kamailio {
            kamailio,
            rtpengine,
            address: site.address(),
        })
    }

    /// CPU time of the relay alone.
    pub(crate) fn relay_cpu_ns(&self) -> Done<u64> {
        self.rtpengine.program.cpu_ns()
    }
}

impl Server for Kamailio {
    fn name(&self) -> &'static str {
        "Kamailio + rtpengine"
    }

    fn address(&self) -> SocketAddr {
        self.address
    }

    fn programs(&self) -> Vec<&Program> {
        vec![&self.kamailio, &self.rtpengine.program]
    }

    fn programs_mut(&mut self) -> Vec<&mut Program> {
        vec![&mut self.kamailio, &mut self.rtpengine.program]
    }
}

fn configuration(site: &Site) -> Done<String> {
    let modules = MODULE_FOLDERS.iter().find(|folder| Path::new(folder).exists());
    let modules = modules.ok_or("no modules of kamailio are installed; `make bench` installs them")?;
    Ok(include_str!("kamailio.cfg")
        .replace("@IP@", &site.ip.to_string())
        .replace("@MODULES@", modules)
        .replace("@REALM@", REALM)
        .replace("@TABLES@", &tables(site)?))
}

/// Writes the accounts as tables of db_text; Kamailio reads them into memory when it starts.
fn tables(site: &Site) -> Done<String> {
    let folder = site.folder.join("tables");
    fs::create_dir_all(&folder)?;
    fs::write(
        folder.join("version"),
        "table_name(string) table_version(int)\nusers:2\n",
    )?;
    let mut users =
        String::from("id(int,auto) key_name(string) key_type(int) value_type(int) key_value(string) expires(int)\n");
    for (id, user) in site.users.iter().enumerate() {
        // Writing to a String cannot fail.
        let _ = writeln!(users, "{id}:{}:0:0:{}:0", user.name, user.password);
    }
    fs::write(folder.join("users"), users)?;
    Ok(folder.display().to_string())
}

const MODULE_FOLDERS: [&str; 3] = [
    "/usr/lib/x86_64-linux-gnu/kamailio/modules",
    "/usr/lib/aarch64-linux-gnu/kamailio/modules",
    "/usr/lib/kamailio/modules",
];

//! A box with a switch of its own: a bridge with two ports, and a PJSIP telephone behind each, in a namespace of its own.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use branchline_phones::{Phone, Pjsua, Transport};
use serde_json::Value;

use super::namespace::Namespace;
use super::{BOX_INSIDE, Daemon, sip};
use crate::{Fault, clock};

/// The switched branch, taken down when it goes.
pub struct Lan {
    daemon: Daemon,
    /// Telephones, from extension 201 on, port n at telephone n.
    pub phones: Vec<Pjsua>,
    branch: Namespace,
    desks: Vec<Namespace>,
    _folder: tempfile::TempDir,
}

const PORTS: [&str; 2] = ["lan1", "lan2"];
const BRIDGE: &str = "br0";

impl Lan {
    /// Stands everything up; both telephones are registered.
    ///
    /// # Errors
    /// What the system refused, or what did not come up in time.
    pub fn new() -> Result<Lan, Fault> {
        let folder = tempfile::tempdir().map_err(Fault::system("a folder"))?;
        let branch = Namespace::new("switch")?;
        branch.ip(&["link", "add", BRIDGE, "type", "bridge"])?;
        branch.address(BRIDGE, BOX_INSIDE)?;
        branch.ip(&["link", "set", BRIDGE, "up"])?;
        let mut desks = Vec::new();
        for (at, port) in (1..).zip(PORTS) {
            let desk = Namespace::new(&format!("desk{at}"))?;
            plug(&branch, (&desk, ip(at)), port)?;
            desks.push(desk);
        }
        let daemon = Daemon::start(&branch, folder.path(), &configuration_text())?;
        let mut phones = Vec::new();
        for (at, desk) in (1..).zip(&desks) {
            phones.push(start(desk, folder.path(), at)?);
        }
        Ok(Lan {
            daemon,
            phones,
            branch,
            desks,
            _folder: folder,
        })
    }

    /// Whoever moves the cable of telephone 1 to another port of the switch.
    ///
    /// # Errors
    /// The system refuses it.
    pub fn move_to(&mut self, port: &str) -> Result<(), Fault> {
        self.branch.ip(&["link", "delete", PORTS[0]])?;
        plug(&self.branch, (&self.desks[0], ip(1)), port)
    }

    /// Where `branchline emergency check` says that each extension is, once `is_there`; else the last it said.
    ///
    /// # Errors
    /// The command does not begin.
    pub fn places(&self, within: Duration, is_there: impl Fn(&[String]) -> bool) -> Result<Vec<String>, Fault> {
        let end = clock::now() + within;
        loop {
            let program = self.daemon.command(&["emergency", "check", "--json"])?;
            let output = program
                .wait_with_output()
                .map_err(Fault::system("branchline emergency check"))?;
            let outlook: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
            let phones = outlook["phones"].as_array().cloned().unwrap_or_default();
            let place = |phone: &Value| phone["place"].as_str().unwrap_or_default().to_owned();
            let places: Vec<String> = phones.iter().map(place).collect();
            if is_there(&places) || clock::now() >= end {
                return Ok(places);
            }
            clock::pause(Duration::from_millis(200));
        }
    }
}

fn start(desk: &Namespace, folder: &Path, at: u8) -> Result<Pjsua, Fault> {
    let number = number(at);
    let folder = folder.join(&number);
    std::fs::create_dir_all(&folder).map_err(Fault::system("a telephone's folder"))?;
    desk.inside(move || {
        Pjsua::start_registered(&Phone {
            folder,
            ip: ip(at).into(),
            extension: &number,
            password: &format!("secret-{number}"),
            registrar: sip(BOX_INSIDE),
            transport: Transport::Udp,
            own: None,
            drops_percent: 0,
            tone_hz: 400,
        })
    })
}

fn number(at: u8) -> String {
    format!("{}", 200 + u16::from(at))
}

/// A cable from a desk, with its address, to a port of the switch.
fn plug(branch: &Namespace, (desk, address): (&Namespace, Ipv4Addr), port: &str) -> Result<(), Fault> {
    branch.ip(&[
        "link",
        "add",
        port,
        "type",
        "veth",
        "peer",
        "name",
        "eth0",
        "netns",
        desk.name(),
    ])?;
    branch.ip(&["link", "set", port, "master", BRIDGE])?;
    branch.ip(&["link", "set", port, "up"])?;
    desk.address("eth0", address)?;
    desk.ip(&["link", "set", "eth0", "up"])
}

fn ip(at: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 98, 0, 10 + at)
}

fn configuration_text() -> String {
    let mut text = format!(
        "[site]\ncountry = \"US\"\n[sip]\nlisten = [\"udp:{BOX_INSIDE}:5060\"]\n[page]\nlisten = \"{BOX_INSIDE}:8080\"\n"
    );
    for (id, port) in [("one", PORTS[0]), ("two", PORTS[1]), ("three", "lan3")] {
        text.push_str(&format!(
            "[[location]]\nid = \"{id}\"\nports = [\"{port}\"]\ncivic = {{ A1 = \"NY\", A3 = \"New York\", LOC = \"{id}\" }}\n"
        ));
    }
    for at in 1..=2 {
        text.push_str(&super::daemon::extension_text(&number(at), ""));
    }
    text
}

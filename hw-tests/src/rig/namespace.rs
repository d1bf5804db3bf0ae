//! A network namespace of this drill's own.

use std::fs::File;
use std::net::Ipv4Addr;
use std::process::Command;

use nix::sched::{CloneFlags, setns};
use tun_rs::{DeviceBuilder, SyncDevice};

use crate::Fault;

pub(crate) struct Namespace {
    name: String,
}

impl Namespace {
    pub(crate) fn new(what: &str) -> Result<Namespace, Fault> {
        let namespace = Namespace {
            name: format!("branchline-{what}-{}", std::process::id()),
        };
        ip(&["netns", "add", &namespace.name])?;
        namespace.ip(&["link", "set", "lo", "up"])?;
        Ok(namespace)
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// A program in it.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]).arg(program);
        command
    }

    pub(crate) fn address(&self, device: &str, ip: Ipv4Addr) -> Result<(), Fault> {
        self.ip(&["address", "add", &format!("{ip}/24"), "dev", device])
    }

    /// A device in it whose packets this process carries.
    pub(crate) fn tun(&self, device: &str, ip: Ipv4Addr) -> Result<SyncDevice, Fault> {
        let name = device.to_owned();
        let tun = self.inside(move || DeviceBuilder::new().name(name).build_sync())?;
        let tun = tun.map_err(Fault::system("a TUN device"))?;
        self.address(device, ip)?;
        self.ip(&["link", "set", device, "up"])?;
        Ok(tun)
    }

    /// Takes a device of this machine in; it comes back when the namespace goes.
    pub(crate) fn take_in(&self, device: &str) -> Result<(), Fault> {
        ip(&["link", "set", device, "netns", &self.name])
    }

    /// Runs `make` in a thread that has moved into the namespace; what it opens stays there.
    pub(crate) fn inside<T: Send + 'static>(&self, make: impl FnOnce() -> T + Send + 'static) -> Result<T, Fault> {
        let path = format!("/run/netns/{}", self.name);
        let file = File::open(&path).map_err(Fault::system(&path))?;
        let thread = std::thread::spawn(move || setns(file, CloneFlags::CLONE_NEWNET).map(|()| make()));
        let made = thread
            .join()
            .map_err(|_| Fault::Late("a thread in a namespace fell over".to_owned()))?;
        made.map_err(|error| Fault::System {
            what: path,
            source: error.into(),
        })
    }

    pub(crate) fn ip(&self, arguments: &[&str]) -> Result<(), Fault> {
        let mut all = vec!["-n", &self.name];
        all.extend(arguments);
        ip(&all)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // Nothing is left to do about one that is gone already.
        let _ = ip(&["netns", "delete", &self.name]);
    }
}

fn ip(arguments: &[&str]) -> Result<(), Fault> {
    let what = format!("ip {}", arguments.join(" "));
    let output = Command::new("ip").args(arguments).output();
    let output = output.map_err(Fault::system(what.clone()))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Fault::System {
        what,
        source: std::io::Error::other(said),
    })
}

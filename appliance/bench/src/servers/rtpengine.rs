//! rtpengine without its kernel module: the relay in user space.

use std::process::Command;

use super::Site;
use crate::Done;
use crate::program::Program;

/// A running rtpengine.
pub(crate) struct Rtpengine {
    pub(super) program: Program,
}

impl Rtpengine {
    pub(super) fn start(site: &Site) -> Done<Rtpengine> {
        let ip = site.ip;
        let mut command = Command::new("rtpengine");
        command
            .args([
                "--foreground",
                "--log-stderr",
                "--log-level=3",
                "--table=-1",
                "--num-threads=1",
            ])
            .args([
                "--port-min=20000",
                "--port-max=25999",
                "--delete-delay=0",
                "--timeout=600",
            ])
            .arg("--config-file=none")
            .arg(format!("--interface={ip}"))
            .arg(format!("--listen-ng={ip}:2223"))
            .arg(format!("--pidfile={}", site.folder.join("rtpengine.pid").display()));
        let program = Program::start("rtpengine", &mut command, &site.folder.join("rtpengine.log"))?;
        Ok(Rtpengine { program })
    }
}

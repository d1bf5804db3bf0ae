//! A daemon of this program with a state folder of its own.

use std::fs;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::place::Place;

const PAGE_PORT: u16 = 8080;

/// A running daemon; it is killed and its folder removed when this goes.
#[derive(Debug)]
pub(super) struct Daemon {
    child: Child,
    folder: PathBuf,
}

impl Daemon {
    pub(super) fn start(config: &str, server: SocketAddr) -> io::Result<Daemon> {
        let folder = std::env::temp_dir().join(format!("branchline-ladder-{}-{}", std::process::id(), server.ip()));
        let _ = fs::remove_dir_all(&folder);
        fs::DirBuilder::new().mode(0o700).create(&folder)?;
        let page = SocketAddr::new(server.ip(), PAGE_PORT);
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(folder.join("branchline.toml"))?;
        write!(file, "{config}[page]\nlisten = \"{page}\"\n")?;
        let child = spawn(&folder)?;
        Ok(Daemon { child, folder })
    }

    /// Killed as by `kill -9`, and started again.
    pub(super) fn restart(&mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        self.child = spawn(&self.folder)?;
        Ok(())
    }

    pub(super) fn place(&self) -> Place {
        Place::new(None, Some(self.folder.clone()))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Nothing is left to do about a child that is gone or a folder that stays.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn spawn(folder: &PathBuf) -> io::Result<Child> {
    Command::new(std::env::current_exe()?)
        .arg("--state")
        .arg(folder)
        .arg("run")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(fs::File::create(folder.join("log"))?)
        .spawn()
}

//! The call database broken from outside, for real.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Fault;
use crate::rig::Daemon;

/// What is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Another program holds its lock.
    Held,
    /// It is deleted with its side files.
    Removed,
    /// What lies in its place cannot be read.
    Unreadable,
    /// The disk under it and the journal has no room.
    Full,
}

impl Kind {
    /// A mixture; a full disk seldom, as the journal waits longer each time before it tries again.
    pub(crate) fn of(run: u32) -> Kind {
        match run % 10 {
            0 => Kind::Full,
            1 | 4 | 7 => Kind::Removed,
            2 | 5 | 8 => Kind::Unreadable,
            _ => Kind::Held,
        }
    }
}

/// A small disk in memory under the state directory of the box.
pub(crate) struct Disk {
    state: PathBuf,
    at: PathBuf,
}

/// The database as it is broken now.
pub(crate) struct Broken {
    kind: Kind,
    database: PathBuf,
    filler: PathBuf,
    holder: Option<rusqlite::Connection>,
}

impl Disk {
    /// Brings the state directory to a disk of its own; the box is started again on it.
    pub(crate) fn under(daemon: &mut Daemon) -> Result<Disk, Fault> {
        let disk = Disk {
            state: daemon.state().to_owned(),
            at: daemon.state().with_extension("disk"),
        };
        fs::create_dir_all(&disk.at).map_err(Fault::system("a folder for a disk"))?;
        run(
            "mount",
            &["-t", "tmpfs", "-o", "size=48m,mode=0700", "tmpfs"],
            &[&disk.at],
        )?;
        daemon.restart_after(|| {
            run("cp", &["-a"], &[&disk.state.join("."), &disk.at])?;
            run("mount", &["--bind"], &[&disk.at, &disk.state])
        })?;
        Ok(disk)
    }

    /// Takes all the room there is.
    fn fill(&self, filler: &Path) -> Result<(), Fault> {
        let mut file = File::create(filler).map_err(Fault::system("a file on the disk"))?;
        for bytes in [1 << 20, 1 << 10, 1] {
            while file.write_all(&vec![0x5a; bytes]).is_ok() {}
        }
        Ok(())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        for at in [&self.state, &self.at] {
            // Nobody is left to be told.
            let _ = run("umount", &["-l"], &[at]);
        }
    }
}

impl Broken {
    pub(crate) fn new(daemon: &Daemon, (disk, kind): (&Disk, Kind)) -> Result<Broken, Fault> {
        let mut broken = Broken {
            kind,
            database: daemon.state().join("calls.db"),
            filler: daemon.state().join("filler"),
            holder: None,
        };
        let failed = Fault::system("the call database");
        match kind {
            Kind::Held => broken.holder = Some(daemon.hold_database()?),
            Kind::Removed => {
                for side in ["", "-wal", "-shm"] {
                    // A side file is not always there.
                    let _ = fs::remove_file(broken.beside(side));
                }
            }
            Kind::Unreadable => fs::rename(&broken.database, broken.beside(".away"))
                .and_then(|()| fs::create_dir(&broken.database))
                .map_err(failed)?,
            Kind::Full => disk.fill(&broken.filler)?,
        }
        Ok(broken)
    }

    /// All is as before; a file that was deleted is the box's to restore.
    pub(crate) fn mend(self) -> Result<(), Fault> {
        let mended = match self.kind {
            Kind::Held => {
                drop(self.holder);
                Ok(())
            }
            Kind::Removed => Ok(()),
            Kind::Unreadable => {
                fs::remove_dir(&self.database).and_then(|()| fs::rename(self.beside(".away"), &self.database))
            }
            Kind::Full => fs::remove_file(&self.filler),
        };
        mended.map_err(Fault::system("the call database"))
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        let mut name = self.database.as_os_str().to_owned();
        name.push(suffix);
        name.into()
    }
}

fn run(program: &str, options: &[&str], paths: &[&Path]) -> Result<(), Fault> {
    let output = Command::new(program).args(options).args(paths).output();
    let output = output.map_err(Fault::system("a disk"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(Fault::Late(format!("{program}: {}", said.trim())))
}

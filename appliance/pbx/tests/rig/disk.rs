//! Small disks of the test's own, in memory.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A mounted disk; unmounted when dropped.
pub struct Disk {
    at: PathBuf,
}

impl Disk {
    /// Mounts a tmpfs over the directory `at`; `None` where that is not permitted.
    pub fn mount(at: &Path, options: &str) -> Option<Disk> {
        std::fs::create_dir_all(at).expect("the test's folder is writable");
        let mut mount = Command::new("mount");
        let mounted = mount.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(at).output();
        mounted
            .is_ok_and(|output| output.status.success())
            .then(|| Disk { at: at.to_owned() })
    }

    /// Takes all the room there is, in a file that gives it back when removed.
    pub fn fill(&self) -> PathBuf {
        let path = self.at.join("filler");
        let mut file = File::create(&path).expect("room for a name");
        for bytes in [1 << 16, 1 << 10, 1] {
            while file.write_all(&vec![0x5a; bytes]).is_ok() {}
        }
        path
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let done = Command::new("umount").arg("-l").arg(&self.at).status();
        if !done.is_ok_and(|status| status.success()) {
            eprintln!("{} stays mounted", self.at.display());
        }
    }
}

//! Small disks of the test's own: in memory, or in a file with a file system that really breaks.

use std::cell::RefCell;
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

/// An ext4 file system in a file, which turns read-only by itself when it meets an error.
pub struct Card {
    image: RefCell<PathBuf>,
    at: PathBuf,
}

const CARD_BYTES: u64 = 32 << 20;

impl Card {
    /// Makes it and mounts it over the directory `at`; `None` where that is not permitted, or ext4 is missing.
    pub fn insert(image: &Path, at: &Path) -> Option<Card> {
        std::fs::create_dir_all(at).expect("the test's folder is writable");
        let file = File::create(image).expect("the test's folder is writable");
        file.set_len(CARD_BYTES).expect("a hole takes no room");
        let card = Card {
            image: RefCell::new(image.to_owned()),
            at: at.to_owned(),
        };
        let made = succeeds("mkfs.ext4", &["-q", "-F", &card.image_text()]);
        (made && card.mount()).then_some(card)
    }

    /// The kernel meets an error on it and lets nobody write any more; `false` where it cannot be told to.
    pub fn turn_read_only(&self) -> bool {
        let device = output("findmnt", &["-n", "-o", "SOURCE", &self.at_text()]);
        let name = device.trim().trim_start_matches("/dev/");
        let trigger = format!("/sys/fs/ext4/{name}/trigger_fs_error");
        std::fs::write(trigger, "a test").is_ok()
    }

    /// Every write waits.
    pub fn freeze(&self) {
        assert!(succeeds("fsfreeze", &["-f", &self.at_text()]), "it is mounted");
    }

    /// Writes go on.
    pub fn thaw(&self) {
        assert!(succeeds("fsfreeze", &["-u", &self.at_text()]), "it was frozen");
    }

    /// What is behind it is gone, and `under`, which its file lies on, has no room for more: input/output errors.
    pub fn lose_blocks(&self, under: &Disk) {
        let bytes = CARD_BYTES.to_string();
        let hole = ["--punch-hole", "--offset", "0", "--length", &bytes, &self.image_text()];
        assert!(succeeds("fallocate", &hole), "a file with holes");
        under.fill();
    }

    /// Another card with what the old one still holds, and a new file system where that is nothing.
    pub fn mend(&self) {
        succeeds("umount", &["-l", &self.at_text()]);
        // As long as a program has a file open on it, the kernel mounts nothing but the old one from the same image.
        let mut image = self.at.with_extension("card");
        while image.exists() {
            image.as_mut_os_string().push("+");
        }
        std::fs::copy(self.image_text(), &image).expect("there is room");
        let image = image.display().to_string();
        // The first run says that it has repaired something.
        let is_sound = || succeeds("e2fsck", &["-fy", &image]);
        if !is_sound() && !is_sound() {
            assert!(succeeds("mkfs.ext4", &["-q", "-F", &image]), "a new file system");
        }
        self.image.replace(PathBuf::from(image));
        assert!(self.mount(), "it was mounted before");
    }

    fn mount(&self) -> bool {
        let options = "loop,errors=remount-ro";
        succeeds("mount", &["-o", options, &self.image_text(), &self.at_text()])
    }

    fn image_text(&self) -> String {
        self.image.borrow().display().to_string()
    }

    fn at_text(&self) -> String {
        self.at.display().to_string()
    }
}

impl Drop for Card {
    fn drop(&mut self) {
        succeeds("fsfreeze", &["-u", &self.at_text()]);
        if !succeeds("umount", &["-l", &self.at_text()]) {
            eprintln!("{} stays mounted", self.at.display());
        }
    }
}

fn succeeds(program: &str, arguments: &[&str]) -> bool {
    let output = Command::new(program).args(arguments).output();
    output.is_ok_and(|output| output.status.success())
}

fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output.map_or(String::new(), |output| {
        String::from_utf8_lossy(&output.stdout).into_owned()
    })
}

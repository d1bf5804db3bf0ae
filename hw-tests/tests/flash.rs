//! `image/flash` on a disk in software, where that is permitted.

#![allow(clippy::print_stderr, reason = "says what was skipped, and why")]

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const IMAGE_BYTES: usize = (9 << 20) + 512;

/// A disk that a file stands for.
struct Disk {
    device: String,
    file: PathBuf,
}

impl Disk {
    fn new(folder: &Path, bytes: u64) -> Option<Disk> {
        let file = folder.join(format!("disk-{bytes}"));
        File::create(&file).ok()?.set_len(bytes).ok()?;
        let output = Command::new("losetup")
            .args(["--find", "--show"])
            .arg(&file)
            .output()
            .ok()?;
        let device = String::from_utf8(output.stdout).ok()?.trim().to_owned();
        output.status.success().then_some(Disk { device, file })
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("losetup").args(["--detach", &self.device]).status();
    }
}

fn flash(device: &str, image: &Path) -> Output {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../image/flash");
    let mut command = Command::new(script);
    command.arg(device).arg(image).env("YES", "1");
    command.output().expect("image/flash runs")
}

fn contents(path: &Path, bytes: usize) -> Vec<u8> {
    let mut read = vec![0; bytes];
    File::open(path)
        .and_then(|mut file| file.read_exact(&mut read))
        .expect("a file of this length");
    read
}

#[test]
fn an_image_is_written_and_read_back_and_no_disk_in_use_is_touched() {
    let folder = tempfile::tempdir().unwrap();
    let bytes: Vec<u8> = (0..IMAGE_BYTES).map(|at| (at % 251) as u8).collect();
    let image = folder.path().join("image");
    File::create(&image)
        .and_then(|mut file| file.write_all(&bytes))
        .unwrap();
    let Some(disk) = Disk::new(folder.path(), 12 << 20) else {
        eprintln!("skipped: no loop device");
        return;
    };

    let done = flash(&disk.device, &image);
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(
        done.status.success() && said.contains("passed:") && said.contains("100 %"),
        "{done:?}"
    );
    assert!(contents(&disk.file, IMAGE_BYTES) == bytes);

    let small = Disk::new(folder.path(), 8 << 20).expect("a second loop device");
    let file = disk.file.display().to_string();
    let mut cases = vec![(small.device.clone(), "holds 8 MB"), (file, "is no disk")];
    let works = |command: &mut Command| command.output().is_ok_and(|output| output.status.success());
    let mounted = Disk::new(folder.path(), 20 << 20).expect("a third loop device");
    let point = folder.path().join("mounted");
    std::fs::create_dir(&point).unwrap();
    let is_mounted = works(Command::new("mkfs.ext4").arg(&mounted.device))
        && works(Command::new("mount").arg(&mounted.device).arg(&point));
    if is_mounted {
        cases.push((mounted.device.clone(), "is in use: "));
    }
    let refusals: Vec<_> = cases
        .iter()
        .map(|(device, why)| (flash(device, &image), *why))
        .collect();
    if is_mounted {
        works(Command::new("umount").arg(&point));
    }
    for (refused, why) in refusals {
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && said.contains(why), "{why}: {said}");
    }
}

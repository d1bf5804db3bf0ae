//! A board in QEMU.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::bus::{Bus, Pins};
use super::console::Console;
use super::disk;
use super::file::QemuFile;
use super::machine::{Done, Machine};
use super::wire::{Plug, Wire};
use crate::{Fault, clock};

pub(super) struct Qemu {
    file: QemuFile,
    image: PathBuf,
    folder: PathBuf,
    disk: PathBuf,
    running: Option<Child>,
}

const WIRE: &str = "lan0";

impl Qemu {
    pub(super) fn new(file: QemuFile, image: &Path, folder: &Path) -> Result<Qemu, Fault> {
        let mut qemu = Qemu {
            file,
            image: image.to_owned(),
            folder: folder.to_owned(),
            disk: folder.join("disk.img"),
            running: None,
        };
        qemu.renew_disk()?;
        Ok(qemu)
    }

    /// QEMU with this board's processor and memory.
    fn command(&self, wire: &Wire) -> Command {
        let mut command = wire.namespace.command("qemu-system-aarch64");
        command.args(["-M", &self.file.machine, "-cpu", &self.file.processor]);
        command.args([
            "-smp",
            &self.file.cores.to_string(),
            "-m",
            &self.file.memory_mb.to_string(),
        ]);
        command.args([
            "-accel",
            "tcg,thread=multi",
            "-display",
            "none",
            "-monitor",
            "none",
            "-serial",
            "stdio",
        ]);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        command
    }

    /// Its kernel and initramfs as files.
    fn boot_files(&self) -> Result<[PathBuf; 2], Fault> {
        let from = format!("{}@@{}", self.disk.display(), disk::first_byte(&self.disk, "boot-a")?);
        let files = ["Image", "initrd"].map(|name| self.folder.join(name));
        let mut command = Command::new("mcopy");
        command
            .args(["-n", "-i", &from, "::Image", "::initrd"])
            .arg(&self.folder);
        if command.status().map_err(Fault::system("mcopy"))?.success() {
            return Ok(files);
        }
        Err(Fault::Late("the disk has no kernel".to_owned()))
    }

    fn socket(&self, name: &str) -> String {
        format!("unix:{},server=on,wait=off", self.folder.join(name).display())
    }
}

impl Machine for Qemu {
    fn plug(&self) -> Plug<'_> {
        Plug::Tap(WIRE)
    }

    fn switch_on(&mut self, wire: &Wire) -> Result<Console, Fault> {
        let mut command = self.command(wire);
        command
            .args(["-action", "watchdog=reset", "-bios"])
            .arg(&self.file.firmware);
        let disk = format!("file={},format=raw,if=none,id=disk", self.disk.display());
        command.args(["-drive", &disk, "-device", "virtio-blk-pci,drive=disk"]);
        let net = format!("tap,id=lan,ifname={WIRE},script=no,downscript=no");
        command.args([
            "-netdev",
            &net,
            "-device",
            "virtio-net-pci,netdev=lan,romfile=,mac=52:54:00:b0:c8:01",
        ]);
        command.args(["-qmp", &self.socket("qmp.sock"), "-qtest", &self.socket("qtest.sock")]);
        command.args(["-qtest-log", "/dev/null"]);
        for device in &self.file.devices {
            command.args(["-device", device]);
        }
        let mut child = command.spawn().map_err(Fault::system("QEMU"))?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        self.running = Some(child);
        let (Some(input), Some(output)) = (input, output) else {
            return Err(Fault::Late("QEMU has no serial line".to_owned()));
        };
        Ok(Console::new(output, input))
    }

    fn switch_off(&mut self) -> Result<(), Fault> {
        if let Some(mut child) = self.running.take() {
            let _ = child.kill();
            child.wait().map_err(Fault::system("QEMU"))?;
        }
        for name in ["qmp.sock", "qtest.sock"] {
            let _ = std::fs::remove_file(self.folder.join(name));
        }
        Ok(())
    }

    fn renew_disk(&mut self) -> Result<Done, Fault> {
        let mut command = Command::new("cp");
        command.arg("--sparse=always").arg(&self.image).arg(&self.disk);
        if command.status().map_err(Fault::system("cp"))?.success() {
            return Ok(Done::Done);
        }
        Err(Fault::Late(format!("{} cannot be copied", self.image.display())))
    }

    fn disk(&self) -> Option<&Path> {
        Some(&self.disk)
    }

    fn hang(&mut self) -> Result<Done, Fault> {
        let Some([address, bytes]) = self.file.kernel else {
            return Ok(Done::NotHere);
        };
        let mut bus = Bus::open(&self.folder.join("qtest.sock"))?;
        bus.order(&format!("memset {address:#x} {bytes:#x} 0x00"))?;
        Ok(Done::Done)
    }

    fn start_of_nothing(&mut self, wire: &Wire) -> Result<Option<Duration>, Fault> {
        let [kernel, initramfs] = self.boot_files()?;
        let mut command = self.command(wire);
        command.arg("-kernel").arg(kernel).arg("-initrd").arg(initramfs);
        command.args([
            "-nic",
            "none",
            "-append",
            "console=ttyAMA0 quiet rdinit=/bin/sh -- -c \"echo nothing to do; sleep 99\"",
        ]);
        let since = clock::now();
        let mut child = command.spawn().map_err(Fault::system("QEMU"))?;
        let said = child
            .stdout
            .take()
            .map(BufReader::new)
            .map(|said| said.lines().map_while(Result::ok));
        let started = said.and_then(|mut lines| lines.find(|line| line.contains("nothing to do")));
        let took = clock::now() - since;
        let _ = child.kill();
        child.wait().map_err(Fault::system("QEMU"))?;
        started
            .map(|_| Some(took))
            .ok_or_else(|| Fault::Late("a kernel with an empty init does not start".to_owned()))
    }

    fn pins(&mut self) -> Result<Option<Pins>, Fault> {
        let open = |file| Pins::open(&self.folder, file);
        self.file.pl061.clone().map(open).transpose()
    }
}

impl Drop for Qemu {
    fn drop(&mut self) {
        let _ = self.switch_off();
    }
}

//! QEMU's own sockets: orders to the machine (QMP), and its buses from outside (qtest).

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::file::Pl061File;
use crate::{Fault, clock};

const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// The machine as its builder sees it.
pub(super) struct Bus {
    socket: BufReader<UnixStream>,
}

/// The pins of a PL061 (ARM DDI 0190), up to eight.
pub struct Pins {
    bus: Bus,
    device: String,
    file: Pl061File,
}

impl Bus {
    pub(super) fn open(path: &Path) -> Result<Bus, Fault> {
        connect(path).map(|socket| Bus { socket })
    }

    /// One order; what is answered after OK.
    pub(super) fn order(&mut self, order: &str) -> Result<String, Fault> {
        let name = || format!("qtest {order}");
        let sent = self.socket.get_mut().write_all(format!("{order}\n").as_bytes());
        sent.map_err(Fault::system(name()))?;
        loop {
            let mut line = String::new();
            self.socket.read_line(&mut line).map_err(Fault::system(name()))?;
            match line.split_once(' ').map_or(line.trim(), |(first, _)| first) {
                "OK" => return Ok(line.trim().trim_start_matches("OK").trim().to_owned()),
                "IRQ" => {}
                _ => return Err(Fault::Late(format!("{}: {line}", name()))),
            }
        }
    }
}

impl Pins {
    pub(super) fn open(folder: &Path, file: Pl061File) -> Result<Pins, Fault> {
        let device = device_of_kind(&folder.join("qmp.sock"), "child<pl061>")?;
        Ok(Pins {
            bus: Bus::open(&folder.join("qtest.sock"))?,
            device,
            file,
        })
    }

    /// Drives an input of the board.
    ///
    /// # Errors
    /// The machine is off, or has no such pin.
    pub fn drive(&mut self, name: &str, level: u8) -> Result<(), Fault> {
        let pin = self.pin(name)?;
        let order = format!("set_irq_in {} unnamed-gpio-in {pin} {level}", self.device);
        self.bus.order(&order).map(drop)
    }

    /// The level of a pin, 0 or 1, when it is an output of the board; `None` while it is an input.
    ///
    /// # Errors
    /// The machine is off, or has no such pin.
    pub fn output(&mut self, name: &str) -> Result<Option<u8>, Fault> {
        let pin = self.pin(name)?;
        let direction = self.register(0x400)?;
        let levels = self.register(0x3fc)?;
        Ok((direction >> pin & 1 == 1).then_some(u8::from(levels >> pin & 1 == 1)))
    }

    fn pin(&self, name: &str) -> Result<u8, Fault> {
        let pin = self.file.pins.get(name).copied();
        pin.ok_or_else(|| Fault::Late(format!("the rig file names no pin {name}")))
    }

    fn register(&mut self, offset: u64) -> Result<u64, Fault> {
        let answer = self.bus.order(&format!("readl {:#x}", self.file.registers + offset))?;
        let number = u64::from_str_radix(answer.trim_start_matches("0x"), 16);
        number.map_err(|_| Fault::Late(format!("qtest reads {answer}")))
    }
}

/// The path of the first device of this kind.
fn device_of_kind(path: &Path, kind: &str) -> Result<String, Fault> {
    const PLACE: &str = "/machine/unattached";
    let mut socket = connect(path)?;
    let mut ask = |order: Value| -> Result<Value, Fault> {
        let sent = socket.get_mut().write_all(format!("{order}\n").as_bytes());
        sent.map_err(Fault::system("QMP"))?;
        loop {
            let mut line = String::new();
            if socket.read_line(&mut line).map_err(Fault::system("QMP"))? == 0 {
                return Err(Fault::Late("QMP was closed".to_owned()));
            }
            let mut answer: Value = serde_json::from_str(&line).unwrap_or_default();
            if answer.get("return").is_some() {
                return Ok(answer["return"].take());
            }
            if answer.get("error").is_some() {
                return Err(Fault::Late(format!("QMP: {answer}")));
            }
        }
    };
    ask(json!({"execute": "qmp_capabilities"}))?;
    let listed = ask(json!({"execute": "qom-list", "arguments": {"path": PLACE}}))?;
    let devices = listed.as_array().map(Vec::as_slice).unwrap_or_default();
    let found = devices.iter().find(|device| device["type"] == kind);
    let name = found.and_then(|device| device["name"].as_str());
    name.map(|name| format!("{PLACE}/{name}"))
        .ok_or_else(|| Fault::Late(format!("the machine has no {kind}")))
}

/// QEMU makes its sockets soon after it starts.
fn connect(path: &Path) -> Result<BufReader<UnixStream>, Fault> {
    let stream = clock::try_for(ANSWER_WITHIN, || UnixStream::connect(path).ok());
    let stream = stream.ok_or_else(|| Fault::Late(format!("nobody listens at {}", path.display())))?;
    stream
        .set_read_timeout(Some(ANSWER_WITHIN))
        .map_err(Fault::system("QEMU's socket"))?;
    Ok(BufReader::new(stream))
}

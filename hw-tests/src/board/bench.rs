//! A real board: power by a program, console by a serial device.

use std::fs::OpenOptions;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::bus::Pins;
use super::console::Console;
use super::file::BenchFile;
use super::machine::{Done, Machine};
use super::wire::{Plug, Wire};
use crate::Fault;

pub(super) struct Bench {
    file: BenchFile,
}

impl Bench {
    pub(super) fn new(file: BenchFile) -> Result<Bench, Fault> {
        let mut bench = Bench { file };
        bench.switch_off()?;
        Ok(bench)
    }
}

impl Machine for Bench {
    fn plug(&self) -> Plug<'_> {
        Plug::Interface(&self.file.interface)
    }

    fn switch_on(&mut self, _wire: &Wire) -> Result<Console, Fault> {
        let (serial, baud) = (self.file.serial.display().to_string(), self.file.baud.to_string());
        let stty = ["stty", "--file", &serial, &baud, "raw", "-echo", "-hupcl"];
        run(&stty.map(str::to_owned))?;
        let line = OpenOptions::new().read(true).write(true).open(&self.file.serial);
        let line = line.map_err(Fault::system(&serial))?;
        let same = line.try_clone().map_err(Fault::system(&serial))?;
        run(&self.file.power_on)?;
        Ok(Console::new(line, same))
    }

    fn switch_off(&mut self) -> Result<(), Fault> {
        run(&self.file.power_off)
    }

    fn renew_disk(&mut self) -> Result<Done, Fault> {
        Ok(Done::NotHere)
    }

    fn disk(&self) -> Option<&Path> {
        None
    }

    fn hang(&mut self) -> Result<Done, Fault> {
        Ok(Done::NotHere)
    }

    fn start_of_nothing(&mut self, _wire: &Wire) -> Result<Option<Duration>, Fault> {
        Ok(None)
    }

    fn pins(&mut self) -> Result<Option<Pins>, Fault> {
        Ok(None)
    }
}

fn run(words: &[String]) -> Result<(), Fault> {
    let name = words.join(" ");
    let (program, arguments) = words
        .split_first()
        .ok_or_else(|| Fault::Late("the rig file names no program".to_owned()))?;
    let status = Command::new(program).args(arguments).status();
    if status.map_err(Fault::system(&name))?.success() {
        return Ok(());
    }
    Err(Fault::Late(format!("{name} failed")))
}

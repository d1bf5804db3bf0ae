//! Rig files: what board stands where, and how it is switched.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use crate::Fault;

/// One rig, as `rigs/*.toml` describes it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RigFile {
    /// In reports.
    pub name: String,
    /// Seconds from power to service that are still good; a board in software on a busy machine is slow.
    pub start_within_s: u64,
    /// How the board is reached.
    pub board: BoardFile,
}

/// How a board is reached.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum BoardFile {
    /// In software.
    Qemu(QemuFile),
    /// On a bench.
    Bench(BenchFile),
}

/// A board in QEMU, for `qemu-system-aarch64`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QemuFile {
    /// `-M`
    pub machine: String,
    /// `-cpu`
    pub processor: String,
    /// `-smp`
    pub cores: u8,
    /// `-m`, in MB
    pub memory_mb: u32,
    /// Boot loader in the board's ROM.
    pub firmware: PathBuf,
    /// Further devices.
    #[serde(default)]
    pub devices: Vec<String>,
    /// First address and bytes of the running kernel, overwritten to hang the board.
    pub kernel: Option<[u64; 2]>,
    /// Pins of the board that a PL061 drives.
    pub pl061: Option<Pl061File>,
}

/// A PL061.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pl061File {
    /// Address of its registers.
    pub registers: u64,
    /// Pins by their names in the file of the board.
    pub pins: BTreeMap<String, u8>,
}

/// A real board.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BenchFile {
    /// Program and arguments that give it power.
    pub power_on: Vec<String>,
    /// Program and arguments that take its power away at once.
    pub power_off: Vec<String>,
    /// Serial device that its console is on.
    pub serial: PathBuf,
    /// Of the serial device.
    pub baud: u32,
    /// Network interface of this machine with the board and nothing else on its wire; it belongs to the rig while this runs.
    pub interface: String,
}

impl RigFile {
    /// Reads one.
    ///
    /// # Errors
    /// It cannot be read, or has a key that is not known; the text names the line.
    pub fn read(path: &Path) -> Result<RigFile, Fault> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(Fault::system(&name))?;
        RigFile::parse(&text).map_err(|fault| Fault::Late(format!("{name}: {fault}")))
    }

    fn parse(text: &str) -> Result<RigFile, toml::de::Error> {
        toml::from_str(text)
    }

    /// Seconds from power to service that are still good.
    #[must_use]
    pub fn start_within(&self) -> Duration {
        Duration::from_secs(self.start_within_s)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rig_file_is_read_and_unknown_keys_are_refused_with_their_line() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("rigs");
        let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let rigs: Vec<RigFile> = paths.map(|path| RigFile::read(&path).unwrap()).collect();
        assert!(rigs.iter().any(|rig| matches!(rig.board, BoardFile::Qemu(_))));
        assert!(rigs.iter().any(|rig| matches!(rig.board, BoardFile::Bench(_))));
        let text = "name = \"x\"\nstart_within_s = 9\n[board]\nkind = \"bench\"\npower = \"on\"\n";
        let fault = RigFile::parse(text).unwrap_err().to_string();
        assert!(fault.contains("unknown field `power`"), "{fault}");
    }
}

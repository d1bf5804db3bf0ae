//! An archive on its way to the shelf: weighed as it comes in, unpacked, and asked which version it is.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use branchline_config::{Update, UpdateSource};
use branchline_update::{Artefact, BINARY, Disk, INCOMING, Refusal, Shelf, Version, Weigh};
use flate2::{Compression, GzBuilder};
use self_update::{ArchiveKind, Extract};

use super::source::fetch;
use super::{FileDisk, UpdateFault, io_fault};
use crate::clock;

/// Name of the archive until it is unpacked.
const FETCHED: &str = "fetched";
/// It prints a line and ends.
const SAYS_WITHIN: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Fetches the archive of a version, proves it and puts the version on the shelf. What is left of a failure is removed.
pub(super) fn bring(
    shelf: &mut Shelf<FileDisk>,
    (source, update): (&UpdateSource, &Update),
    (version, artefact): (&Version, &Artefact),
) -> Result<(), UpdateFault> {
    let brought = unpacked(shelf.disk_mut(), (source, update), artefact)
        .and_then(|()| check_version(&shelf.disk().path(INCOMING).join(BINARY), version))
        .and_then(|()| Ok(shelf.put(version)?));
    let disk = shelf.disk_mut();
    for left in [FETCHED, INCOMING] {
        let removed = disk.remove(left);
        if brought.is_ok() {
            removed.map_err(io_fault("cannot tidy up"))?;
        }
    }
    brought
}

fn unpacked(
    disk: &mut FileDisk,
    (source, update): (&UpdateSource, &Update),
    artefact: &Artefact,
) -> Result<(), UpdateFault> {
    let cannot = || io_fault("cannot keep the archive");
    disk.remove(INCOMING).map_err(cannot())?;
    disk.make_directory(INCOMING).map_err(cannot())?;
    let archive = disk.path(FETCHED);
    let mut weighing = Weighing {
        weigh: Weigh::new(artefact),
        file: File::create(&archive).map_err(cannot())?,
        refusal: None,
        fault: None,
    };
    let fetched = fetch((source, update), (&artefact.file, artefact.bytes), &mut weighing);
    // A writer can only say that it failed, and the source would say no more.
    if let Some(refusal) = weighing.refusal.take() {
        return Err(refusal.into());
    }
    if let Some(fault) = weighing.fault.take() {
        return Err(cannot()(fault));
    }
    fetched?;
    weighing.weigh.finish()?;
    let into = disk.path(INCOMING);
    let unpacked = Extract::from_source(&archive)
        .archive(ArchiveKind::Tar(Some(self_update::Compression::Gz)))
        .extract_file(&into, BINARY);
    unpacked.map_err(|error| UpdateFault::Archive(error.to_string()))?;
    let program = into.join(BINARY);
    let found = fs::symlink_metadata(&program).map_err(cannot())?;
    if !found.is_file() {
        return Err(UpdateFault::Archive(format!("{BINARY} in it is not a file")));
    }
    fs::set_permissions(&program, Permissions::from_mode(0o755)).map_err(cannot())
}

/// What comes in goes to the file and to the scales.
struct Weighing {
    weigh: Weigh,
    file: File,
    refusal: Option<Refusal>,
    fault: Option<io::Error>,
}

impl Write for Weighing {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        if let Err(refusal) = self.weigh.handle_piece(piece) {
            let error = io::Error::other(refusal.to_string());
            self.refusal = Some(refusal);
            return Err(error);
        }
        if let Err(fault) = self.file.write_all(piece) {
            let error = io::Error::from(fault.kind());
            self.fault = Some(fault);
            return Err(error);
        }
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// A program that cannot even say its version must not become current: it was built for something else.
fn check_version(program: &Path, version: &Version) -> Result<(), UpdateFault> {
    let fault = |why: String| UpdateFault::Archive(format!("the program in it {why}"));
    let mut command = Command::new(program);
    command
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut child = command
        .spawn()
        .map_err(|error| fault(format!("does not start: {error}")))?;
    let began = clock::now();
    let ended = loop {
        match child.try_wait() {
            Ok(None) if began.elapsed() < SAYS_WITHIN => std::thread::park_timeout(LOOK_EVERY),
            ended => break ended,
        }
    };
    if !matches!(ended, Ok(Some(_))) {
        // Nothing is left to do about one that does not end.
        let _ = child.kill();
    }
    let said = child
        .wait_with_output()
        .map_err(|error| fault(error.to_string()))?
        .stdout;
    let said = String::from_utf8_lossy(&said);
    let expected = format!("branchline {version}");
    match said.trim() == expected {
        true => Ok(()),
        false => Err(fault(format!(
            "says \"{}\", not \"{expected}\"",
            said.trim().chars().take(60).collect::<String>()
        ))),
    }
}

/// An archive of a program. The same program gives the same bytes.
pub fn pack(program: &mut File, into: File) -> io::Result<()> {
    let length = program.metadata()?.len();
    let gzip = GzBuilder::new().mtime(0).write(into, Compression::best());
    let mut archive = tar::Builder::new(gzip);
    let mut header = tar::Header::new_ustar();
    header.set_size(length);
    header.set_mode(0o755);
    header.set_mtime(0);
    header.set_entry_type(tar::EntryType::Regular);
    archive.append_data(&mut header, BINARY, program)?;
    archive.into_inner()?.finish()?.sync_all()
}

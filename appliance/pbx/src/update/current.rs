//! Which version is started. The program that the system brought starts the current one in its place, and is itself what
//! runs where there is none or the disk cannot be read.

use std::fs;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::process::Command;

use branchline_update::{BINARY, CURRENT, Disk, INCOMING, Settled, Shelf, State, Version};

use super::{FileDisk, UpdateFault, alone, hold, io_fault, is_same, look, own_version};
use crate::clock;
use crate::place::Place;

/// Goes on as the current version, with the same arguments. Comes back where this program is to run itself.
pub fn start_current(place: &Place) {
    let shelf = look(place);
    let Ok(state) = shelf.state() else { return };
    // Until the system's own version has been taken up, it is newer than what the disk knows.
    let is_known = own_version().is_ok_and(|own| state.record.system == Some(own));
    let program = shelf.disk().path(CURRENT).join(BINARY);
    let Ok(own) = std::env::current_exe() else { return };
    if !is_known || state.current.is_none() || is_same(&own, &program) {
        return;
    }
    let mut arguments = std::env::args_os();
    let mut command = Command::new(&program);
    command.args(arguments.by_ref().skip(1));
    let error = command.exec();
    // There is no log yet.
    let _ = writeln!(
        io::stderr(),
        "branchline: {}: {error}; the system's own version runs",
        program.display()
    );
}

/// Before each start of the daemon: counts the tries of a version on trial, and takes up the version of the system.
pub fn settle(place: &Place) -> Result<Settled, UpdateFault> {
    super::make_directory(place)?;
    let changing = alone(place)?;
    let settled = look(place).settle(clock::utc_ms())?;
    drop(changing);
    // An updater that runs has done it.
    if let Ok(mut held) = hold(place) {
        take_up_system(&mut held.shelf)?;
    }
    Ok(settled)
}

/// Puts the version that the system brought, which is this program, on the shelf, once.
pub(crate) fn take_up_system(shelf: &mut Shelf<FileDisk>) -> Result<(), UpdateFault> {
    let (state, own) = (shelf.state()?, &own_version()?);
    if state.pending.is_some() || state.record.system.as_ref() == Some(own) {
        return Ok(());
    }
    let is_wanted = match &state.current {
        None => true,
        // A system that fell back to its other slot takes its version with it.
        Some(current) => own > current || state.record.system.as_ref() == Some(current),
    };
    if is_wanted && state.current.as_ref() != Some(own) {
        copy_own(shelf.disk_mut()).map_err(io_fault("cannot copy the version of the system"))?;
        shelf.put(own)?;
        shelf.adopt(own)?;
    }
    Ok(shelf.change(|record| record.system = Some(own.clone()))?)
}

fn copy_own(disk: &mut FileDisk) -> io::Result<()> {
    disk.remove(INCOMING)?;
    disk.make_directory(INCOMING)?;
    fs::copy(std::env::current_exe()?, disk.path(INCOMING).join(BINARY)).map(drop)
}

/// The version to go back to by hand: the highest below the current one that was not taken back.
pub(crate) fn before(state: &State) -> Option<Version> {
    let current = state.current.as_ref();
    let is_good = |version: &&Version| Some(*version) < current && state.record.failed(version).is_none();
    state.versions.iter().rev().find(is_good).cloned()
}

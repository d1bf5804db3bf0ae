//! What a rig can do with a board, whatever the board is.

use std::path::Path;
use std::time::Duration;

use super::bus::Pins;
use super::console::Console;
use super::wire::{Plug, Wire};
use crate::Fault;

pub(super) trait Machine {
    /// What its network is plugged into.
    fn plug(&self) -> Plug<'_>;

    /// Power on; all it says is on the console.
    fn switch_on(&mut self, wire: &Wire) -> Result<Console, Fault>;

    /// Power off at once: nothing is written any more.
    fn switch_off(&mut self) -> Result<(), Fault>;

    /// Whether its disk, which is as it left the factory again, could be replaced.
    fn renew_disk(&mut self) -> Result<Done, Fault>;

    /// The disk, where this machine can write to it.
    fn disk(&self) -> Option<&Path>;

    /// Its processors make no sense of anything any more.
    fn hang(&mut self) -> Result<Done, Fault>;

    /// From power to an init that does nothing, of the same kernel; `None` where it cannot be tried.
    fn start_of_nothing(&mut self, wire: &Wire) -> Result<Option<Duration>, Fault>;

    /// The pins that this rig drives.
    fn pins(&mut self) -> Result<Option<Pins>, Fault>;
}

/// Whether a rig can do a thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// It did.
    Done,
    /// Not this rig.
    NotHere,
}

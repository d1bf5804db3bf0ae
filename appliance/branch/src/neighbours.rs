//! Behind which port of the box the phones are. The shell finds it out when registrations change and now and then besides; a
//! call for help goes by what is known.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use branchline_config::Config;

use crate::Branch;
use crate::now::Now;
use crate::output::{Neighbour, Output};

/// The ports by address.
#[derive(Debug, Default)]
pub(crate) struct Neighbours {
    /// The port of a bridge, then the interface.
    ports: BTreeMap<IpAddr, [String; 2]>,
    /// `None` while no place is known by a port.
    look_at: Option<Instant>,
}

impl Neighbours {
    pub(crate) fn handle_configuration(&mut self, now: Instant, config: &Config) {
        let is_used = config.locations.iter().any(|place| !place.ports.is_empty());
        self.look_at = is_used.then_some(now);
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.look_at
    }

    /// A phone may have come or moved.
    pub(crate) fn handle_binding(&mut self, now: Instant) {
        self.look_at = self.look_at.map(|at| at.min(now + SOON));
    }

    /// Whether it is time to look.
    fn poll_look(&mut self, now: Instant) -> bool {
        let is_due = self.look_at.is_some_and(|at| at <= now);
        if is_due {
            self.look_at = Some(now + LOOK_EVERY);
        }
        is_due
    }

    pub(crate) fn of(&self, address: IpAddr) -> &[String] {
        self.ports
            .get(&address.to_canonical())
            .map_or(&[], |ports| ports.as_slice())
    }
}

impl Branch {
    /// The kernel's table, as asked for by [`Output::Neighbours`]. What it forgot of a phone that is still registered stays.
    pub fn handle_neighbours(&mut self, now: Now, found: Vec<Neighbour>) {
        let registered: BTreeSet<IpAddr> = self
            .bindings
            .iter()
            .map(|binding| binding.flow.remote.ip().to_canonical())
            .collect();
        self.neighbours.ports.retain(|address, _| registered.contains(address));
        for one in found.into_iter().take(NEIGHBOURS_MAX) {
            let ports = [one.port, one.interface];
            self.neighbours.ports.insert(one.address.to_canonical(), ports);
        }
        self.settle(now);
    }

    pub(crate) fn look_at_neighbours(&mut self, now: Now) {
        if self.neighbours.poll_look(now.mono) {
            self.outputs.push_back(Output::Neighbours);
        }
    }
}

/// The kernel has learnt of a phone once it was answered; and phones register in crowds.
const SOON: Duration = Duration::from_secs(1);
/// A phone that does not register, or moved without doing so, is found within this.
const LOOK_EVERY: Duration = Duration::from_secs(15);
/// More hosts than any branch has; those beyond are placed by their network.
const NEIGHBOURS_MAX: usize = 16_384;

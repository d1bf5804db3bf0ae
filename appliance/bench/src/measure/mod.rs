//! The measurements (a) to (f), one file each.

mod calls;
mod flood;
mod memory;
mod parse;
mod register;
mod relay;

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use crate::accounts::User;
use crate::load::register::{Nonce, RegisterLoad, Registrants};
use crate::load::wire::Wire;
use crate::loopback::Loopback;
use crate::report::Row;
use crate::servers::{SIP_PORT, Server, Site};
use crate::{Done, clock};

/// One kind of measurement.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Register,
    Calls,
    Relay,
    Memory,
    Parse,
    Flood,
}

impl Kind {
    /// In the order in which they are measured. Parsing is the one that happens in this process: it comes before the loads
    /// have left their marks on its heap.
    pub(crate) const ALL: [(&'static str, Kind); 6] = [
        ("parse", Kind::Parse),
        ("register", Kind::Register),
        ("calls", Kind::Calls),
        ("relay", Kind::Relay),
        ("memory", Kind::Memory),
        ("flood", Kind::Flood),
    ];

    pub(crate) fn measure(self, bench: &Bench) -> Done<Vec<Row>> {
        match self {
            Kind::Register => register::measure(bench),
            Kind::Calls => calls::measure(bench),
            Kind::Relay => relay::measure(bench),
            Kind::Memory => memory::measure(bench),
            Kind::Parse => Ok(parse::measure(bench)),
            Kind::Flood => flood::measure(bench),
        }
    }
}

/// Where and how long is measured.
pub(crate) struct Bench {
    pub(crate) loopback: Loopback,
    pub(crate) folder: PathBuf,
    /// Runs per figure; the median counts.
    pub(crate) runs: usize,
}

impl Bench {
    /// A server's place; each server has an address of its own.
    fn site(&self, name: &str, users: Vec<User>) -> Site {
        let n = match name {
            "branchline" => 1,
            "kamailio" => 2,
            _ => 3,
        };
        Site {
            ip: self.loopback.host(n),
            asking_ip: self.loopback.host(9),
            folder: self.folder.join(name),
            users,
        }
    }

    /// The phones' sockets towards one server.
    fn wire(&self, server: &dyn Server) -> Done<Wire> {
        let port = SIP_PORT + u16::from(server.address().ip() == self.loopback.host(2));
        let addresses: Vec<Ipv4Addr> = (0..SOURCES).map(|n| self.loopback.host(20 + n)).collect();
        Wire::open(&addresses, port, server.address())
    }
}

/// One server and the load that is on it.
struct Bout<Load> {
    server: Box<dyn Server>,
    wire: Wire,
    load: Load,
    per_unit_us: Vec<f64>,
}

impl<Load> Bout<Load> {
    fn new(bench: &Bench, server: Box<dyn Server>, load: Load) -> Done<Bout<Load>> {
        let wire = bench.wire(server.as_ref())?;
        Ok(Bout {
            server,
            wire,
            load,
            per_unit_us: Vec::new(),
        })
    }

    /// CPU microseconds per unit of one run, which gives its count of units.
    fn measure(&mut self, run: impl FnOnce(&mut Load, &mut Wire) -> Done<u64>) -> Done<()> {
        self.server.check()?;
        let before = self.server.cpu_ns()?;
        let units = run(&mut self.load, &mut self.wire).map_err(|error| format!("{}: {error}", self.server.name()))?;
        clock::pass(SETTLE);
        let spent_ns = self.server.cpu_ns()?.saturating_sub(before);
        self.server.check()?;
        self.per_unit_us.push(spent_ns as f64 / 1000.0 / units as f64);
        Ok(())
    }
}

/// Registers phones once, so that they can be called.
fn register_all(wire: &mut Wire, users: &[User], per_s: f64) -> Done<()> {
    let load = RegisterLoad {
        nonce: Nonce::Fresh,
        units: users.len() as u64,
        per_s,
    };
    let outcome = Registrants::new(users.to_vec()).run(wire, load)?;
    outcome.check("registrations").map(drop)
}

/// Addresses of phones: a box limits what one address may ask for.
const SOURCES: u8 = 40;
/// What a server does after its last answer belongs to the run.
const SETTLE: Duration = Duration::from_millis(100);

//! The floor of a relay: `recvmmsg` and `sendmmsg` on one socket per leg, and no thought.

use std::net::SocketAddr;
use std::process::Command;

use super::{Site, built};
use crate::load::calls::Anchored;
use crate::program::Program;
use crate::{Done, clock};
use std::time::Duration;

/// A running bare relay.
pub(crate) struct Floor {
    pub(crate) program: Program,
    calls: Vec<Anchored>,
}

impl Floor {
    pub(crate) fn start(site: &Site, calls: u16) -> Done<Floor> {
        site.prepare()?;
        let log = site.folder.join("log");
        let mut command = Command::new(built("examples/bare_relay")?);
        command.arg(site.ip.to_string()).arg(format!("{FIRST_PORT}*{calls}"));
        let mut program = Program::start("bare_relay", &mut command, &log)?;
        let ready = clock::try_for(READY_WITHIN, || program.log_tail().contains("relaying").then_some(()));
        program.check()?;
        ready.ok_or("the bare relay does not start")?;
        let at = |port: u16| SocketAddr::from((site.ip, port));
        let calls = (0..calls).map(|call| Anchored {
            from_caller: at(FIRST_PORT + call * 4),
            from_callee: at(FIRST_PORT + call * 4 + 2),
        });
        Ok(Floor {
            program,
            calls: calls.collect(),
        })
    }

    pub(crate) fn calls(&self) -> &[Anchored] {
        &self.calls
    }
}

const FIRST_PORT: u16 = 20_000;
const READY_WITHIN: Duration = Duration::from_secs(5);

//! The box stops and starts, telephones crash, streams break, the disk sticks.

use std::sync::Arc;
use std::time::{Duration, Instant};

use branchline_branch::{Branch, Command, JournalStart, Setup};
use branchline_config::Config;
use branchline_journal::{BootId, Entry, Event, Stamp, Uuid, uuid_v7};

use super::arrival::Arrival;
use super::sound::Sound;
use super::{Speed, Stop, Takes, World};

/// Whether a cable is in its socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cable {
    /// Plugged in.
    In,
    /// Pulled.
    Out,
}

/// Whether the wall clock can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Set from a good source.
    Trusted,
    /// Nobody knows.
    Doubted,
}

impl World {
    /// Starts the box from what is safe on its disk.
    pub(super) fn boot(&mut self) {
        self.starts.push(self.now());
        self.boot = BootId(Uuid::from_u128(self.starts.len() as u128));
        let moment = self.moment();
        let stamp = Stamp {
            utc_ms: moment.utc_ms,
            clock_trusted: moment.clock_trusted,
            mono_ms: 0,
            boot: self.boot,
        };
        let mut random = [0; 10];
        random[..8].copy_from_slice(&self.dice.number().to_le_bytes());
        let utc_ms = moment.utc_ms;
        let left = self.disk.fold();
        self.disk.mend(|seq, event: Event| {
            let mut own = random;
            own[8..].copy_from_slice(&(seq as u16).to_le_bytes());
            Entry {
                id: uuid_v7(utc_ms, &own),
                seq,
                stamp,
                event,
            }
        });
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&self.dice.number().to_le_bytes());
        let setup = Setup {
            configuration: self.configuration.clone(),
            seed,
            journal: JournalStart {
                boot: self.boot,
                next_seq: self.disk.next_seq(),
                newest_utc_ms: left.newest().map(|stamp| stamp.utc_ms),
            },
            bindings: left.bindings(&stamp),
            emergencies: left.emergencies().cloned().collect(),
            version: "simulated".to_owned(),
        };
        self.branch = Some(Branch::new(moment, setup));
        self.refill_ports();
        self.note("box starts");
    }

    /// The box takes another configuration while it runs.
    pub fn reload(&mut self, config: Config) {
        self.note("another configuration");
        self.configuration.config = Arc::new(config);
        let (moment, configuration) = (self.moment(), self.configuration.clone());
        if let Some(branch) = &mut self.branch {
            branch.handle_command(moment, Command::Configure(Box::new(configuration)));
        }
    }

    /// When the box started with this identity.
    pub(crate) fn started(&self, boot: BootId) -> Option<Instant> {
        let number = usize::try_from(boot.0.as_u128()).ok()?;
        self.starts.get(number.checked_sub(1)?).copied()
    }

    /// Stops the box and starts it again after a while.
    pub fn restart(&mut self, how: Stop, pause: Duration) {
        self.note(&format!("box stops: {how:?}"));
        self.branch = None;
        self.disk.stop(how);
        self.sound = Sound::new();
        self.stops.push(self.now());
        let now = self.now();
        self.queue
            .retain(|due| matches!(due.0.what, Arrival::AtMember { .. }) && due.0.at >= now);
        for member in &mut self.members {
            member.connection = None;
        }
        let end = self.offset + pause;
        self.run_until(end);
        self.boot();
    }

    /// A member loses power and comes back at another port.
    pub fn crash(&mut self, member: usize) {
        let mut address = self.members[member].actor.setup().address;
        address.set_port(if address.port() >= 5900 {
            5060
        } else {
            address.port() + 7
        });
        self.note(&format!(
            "{} crashes, comes back at {address}",
            self.members[member].name
        ));
        self.cut_stream(member);
        // What it had just sent and was not answered is not sent again.
        self.cuts.broke(self.now(), member);
        self.with(member, |actor, now| actor.crash(now, address));
    }

    /// The stream of a member breaks; both ends see it.
    pub fn break_stream(&mut self, member: usize) {
        if self.cut_stream(member) {
            self.with(member, |actor, now| actor.lose_stream(now));
        }
    }

    /// The box sees that a stream is gone; says whether there was one.
    fn cut_stream(&mut self, member: usize) -> bool {
        let Some(connection) = self.members[member].connection.take() else {
            return false;
        };
        self.cuts.broke(self.now(), member);
        self.note(&format!("stream of {} breaks", self.members[member].name));
        let remote = self.members[member].actor.setup().address;
        let at = self.now() + self.quality.delay(&mut self.dice);
        self.push(
            at,
            Arrival::FlowFailed {
                remote,
                local: super::BOX,
                connection: Some(connection.0),
            },
        );
        true
    }

    /// A cable is pulled or plugged in.
    pub fn plug(&mut self, member: usize, cable: Cable) {
        self.note(&format!("{}: cable {cable:?}", self.members[member].name));
        self.members[member].plugged = cable == Cable::In;
        self.note_reach(member);
    }

    /// The call database fails, or works again.
    pub fn set_database(&mut self, takes: Takes) {
        self.note(&format!("the call database takes {takes:?}"));
        self.database.set(takes);
    }

    /// The disk does nothing for a while.
    pub fn stick_disk(&mut self, time: Duration) {
        let until = self.now() + time;
        self.note(&format!("disk sticks for {time:?}"));
        self.disk.stick(until);
    }

    /// The disk becomes faster or slower.
    pub fn set_disk(&mut self, speed: Speed) {
        self.disk.set_speed(speed);
    }

    /// The wall clock jumps.
    pub fn step_clock(&mut self, by_ms: i64, trust: Trust) {
        self.utc_step_ms += by_ms;
        self.clock_trusted = trust == Trust::Trusted;
        self.note(&format!("clock steps {by_ms} ms, {trust:?}"));
    }
}

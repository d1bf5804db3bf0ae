//! One branch with everything around it, in virtual time: a seed gives every event.

mod arrival;
mod cuts;
mod database;
mod disk;
mod elsewhere;
mod member;
mod network;
mod power;
mod sound;
mod trace;
mod wire;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use branchline_branch::{Branch, Configuration, Journalled, Now, Output};
use branchline_journal::{BootId, DatabaseMode, Event};
use branchline_media::Family;

pub use database::Takes;
pub use disk::{Disk, Speed, Stop};
pub use elsewhere::Power;
pub use member::{Member, Place};
pub use network::Quality;
pub use power::{Cable, Trust};

use crate::check;
use crate::dice::Dice;
use crate::office::Office;
use arrival::{Arrival, Due};
use cuts::Cuts;
use database::Database;
use elsewhere::Elsewhere;
use sound::Sound;

/// Where the box is reached.
pub const BOX: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 5060);
/// 2026-01-01T00:00:00Z.
const EPOCH_UTC_MS: i64 = 1_767_225_600_000;
/// Steps without time going on before the box counts as spinning.
const SPIN_MAX: u32 = 20_000;
/// How often telephones in a call send sound.
const SOUND_EVERY: Duration = Duration::from_secs(3);

/// The box, its disk, network, clock, telephones and trunks.
pub struct World {
    base: Instant,
    offset: Duration,
    pub(crate) dice: Dice,
    branch: Option<Branch>,
    configuration: Configuration,
    /// The telephones and trunks.
    pub members: Vec<Member>,
    hosted: Option<Elsewhere>,
    wan: Cable,
    quality: Quality,
    disk: Disk,
    database: Database,
    sound: Sound,
    heard_sound: BTreeMap<(SocketAddr, SocketAddr), Instant>,
    next_sound: Instant,
    queue: BinaryHeap<Reverse<Due>>,
    sent: u64,
    next_connection: u64,
    next_port: u16,
    boot: BootId,
    utc_step_ms: i64,
    clock_trusted: bool,
    spins: u32,
    asked: BTreeSet<(usize, String)>,
    upkeep: BTreeMap<String, Instant>,
    /// Names that were found once.
    remembered: BTreeSet<String>,
    trace: VecDeque<String>,
    trace_hash: u64,
    faults: Vec<String>,
    starts: Vec<Instant>,
    /// When the box stopped.
    pub stops: Vec<Instant>,
    /// When a member was out of reach.
    pub cuts: Cuts,
    was_lossy: bool,
}

impl World {
    /// A box that just started, with the members around it.
    #[expect(
        clippy::disallowed_methods,
        reason = "one reading to have an Instant at all; the world then moves it itself"
    )]
    pub fn new(seed: u64, configuration: Configuration, members: Vec<Member>) -> World {
        let base = Instant::now();
        let mut world = World {
            base,
            offset: Duration::ZERO,
            dice: Dice::new(seed, 1),
            branch: None,
            configuration,
            members,
            hosted: None,
            wan: Cable::In,
            quality: Quality::CLEAN,
            disk: Disk::new(Speed::FAST),
            database: Database::new(base),
            sound: Sound::new(),
            heard_sound: BTreeMap::new(),
            next_sound: base,
            queue: BinaryHeap::new(),
            sent: 0,
            next_connection: 1,
            next_port: 20_000,
            boot: BootId(branchline_journal::Uuid::nil()),
            utc_step_ms: 0,
            clock_trusted: true,
            spins: 0,
            asked: BTreeSet::new(),
            upkeep: BTreeMap::new(),
            remembered: BTreeSet::new(),
            trace: VecDeque::new(),
            trace_hash: 0,
            faults: Vec::new(),
            starts: Vec::new(),
            stops: Vec::new(),
            cuts: Cuts::default(),
            was_lossy: false,
        };
        world.boot();
        world
    }

    /// The same, of a whole office.
    pub fn of(seed: u64, office: Office) -> World {
        let mut world = World::new(seed, office.configuration, office.members);
        if let Some(hosted) = office.hosted {
            world.set_hosted(hosted);
        }
        world
    }

    /// Now, on the monotonic clock.
    pub fn now(&self) -> Instant {
        self.base + self.offset
    }

    /// Since the world began.
    pub fn offset(&self) -> Duration {
        self.offset
    }

    /// The box, unless it is off.
    pub fn branch(&self) -> Option<&Branch> {
        self.branch.as_ref()
    }

    /// The box, unless it is off.
    pub fn branch_mut(&mut self) -> Option<&mut Branch> {
        self.branch.as_mut()
    }

    /// The journal's disk.
    pub fn disk(&self) -> &Disk {
        &self.disk
    }

    /// The configuration the box started with.
    pub fn configuration(&self) -> &Configuration {
        &self.configuration
    }

    /// What went wrong so far.
    pub fn faults(&self) -> &[String] {
        &self.faults
    }

    /// A number that two runs of one seed share.
    pub fn trace_hash(&self) -> u64 {
        self.trace_hash
    }

    /// When sound of `from` last went to `to`; both are RTP addresses of telephones.
    pub fn sound_at(&self, to: SocketAddr, from: SocketAddr) -> Option<Instant> {
        self.heard_sound.get(&(to, from)).copied()
    }

    /// Legs in the relay.
    pub fn legs(&self) -> usize {
        self.sound.legs()
    }

    /// Changes the network.
    pub fn set_quality(&mut self, quality: Quality) {
        self.quality = quality;
        self.was_lossy |= !quality.is_clean();
    }

    /// Something was lost, doubled or late at some time.
    pub fn was_lossy(&self) -> bool {
        self.was_lossy
    }

    /// How good the network is.
    pub fn quality(&self) -> Quality {
        self.quality
    }

    /// The moment as the box's clocks tell it.
    pub fn moment(&self) -> Now {
        let ms = i64::try_from(self.offset.as_millis()).unwrap_or(i64::MAX);
        Now {
            mono: self.now(),
            utc_ms: EPOCH_UTC_MS + ms + self.utc_step_ms,
            clock_trusted: self.clock_trusted,
        }
    }

    /// Lets a member do something, then carries what it sends.
    pub fn with<R>(&mut self, member: usize, act: impl FnOnce(&mut branchline_ladder::Actor, Instant) -> R) -> R {
        let now = self.now();
        let result = act(&mut self.members[member].actor, now);
        self.flush_member(member);
        result
    }

    /// Runs until this much time has passed since the beginning.
    pub fn run_until(&mut self, end: Duration) {
        loop {
            self.settle();
            let Some(next) = self.next_due().filter(|next| *next <= self.base + end) else {
                break;
            };
            let next = next.max(self.now());
            if next == self.now() {
                self.spins += 1;
                if self.spins > SPIN_MAX {
                    let reason = self
                        .branch
                        .as_ref()
                        .and_then(Branch::poll_timeout)
                        .map(|(_, reason)| reason);
                    self.fault(format!("the box spins without time going on ({reason:?})"));
                    break;
                }
            } else {
                self.spins = 0;
            }
            self.offset = next - self.base;
            self.wake();
            if self.faults.is_empty() {
                check::event(self);
            }
        }
        self.offset = self.offset.max(end);
    }

    fn next_due(&self) -> Option<Instant> {
        let members = self.members.iter().filter_map(|member| member.actor.poll_timeout());
        let branch = self
            .branch
            .as_ref()
            .and_then(|branch| branch.poll_timeout())
            .map(|(at, _)| at);
        let queue = self.queue.peek().map(|due| due.0.at);
        let speaking = self.sound.legs() > 0;
        [
            branch,
            queue,
            self.disk.poll_timeout(),
            self.database.poll_timeout(),
            self.hosted.as_ref().and_then(Elsewhere::poll_timeout),
            self.sound.poll_timeout(),
            speaking.then_some(self.next_sound),
        ]
        .into_iter()
        .flatten()
        .chain(members)
        .min()
    }

    /// A disk that sticks takes the database with it.
    fn database_mode(&self) -> DatabaseMode {
        if self.disk.is_stuck(self.now()) {
            DatabaseMode::Degraded
        } else {
            self.database.mode()
        }
    }

    fn wake(&mut self) {
        let now = self.now();
        while self.queue.peek().is_some_and(|due| due.0.at <= now) {
            if let Some(Reverse(due)) = self.queue.pop() {
                self.arrive(due.what);
            }
        }
        self.hear_hosted();
        let written = self.disk.safe().len();
        if let Some(up_to_seq) = self.disk.handle_timeout(now) {
            let more = self.disk.safe().len() - written;
            self.database.handle_entries(now, more as u64);
            let moment = self.moment();
            if let Some(branch) = &mut self.branch {
                let journalled = Journalled {
                    written_seq: up_to_seq,
                    synced_seq: up_to_seq,
                };
                branch.handle_journal(moment, journalled);
            }
        }
        self.database.handle_timeout(now);
        let (moment, mode) = (self.moment(), self.database_mode());
        if let Some(branch) = &mut self.branch {
            branch.handle_storage(moment, mode);
        }
        for member in 0..self.members.len() {
            if self.members[member].actor.poll_timeout().is_some_and(|at| at <= now) {
                self.with(member, |actor, now| actor.handle_timeout(now));
            }
        }
        if self.next_sound <= now {
            self.speak();
            self.next_sound = now + SOUND_EVERY;
        }
        self.sound.handle_timeout(now);
        let moment = self.moment();
        if let Some(branch) = &mut self.branch
            && branch.poll_timeout().is_some_and(|(at, _)| at <= now)
        {
            branch.handle_timeout(moment);
        }
    }

    /// Carries everything out until nobody wants anything more at this moment.
    fn settle(&mut self) {
        let now = self.now();
        loop {
            let mut moved = false;
            while let Some(output) = self.branch.as_mut().and_then(Branch::poll_output) {
                moved = true;
                self.carry_out(now, output);
            }
            while let Some(event) = self.sound.poll_event() {
                moved = true;
                let moment = self.moment();
                if let Some(branch) = &mut self.branch {
                    branch.handle_media(moment, event);
                }
            }
            self.refill_ports();
            if !moved {
                break;
            }
        }
    }

    fn refill_ports(&mut self) {
        let Some(branch) = &mut self.branch else { return };
        let wanted = branch.ports_wanted(Family::V4);
        if wanted > 0 {
            let ports: Vec<u16> = (0..wanted)
                .map(|_| {
                    self.next_port = if self.next_port >= 60_000 {
                        20_000
                    } else {
                        self.next_port + 2
                    };
                    self.next_port
                })
                .collect();
            branch.handle_ports(Family::V4, &ports);
        }
    }

    fn carry_out(&mut self, now: Instant, output: Output) {
        match output {
            Output::Transmit(transmit) => self.from_box(now, transmit.flow, transmit.bytes),
            Output::Media(plan) => {
                if let Err(fault) = self.sound.plan(now, plan) {
                    self.fault(fault);
                }
            }
            Output::Measure => self.sound.measure(),
            Output::Journal(entry) => {
                if let Event::CallEnded(record) = &entry.event {
                    let text = format!(
                        "record {} -> {} {} {} ms",
                        record.from.dialled,
                        record.to.dialled,
                        record.outcome.name(),
                        record.talk_ms
                    );
                    self.note(&text);
                }
                if let Err(fault) = self.disk.append(now, entry, &mut self.dice) {
                    self.fault(fault);
                }
            }
            Output::Resolve(lookup) => {
                let after = self.dice.ms(0..200);
                self.push(
                    now + after,
                    Arrival::Resolved {
                        trunk: lookup.trunk,
                        host: lookup.host,
                    },
                );
            }
            Output::Trace(_) => {}
            // A server that never answers: nothing may hang on it.
            Output::Post(_) => {}
            // Its networks have no ports.
            Output::Neighbours => {}
            Output::Notice(notice) => self.note(&format!("box: {}", notice.text)),
        }
    }
}

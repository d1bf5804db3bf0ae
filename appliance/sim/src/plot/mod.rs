//! What happens in a random run: people call, hold, transfer and hang up, while things break.

mod faults;
mod people;

use std::time::Duration;

use branchline_ladder::cube::{Corner, Coverage};
use branchline_ladder::{Call, CallHandle, Role};

use crate::check;
use crate::dice::Dice;
use crate::office;
use crate::world::{Cable, Quality, Speed, World};

/// How a run went.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Its seed.
    pub seed: u64,
    /// What was wrong; empty when all held.
    pub faults: Vec<String>,
    /// The last lines of the trace.
    pub trace: Vec<String>,
    /// A number that two runs of one seed share.
    pub trace_hash: u64,
    /// Calls that were answered, as the telephones counted them.
    pub answered: usize,
    /// What was lost and came back, and with which calls.
    pub coverage: Coverage,
}

/// One run with its seed.
pub fn run(seed: u64) -> Outcome {
    let mut dice = Dice::new(seed, 0);
    let office = match office::by_chance(&mut dice) {
        Ok(office) => office,
        Err(fault) => {
            return Outcome {
                seed,
                faults: vec![fault],
                trace: Vec::new(),
                trace_hash: 0,
                answered: 0,
                coverage: Coverage::default(),
            };
        }
    };
    let mut plot = Plot {
        world: World::of(seed, office),
        dice,
        numbers: 0,
        corner: Corner::WHOLE,
        coverage: Coverage::default(),
    };
    plot.play();
    let world = plot.world;
    Outcome {
        seed,
        faults: world.faults().to_vec(),
        trace: world.trace().map(str::to_owned).collect(),
        trace_hash: world.trace_hash(),
        answered: check::answered(&world),
        coverage: plot.coverage,
    }
}

struct Plot {
    world: World,
    dice: Dice,
    /// Outside numbers that were used, so that each is used once.
    numbers: u32,
    corner: Corner,
    coverage: Coverage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Phone,
    Trunk,
    /// Behind the hosted PBX.
    Operator,
}

impl Kind {
    fn role(self) -> Role {
        match self {
            Kind::Phone => Role::Phone,
            Kind::Trunk => Role::Trunk,
            Kind::Operator => Role::Beyond,
        }
    }
}

/// Everybody registers meanwhile.
const BEGIN: Duration = Duration::from_secs(5);
/// Calls end by 32 s of transaction timers, 20 s or 60 s of silence and the session timer of 120 s; a session whose phone asked
/// for a transfer stays 120 s longer for its report.
const CALM: Duration = Duration::from_secs(180);

/// A call for help rings for an hour, though the telephone vanished meanwhile.
const HELP: Duration = Duration::from_secs(3700);
/// A disk that works is done long before so many looks; one that never is stays a fault.
/// The longest pause before the branch trusts the hosted PBX again is 5 min and a quarter more; the lines then register.
const RETURN_LOOKS: u32 = 42;
const RETURN_LOOK: Duration = Duration::from_secs(10);
/// Of all that happens where there is a hosted PBX, so much is a loss or a return.
const WALKS_PERCENT: u64 = 10;
/// Of all that happens, so much is a new configuration.
const RELOADS_PERCENT: u64 = 2;
const REPLY_LOOKS: u32 = 100;
const REPLY_LOOK: Duration = Duration::from_millis(10);

impl Plot {
    fn play(&mut self) {
        if self.dice.percent(20) {
            self.world.set_disk(Speed {
                least: Duration::from_millis(20),
                most: Duration::from_millis(400),
            });
        }
        for member in 0..self.world.members.len() {
            if self.world.members[member].is_phone() {
                let at = self.world.offset() + self.dice.ms(0..400);
                self.world.run_until(at);
                self.world.with(member, |phone, now| phone.register(now));
            }
        }
        self.world.run_until(BEGIN);
        let quality = Quality::by(&mut self.dice);
        self.world.set_quality(quality);
        let end = BEGIN + Duration::from_secs(self.dice.within(40..200));
        let pace_ms = self.dice.within(300..4000);
        let faults_percent = *self.dice.pick(&[0, 2, 6, 12]).unwrap_or(&2);
        let has_hosted = self.world.configuration().config.hosted.is_some();
        while self.world.offset() < end && self.world.faults().is_empty() {
            let pause = self.dice.ms(0..pace_ms * 2);
            self.world.run_until(self.world.offset() + pause);
            if has_hosted && self.dice.percent(WALKS_PERCENT) {
                self.walk();
            } else if self.dice.percent(RELOADS_PERCENT) {
                self.reload();
            } else if self.dice.percent(faults_percent) {
                self.break_something();
            } else {
                self.do_something();
            }
            check::heard(&mut self.world);
        }
        if self.world.faults().is_empty() {
            self.end();
        }
    }

    /// All faults are mended, everybody hangs up, and nothing may be left.
    fn end(&mut self) {
        self.world.note("the end begins");
        self.world.set_quality(Quality::CLEAN);
        self.world.set_disk(Speed::FAST);
        self.mend();
        for member in 0..self.world.members.len() {
            self.world.plug(member, Cable::In);
        }
        for wait in [1, 4, 40, 1, 40] {
            self.hang_up_all();
            self.world.run_until(self.world.offset() + Duration::from_secs(wait));
            check::heard(&mut self.world);
        }
        self.world.run_until(self.world.offset() + CALM);
        if self.is_help_called() {
            self.world.run_until(self.world.offset() + HELP);
        }
        self.let_hosted_return();
        self.let_replies_out();
        check::quiet(&mut self.world);
        check::records(&mut self.world);
    }

    /// It may have come and gone so often that the box waits longer each time.
    fn let_hosted_return(&mut self) {
        for _ in 0..RETURN_LOOKS {
            if check::has_returned(&self.world) {
                return;
            }
            self.world.run_until(self.world.offset() + RETURN_LOOK);
        }
        self.world.fault("the hosted PBX is there, and not every line uses it");
    }

    fn is_help_called(&self) -> bool {
        let view = self.world.branch().map(|branch| branch.view(self.world.moment()));
        view.is_some_and(|view| view.calls.iter().any(|call| call.emergency))
    }

    /// Telephones go on registering: the check falls between two answers that wait for the disk.
    fn let_replies_out(&mut self) {
        for _ in 0..REPLY_LOOKS {
            if self.world.disk().moving() == 0 {
                return;
            }
            self.world.run_until(self.world.offset() + REPLY_LOOK);
        }
    }

    fn hang_up_all(&mut self) {
        for member in 0..self.world.members.len() {
            let live: Vec<CallHandle> = self.world.members[member]
                .actor
                .calls()
                .iter()
                .filter(|it| it.is_alive())
                .map(|it| it.handle)
                .collect();
            for call in live {
                self.world.with(member, |actor, now| actor.hang_up(now, call));
            }
        }
    }

    fn member(&mut self, kind: Kind) -> Option<usize> {
        let fitting: Vec<usize> = (0..self.world.members.len())
            .filter(|at| {
                let member = &self.world.members[*at];
                member.actor.setup().role == kind.role() && member.plugged
            })
            .collect();
        self.dice.pick(&fitting).copied()
    }

    /// A call of anybody that fits.
    fn call(&mut self, fits: impl Fn(&Call) -> bool) -> Option<(usize, CallHandle)> {
        let mut fitting = Vec::new();
        for (at, member) in self.world.members.iter().enumerate() {
            fitting.extend(
                member
                    .actor
                    .calls()
                    .iter()
                    .filter(|call| fits(call))
                    .map(|call| (at, call.handle)),
            );
        }
        self.dice.pick(&fitting).copied()
    }
}

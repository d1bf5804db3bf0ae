//! What happens in a random run: people call, hold, transfer and hang up, while things break.

use std::time::Duration;

use branchline_ladder::{Call, CallHandle, Dial, Offer, Side, Stage, Way};

use crate::check;
use crate::dice::Dice;
use crate::office;
use crate::world::{Cable, Quality, Speed, Stop, Trust, World};

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
}

/// One run with its seed.
pub fn run(seed: u64) -> Outcome {
    let mut dice = Dice::new(seed, 0);
    let (configuration, members) = match office::by_chance(&mut dice) {
        Ok(office) => office,
        Err(fault) => {
            return Outcome {
                seed,
                faults: vec![fault],
                trace: Vec::new(),
                trace_hash: 0,
                answered: 0,
            };
        }
    };
    let mut plot = Plot {
        world: World::new(seed, configuration, members),
        dice,
        numbers: 0,
        stepped: false,
    };
    plot.play();
    let world = plot.world;
    Outcome {
        seed,
        faults: world.faults().to_vec(),
        trace: world.trace().map(str::to_owned).collect(),
        trace_hash: world.trace_hash(),
        answered: check::answered(&world),
    }
}

struct Plot {
    world: World,
    dice: Dice,
    /// Outside numbers that were used, so that each is used once.
    numbers: u32,
    stepped: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Phone,
    Trunk,
}

/// Everybody registers meanwhile.
const BEGIN: Duration = Duration::from_secs(5);
/// Calls end by 32 s of transaction timers, 20 s or 60 s of silence and the session timer of 120 s; a session whose phone asked
/// for a transfer stays 120 s longer for its report.
const CALM: Duration = Duration::from_secs(180);

/// A call for help rings for an hour, though the telephone vanished meanwhile.
const HELP: Duration = Duration::from_secs(3700);
/// A disk that works is done long before so many looks; one that never is stays a fault.
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
        while self.world.offset() < end && self.world.faults().is_empty() {
            let pause = self.dice.ms(0..pace_ms * 2);
            self.world.run_until(self.world.offset() + pause);
            if self.dice.percent(faults_percent) {
                self.break_something();
            } else {
                self.do_something();
            }
            check::step(&mut self.world);
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
        for member in 0..self.world.members.len() {
            self.world.plug(member, Cable::In);
        }
        for wait in [1, 4, 40, 1, 40] {
            self.hang_up_all();
            self.world.run_until(self.world.offset() + Duration::from_secs(wait));
            check::step(&mut self.world);
        }
        self.world.run_until(self.world.offset() + CALM);
        if self.is_help_called() {
            self.world.run_until(self.world.offset() + HELP);
        }
        self.let_replies_out();
        check::quiet(&mut self.world);
        check::records(&mut self.world);
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
            .filter(|at| self.world.members[*at].is_phone() == (kind == Kind::Phone) && self.world.members[*at].plugged)
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

    fn do_something(&mut self) {
        match self.dice.within(0..100) {
            0..=24 => self.dial_inside(),
            25..=34 => self.dial_outside(),
            35..=44 => self.call_in(),
            45..=47 => self.dial_for_help(),
            48..=62 => self.hang_up(),
            63..=70 => self.change(),
            71..=74 => self.glare(),
            75..=80 => self.transfer_blind(),
            81..=86 => self.transfer_attended(),
            87..=89 => self.press(),
            90..=92 => self.pick_up(),
            93..=95 => self.register_again(),
            _ => self.react_otherwise(),
        }
    }

    fn extension(&mut self) -> String {
        let numbers: Vec<String> = self
            .world
            .configuration()
            .config
            .extensions
            .iter()
            .map(|it| it.number.as_str().to_owned())
            .collect();
        self.dice.pick(&numbers).cloned().unwrap_or_else(|| "201".to_owned())
    }

    fn outside(&mut self) -> String {
        self.numbers += 1;
        format!("1415555{:04}", self.numbers)
    }

    fn dial(&mut self, member: usize, to: &str) {
        let offer = if self.dice.percent(15) {
            Offer::Late
        } else {
            Offer::Early
        };
        let dial = Dial { offer, ..Dial::new(to) };
        self.world.with(member, |actor, now| actor.dial(now, &dial));
    }

    fn dial_inside(&mut self) {
        let to = if self.dice.percent(5) {
            "299".to_owned()
        } else {
            self.extension()
        };
        if let Some(member) = self.member(Kind::Phone) {
            self.dial(member, &to);
        }
    }

    fn dial_outside(&mut self) {
        let to = self.outside();
        if let Some(member) = self.member(Kind::Phone) {
            self.dial(member, &to);
        }
    }

    fn dial_for_help(&mut self) {
        if let Some(member) = self.member(Kind::Phone) {
            self.dial(member, "911");
        }
    }

    fn call_in(&mut self) {
        let from = format!("+{}", self.outside());
        if let Some(member) = self.member(Kind::Trunk) {
            let dial = Dial {
                from: Some(from),
                ..Dial::new("+12125550100")
            };
            self.world.with(member, |actor, now| actor.dial(now, &dial));
        }
    }

    fn hang_up(&mut self) {
        if let Some((member, call)) = self.call(Call::is_alive) {
            self.world.with(member, |actor, now| actor.hang_up(now, call));
        }
    }

    fn change(&mut self) {
        let Some((member, call)) = self.call(|call| call.stage == Stage::Up) else {
            return;
        };
        let ways = [Way::SendOnly, Way::Inactive, Way::SendRecv, Way::SendRecv];
        let way = self.dice.pick(&ways).copied().unwrap_or(Way::SendRecv);
        self.world.with(member, |actor, now| actor.reoffer(now, call, way));
    }

    /// Everybody in a call changes it at the same moment.
    fn glare(&mut self) {
        for member in 0..self.world.members.len() {
            let up = self.world.members[member]
                .actor
                .calls()
                .iter()
                .find(|call| call.stage == Stage::Up);
            if let Some(call) = up.map(|call| call.handle) {
                self.world
                    .with(member, |actor, now| actor.reoffer(now, call, Way::SendOnly));
            }
        }
    }

    fn transfer_blind(&mut self) {
        let Some((member, call)) = self.call(|call| call.stage == Stage::Up) else {
            return;
        };
        if !self.world.members[member].is_phone() {
            return;
        }
        let to = if self.dice.percent(30) {
            self.outside()
        } else {
            self.extension()
        };
        self.world
            .with(member, |actor, now| actor.transfer_blind(now, call, &to));
    }

    /// Joins two calls of one telephone, or begins the second one.
    fn transfer_attended(&mut self) {
        let Some((member, call)) = self.call(|call| call.stage == Stage::Up) else {
            return;
        };
        if !self.world.members[member].is_phone() {
            return;
        }
        let other = self.world.members[member].actor.calls().iter().find(|other| {
            other.handle != call && other.side == Side::Caller && matches!(other.stage, Stage::Up | Stage::Inviting)
        });
        match other.map(|other| other.handle) {
            Some(other) => self
                .world
                .with(member, |actor, now| actor.transfer_attended(now, call, other)),
            None => {
                let to = self.extension();
                self.world
                    .with(member, |actor, now| actor.reoffer(now, call, Way::SendOnly));
                self.dial(member, &to);
            }
        }
    }

    fn press(&mut self) {
        if let Some((member, call)) = self.call(|call| call.stage == Stage::Up) {
            let digit = *self.dice.pick(&['1', '5', '#']).unwrap_or(&'1');
            self.world.with(member, |actor, now| actor.press(now, call, digit));
        }
    }

    /// Somebody takes over a call of somebody else (RFC 3891).
    fn pick_up(&mut self) {
        let Some((owner, call)) = self.call(|call| call.is_alive() && call.side == Side::Callee) else {
            return;
        };
        let Some(member) = self.member(Kind::Phone).filter(|member| *member != owner) else {
            return;
        };
        let Some((call_id, own, other)) = self.world.members[owner].actor.call(call).map(Call::dialog) else {
            return;
        };
        let to = self.world.members[owner].actor.setup().number.clone();
        // The To tag is the one of who reads the header, the box (RFC 3891 section 3).
        let value = format!("{call_id};to-tag={other};from-tag={own}");
        let dial = Dial {
            headers: vec![("Replaces".to_owned(), value)],
            ..Dial::new(&to)
        };
        self.world.with(member, |actor, now| actor.dial(now, &dial));
    }

    fn register_again(&mut self) {
        let Some(member) = self.member(Kind::Phone) else { return };
        if self.dice.percent(30) {
            self.world.with(member, |actor, now| actor.unregister(now));
            self.world.run_until(self.world.offset() + Duration::from_secs(1));
        }
        self.world.with(member, |actor, now| actor.register(now));
    }

    fn react_otherwise(&mut self) {
        let kind = if self.dice.percent(80) {
            Kind::Phone
        } else {
            Kind::Trunk
        };
        if let Some(member) = self.member(kind) {
            let reaction = office::reaction(&mut self.dice);
            self.world.members[member].actor.set_reaction(reaction);
        }
    }

    fn break_something(&mut self) {
        match self.dice.within(0..100) {
            0..=24 => {
                if let Some(member) = self.member(Kind::Phone) {
                    self.world.crash(member);
                    self.world.run_until(self.world.offset() + self.dice.ms(100..4000));
                    self.world.with(member, |actor, now| actor.register(now));
                }
            }
            25..=39 => {
                if let Some(member) = self.member(Kind::Phone) {
                    self.world.break_stream(member);
                }
            }
            40..=54 => {
                let kind = if self.dice.percent(50) {
                    Kind::Phone
                } else {
                    Kind::Trunk
                };
                if let Some(member) = self.member(kind) {
                    self.world.plug(member, Cable::Out);
                }
            }
            55..=69 => {
                for member in 0..self.world.members.len() {
                    self.world.plug(member, Cable::In);
                }
            }
            70..=79 => {
                let time = self.dice.ms(100..8000);
                self.world.stick_disk(time);
            }
            80..=87 => {
                let by_ms = i64::try_from(self.dice.within(0..172_800_000)).unwrap_or(0) - 86_400_000;
                let trust = if self.dice.percent(70) {
                    Trust::Trusted
                } else {
                    Trust::Doubted
                };
                self.stepped = true;
                self.world.step_clock(by_ms, trust);
            }
            88..=93 => self.restart(Stop::Kill),
            94..=97 => self.restart(Stop::PowerCut),
            _ => {
                let quality = Quality::by(&mut self.dice);
                self.world.set_quality(quality);
            }
        }
    }

    fn restart(&mut self, how: Stop) {
        let promised = check::promised(&self.world);
        let pause = self.dice.ms(100..20_000);
        self.world.restart(how, pause);
        if !self.stepped {
            check::reachable(&mut self.world, &promised);
        }
    }
}

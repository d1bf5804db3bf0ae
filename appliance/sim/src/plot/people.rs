//! What people do: they call, hold, transfer, pick up and hang up.

use std::time::Duration;

use branchline_ladder::{Call, Dial, Offer, Side, Stage, Way};

use super::{Kind, Plot};
use crate::check::HELP;
use crate::office;

impl Plot {
    pub(super) fn do_something(&mut self) {
        match self.dice.within(0..100) {
            0..=24 => self.dial_inside(),
            25..=34 => self.dial_outside(),
            35..=44 => self.call_in(),
            45..=46 => self.dial_for_help(),
            47 => self.call_back(),
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
        let offer = if self.dice.percent(25) {
            Offer::Odd
        } else {
            Offer::Early
        };
        let dial = Dial {
            offer,
            ..Dial::new(HELP)
        };
        if let Some(member) = self.member(Kind::Phone) {
            self.world.with(member, |actor, now| actor.dial(now, &dial));
        }
    }

    /// Whoever was called for help wants to know more.
    fn call_back(&mut self) {
        let to = self.extension();
        if let Some(member) = self.member(Kind::Operator) {
            self.dial(member, &to);
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
        let to = match self.dice.within(0..100) {
            0..=9 => HELP.to_owned(),
            10..=34 => self.outside(),
            _ => self.extension(),
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
        // Whoever dials the operator's number for it calls for help.
        if !self.world.members[owner].is_phone() {
            return;
        }
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
}

//! What breaks: cables, streams, disk, clock, power; and on the cube of what can be lost, one edge after the other.

use branchline_config::Config;
use branchline_ladder::cube::{Condition, Edge, Part};
use branchline_ladder::{Call, Situation};

use super::{Kind, Plot};
use crate::check;
use crate::world::{Cable, Power, Quality, Stop, Takes, Trust};

impl Plot {
    pub(super) fn break_something(&mut self) {
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

    /// Somebody edits the configuration, and the box takes it.
    pub(super) fn reload(&mut self) {
        let mut config = Config::clone(&self.world.configuration().config);
        let numbers: Vec<String> = config
            .extensions
            .iter()
            .map(|it| it.number.as_str().to_owned())
            .collect();
        match self.dice.within(0..5) {
            0 => config.sip.ring_s = u32::try_from(self.dice.within(5..30)).unwrap_or(15),
            1 => config.sip.session_expires_s = u32::try_from(self.dice.within(90..300)).unwrap_or(120),
            2 => {
                let to = self.dice.pick(&numbers).cloned().filter(|_| self.dice.percent(70));
                let at = usize::try_from(self.dice.within(0..numbers.len() as u64)).unwrap_or(0);
                config.extensions[at].forward_busy = to;
            }
            3 => config.trunks.reverse(),
            _ => config.trunks[0].expires_s = u32::try_from(self.dice.within(30..600)).unwrap_or(60),
        }
        self.world.reload(config);
    }

    fn restart(&mut self, how: Stop) {
        let promised = check::promised(&self.world);
        let pause = self.dice.ms(100..20_000);
        self.world.restart(how, pause);
        check::reachable(&mut self.world, &promised);
    }

    /// One of WAN, call database and hosted PBX is lost or comes back.
    pub(super) fn walk(&mut self) {
        let parts = [Part::Wan, Part::Database, Part::Hosted];
        let Some(part) = self.dice.pick(&parts).copied() else {
            return;
        };
        let edge = self.corner.edge(part);
        let calls = self.world.members.iter().flat_map(|member| member.actor.calls());
        let situations: Vec<Situation> = calls.filter_map(Call::situation).collect();
        self.coverage.walked(edge, &situations);
        self.go(edge);
    }

    fn go(&mut self, edge: Edge) {
        self.corner = edge.to();
        match (edge.part(), self.corner.condition(edge.part())) {
            (Part::Wan, Condition::Up) => self.world.plug_wan(Cable::In),
            (Part::Wan, Condition::Down) => self.world.plug_wan(Cable::Out),
            (Part::Database, Condition::Up) => self.world.set_database(Takes::All),
            (Part::Database, Condition::Down) => self.world.set_database(Takes::Nothing),
            (Part::Hosted, Condition::Up) => self.world.power_hosted(Power::On),
            (Part::Hosted, Condition::Down) => self.world.power_hosted(Power::Off),
        }
    }

    /// Everything that was lost comes back.
    pub(super) fn mend(&mut self) {
        for part in [Part::Wan, Part::Database, Part::Hosted] {
            if self.corner.condition(part) == Condition::Down {
                self.go(self.corner.edge(part));
            }
        }
    }
}

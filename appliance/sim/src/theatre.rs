//! Plays `.ladder` files in memory.

use std::time::{Duration, Instant};

use branchline_journal::Event;
use branchline_ladder::flow::{self, Cast, Flow, Ground, Order, RecordLine, Theatre, Who};
use branchline_ladder::{Actor, CallHandle, HostedPbx};

use crate::office::configuration;
use crate::world::{BOX, Cable, Member, Stop, World};

/// Sound heard within this time counts as heard now.
const LATELY: Duration = Duration::from_secs(4);
/// A restart takes this long.
const RESTART: Duration = Duration::from_secs(2);

/// Plays the text of a file; the error is for a person to read and ends with the trace.
///
/// # Errors
/// Faults of the text, the step that went otherwise, or what the checkers found.
pub fn play(file: &str, text: &str) -> Result<(), String> {
    let told = |faults: Vec<flow::Fault>| faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    let flow = flow::parse(file, text).map_err(told)?;
    let mut stage = Memory::new(&flow)?;
    let actors: Vec<Who> = stage.actors.clone();
    let played = flow::play(&flow, &actors, &mut stage);
    let fault = match played {
        Err(failure) => Some(format!("{file}:{}: {}", failure.line, failure.what)),
        Ok(()) => stage.world.faults().first().map(|fault| format!("{file}: {fault}")),
    };
    let Some(fault) = fault else { return Ok(()) };
    let trace: Vec<&str> = stage.world.trace().collect();
    let shown = trace.len().saturating_sub(TRACE_SHOWN);
    Err(format!(
        "{fault}\n{}",
        trace
            .iter()
            .skip(shown)
            .map(|line| format!("  | {line}"))
            .collect::<Vec<_>>()
            .join("\n")
    ))
}

const TRACE_SHOWN: usize = 80;

struct Memory {
    world: World,
    actors: Vec<Who>,
}

impl Memory {
    fn new(flow: &Flow) -> Result<Memory, String> {
        let cast = Cast::of(
            flow,
            Ground {
                server: BOX,
                phones: [192, 0, 2],
                trunks: [198, 51, 100],
            },
        );
        let configuration = configuration(&cast.config, &cast.trunk_passwords())?;
        let actors: Vec<Who> = cast.actors.iter().map(|(who, _)| who.clone()).collect();
        let member = |(who, setup)| Member::new(&format!("{who}"), Actor::new(setup));
        let members = cast
            .actors
            .into_iter()
            .map(|(who, setup)| member((who, setup)))
            .collect();
        let mut world = World::new(1, configuration, members);
        if let Some(hosted) = cast.hosted {
            world.set_hosted(HostedPbx::new(hosted));
        }
        Ok(Memory { world, actors })
    }

    fn place(&self, who: &Who) -> Option<usize> {
        self.actors.iter().position(|known| known == who)
    }
}

impl Theatre for Memory {
    fn elapsed(&self) -> Duration {
        self.world.offset()
    }

    fn run_until(&mut self, at: Duration) {
        self.world.run_until(at);
    }

    fn with(&mut self, who: &Who, act: &mut dyn FnMut(&mut Actor, Instant)) -> bool {
        let Some(place) = self.place(who) else { return false };
        self.world.with(place, act);
        true
    }

    fn order(&mut self, order: &Order) -> Result<(), String> {
        let place = |who: &Who| self.place(who).ok_or(format!("there is no {who}"));
        match order {
            Order::Unplug(who) => {
                let place = place(who)?;
                self.world.plug(place, Cable::Out);
            }
            Order::Plug(who) => {
                let place = place(who)?;
                self.world.plug(place, Cable::In);
            }
            Order::Crash(who) => {
                let place = place(who)?;
                self.world.crash(place);
            }
            Order::Takes(who, habit) => {
                let place = place(who)?;
                habit.apply(self.world.members[place].actor.features_mut());
            }
            Order::CutHosted => self.world.plug_hosted(Cable::Out),
            Order::MendHosted => self.world.plug_hosted(Cable::In),
            Order::HostedTakes(habit) => habit.apply(self.world.hosted_pbx().ok_or("there is no hosted PBX")?),
            Order::Drill(lasts, canary) => self.world.drill(*lasts, canary)?,
            Order::Restart => self.world.restart(Stop::Kill, RESTART),
        }
        Ok(())
    }

    fn hosted(&mut self) -> Option<(String, usize)> {
        let moment = self.world.moment();
        let hosted = self.world.branch()?.view(moment).hosted?;
        Some((hosted.mode, usize::try_from(hosted.lines_confirmed).unwrap_or(0)))
    }

    fn drill(&mut self) -> Option<String> {
        let moment = self.world.moment();
        let drill = self.world.branch()?.view(moment).hosted?.drill?;
        Some(drill.stage)
    }

    fn records(&mut self) -> Vec<RecordLine> {
        let entries = self.world.disk().safe().iter();
        entries
            .filter_map(|entry| match &entry.event {
                Event::CallEnded(record) => Some(RecordLine {
                    from: record.from.dialled.clone(),
                    to: record.to.dialled.clone(),
                    outcome: record.outcome.name().to_owned(),
                    talk_ms: record.talk_ms,
                }),
                _other => None,
            })
            .collect()
    }

    fn calls(&mut self) -> usize {
        let moment = self.world.moment();
        self.world.branch().map_or(0, |branch| branch.view(moment).calls.len())
    }

    fn left(&mut self) -> Option<String> {
        let residue = self
            .world
            .branch()
            .map(branchline_branch::Branch::residue)
            .unwrap_or_default();
        let legs = self.world.legs();
        if residue.is_empty() && legs == 0 {
            return None;
        }
        let left: Vec<String> = residue.iter().map(|(what, count)| format!("{count} {what}")).collect();
        Some(format!("left: {}, {legs} relayed legs", left.join(", ")))
    }

    fn hears(&mut self, who: &Who, from: &Who) -> bool {
        let (Some(own), Some(other)) = (self.place(who), self.place(from)) else {
            return false;
        };
        let now = self.world.now();
        let media = |at: usize| -> Vec<(CallHandle, std::net::SocketAddr)> {
            let calls = self.world.members[at]
                .actor
                .calls()
                .iter()
                .filter(|call| call.is_alive());
            calls.map(|call| (call.handle, call.media)).collect()
        };
        let pairs = media(own)
            .into_iter()
            .flat_map(|(_, to)| media(other).into_iter().map(move |(_, it)| (to, it)));
        pairs.into_iter().any(|(to, source)| {
            self.world
                .sound_at(to, source)
                .is_some_and(|at| now.saturating_duration_since(at) < LATELY)
        })
    }
}

//! A drill: the hosted PBX is taken away from every line, or from a few, for a while.
//!
//! In: the order, what becomes of calls, the time. Out: a [`DrillView`]. What those lines would ask of the hosted PBX is
//! withheld and its answers tell nothing, so a second [`Health`] finds out as it would in an outage. What belongs to a
//! call that is up passes, and so do calls it brings: nobody outside is to suffer from a drill.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use branchline_call::{CallId, EndedBy, Summary};
use branchline_sip::Transmit;
use branchline_sip::message::{Message, Method};
use branchline_survival::{Event, Health, Mode};

use super::Upstream;
use crate::Branch;
use crate::now::Now;
use crate::output::Level;
use crate::targets::Urgency;
use crate::view::{DrillCallView, DrillView};

/// What is to be drilled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DrillOrder {
    /// How long the hosted PBX is away.
    pub lasts: Duration,
    /// Extensions and classes of service that do without it; empty is everybody.
    pub canary: Vec<String>,
}

/// Why there is no drill.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DrillRefused {
    /// No `[hosted]`.
    #[error("this branch has no hosted PBX; [hosted] in the configuration names one")]
    NoHostedPbx,
    /// An outage would only be hidden.
    #[error("the hosted PBX is not online but {0}; see branchline doctor")]
    NotOnline(&'static str),
    /// One at a time.
    #[error("a drill is going on")]
    GoingOn,
    /// It must not meet anything new.
    #[error("a call for help is up; try again when it is over")]
    Emergency,
    /// Nobody who has a line that is registered.
    #[error("{0} is no extension or class of service with a line at the hosted PBX")]
    NoLine(String),
}

/// Which lines something concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Side {
    /// Those that are as they always are.
    Ordinary,
    /// Those of the drill.
    Drilled,
}

pub(super) struct Drill {
    lines: BTreeSet<String>,
    /// How the hosted PBX looks to these lines.
    pub(super) health: Health,
    stage: Stage,
    began: Instant,
    let_go: Option<Instant>,
    through: BTreeMap<CallId, Fate>,
    /// The call that `card.first_call` speaks of.
    first: Option<CallId>,
    card: DrillView,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Requests are withheld.
    Away {
        until: Instant,
    },
    /// They pass, and the hosted PBX has to prove itself as after any outage.
    Returning {
        until: Instant,
    },
    /// The lines are ordinary ones again, and register.
    Registering {
        until: Instant,
    },
    Over,
}

impl Stage {
    fn name(self) -> &'static str {
        match self {
            Stage::Away { .. } => "away",
            Stage::Returning { .. } => "returning",
            Stage::Registering { .. } => "registering",
            Stage::Over => "over",
        }
    }

    fn due(self) -> Option<Instant> {
        match self {
            Stage::Away { until } | Stage::Returning { until } | Stage::Registering { until } => Some(until),
            Stage::Over => None,
        }
    }
}

/// What became of a call that went through the hosted PBX when it was taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Left,
    Joined,
    HungUp,
    CutOff,
}

impl Drill {
    /// The lines that it decides for.
    pub(super) fn takes(&self, line: &str) -> bool {
        self.has_lines() && self.lines.contains(line)
    }

    pub(super) fn is_away(&self) -> bool {
        matches!(self.stage, Stage::Away { .. })
    }

    pub(super) fn has_lines(&self) -> bool {
        match self.stage {
            Stage::Away { .. } | Stage::Returning { .. } => true,
            Stage::Registering { .. } | Stage::Over => false,
        }
    }

    /// It is the whole branch's.
    pub(super) fn is_everybodys(&self) -> bool {
        self.has_lines() && self.card.whole_branch
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let health = self.has_lines().then(|| self.health.poll_timeout()).flatten();
        [health, self.stage.due()].into_iter().flatten().min()
    }

    /// Lines that were served before and are not yet again.
    fn missing(&self, upstream: &Upstream) -> Vec<String> {
        let lost = self
            .card
            .extensions
            .iter()
            .filter(|line| !upstream.lines.is_confirmed(line));
        lost.cloned().collect()
    }

    fn handle_event(&mut self, now: Instant, event: Event) {
        let after = Some(ms(now.saturating_duration_since(self.began)));
        match event {
            Event::Changed { to: Mode::Suspect, .. } if self.is_away() => {
                self.card.doubted_after_ms = self.card.doubted_after_ms.or(after);
            }
            Event::Changed {
                from: Mode::Suspect,
                to: Mode::Survival,
                ..
            } => self.card.detected_after_ms = self.card.detected_after_ms.or(after),
            Event::Changed { .. } | Event::Doubted => {}
        }
    }

    fn fares(&mut self, call: CallId, fate: Fate) {
        if let Some(known) = self.through.get_mut(&call) {
            *known = fate;
        }
    }

    fn view(&self, upstream: &Upstream) -> DrillView {
        let count = |fate: Fate| count(self.through.values().filter(|known| **known == fate).count());
        DrillView {
            stage: self.stage.name().to_owned(),
            through: self::count(self.through.len()),
            joined: count(Fate::Joined),
            hung_up: count(Fate::HungUp),
            cut_off: count(Fate::CutOff),
            missing: match self.stage {
                Stage::Over => self.card.missing.clone(),
                Stage::Away { .. } | Stage::Returning { .. } | Stage::Registering { .. } => self.missing(upstream),
            },
            ..self.card.clone()
        }
    }
}

impl Upstream {
    pub(super) fn side_of(&self, line: &str) -> Side {
        match &self.drill {
            Some(drill) if drill.takes(line) => Side::Drilled,
            Some(_) | None => Side::Ordinary,
        }
    }

    /// How it looks from a side.
    pub(super) fn health_mut(&mut self, side: Side) -> &mut Health {
        match (side, &mut self.drill) {
            (Side::Drilled, Some(drill)) => &mut drill.health,
            (Side::Drilled | Side::Ordinary, _) => &mut self.health,
        }
    }

    pub(super) fn health(&self, side: Side) -> &Health {
        match (side, &self.drill) {
            (Side::Drilled, Some(drill)) => &drill.health,
            (Side::Drilled | Side::Ordinary, _) => &self.health,
        }
    }

    /// The side that stands for the branch as a whole.
    pub(super) fn main_side(&self) -> Side {
        match &self.drill {
            Some(drill) if drill.is_everybodys() => Side::Drilled,
            Some(_) | None => Side::Ordinary,
        }
    }

    pub(super) fn lines_of(&self, side: Side) -> BTreeSet<String> {
        let lines = self.lines.extensions().into_iter();
        lines.filter(|line| self.side_of(line) == side).collect()
    }

    /// What a side sends to see whether it is there stays here, and is not answered.
    pub(super) fn withholds_probes(&self, side: Side) -> bool {
        side == Side::Drilled && self.drill.as_ref().is_some_and(Drill::is_away)
    }

    pub(super) fn drill_view(&self) -> Option<DrillView> {
        self.drill.as_ref().map(|drill| drill.view(self))
    }
}

impl super::Hosted {
    /// Whether this would begin something at the hosted PBX for a line that does without it.
    pub(crate) fn withholds(&self, transmit: &Transmit) -> bool {
        let Some(upstream) = &self.upstream else { return false };
        let Some(drill) = upstream.drill.as_ref().filter(|drill| drill.is_away()) else {
            return false;
        };
        if upstream
            .address()
            .is_none_or(|address| address.remote != transmit.flow.remote)
        {
            return false;
        }
        let Ok(message) = Message::parse(transmit.bytes.clone()) else {
            return false;
        };
        let begins = message.is_request()
            && message.to_tag().is_none()
            && !matches!(message.method(), Method::Ack | Method::Cancel);
        let user = message.from().uri().map(|uri| uri.user_unescaped().into_owned());
        let line = user.ok().and_then(|user| upstream.lines.of_user(&user));
        begins && line.is_some_and(|line| drill.takes(&line))
    }

    /// The drill that counts calls now.
    fn counting(&mut self) -> Option<&mut Drill> {
        let drill = self.upstream.as_mut()?.drill.as_mut()?;
        drill.is_away().then_some(drill)
    }
}

impl Branch {
    /// Takes the hosted PBX away from some lines. It comes back by itself.
    ///
    /// # Errors
    /// Why not; nothing has changed then.
    pub fn begin_drill(&mut self, now: Now, order: &DrillOrder) -> Result<(), DrillRefused> {
        if self.facts.values().any(|facts| facts.urgency != Urgency::Ordinary) {
            return Err(DrillRefused::Emergency);
        }
        let classes: BTreeMap<&str, &str> = self
            .config
            .extensions
            .iter()
            .map(|entry| (entry.number.as_str(), entry.class.as_str()))
            .collect();
        let upstream = self.hosted.upstream().ok_or(DrillRefused::NoHostedPbx)?;
        if upstream.drill.as_ref().is_some_and(|drill| drill.stage != Stage::Over) {
            return Err(DrillRefused::GoingOn);
        }
        if upstream.mode() != Mode::Online {
            return Err(DrillRefused::NotOnline(upstream.mode().name()));
        }
        let known = upstream.lines.extensions();
        let named = |line: &str, name: &str| line == name || classes.get(line) == Some(&name);
        let nobody = |name: &&String| !known.iter().any(|line| named(line, name));
        if let Some(name) = order.canary.iter().find(nobody) {
            return Err(DrillRefused::NoLine(name.clone()));
        }
        let meant = |line: &String| order.canary.is_empty() || order.canary.iter().any(|name| named(line, name));
        let lines: BTreeSet<String> = known.into_iter().filter(meant).collect();
        let extensions: Vec<String> = lines
            .iter()
            .filter(|line| upstream.lines.is_confirmed(line))
            .cloned()
            .collect();
        if extensions.is_empty() {
            return Err(DrillRefused::NoLine(
                order.canary.first().map_or("nobody", String::as_str).to_owned(),
            ));
        }
        let calls = &self.calls;
        let through = upstream.loops.of_lines(&lines).into_iter();
        let through = through.filter_map(|(out, _)| Some((calls.call_of(out)?, Fate::Left)));
        let text = format!("drill: the hosted PBX is taken away from {} lines", extensions.len());
        upstream.drill = Some(Drill {
            through: through.collect(),
            health: upstream.health.clone(),
            stage: Stage::Away {
                until: now.mono + order.lasts,
            },
            began: now.mono,
            let_go: None,
            first: None,
            card: DrillView {
                began_utc_ms: now.utc_ms,
                whole_branch: order.canary.is_empty(),
                extensions,
                ..DrillView::default()
            },
            lines,
        });
        self.notice(Level::Info, text);
        self.settle(now);
        Ok(())
    }

    /// Ends a drill before its time; without one nothing happens.
    pub fn end_drill(&mut self, now: Now, why: &str) {
        let Some(upstream) = self.hosted.upstream() else { return };
        let Some(drill) = upstream.drill.as_mut().filter(|drill| drill.has_lines()) else {
            return;
        };
        why.clone_into(&mut drill.card.called_off);
        self.hand_over(now);
        self.notice(Level::Warning, format!("drill: ended early, {why}"));
    }

    /// Moves a drill on. Says whether there was anything.
    pub(super) fn drill_turn(&mut self, now: Now) -> bool {
        let Some(upstream) = self.hosted.upstream() else {
            return false;
        };
        let Some(mut drill) = upstream.drill.take() else {
            return false;
        };
        let is_due = drill.stage.due().is_some_and(|due| due <= now.mono);
        let is_back = drill.health.mode() == Mode::Online;
        let since_let_go = drill.let_go.map(|at| ms(now.mono.saturating_duration_since(at)));
        let missing = drill.missing(upstream);
        let mut hands_over = false;
        match drill.stage {
            Stage::Away { .. } if is_due => {
                drill.let_go = Some(now.mono);
                drill.card.let_go_after_ms = Some(ms(now.mono.saturating_duration_since(drill.began)));
                drill.stage = Stage::Returning {
                    until: now.mono + RETURN_WITHIN,
                };
                // Too short to be noticed: there is nothing to come back from.
                hands_over = drill.card.detected_after_ms.is_none();
            }
            Stage::Returning { .. } if is_back || is_due => {
                drill.card.online_ms = since_let_go.filter(|_| is_back);
                hands_over = true;
            }
            Stage::Registering { .. } if missing.is_empty() || is_due => {
                drill.card.registered_ms = since_let_go.filter(|_| missing.is_empty());
                drill.card.missing = missing;
                drill.stage = Stage::Over;
            }
            Stage::Away { .. } | Stage::Returning { .. } | Stage::Registering { .. } | Stage::Over => {
                upstream.drill = Some(drill);
                return false;
            }
        }
        upstream.drill = Some(drill);
        if hands_over {
            self.hand_over(now);
        }
        true
    }

    /// The lines of the drill are ordinary ones from now on.
    fn hand_over(&mut self, now: Now) {
        let Some(upstream) = self.hosted.upstream() else { return };
        let Some(drill) = &mut upstream.drill else { return };
        let lines = drill.lines.clone();
        drill.let_go.get_or_insert(now.mono);
        let until = now.mono + REGISTERED_WITHIN;
        let was_lost = drill.card.detected_after_ms.is_some() && drill.health.mode() != Mode::Online;
        drill.stage = Stage::Registering { until };
        if was_lost {
            upstream.start_lines(&lines);
        }
        self.tell_lines();
    }

    pub(super) fn drill_event(&mut self, now: Now, event: Event) {
        if let Some(drill) = self.hosted.upstream().and_then(|upstream| upstream.drill.as_mut()) {
            drill.handle_event(now.mono, event);
        }
    }

    /// A call of the branch began.
    pub(crate) fn drill_call_started(&mut self, call: CallId) {
        let caller = self.facts.get(&call).and_then(|facts| facts.from.normalised.clone());
        if let Some((drill, caller)) = self.hosted.counting().zip(caller)
            && drill.takes(&caller)
        {
            drill.card.calls_made += 1;
        }
    }

    /// A telephone of the branch rings for a call, or answers it.
    pub(crate) fn drill_call_reached(&mut self, now: Now, call: CallId, how: Reached) {
        let Some(facts) = self.facts.get(&call).filter(|facts| facts.within.is_none()) else {
            return;
        };
        let Some(drill) = self.hosted.counting() else { return };
        let caller = facts.from.normalised.as_deref().unwrap_or_default();
        if facts.started_mono < drill.began || !drill.takes(caller) {
            return;
        }
        let took_ms = ms(now.mono.saturating_duration_since(facts.started_mono));
        let first = drill.card.first_call.get_or_insert_with(|| DrillCallView {
            from: facts.from.dialled.clone(),
            to: facts.to.dialled.clone(),
            placed_after_ms: ms(facts.started_mono.saturating_duration_since(drill.began)),
            rang_ms: took_ms,
            answered_ms: None,
        });
        let is_first = *drill.first.get_or_insert(call) == call;
        match how {
            Reached::Ringing => {}
            Reached::Answered => {
                drill.card.calls_answered += 1;
                if is_first {
                    first.answered_ms = first.answered_ms.or(Some(took_ms));
                }
            }
        }
    }

    /// A call that went through the hosted PBX goes on in the box.
    pub(super) fn drill_joined(&mut self, call: CallId) {
        if let Some(drill) = self.hosted.upstream().and_then(|upstream| upstream.drill.as_mut()) {
            drill.fares(call, Fate::Joined);
        }
    }

    pub(crate) fn drill_call_finished(&mut self, summary: &Summary) {
        let fate = match summary.ended_by {
            EndedBy::Caller | EndedBy::Callee => Fate::HungUp,
            EndedBy::Box => Fate::CutOff,
        };
        if let Some(drill) = self.hosted.upstream().and_then(|upstream| upstream.drill.as_mut())
            && drill.has_lines()
        {
            drill.fares(summary.call, fate);
        }
    }
}

/// How far a call came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reached {
    Ringing,
    Answered,
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn count(calls: usize) -> u32 {
    u32::try_from(calls).unwrap_or(u32::MAX)
}

/// Twice the longest that a return may have to prove itself.
const RETURN_WITHIN: Duration = Duration::from_secs(600);
/// A line that has not registered by then did not return.
const REGISTERED_WITHIN: Duration = Duration::from_secs(120);

//! Plays a flow in a theatre: the simulator, or a daemon with real sockets.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use branchline_sip::message::{Message, Name};
use bytes::Bytes;

use super::{Action, Flow, Got, Holds, Order, Sent, State, Step, Who};
use crate::{Actor, Call, CallHandle, Dial, Heard, Offer, Stage, What};

/// Where a flow plays.
pub trait Theatre {
    /// Since the flow began.
    fn elapsed(&self) -> Duration;
    /// Lets time pass until then.
    fn run_until(&mut self, at: Duration);
    /// Lets a telephone act; false if there is none of that name.
    fn with(&mut self, who: &Who, act: &mut dyn FnMut(&mut Actor, Instant)) -> bool;
    /// Something happens to a telephone or to the box.
    ///
    /// # Errors
    /// What this theatre cannot do.
    fn order(&mut self, order: &Order) -> Result<(), String>;
    /// How the hosted PBX is, and how many lines it has confirmed; `None` without one.
    fn hosted(&mut self) -> Option<(String, usize)>;
    /// How far the last drill is; `None` without one.
    fn drill(&mut self) -> Option<String>;
    /// All records.
    fn records(&mut self) -> Vec<RecordLine>;
    /// Calls in progress.
    fn calls(&mut self) -> usize;
    /// What is left when nothing should be; `None` when nothing is.
    fn left(&mut self) -> Option<String>;
    /// Whether sound went from the second to the first lately.
    fn hears(&mut self, who: &Who, from: &Who) -> bool;
}

/// A record as a flow speaks of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordLine {
    /// Caller.
    pub from: String,
    /// What was dialled.
    pub to: String,
    /// How it went.
    pub outcome: String,
    /// How long was talked, in milliseconds.
    pub talk_ms: u64,
}

/// Where a flow went another way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Line of the file, from 1; 0 before the first step.
    pub line: usize,
    /// What was expected and what came.
    pub what: String,
}

/// How often a state is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Everybody has registered by then.
const REGISTERED_BY: Duration = Duration::from_secs(5);
const HEARD_MAX: usize = 1000;

struct Player<'a> {
    theatre: &'a mut dyn Theatre,
    heard: BTreeMap<Who, VecDeque<Heard>>,
    began: Duration,
}

/// Plays a flow.
///
/// # Errors
/// The first line that went otherwise.
pub fn play(flow: &Flow, actors: &[Who], theatre: &mut dyn Theatre) -> Result<(), Failure> {
    let began = theatre.elapsed();
    let mut player = Player {
        theatre,
        heard: BTreeMap::new(),
        began,
    };
    let whole = |what| Failure { line: 0, what };
    let registering: Vec<&Who> = actors
        .iter()
        .filter(|who| who.kind == "phone")
        .filter(|who| !flow.unregistered.contains(&who.name) && !flow.strangers.contains(&who.name))
        .collect();
    for who in &registering {
        player.theatre.with(who, &mut |phone, now| phone.register(now));
    }
    for who in registering
        .into_iter()
        .cloned()
        .chain(actors.iter().filter(|who| who.kind == "trunk").cloned())
    {
        player
            .until_state(&State::Registered(who), REGISTERED_BY)
            .map_err(whole)?;
    }
    player.began = player.theatre.elapsed();
    player.collect(actors);
    player.heard.clear();
    for step in &flow.steps {
        player
            .step(actors, step)
            .map_err(|what| Failure { line: step.line, what })?;
    }
    Ok(())
}

impl Player<'_> {
    fn step(&mut self, actors: &[Who], step: &Step) -> Result<(), String> {
        if let Some(at) = step.at {
            self.theatre.run_until(self.began + at);
        }
        self.collect(actors);
        match &step.action {
            Action::Send(who, sent) => self.send(who, sent),
            Action::Order(order) => self.theatre.order(order),
            Action::Wait(time) => {
                self.theatre.run_until(self.theatre.elapsed() + *time);
                Ok(())
            }
            Action::Expect(who, got, patience) => self.expect(actors, (who, got), *patience),
            Action::Never(who, got, time) => self.never(actors, (who, got), *time),
            Action::State(state, patience) => self.until_state(state, *patience),
        }
    }

    fn expect(&mut self, actors: &[Who], (who, got): (&Who, &Got), patience: Duration) -> Result<(), String> {
        let end = self.theatre.elapsed() + patience;
        let mut passed = Vec::new();
        loop {
            self.collect(actors);
            let queue = self.heard.entry(who.clone()).or_default();
            while let Some(heard) = queue.pop_front() {
                if fits(&heard.what, got) {
                    return Ok(());
                }
                passed.push(told(&heard.what));
            }
            if self.theatre.elapsed() >= end {
                let instead = if passed.is_empty() {
                    "nothing".to_owned()
                } else {
                    passed.join(", ")
                };
                return Err(format!(
                    "{who} should have got {} within {patience:?}; it got {instead}",
                    told_got(got)
                ));
            }
            self.theatre.run_until((self.theatre.elapsed() + LOOK_EVERY).min(end));
        }
    }

    fn never(&mut self, actors: &[Who], (who, got): (&Who, &Got), time: Duration) -> Result<(), String> {
        self.theatre.run_until(self.theatre.elapsed() + time);
        self.collect(actors);
        let queue = self.heard.entry(who.clone()).or_default();
        match queue.iter().any(|heard| fits(&heard.what, got)) {
            true => Err(format!("{who} got {}", told_got(got))),
            false => Ok(()),
        }
    }

    fn collect(&mut self, actors: &[Who]) {
        for who in actors {
            let queue = self.heard.entry(who.clone()).or_default();
            self.theatre.with(who, &mut |actor, _| {
                let room = HEARD_MAX.saturating_sub(queue.len());
                queue.extend(std::iter::from_fn(|| actor.poll_heard()).take(room));
            });
        }
    }

    fn until_state(&mut self, state: &State, patience: Duration) -> Result<(), String> {
        let end = self.theatre.elapsed() + patience;
        loop {
            let fault = match self.state(state) {
                Ok(()) => return Ok(()),
                Err(fault) => fault,
            };
            if self.theatre.elapsed() >= end {
                return Err(format!("{fault} after {patience:?}"));
            }
            self.theatre.run_until((self.theatre.elapsed() + LOOK_EVERY).min(end));
        }
    }

    fn state(&mut self, state: &State) -> Result<(), String> {
        match state {
            State::Sound(one, other) => {
                for (who, from) in [(one, other), (other, one)] {
                    if !self.theatre.hears(who, from) {
                        return Err(format!("{who} does not hear {from}"));
                    }
                }
                Ok(())
            }
            State::Calls(wanted) => match self.theatre.calls() {
                count if count == *wanted => Ok(()),
                count => Err(format!("{count} calls, not {wanted}")),
            },
            State::Records(wanted) => match self.theatre.records().len() {
                count if count == *wanted => Ok(()),
                count => Err(format!("{count} records, not {wanted}")),
            },
            State::Record {
                from,
                to,
                outcome,
                talk,
            } => {
                let records = self.theatre.records();
                let found = records.iter().any(|record| {
                    let talked = talk.is_none_or(|talk| Duration::from_millis(record.talk_ms).abs_diff(talk) <= EXACT);
                    record.from == *from && record.to == *to && record.outcome == *outcome && talked
                });
                if found {
                    Ok(())
                } else {
                    Err(format!("no such record among {records:?}"))
                }
            }
            State::Registered(who) => {
                let mut known = false;
                self.theatre.with(who, &mut |actor, now| {
                    known = actor.registered_until().is_some_and(|until| until > now);
                });
                if known {
                    Ok(())
                } else {
                    Err(format!("{who} is not registered"))
                }
            }
            State::Mode(wanted) => match self.theatre.hosted() {
                Some((mode, _)) if mode == *wanted => Ok(()),
                found => Err(format!("the mode is not {wanted}: {found:?}")),
            },
            State::Lines(wanted) => match self.theatre.hosted() {
                Some((_, lines)) if lines == *wanted => Ok(()),
                found => Err(format!("not {wanted} lines: {found:?}")),
            },
            State::Drill(wanted) => match self.theatre.drill() {
                Some(stage) if stage == *wanted => Ok(()),
                found => Err(format!("the drill is not {wanted}: {found:?}")),
            },
            State::NothingLeft => self.theatre.left().map_or(Ok(()), Err),
        }
    }

    fn send(&mut self, who: &Who, sent: &Sent) -> Result<(), String> {
        let dialog = match sent {
            Sent::Invite {
                replacing: Some(other), ..
            } => Some(self.dialog_of(other)?),
            Sent::Invite { .. } | Sent::Status(_) | Sent::End | Sent::Change(_) | Sent::Refer(_) | Sent::Join => None,
            Sent::Key(_) | Sent::Register => None,
        };
        let mut done = Err(format!("there is no {who}"));
        self.theatre
            .with(who, &mut |actor, now| done = act(actor, now, (sent, dialog.as_deref())));
        done
    }

    /// The dialog of a telephone's newest call, as the Replaces header of somebody else names it (RFC 3891).
    fn dialog_of(&mut self, number: &str) -> Result<String, String> {
        let who = Who {
            kind: "phone",
            name: number.to_owned(),
        };
        let mut value = Err(format!("{who} has no call"));
        self.theatre.with(&who, &mut |actor, _| {
            if let Some((call_id, own, other)) = actor.live_call().map(Call::dialog) {
                value = Ok(format!("{call_id};to-tag={other};from-tag={own}"));
            }
        });
        value
    }
}

fn act(actor: &mut Actor, now: Instant, (sent, dialog): (&Sent, Option<&str>)) -> Result<(), String> {
    let newest = |actor: &Actor| {
        actor
            .live_call()
            .map(|call| call.handle)
            .ok_or("it has no call".to_owned())
    };
    match sent {
        Sent::Invite {
            to,
            late,
            from,
            headers,
            ..
        } => {
            let offer = if *late { Offer::Late } else { Offer::Early };
            let headers = dialog
                .map(|value| ("Replaces".to_owned(), value.to_owned()))
                .into_iter()
                .chain(headers.iter().cloned())
                .collect();
            actor.dial(
                now,
                &Dial {
                    to: to.clone(),
                    from: from.clone(),
                    offer,
                    headers,
                },
            );
        }
        Sent::Status(status) => {
            let ringing = actor.calls().iter().rev().find(|call| call.stage == Stage::Ringing);
            let call = ringing.map(|call| call.handle).ok_or("nothing rings there")?;
            match status {
                180..=199 => actor.ring(now, call, *status),
                200..=299 => actor.answer(now, call),
                _ => actor.refuse(now, call, *status),
            }
        }
        Sent::End => actor.hang_up(now, newest(actor)?),
        Sent::Change(way) => actor.reoffer(now, newest(actor)?, *way),
        Sent::Refer(to) => actor.transfer_blind(now, newest(actor)?, to),
        Sent::Join => {
            let live: Vec<CallHandle> = actor
                .calls()
                .iter()
                .filter(|it| it.is_alive())
                .map(|it| it.handle)
                .collect();
            match live.as_slice() {
                [.., first, second] => actor.transfer_attended(now, *first, *second),
                _ => return Err("it has no two calls to join".to_owned()),
            }
        }
        Sent::Key(digit) => actor.press(now, newest(actor)?, *digit),
        Sent::Register => actor.register(now),
    }
    Ok(())
}

const EXACT: Duration = Duration::from_secs(1);

fn fits(what: &What, got: &Got) -> bool {
    match (what, got) {
        (What::Request { method, message, .. }, Got::Request(wanted, holds)) => {
            method == wanted && holds.iter().all(|holds| is_held(message, holds))
        }
        (What::Response { status, .. }, Got::Status(wanted)) => status == wanted,
        (What::Response { status, described, .. }, Got::Described(wanted)) => status == wanted && *described,
        (What::Request { .. } | What::Response { .. }, _) => false,
        (What::NoAnswer { .. } | What::NoAck | What::Garbage | What::Fault(_), _) => false,
    }
}

fn is_held(message: &Bytes, holds: &Holds) -> bool {
    Message::parse(message.clone()).is_ok_and(|message| match holds {
        Holds::With(name, text) if name == "body" => holds_text(message.body(), text),
        Holds::With(name, text) => message
            .values(Name::of(name))
            .any(|value| String::from_utf8_lossy(value).contains(text)),
        Holds::Without(name) => message.value(Name::of(name)).is_none(),
    })
}

fn holds_text(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

fn told(what: &What) -> String {
    match what {
        What::Request { method, .. } => method.clone(),
        What::Response { status, method, .. } => format!("{status} to {method}"),
        What::NoAnswer { method } => format!("no answer to {method}"),
        What::NoAck => "no ACK".to_owned(),
        What::Garbage => "garbage".to_owned(),
        What::Fault(text) => text.clone(),
    }
}

fn told_got(got: &Got) -> String {
    match got {
        Got::Request(method, holds) => holds.iter().fold(method.clone(), |text, holds| match holds {
            Holds::With(name, value) => format!("{text} with {name} {value}"),
            Holds::Without(name) => format!("{text} without {name}"),
        }),
        Got::Status(status) => status.to_string(),
        Got::Described(status) => format!("{status} with sdp"),
    }
}

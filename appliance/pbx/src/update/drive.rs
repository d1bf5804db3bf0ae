//! Does what the updater wants: talks to the daemon, changes the shelf, and says how far it is.

use std::io::{self, Write};
use std::time::Duration;

use branchline_config::{Config, UpdateSource};
use branchline_update::{
    Action, Before, How, Moment, Offer, Outcome, Pending, Plan, Stage, Updater, Version, Vitals, Window,
};

use super::{FileDisk, Held, UpdateFault, alone, incoming, shown, test_call};
use crate::clock;
use crate::control::client::{Client, Unreachable};
use crate::control::protocol::Request;
use crate::place::Place;
use crate::run::clock::Clock;

/// Starts of a new version before it is found good: the first, and two after power cuts or crashes.
const TRIES: u32 = 3;
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What an update works with.
pub struct Job<'a> {
    /// The box.
    pub place: &'a Place,
    /// Its configuration.
    pub config: &'a Config,
    /// Its versions.
    pub held: &'a mut Held,
    /// Whether the hours of the configuration are kept.
    pub window: Option<Window>,
    /// For the operator.
    pub out: &'a mut dyn Write,
}

/// Where an archive is.
struct Archive<'a> {
    source: &'a UpdateSource,
    offer: &'a Offer,
}

/// Installs what a source offers; ends with [`Stage::Good`], [`Stage::GivenUp`] or [`Stage::TakenBack`].
pub fn install(
    job: &mut Job<'_>,
    (source, offer): (&UpdateSource, &Offer),
    from: &Version,
) -> Result<Stage, UpdateFault> {
    let plan = job.plan((&offer.version, from));
    job.held
        .shelf
        .change(|record| record.note_time(offer.not_before_utc_ms))?;
    let mut updater = Updater::new(plan.clone());
    drive(job, &plan, (&mut updater, Some(Archive { source, offer })))
}

/// Goes on with a trial that a power cut interrupted.
pub fn go_on(job: &mut Job<'_>, pending: &Pending) -> Result<Stage, UpdateFault> {
    let plan = job.plan((&pending.version, &pending.from));
    let mut updater = Updater::resume(now(&mut Clock::new()), plan.clone(), pending.before.clone());
    drive(job, &plan, (&mut updater, None))
}

impl Job<'_> {
    fn plan(&self, (version, from): (&Version, &Version)) -> Plan {
        let update = &self.config.update;
        Plan {
            version: version.clone(),
            from: from.clone(),
            wait: Duration::from_secs(u64::from(update.wait_minutes) * 60),
            window: self.window,
            judge: Duration::from_secs(u64::from(update.judge_s)),
        }
    }
}

fn drive(
    job: &mut Job<'_>,
    plan: &Plan,
    (updater, archive): (&mut Updater, Option<Archive<'_>>),
) -> Result<Stage, UpdateFault> {
    let mut clock = Clock::new();
    let mut told = None;
    loop {
        let stage = updater.stage();
        if told.as_ref() != Some(&stage) {
            tell(job, plan, &stage).map_err(super::io_fault("cannot print"))?;
            told = Some(stage);
        }
        if let Some(action) = updater.poll_action() {
            act(job, (plan, archive.as_ref()), (updater, action));
        } else if let Some(at) = updater.poll_timeout() {
            std::thread::park_timeout(at.saturating_duration_since(clock::now()));
            updater.handle_timeout(now(&mut clock));
        } else {
            let stage = updater.stage();
            settle_end(job, plan, &stage)?;
            return Ok(stage);
        }
    }
}

fn act(job: &mut Job<'_>, (plan, archive): (&Plan, Option<&Archive<'_>>), (updater, action): (&mut Updater, Action)) {
    let mut clock = Clock::new();
    match action {
        Action::Fetch => {
            let fetched = archive.map_or(Ok(()), |archive| {
                let wanted = (&archive.offer.version, &archive.offer.artefact);
                incoming::bring(&mut job.held.shelf, (archive.source, &job.config.update), wanted)
            });
            updater.handle_done(now(&mut clock), fetched.map_err(|fault| fault.to_string()));
        }
        Action::Observe => match (updater.stage(), job.taken_back(plan)) {
            (Stage::Judging, Some(why)) => updater.handle_taken_back(now(&mut clock), &why),
            (_, Some(_) | None) => {
                let vitals = Client::connect(&job.place.control_socket()).and_then(|mut client| client.vitals());
                updater.handle_vitals(now(&mut clock), vitals.ok());
            }
        },
        Action::TestCall => {
            let made = test_call::make(job.place, job.config);
            updater.handle_test_call(now(&mut clock), made);
        }
        Action::Stop(how) => updater.handle_stopped(now(&mut clock), stop(job.place, how)),
        change @ (Action::Begin(_) | Action::Keep | Action::TakeBack(_) | Action::Withdraw(_)) => {
            let changed = job.change(plan, change);
            updater.handle_done(now(&mut clock), changed.map_err(|fault| fault.to_string()));
        }
    }
}

impl Job<'_> {
    /// Changes what the disk says of the trial.
    fn change(&mut self, plan: &Plan, change: Action) -> Result<(), UpdateFault> {
        let _alone = alone(self.place)?;
        let (shelf, utc_ms) = (&mut self.held.shelf, clock::utc_ms());
        Ok(match change {
            Action::Begin(before) => shelf.begin(&pending(plan, before)),
            Action::Keep => shelf.keep(utc_ms),
            Action::TakeBack(reason) => shelf.take_back(&reason.to_string(), utc_ms),
            Action::Withdraw(reason) => shelf.withdraw(&reason.to_string()),
            Action::Fetch | Action::Observe | Action::TestCall | Action::Stop(_) => Ok(()),
        }?)
    }

    /// Why the trial is over, if something else has ended it.
    fn taken_back(&self, plan: &Plan) -> Option<String> {
        let state = self.held.shelf.state().ok()?;
        match (state.pending, state.record.last) {
            (None, Some(Outcome::TakenBack { version, reason, .. })) if version == plan.version => Some(reason),
            (Some(_), _) | (None, Some(Outcome::TakenBack { .. } | Outcome::Good { .. }) | None) => None,
        }
    }
}

fn pending(plan: &Plan, before: Before) -> Pending {
    Pending {
        version: plan.version.clone(),
        from: plan.from.clone(),
        tries_left: TRIES,
        before,
        utc_ms: clock::utc_ms(),
    }
}

fn stop(place: &Place, how: How) -> Result<(), String> {
    let request = match how {
        How::WhenIdle => Request::StopWhenIdle,
        How::HangUp => Request::Shutdown,
    };
    match Client::connect(&place.control_socket()).and_then(|mut client| client.command(&request)) {
        Ok(_) | Err(Unreachable::NotRunning) => Ok(()),
        Err(
            fault @ (Unreachable::Forbidden | Unreachable::Silent(_) | Unreachable::Stranger | Unreachable::Refused(_)),
        ) => Err(fault.to_string()),
    }
}

/// Ends the daemon once no call is up; waits as long as that takes.
pub(crate) fn stop_when_idle(place: &Place) -> Result<(), UpdateFault> {
    loop {
        let client = Client::connect(&place.control_socket());
        match client.and_then(|mut client| client.command(&Request::StopWhenIdle)) {
            Ok(_) | Err(Unreachable::NotRunning) => return Ok(()),
            Err(Unreachable::Refused(_)) => std::thread::park_timeout(LOOK_EVERY),
            Err(fault @ (Unreachable::Forbidden | Unreachable::Silent(_) | Unreachable::Stranger)) => {
                return Err(UpdateFault::Source(fault.to_string()));
            }
        }
    }
}

/// What is left to write, and to tell the daemon that shows it.
fn settle_end(job: &mut Job<'_>, plan: &Plan, stage: &Stage) -> Result<(), UpdateFault> {
    let shelf = &mut job.held.shelf;
    match stage {
        Stage::Good => shelf.tidy(std::slice::from_ref(&plan.from))?,
        Stage::GivenUp(reason) => {
            let refused = format!("{}: {reason}", plan.version);
            shelf.change(|record| record.refused = refused)?;
        }
        Stage::Fetching
        | Stage::Waiting { .. }
        | Stage::Switching
        | Stage::Judging
        | Stage::Returning
        | Stage::TakenBack(_) => {}
    }
    tell_daemon(job.place, shelf);
    Ok(())
}

/// The daemon shows it on the page; one that does not run reads it when it starts.
pub(crate) fn tell_daemon(place: &Place, shelf: &branchline_update::Shelf<FileDisk>) {
    if let Ok(state) = shelf.state()
        && let Ok(mut client) = Client::connect(&place.control_socket())
    {
        let _ = client.command(&Request::Updated(shown(&state)));
    }
}

fn tell(job: &mut Job<'_>, plan: &Plan, stage: &Stage) -> io::Result<()> {
    let Plan { version, from, .. } = plan;
    match stage {
        Stage::Fetching => writeln!(job.out, "Fetching {version}."),
        Stage::Waiting { calls: 0, .. } => writeln!(job.out, "Version {version} is here; the box is looked at."),
        Stage::Waiting { calls, emergency_calls } => {
            writeln!(
                job.out,
                "Waiting for {calls} calls to end, {emergency_calls} of them for help."
            )
        }
        Stage::Switching => writeln!(job.out, "Changing from {from} to {version}."),
        Stage::Judging => writeln!(job.out, "Version {version} is on trial for {} s.", plan.judge.as_secs()),
        Stage::Returning => writeln!(job.out, "Going back to {from}."),
        Stage::Good => writeln!(job.out, "Version {version} is good and stays."),
        Stage::GivenUp(reason) => writeln!(job.out, "Version {version} was not installed: {reason}"),
        Stage::TakenBack(reason) => writeln!(job.out, "Version {version} was taken back, {from} runs: {reason}"),
    }?;
    job.out.flush()
}

fn now(clock: &mut Clock) -> Moment {
    let now = clock.now();
    Moment {
        mono: now.mono,
        utc_ms: now.clock_trusted.then_some(now.utc_ms),
    }
}

/// What the daemon says to the updater, from what it shows.
pub(crate) fn vitals(view: &branchline_branch::view::View) -> Vitals {
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Vitals {
        version: crate::version::own().to_owned(),
        up_ms: view.up_ms,
        calls: count(view.calls.len()),
        emergency_calls: count(view.calls.iter().filter(|call| call.emergency).count()),
        registrations: count(view.phones.iter().filter(|phone| !phone.contacts.is_empty()).count()),
        trunks_up: count(view.trunks.iter().filter(|trunk| trunk.state == "up").count()),
        database_normal: view.health.database == "normal",
    }
}

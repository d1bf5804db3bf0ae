//! One update from its archive to its verdict.
//!
//! Outputs: [`Updater::poll_action`], one at a time; each is answered by the `handle_*` that its comment names.
//! [`Updater::poll_timeout`] says when to call [`Updater::handle_timeout`]. Fetching → waiting for calls → measuring how the
//! box is → changing the version → judging → good, or back. What must outlive a power cut is on the [`Shelf`](crate::Shelf).

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use semver::Version;

use crate::judge::{Before, Worse};
use crate::vitals::{TestCall, Vitals};
use crate::window::Window;

/// What to do, and what not to exceed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The new version.
    pub version: Version,
    /// The current one.
    pub from: Version,
    /// How long to wait for calls to end.
    pub wait: Duration,
    /// When the version may be changed; always without.
    pub window: Option<Window>,
    /// How long the new version is watched.
    pub judge: Duration,
}

/// Now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// For deadlines.
    pub mono: Instant,
    /// UTC, if the clock has been set.
    pub utc_ms: Option<i64>,
}

/// What the shell does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Fetch the archive, check it, put the version beside the others: [`Updater::handle_done`].
    Fetch,
    /// Ask the daemon: [`Updater::handle_vitals`].
    Observe,
    /// Call the echo: [`Updater::handle_test_call`].
    TestCall,
    /// Make the new version current, on trial: [`Updater::handle_done`].
    Begin(Before),
    /// End the daemon; it is started again by its supervisor: [`Updater::handle_stopped`].
    Stop(How),
    /// The trial is over, the version stays: [`Updater::handle_done`].
    Keep,
    /// The trial is over, the old version is current again: [`Updater::handle_done`].
    TakeBack(Reason),
    /// The trial did not begin, the old version is current again: [`Updater::handle_done`].
    Withdraw(Reason),
}

/// How the daemon is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// If no call is up, else not at all.
    WhenIdle,
    /// Calls are hung up, but for those for help, which it waits for.
    HangUp,
}

/// Why an update was given up or taken back.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// The archive, or the disk.
    #[error("{0}")]
    Failed(String),
    /// Calls went on.
    #[error("calls were up, or the hours of update.window did not come, for {0} minutes; it is tried again")]
    Busy(u64),
    /// Nobody there.
    #[error("version {version} did not answer for {seconds} s")]
    Silent {
        /// The new version.
        version: Version,
        /// How long.
        seconds: u64,
    },
    /// Another is there.
    #[error("version {found} answers, not {version}: the service does not start what versions/current points to")]
    Stranger {
        /// It.
        found: String,
        /// The one that should.
        version: Version,
    },
    /// It does not stay up.
    #[error("version {0} ended and was started again more than once")]
    Restarts(Version),
    /// It is up and serves worse.
    #[error("worse than before: {0}")]
    Worse(#[from] Worse),
}

/// How far an update is, for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The archive comes in.
    Fetching,
    /// For calls to end, or for the hours of the window.
    Waiting {
        /// Calls that are up.
        calls: u32,
        /// Of these, for help.
        emergency_calls: u32,
    },
    /// The box is measured and the version changed.
    Switching,
    /// The new version is watched.
    Judging,
    /// The old version comes back.
    Returning,
    /// The new version stays.
    Good,
    /// Nothing was changed.
    GivenUp(Reason),
    /// The old version is back.
    TakenBack(Reason),
}

#[derive(Debug)]
enum State {
    Fetching,
    Waiting {
        until: Instant,
        calls: (u32, u32),
        silent: u32,
    },
    Measuring {
        until: Instant,
        vitals: Option<Vitals>,
    },
    Switching {
        until: Instant,
        before: Before,
    },
    Judging(Judging),
    Keeping,
    Withdrawing(Reason),
    Returning {
        until: Instant,
        reason: Reason,
    },
    Returned {
        until: Instant,
        reason: Reason,
    },
    Over(Stage),
}

#[derive(Debug)]
struct Judging {
    before: Before,
    silent_since: Instant,
    seen: Option<Seen>,
    restarts: u32,
    call: Call,
}

#[derive(Debug)]
struct Seen {
    since: Instant,
    up_ms: u64,
}

#[derive(Debug)]
enum Call {
    Due { failures: u32 },
    Asked { failures: u32 },
    Passed,
}

/// One update.
#[derive(Debug)]
pub struct Updater {
    plan: Plan,
    state: State,
    actions: VecDeque<Action>,
    look_at: Option<Instant>,
}

/// Between two looks at the daemon.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A debug build on a busy machine starts in a tenth of it.
const START_WITHIN: Duration = Duration::from_secs(60);
/// A daemon whose loop is stuck is ended by its watchdog after 20 s, and starts again.
const SILENT_MAX: Duration = Duration::from_secs(45);
/// Looks that nobody answers, after which nobody is waited for.
const SILENT_LOOKS: u32 = 3;
/// One may be the watchdog's on a bad day.
const RESTARTS_MAX: u32 = 1;
const CALLS_FAILED_MAX: u32 = 3;
/// A version that is worse carries calls all the same; they get so long to end.
const RETURN_WITHIN: Duration = Duration::from_secs(300);
/// Longer than most calls for help take, which end the daemon's stay.
const HELP_WITHIN: Duration = Duration::from_secs(3600);

impl Updater {
    /// Begins with the archive.
    pub fn new(plan: Plan) -> Updater {
        Updater {
            plan,
            state: State::Fetching,
            actions: VecDeque::from([Action::Fetch]),
            look_at: None,
        }
    }

    /// Goes on with a trial that is on the disk, after a power cut.
    pub fn resume(now: Moment, plan: Plan, before: Before) -> Updater {
        let mut updater = Updater {
            plan,
            state: State::Fetching,
            actions: VecDeque::new(),
            look_at: None,
        };
        updater.judge(now, before);
        updater
    }

    /// How far it is.
    pub fn stage(&self) -> Stage {
        match &self.state {
            State::Fetching => Stage::Fetching,
            State::Waiting { calls, .. } => Stage::Waiting {
                calls: calls.0,
                emergency_calls: calls.1,
            },
            State::Measuring { .. } | State::Switching { .. } => Stage::Switching,
            State::Judging(_) | State::Keeping => Stage::Judging,
            State::Withdrawing(_) | State::Returning { .. } | State::Returned { .. } => Stage::Returning,
            State::Over(stage) => stage.clone(),
        }
    }

    /// The next thing to do.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When to look again; none while an action is out, and when it is over.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.look_at
    }

    /// Time has come.
    pub fn handle_timeout(&mut self, now: Moment) {
        if self.look_at.is_none_or(|at| now.mono < at) {
            return;
        }
        self.look_at = None;
        self.actions.push_back(match self.state {
            State::Switching { .. } => Action::Stop(How::WhenIdle),
            State::Returning { until, .. } if now.mono >= until => Action::Stop(How::HangUp),
            State::Returning { .. } => Action::Stop(How::WhenIdle),
            State::Fetching
            | State::Waiting { .. }
            | State::Measuring { .. }
            | State::Judging(_)
            | State::Keeping
            | State::Withdrawing(_)
            | State::Returned { .. }
            | State::Over(_) => Action::Observe,
        });
    }

    /// What became of [`Action::Fetch`], [`Action::Begin`], [`Action::Keep`], [`Action::TakeBack`] or [`Action::Withdraw`].
    pub fn handle_done(&mut self, now: Moment, done: Result<(), String>) {
        let state = std::mem::replace(&mut self.state, State::Keeping);
        self.state = match (state, done) {
            (State::Fetching, Ok(())) => {
                self.actions.push_back(Action::Observe);
                State::Waiting {
                    until: now.mono + self.plan.wait,
                    calls: (0, 0),
                    silent: 0,
                }
            }
            (State::Switching { until, before }, Ok(())) => {
                self.actions.push_back(Action::Stop(How::WhenIdle));
                State::Switching { until, before }
            }
            (State::Keeping, Ok(())) => State::Over(Stage::Good),
            (State::Withdrawing(reason), Ok(())) => State::Over(Stage::GivenUp(reason)),
            (State::Returning { until, reason }, Ok(())) => {
                self.actions.push_back(Action::Stop(How::WhenIdle));
                State::Returning { until, reason }
            }
            (State::Switching { .. }, Err(why)) => self.withdraw(Reason::Failed(why)),
            // The trial stays on the disk, and ends the same way when the daemon is started too often.
            (State::Returning { reason, .. }, Err(_)) => State::Over(Stage::TakenBack(reason)),
            (State::Fetching | State::Keeping | State::Withdrawing(_), Err(why)) => {
                State::Over(Stage::GivenUp(Reason::Failed(why)))
            }
            (
                state @ (State::Waiting { .. }
                | State::Measuring { .. }
                | State::Judging(_)
                | State::Returned { .. }
                | State::Over(_)),
                Ok(()) | Err(_),
            ) => state,
        };
    }

    /// What the daemon says; `None` when nobody answers.
    pub fn handle_vitals(&mut self, now: Moment, vitals: Option<Vitals>) {
        self.look_at = Some(now.mono + LOOK_EVERY);
        let state = std::mem::replace(&mut self.state, State::Keeping);
        self.state = match state {
            State::Waiting { until, silent, .. } => self.waited(now, (until, silent), vitals),
            State::Judging(judging) => self.judged(now, judging, vitals),
            State::Returned { until, reason } => {
                let is_back = vitals.is_some_and(|vitals| vitals.version == self.plan.from.to_string());
                match is_back || now.mono >= until {
                    true => self.over(Stage::TakenBack(reason)),
                    false => State::Returned { until, reason },
                }
            }
            state @ (State::Fetching
            | State::Measuring { .. }
            | State::Switching { .. }
            | State::Keeping
            | State::Withdrawing(_)
            | State::Returning { .. }
            | State::Over(_)) => state,
        };
    }

    /// What became of a call to the echo.
    pub fn handle_test_call(&mut self, now: Moment, made: Result<TestCall, String>) {
        let state = std::mem::replace(&mut self.state, State::Keeping);
        self.state = match state {
            State::Measuring { until, vitals } => {
                let before = Before {
                    vitals,
                    test_call: made.ok(),
                };
                self.look_at = None;
                self.actions.push_back(Action::Begin(before.clone()));
                State::Switching { until, before }
            }
            State::Judging(judging) => self.called(now, judging, &made),
            state @ (State::Fetching
            | State::Waiting { .. }
            | State::Switching { .. }
            | State::Keeping
            | State::Withdrawing(_)
            | State::Returning { .. }
            | State::Returned { .. }
            | State::Over(_)) => state,
        };
    }

    /// The trial was ended from elsewhere: its tries were used up, or somebody went back by hand.
    pub fn handle_taken_back(&mut self, now: Moment, why: &str) {
        if let State::Judging(_) = self.state {
            self.look_at = Some(now.mono);
            self.state = State::Returned {
                until: now.mono + START_WITHIN,
                reason: Reason::Failed(why.to_owned()),
            };
        }
    }

    /// Whether the daemon ends; why not, if it does not.
    pub fn handle_stopped(&mut self, now: Moment, stopped: Result<(), String>) {
        let state = std::mem::replace(&mut self.state, State::Keeping);
        self.state = match (state, stopped) {
            (State::Switching { before, .. }, Ok(())) => {
                self.judge(now, before);
                return;
            }
            (State::Switching { until, .. }, Err(_)) if now.mono >= until => self.withdraw(self.busy()),
            // The link points to the old version: the next start runs it, whenever that comes.
            (State::Returning { until, reason }, Err(_)) if now.mono >= until + HELP_WITHIN => {
                self.over(Stage::TakenBack(reason))
            }
            (State::Returning { reason, .. }, Ok(())) => {
                self.look_at = Some(now.mono + LOOK_EVERY);
                State::Returned {
                    until: now.mono + START_WITHIN,
                    reason,
                }
            }
            (state @ (State::Switching { .. } | State::Returning { .. }), Err(_)) => {
                self.look_at = Some(now.mono + LOOK_EVERY);
                state
            }
            (
                state @ (State::Fetching
                | State::Waiting { .. }
                | State::Measuring { .. }
                | State::Judging(_)
                | State::Keeping
                | State::Withdrawing(_)
                | State::Returned { .. }
                | State::Over(_)),
                Ok(()) | Err(_),
            ) => state,
        };
    }

    fn waited(&mut self, now: Moment, (until, silent): (Instant, u32), vitals: Option<Vitals>) -> State {
        let silent = if vitals.is_some() { 0 } else { silent + 1 };
        let calls = vitals.as_ref().map_or((0, 0), |it| (it.calls, it.emergency_calls));
        // A daemon that is down has no calls; one that starts or is busy answers one of the next looks.
        let is_idle = match &vitals {
            Some(vitals) => vitals.calls == 0,
            None => silent >= SILENT_LOOKS,
        };
        let is_in_window = match (self.plan.window, now.utc_ms) {
            (None, Some(_) | None) => true,
            (Some(window), Some(utc_ms)) => window.holds(utc_ms),
            // Nobody knows how late it is, so it may be the middle of the day.
            (Some(_), None) => false,
        };
        if is_idle && is_in_window {
            self.look_at = None;
            if vitals.is_some() {
                self.actions.push_back(Action::TestCall);
                return State::Measuring { until, vitals };
            }
            let before = Before::default();
            self.actions.push_back(Action::Begin(before.clone()));
            return State::Switching { until, before };
        }
        match now.mono >= until {
            true => self.over(Stage::GivenUp(self.busy())),
            false => State::Waiting { until, calls, silent },
        }
    }

    fn judge(&mut self, now: Moment, before: Before) {
        self.look_at = Some(now.mono);
        self.state = State::Judging(Judging {
            call: match before.test_call {
                Some(_) => Call::Due { failures: 0 },
                None => Call::Passed,
            },
            before,
            silent_since: now.mono,
            seen: None,
            restarts: 0,
        });
    }

    fn judged(&mut self, now: Moment, mut judging: Judging, vitals: Option<Vitals>) -> State {
        let version = self.plan.version.clone();
        let silent = now.mono.saturating_duration_since(judging.silent_since);
        let silent_max = if judging.seen.is_some() {
            SILENT_MAX
        } else {
            START_WITHIN
        };
        let Some(vitals) = vitals else {
            if silent < silent_max {
                return State::Judging(judging);
            }
            let seconds = silent.as_secs();
            return self.take_back(now, Reason::Silent { version, seconds });
        };
        if vitals.version != version.to_string() {
            if silent < silent_max {
                return State::Judging(judging);
            }
            let found = vitals.version;
            return self.take_back(now, Reason::Stranger { found, version });
        }
        judging.silent_since = now.mono;
        let seen = judging.seen.get_or_insert(Seen {
            since: now.mono,
            up_ms: 0,
        });
        if vitals.up_ms < seen.up_ms {
            judging.restarts += 1;
        }
        seen.up_ms = vitals.up_ms;
        if judging.restarts > RESTARTS_MAX {
            return self.take_back(now, Reason::Restarts(version));
        }
        let is_over = now.mono >= seen.since + self.plan.judge;
        if let Call::Due { failures } = judging.call {
            judging.call = Call::Asked { failures };
            self.look_at = None;
            self.actions.push_back(Action::TestCall);
            return State::Judging(judging);
        }
        if !is_over {
            return State::Judging(judging);
        }
        match judging.before.against(&vitals) {
            Err(worse) => self.take_back(now, worse.into()),
            Ok(()) => {
                self.look_at = None;
                self.actions.push_back(Action::Keep);
                State::Keeping
            }
        }
    }

    fn called(&mut self, now: Moment, mut judging: Judging, made: &Result<TestCall, String>) -> State {
        self.look_at = Some(now.mono + LOOK_EVERY);
        let (Call::Asked { failures } | Call::Due { failures }) = judging.call else {
            return State::Judging(judging);
        };
        match judging.before.against_call(made) {
            Ok(()) => judging.call = Call::Passed,
            Err(worse) if failures + 1 >= CALLS_FAILED_MAX => return self.take_back(now, worse.into()),
            Err(_) => judging.call = Call::Due { failures: failures + 1 },
        }
        State::Judging(judging)
    }

    fn take_back(&mut self, now: Moment, reason: Reason) -> State {
        self.look_at = None;
        self.actions.push_back(Action::TakeBack(reason.clone()));
        State::Returning {
            until: now.mono + RETURN_WITHIN,
            reason,
        }
    }

    fn withdraw(&mut self, reason: Reason) -> State {
        self.look_at = None;
        self.actions.push_back(Action::Withdraw(reason.clone()));
        State::Withdrawing(reason)
    }

    fn over(&mut self, stage: Stage) -> State {
        self.look_at = None;
        State::Over(stage)
    }

    fn busy(&self) -> Reason {
        Reason::Busy(self.plan.wait.as_secs() / 60)
    }
}

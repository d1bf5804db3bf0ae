//! Updates from archive to verdict, beside boxes that behave in every way.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "an instant to count from")]

use std::time::{Duration, Instant};

use branchline_update::{
    Action, Before, How, Moment, Plan, Reason, Stage, TestCall, Updater, Version, Vitals, Window, Worse,
};

fn old() -> Version {
    Version::new(1, 0, 0)
}

fn new() -> Version {
    Version::new(1, 1, 0)
}

const WAIT: Duration = Duration::from_secs(600);
const JUDGE: Duration = Duration::from_secs(30);

/// A box whose ways are set for each test. Seconds count from the beginning.
struct Box {
    /// Calls are up until then.
    calls_until_s: u64,
    /// And among them one for help.
    emergency_until_s: u64,
    /// The new version answers so long after its start.
    starts_after_s: Option<u64>,
    /// The new version ends by itself so long after its start.
    lives_s: Option<u64>,
    /// What the new version says of itself.
    new_vitals: Vitals,
    new_call: Result<TestCall, String>,
    /// The supervisor starts the old one whatever is current.
    is_stuck_to_old: bool,
    fetched: Result<(), String>,
    begun: Result<(), String>,

    now_s: u64,
    current: Version,
    started: Option<(Version, u64)>,
    stops: Vec<(u64, How)>,
    actions: Vec<Action>,
}

fn healthy(version: &Version) -> Vitals {
    Vitals {
        version: version.to_string(),
        registrations: 2,
        trunks_up: 1,
        database_normal: true,
        ..Vitals::default()
    }
}

fn good_call() -> TestCall {
    TestCall {
        sent: 50,
        returned: 50,
        round_trip_us: 300,
        recorded: true,
    }
}

fn a_box() -> Box {
    Box {
        calls_until_s: 0,
        emergency_until_s: 0,
        starts_after_s: Some(1),
        lives_s: None,
        new_vitals: healthy(&new()),
        new_call: Ok(good_call()),
        is_stuck_to_old: false,
        fetched: Ok(()),
        begun: Ok(()),
        now_s: 0,
        current: old(),
        started: Some((old(), 0)),
        stops: Vec::new(),
        actions: Vec::new(),
    }
}

impl Box {
    fn calls(&self) -> u32 {
        u32::from(self.now_s < self.calls_until_s) + u32::from(self.now_s < self.emergency_until_s)
    }

    fn vitals(&mut self) -> Option<Vitals> {
        let (version, since_s) = self.started.clone()?;
        let up_s = self.now_s - since_s;
        let (mut vitals, up_s) = if version == old() {
            (healthy(&old()), up_s)
        } else {
            if up_s < self.starts_after_s? {
                return None;
            }
            let lived_s = self.lives_s.map_or(up_s, |lives_s| up_s % lives_s);
            (self.new_vitals.clone(), lived_s)
        };
        vitals.up_ms = up_s * 1000;
        vitals.calls = self.calls();
        vitals.emergency_calls = u32::from(self.now_s < self.emergency_until_s);
        Some(vitals)
    }

    fn stop(&mut self, how: How) -> Result<(), String> {
        let refused = match how {
            How::WhenIdle => self.calls() > 0,
            How::HangUp => self.now_s < self.emergency_until_s,
        };
        if refused {
            return Err("calls are up".to_owned());
        }
        self.stops.push((self.now_s, how));
        let next = if self.is_stuck_to_old {
            old()
        } else {
            self.current.clone()
        };
        self.started = Some((next, self.now_s));
        Ok(())
    }

    fn play(&mut self, plan: Plan) -> Stage {
        let mut updater = Updater::new(plan);
        self.play_on(&mut updater)
    }

    fn play_on(&mut self, updater: &mut Updater) -> Stage {
        let began = Instant::now();
        for _ in 0..20_000 {
            let now = Moment {
                mono: began + Duration::from_secs(self.now_s),
                utc_ms: Some(i64::try_from(self.now_s * 1000).unwrap()),
            };
            let Some(action) = updater.poll_action() else {
                match updater.poll_timeout() {
                    Some(at) => {
                        self.now_s = at.duration_since(began).as_secs().max(self.now_s);
                        let now = Moment {
                            mono: at.max(now.mono),
                            ..now
                        };
                        updater.handle_timeout(now);
                        continue;
                    }
                    None => return updater.stage(),
                }
            };
            self.actions.push(action.clone());
            match action {
                Action::Fetch => updater.handle_done(now, self.fetched.clone()),
                Action::Observe => updater.handle_vitals(now, self.vitals()),
                Action::TestCall => {
                    let running = self.started.as_ref().map(|(version, _)| version.clone());
                    let made = if running == Some(old()) {
                        Ok(good_call())
                    } else {
                        self.new_call.clone()
                    };
                    updater.handle_test_call(now, made);
                }
                Action::Begin(_) => {
                    if self.begun.is_ok() {
                        self.current = new();
                    }
                    updater.handle_done(now, self.begun.clone());
                }
                Action::Stop(how) => {
                    let stopped = self.stop(how);
                    updater.handle_stopped(now, stopped);
                }
                Action::Keep => updater.handle_done(now, Ok(())),
                Action::TakeBack(_) | Action::Withdraw(_) => {
                    self.current = old();
                    updater.handle_done(now, Ok(()));
                }
            }
        }
        panic!("no end: {updater:?}");
    }
}

fn plan() -> Plan {
    Plan {
        version: new(),
        from: old(),
        wait: WAIT,
        window: None,
        judge: JUDGE,
    }
}

#[test]
fn a_good_version_stays_after_it_was_watched() {
    let mut it = a_box();
    assert_eq!(it.play(plan()), Stage::Good);
    assert_eq!((it.current.clone(), it.stops.len()), (new(), 1));
    assert!(it.now_s >= JUDGE.as_secs());
    let calls = it.actions.iter().filter(|action| **action == Action::TestCall).count();
    assert_eq!(calls, 2, "before and after");
}

#[test]
fn an_update_waits_for_calls_and_never_ends_one() {
    let mut it = a_box();
    it.calls_until_s = 300;
    it.emergency_until_s = 400;
    assert_eq!(it.play(plan()), Stage::Good);
    assert!(it.stops[0].0 >= 400 && it.stops[0].1 == How::WhenIdle, "{:?}", it.stops);
}

#[test]
fn calls_that_do_not_end_put_an_update_off_and_nothing_is_changed() {
    let mut it = a_box();
    it.calls_until_s = 100_000;
    assert_eq!(it.play(plan()), Stage::GivenUp(Reason::Busy(10)));
    assert_eq!((it.current.clone(), it.stops.len()), (old(), 0));
}

#[test]
fn a_window_is_waited_for_and_without_a_clock_nothing_begins_in_it() {
    let window = Some(Window {
        from_minute: 5,
        to_minute: 6,
    });
    let mut it = a_box();
    assert_eq!(it.play(Plan { window, ..plan() }), Stage::Good);
    assert!((300..360).contains(&it.stops[0].0), "{:?}", it.stops);

    let mut updater = Updater::new(Plan { window, ..plan() });
    let began = Instant::now();
    let at = |after: Duration| Moment {
        mono: began + after,
        utc_ms: None,
    };
    updater.handle_done(at(Duration::ZERO), Ok(()));
    updater.handle_vitals(at(Duration::ZERO), Some(healthy(&old())));
    assert_eq!(
        updater.stage(),
        Stage::Waiting {
            calls: 0,
            emergency_calls: 0
        }
    );
    updater.handle_vitals(at(WAIT), Some(healthy(&old())));
    assert_eq!(updater.stage(), Stage::GivenUp(Reason::Busy(10)));
}

#[test]
fn a_version_that_is_worse_is_taken_back_for_its_reason() {
    type Set = fn(&mut Box);
    let cases: [(Set, Reason); 8] = [
        (
            |it| it.starts_after_s = None,
            Reason::Silent {
                version: new(),
                seconds: 60,
            },
        ),
        (|it| it.lives_s = Some(5), Reason::Restarts(new())),
        (
            |it| it.is_stuck_to_old = true,
            Reason::Stranger {
                found: "1.0.0".into(),
                version: new(),
            },
        ),
        (
            |it| it.new_vitals.registrations = 1,
            Worse::Registrations { now: 1, before: 2 }.into(),
        ),
        (
            |it| it.new_vitals.trunks_up = 0,
            Worse::Trunks { now: 0, before: 1 }.into(),
        ),
        (|it| it.new_vitals.database_normal = false, Worse::Database.into()),
        (
            |it| it.new_call = Err("404".into()),
            Worse::TestCall("404".into()).into(),
        ),
        (
            |it| {
                it.new_call = Ok(TestCall {
                    returned: 10,
                    ..good_call()
                });
            },
            Worse::Sound { now: 80, before: 0 }.into(),
        ),
    ];
    for (set, reason) in cases {
        let mut it = a_box();
        set(&mut it);
        assert_eq!(it.play(plan()), Stage::TakenBack(reason.clone()));
        assert_eq!(it.started.unwrap().0, old(), "{reason}");
        assert_eq!(it.current, old(), "{reason}");
    }
}

#[test]
fn a_bad_version_is_not_taken_back_over_a_call_for_help() {
    let mut it = a_box();
    it.new_call = Err("404".into());
    it.starts_after_s = Some(2);
    // It begins after the change of versions.
    let mut updater = Updater::resume(
        Moment {
            mono: Instant::now(),
            utc_ms: None,
        },
        plan(),
        Before {
            vitals: Some(healthy(&old())),
            test_call: Some(good_call()),
        },
    );
    it.current = new();
    it.started = Some((new(), 0));
    it.emergency_until_s = 2000;
    assert_eq!(
        it.play_on(&mut updater),
        Stage::TakenBack(Worse::TestCall("404".into()).into())
    );
    assert!(it.stops.iter().all(|(at_s, _)| *at_s >= 2000), "{:?}", it.stops);
}

#[test]
fn what_fails_before_the_change_changes_nothing() {
    let full = || Err("no space left".to_owned());
    let mut it = a_box();
    it.fetched = full();
    assert_eq!(it.play(plan()), Stage::GivenUp(Reason::Failed("no space left".into())));
    let mut it = a_box();
    it.begun = full();
    assert_eq!(it.play(plan()), Stage::GivenUp(Reason::Failed("no space left".into())));
    assert_eq!((it.current.clone(), it.stops.len()), (old(), 0));
}

#[test]
fn a_box_that_was_down_is_updated_without_questions_about_before() {
    let mut it = a_box();
    it.started = None;
    assert_eq!(it.play(plan()), Stage::Good);
    let calls = it.actions.iter().filter(|action| **action == Action::TestCall).count();
    assert_eq!(calls, 0);
}

//! A loop that opens and closes: off hook, on hook, recall, dialling pulses.

use std::time::{Duration, Instant};

use branchline_config::country::Analog;

use crate::Level;
use crate::debounce::{Debounced, Settled};
use crate::events::Events;
use crate::fxs::FxsEvent;

/// Which breaks of the loop mean what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HookTiming {
    /// Shortest and longest break of a recall; a longer one is a hang-up.
    pub flash: (Duration, Duration),
    /// Whether breaks too short for a recall are dialling pulses.
    pub dialling: PulseDialling,
}

/// Whether pulses are dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PulseDialling {
    /// 10 or 20 pulses a second.
    Decoded,
    /// The shortest recall is as short as a pulse, so that the two cannot be told apart.
    Ignored,
}

impl HookTiming {
    /// As a country's telephones have it.
    #[must_use]
    pub fn of(analog: &Analog) -> HookTiming {
        let (least, most) = analog.flash_ms;
        let flash = (
            Duration::from_millis(u64::from(least)),
            Duration::from_millis(u64::from(most)),
        );
        HookTiming {
            flash,
            dialling: match flash.0 > BREAK_MAX {
                true => PulseDialling::Decoded,
                false => PulseDialling::Ignored,
            },
        }
    }
}

/// Reads one hook contact.
///
/// Inputs: [`handle_edge`](Self::handle_edge), [`handle_timeout`](Self::handle_timeout). Outputs:
/// [`poll_event`](Self::poll_event), [`poll_timeout`](Self::poll_timeout). Question: [`is_off_hook`](Self::is_off_hook).
#[derive(Clone, Debug)]
pub struct Hook {
    timing: HookTiming,
    contact: Debounced,
    state: State,
    events: Events<FxsEvent>,
}

#[derive(Clone, Debug)]
enum State {
    OnHook,
    Closed { dialled: Option<Pulses> },
    Broken { since: Instant, dialled: Option<Pulses> },
}

/// Pulses of the digit that is being dialled.
#[derive(Clone, Copy, Debug)]
struct Pulses {
    count: u32,
    last_end: Instant,
}

impl Hook {
    /// A telephone whose loop is as `level` says; one that starts off hook reports it.
    #[must_use]
    pub fn new(level: Level, timing: HookTiming) -> Hook {
        let mut hook = Hook {
            timing,
            contact: Debounced::new(level, SETTLE),
            state: State::OnHook,
            events: Events::new(),
        };
        if level == Level::Active {
            hook.state = State::Closed { dialled: None };
            hook.events.push(FxsEvent::OffHook);
        }
        hook
    }

    /// A recall or a pulse in progress still counts as off hook.
    #[must_use]
    pub fn is_off_hook(&self) -> bool {
        match self.state {
            State::OnHook => false,
            State::Closed { .. } | State::Broken { .. } => true,
        }
    }

    /// The loop changed; active is closed.
    pub fn handle_edge(&mut self, at: Instant, level: Level) {
        self.handle_timeout(at);
        self.contact.handle_edge(at, level);
    }

    /// Time passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        if let Some(settled) = self.contact.handle_timeout(now) {
            self.handle_change(settled);
        }
        self.expire(now);
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let own = match self.state {
            State::OnHook | State::Closed { dialled: None } => None,
            State::Closed {
                dialled: Some(pulses), ..
            } => Some(pulses.last_end + DIGIT_PAUSE + SETTLE),
            // A close that counts may still be on its way through the contact.
            State::Broken { since, .. } => Some(since + self.timing.flash.1 + SETTLE),
        };
        [own, self.contact.poll_timeout()].into_iter().flatten().min()
    }

    /// What happened, oldest first.
    pub fn poll_event(&mut self) -> Option<FxsEvent> {
        self.events.pop()
    }

    /// How long a change has to last: longer while ringing current runs through the loop.
    pub(crate) fn set_settle(&mut self, now: Instant, settle: Option<Duration>) {
        self.contact.set_settle(now, settle.unwrap_or(SETTLE));
    }

    fn expire(&mut self, now: Instant) {
        match self.state {
            State::Closed {
                dialled: Some(pulses), ..
            } if now >= pulses.last_end + DIGIT_PAUSE + SETTLE => {
                self.finish_digit(pulses);
                self.state = State::Closed { dialled: None };
            }
            State::Broken { since, .. } if now >= since + self.timing.flash.1 + SETTLE => {
                self.state = State::OnHook;
                self.events.push(FxsEvent::OnHook);
            }
            State::OnHook | State::Closed { .. } | State::Broken { .. } => {}
        }
    }

    fn handle_change(&mut self, change: Settled) {
        self.state = match (&self.state, change.level) {
            (State::OnHook, Level::Active) => {
                self.events.push(FxsEvent::OffHook);
                State::Closed { dialled: None }
            }
            (State::Closed { dialled }, Level::Inactive) => {
                let mut dialled = *dialled;
                if let Some(pulses) = dialled.filter(|pulses| change.since >= pulses.last_end + DIGIT_PAUSE) {
                    self.finish_digit(pulses);
                    dialled = None;
                }
                State::Broken {
                    since: change.since,
                    dialled,
                }
            }
            (State::Broken { since, dialled }, Level::Active) => {
                let (since, dialled) = (*since, *dialled);
                self.close(since, change.since, dialled)
            }
            (State::OnHook, Level::Inactive)
            | (State::Closed { .. }, Level::Active)
            | (State::Broken { .. }, Level::Inactive) => return,
        };
    }

    /// The loop closed again.
    fn close(&mut self, since: Instant, at: Instant, dialled: Option<Pulses>) -> State {
        let lasted = at.duration_since(since);
        let is_pulse = (BREAK_MIN..=BREAK_MAX).contains(&lasted) && self.timing.dialling == PulseDialling::Decoded;
        if is_pulse {
            let count = dialled.map_or(0, |pulses| pulses.count) + 1;
            let last_end = at;
            return State::Closed {
                dialled: Some(Pulses { count, last_end }),
            };
        }
        let (least, most) = self.timing.flash;
        if lasted > most {
            // The hang-up and the next call, both seen late.
            self.events.push(FxsEvent::OnHook);
            self.events.push(FxsEvent::OffHook);
            return State::Closed { dialled: None };
        }
        if lasted >= least {
            self.events.push(FxsEvent::Flash);
            return State::Closed { dialled: None };
        }
        if lasted < BREAK_MIN || dialled.is_none() {
            return State::Closed { dialled };
        }
        self.events.push(FxsEvent::Misdialled);
        State::Closed { dialled: None }
    }

    fn finish_digit(&mut self, pulses: Pulses) {
        let event = match pulses.count {
            10 => FxsEvent::Digit('0'),
            count => char::from_digit(count, 10).map_or(FxsEvent::Misdialled, FxsEvent::Digit),
        };
        self.events.push(event);
    }
}

/// Hook switches and dial contacts bounce for up to 3 ms; the shortest break of a fast dial is 25 ms.
const SETTLE: Duration = Duration::from_millis(5);
/// Dials break for 50 to 75 % of a pulse: 25 ms at 20 pulses a second, 83 ms at 9.
const BREAK_MIN: Duration = Duration::from_millis(15);
const BREAK_MAX: Duration = Duration::from_millis(85);
/// The loop closes for up to 60 ms between pulses, and for 200 ms at least between digits.
const DIGIT_PAUSE: Duration = Duration::from_millis(150);

//! What the lights say. In: the daemon's signs, its silence, and buttons. Out: how the box is.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use branchline_board::{BoxState, ButtonEvent, Held, Level};

use crate::control::signs::{Database, Emergency, Signs};

/// What the lights show, and what they wait for.
#[derive(Debug)]
pub(super) struct Duty {
    daemon: Daemon,
    button: Button,
    has_buttons: bool,
    /// Calls for help that the light is on for, each until when at least.
    alarms: BTreeMap<String, Instant>,
    /// Calls for help that the daemon tells of, as far as they are no news.
    known: BTreeSet<String>,
}

#[derive(Debug)]
enum Daemon {
    /// Not heard since the start.
    Awaited {
        until: Instant,
    },
    Silent,
    Heard {
        signs: Signs,
        until: Instant,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Button {
    Up,
    ResetArmed,
}

impl Duty {
    pub(super) fn new(now: Instant, buttons: usize) -> Duty {
        Duty {
            daemon: Daemon::Awaited {
                until: now + STARTS_WITHIN,
            },
            button: Button::Up,
            has_buttons: buttons > 0,
            alarms: BTreeMap::new(),
            known: BTreeSet::new(),
        }
    }

    pub(super) fn handle_signs(&mut self, now: Instant, signs: Signs) {
        let is_first = matches!(self.daemon, Daemon::Awaited { .. });
        // What was over before this program began is nothing to light up for.
        let worth = |call: &&Emergency| call.is_active || !is_first;
        for emergency in signs.emergencies.iter().filter(worth) {
            if !self.known.contains(&emergency.call) {
                self.alarms.insert(emergency.call.clone(), now + ALARM_MIN);
            }
        }
        self.known = signs
            .emergencies
            .iter()
            .map(|emergency| emergency.call.clone())
            .collect();
        self.daemon = Daemon::Heard {
            signs,
            until: now + HEARD_FOR,
        };
    }

    /// The daemon cannot be reached.
    pub(super) fn handle_silence(&mut self, now: Instant, why: &str) {
        match self.daemon {
            Daemon::Awaited { until } if now < until => {}
            Daemon::Awaited { .. } | Daemon::Heard { .. } => {
                tracing::error!(why, "the daemon does not answer");
                self.daemon = Daemon::Silent;
            }
            Daemon::Silent => {}
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        match self.daemon {
            Daemon::Awaited { until } | Daemon::Heard { until, .. } if until <= now => {
                tracing::error!("the daemon says nothing");
                self.daemon = Daemon::Silent;
            }
            Daemon::Awaited { .. } | Daemon::Heard { .. } | Daemon::Silent => {}
        }
        if !self.has_buttons {
            let active = self.active();
            self.alarms.retain(|call, until| *until > now || active.contains(call));
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let daemon = match self.daemon {
            Daemon::Awaited { until } | Daemon::Heard { until, .. } => Some(until),
            Daemon::Silent => None,
        };
        let active = self.active();
        let over = self
            .alarms
            .iter()
            .filter(|(call, _)| !self.has_buttons && !active.contains(*call));
        daemon.into_iter().chain(over.map(|(_, until)| *until)).min()
    }

    /// Calls for help that go on, or may.
    fn active(&self) -> BTreeSet<String> {
        match &self.daemon {
            Daemon::Awaited { .. } | Daemon::Silent => self.known.clone(),
            Daemon::Heard { signs, .. } => {
                let active = signs.emergencies.iter().filter(|emergency| emergency.is_active);
                active.map(|emergency| emergency.call.clone()).collect()
            }
        }
    }

    /// A short press says that somebody sees to the call for help.
    pub(super) fn handle_button(&mut self, event: ButtonEvent) {
        self.button = match event {
            ButtonEvent::Reached(Held::VeryLong) => Button::ResetArmed,
            ButtonEvent::Reached(Held::Short | Held::Long) => self.button,
            ButtonEvent::Released(Held::Short) => {
                self.alarms.clear();
                Button::Up
            }
            ButtonEvent::Released(Held::Long | Held::VeryLong) => Button::Up,
        };
    }

    pub(super) fn state(&self) -> BoxState {
        if self.button == Button::ResetArmed {
            return BoxState::ResetArmed;
        }
        match &self.daemon {
            Daemon::Awaited { .. } => BoxState::Starting,
            Daemon::Silent => BoxState::Failed,
            Daemon::Heard { signs, .. } if signs.configuration.is_empty() => BoxState::Starting,
            Daemon::Heard { signs, .. } => match signs.database {
                Database::Degraded => BoxState::Attention,
                Database::Normal | Database::Recovering if signs.is_alone => BoxState::Survival,
                Database::Recovering => BoxState::Recovering,
                Database::Normal => BoxState::InService,
            },
        }
    }

    pub(super) fn is_daemon_there(&self) -> bool {
        match self.daemon {
            Daemon::Awaited { .. } | Daemon::Silent => false,
            Daemon::Heard { .. } => true,
        }
    }

    pub(super) fn calls(&self) -> usize {
        match &self.daemon {
            Daemon::Awaited { .. } | Daemon::Silent => 0,
            Daemon::Heard { signs, .. } => signs.calls,
        }
    }

    /// Whether somebody called for help, and nobody has seen to it.
    pub(super) fn alarm(&self) -> Level {
        match self.alarms.is_empty() {
            true => Level::Inactive,
            false => Level::Active,
        }
    }
}

/// A box on a slow card with a long journal to read.
const STARTS_WITHIN: Duration = Duration::from_secs(60);
/// A call that finds no way out is over at once; the light is to be noticed all the same.
const ALARM_MIN: Duration = Duration::from_secs(60);
/// It shows something new every five seconds at least.
const HEARD_FOR: Duration = Duration::from_secs(13);

#[cfg(test)]
mod tests {
    use super::*;

    fn signs() -> Signs {
        Signs {
            configuration: "c".into(),
            ..Signs::default()
        }
    }

    /// `a` goes on, `-a` is over.
    fn help(calls: &[&str]) -> Signs {
        let emergency = |call: &&str| Emergency {
            call: call.trim_start_matches('-').to_owned(),
            is_active: !call.starts_with('-'),
        };
        Signs {
            emergencies: calls.iter().map(emergency).collect(),
            ..signs()
        }
    }

    #[test]
    fn the_light_says_what_is_worst() {
        let start = crate::clock::now();
        let said = |database, is_alone| Signs {
            database,
            is_alone,
            ..signs()
        };
        let cases = [
            (said(Database::Normal, false), BoxState::InService),
            (said(Database::Normal, true), BoxState::Survival),
            (said(Database::Degraded, true), BoxState::Attention),
            (said(Database::Recovering, true), BoxState::Survival),
            (said(Database::Recovering, false), BoxState::Recovering),
            (Signs::default(), BoxState::Starting),
        ];
        for (signs, expected) in cases {
            let mut duty = Duty::new(start, 1);
            assert_eq!(duty.state(), BoxState::Starting);
            duty.handle_signs(start, signs.clone());
            assert_eq!(duty.state(), expected, "{signs:?}");
            duty.handle_timeout(start + HEARD_FOR);
            assert_eq!(duty.state(), BoxState::Failed, "a daemon that hangs");
        }
        let mut duty = Duty::new(start, 0);
        duty.handle_silence(start, "not there yet");
        assert_eq!(duty.state(), BoxState::Starting);
        duty.handle_timeout(start + STARTS_WITHIN);
        assert_eq!(duty.state(), BoxState::Failed);
        duty.handle_signs(start, signs());
        duty.handle_silence(start, "it is gone");
        assert_eq!(duty.state(), BoxState::Failed);
    }

    #[test]
    fn an_alarm_lasts_until_a_button_is_pressed() {
        let start = crate::clock::now();
        let mut duty = Duty::new(start, 1);
        duty.handle_signs(start, help(&["-old", "a"]));
        duty.handle_signs(start, help(&["-old", "-a"]));
        duty.handle_timeout(start + 2 * ALARM_MIN);
        assert_eq!(duty.alarm(), Level::Active, "nobody has seen it");
        duty.handle_button(ButtonEvent::Released(Held::Long));
        assert_eq!(duty.alarm(), Level::Active);
        duty.handle_signs(start, help(&["-a", "b"]));
        duty.handle_button(ButtonEvent::Released(Held::Short));
        duty.handle_signs(start, help(&["-a", "b"]));
        assert_eq!(duty.alarm(), Level::Inactive, "seen, though it goes on");
        duty.handle_signs(start, help(&["b", "-c"]));
        assert_eq!(duty.alarm(), Level::Active, "one that found no way out");
    }

    #[test]
    fn without_a_button_an_alarm_lasts_as_long_as_the_call_and_for_a_minute_at_least() {
        let start = crate::clock::now();
        let mut duty = Duty::new(start, 0);
        duty.handle_signs(start, help(&["-old"]));
        assert_eq!(duty.alarm(), Level::Inactive, "over before the start");
        duty.handle_signs(start, help(&["-old", "-short", "long"]));
        let later = start + 2 * ALARM_MIN;
        assert_eq!(duty.poll_timeout(), Some(start + HEARD_FOR));
        duty.handle_signs(later, help(&["-short", "long"]));
        duty.handle_timeout(later);
        assert_eq!(duty.alarm(), Level::Active);
        duty.handle_silence(later, "it is gone");
        duty.handle_timeout(later);
        assert_eq!(duty.alarm(), Level::Active, "it may go on");
        duty.handle_signs(later, help(&["-short", "-long"]));
        duty.handle_timeout(later);
        assert_eq!(duty.alarm(), Level::Inactive);
    }

    #[test]
    fn a_button_held_for_ten_seconds_is_shown_while_it_is_held() {
        let mut duty = Duty::new(crate::clock::now(), 1);
        duty.handle_button(ButtonEvent::Reached(Held::Long));
        assert_eq!(duty.state(), BoxState::Starting);
        duty.handle_button(ButtonEvent::Reached(Held::VeryLong));
        assert_eq!(duty.state(), BoxState::ResetArmed);
        duty.handle_button(ButtonEvent::Released(Held::VeryLong));
        assert_eq!(duty.state(), BoxState::Starting);
    }
}

//! When to use something that fails at times: not while it is known to fail, and again only once it has proved itself.
//!
//! In: faults, good probes, the operator's word, and the time. Out: whether it may be used, and when to try it. Pure.

use std::time::{Duration, Instant};

/// What a [`Breaker`] does when.
#[derive(Clone, Copy, Debug)]
pub struct BreakerSettings {
    /// Good probes in a row before it closes.
    pub good_needed: u32,
    /// Least time it stays open.
    pub pause_min: Duration,
    /// Most; each fault that follows soon doubles the time up to here.
    pub pause_max: Duration,
    /// Closed for so long, the next fault starts from the least time again.
    pub trusted_after: Duration,
}

/// Guards one dependency.
#[derive(Clone, Debug)]
pub struct Breaker {
    settings: BreakerSettings,
    state: State,
    pause: Duration,
    operator: Operator,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// In use.
    Closed { since: Instant },
    /// Not touched before `until`.
    Open { until: Instant },
    /// Being tried.
    HalfOpen { good: u32 },
}

/// What the operator said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Nothing,
    /// Keep away from it, however well it does; without an end until taken back.
    Bypass {
        until: Option<Instant>,
    },
}

impl Breaker {
    /// Closed: in use until a fault.
    pub fn new(now: Instant, settings: BreakerSettings) -> Breaker {
        Breaker {
            settings,
            state: State::Closed { since: now },
            pause: Duration::ZERO,
            operator: Operator::Nothing,
        }
    }

    /// True while the dependency may be used.
    pub fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed { .. })
    }

    /// True while a probe is wanted.
    pub fn wants_probe(&self) -> bool {
        matches!(self.state, State::HalfOpen { .. }) && self.operator == Operator::Nothing
    }

    /// True while the operator keeps it open.
    pub fn is_bypassed(&self) -> bool {
        matches!(self.operator, Operator::Bypass { .. })
    }

    /// The dependency failed, in use or in a probe.
    pub fn handle_fault(&mut self, now: Instant) {
        let settings = self.settings;
        self.pause = match self.state {
            State::Closed { since } if now.saturating_duration_since(since) >= settings.trusted_after => {
                settings.pause_min
            }
            // Several faults in one go are one.
            State::Open { .. } => self.pause,
            State::Closed { .. } | State::HalfOpen { .. } => self.pause * 2,
        }
        .clamp(settings.pause_min, settings.pause_max);
        if !matches!(self.state, State::Open { .. }) {
            self.state = State::Open {
                until: now + self.pause,
            };
        }
    }

    /// A probe went well.
    pub fn handle_good(&mut self, now: Instant) {
        let State::HalfOpen { good } = self.state else { return };
        let good = good + 1;
        self.state = if good >= self.settings.good_needed {
            State::Closed { since: now }
        } else {
            State::HalfOpen { good }
        };
    }

    /// The operator, or a drill, keeps away from the dependency until [`Breaker::handle_restore`], or until then.
    pub fn handle_bypass(&mut self, now: Instant, until: Option<Instant>) {
        self.operator = Operator::Bypass { until };
        self.state = State::Open { until: now };
    }

    /// The operator lets it be tried again, at once.
    pub fn handle_restore(&mut self, now: Instant) {
        self.end_bypass(now);
        if let State::Open { until } = &mut self.state {
            *until = now;
        }
    }

    fn end_bypass(&mut self, now: Instant) {
        if self.is_bypassed() {
            self.operator = Operator::Nothing;
            self.state = State::Open { until: now };
            self.pause = Duration::ZERO;
        }
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.poll_timeout().is_some_and(|until| until <= now) {
            self.end_bypass(now);
            self.state = State::HalfOpen { good: 0 };
        }
    }

    /// When [`Breaker::handle_timeout`] is wanted: the pause is over.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match (self.state, self.operator) {
            (State::Open { .. }, Operator::Bypass { until }) => until,
            (State::Open { until }, Operator::Nothing) => Some(until),
            (State::Closed { .. } | State::HalfOpen { .. }, Operator::Nothing | Operator::Bypass { .. }) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: BreakerSettings = BreakerSettings {
        good_needed: 2,
        pause_min: Duration::from_secs(1),
        pause_max: Duration::from_secs(8),
        trusted_after: Duration::from_secs(60),
    };

    #[expect(clippy::disallowed_methods, reason = "any instant will do as the start of a test")]
    fn start() -> Instant {
        Instant::now()
    }

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// Waits for the pause and lets the probes go well; returns how long the pause was.
    fn mend(breaker: &mut Breaker, now: &mut Instant) -> Duration {
        let until = breaker.poll_timeout().expect("a pause");
        let pause = until - *now;
        *now = until;
        breaker.handle_timeout(*now);
        assert!(breaker.wants_probe() && !breaker.is_closed());
        breaker.handle_good(*now);
        assert!(!breaker.is_closed(), "one good probe is not enough");
        breaker.handle_good(*now);
        assert!(breaker.is_closed());
        pause
    }

    #[test]
    fn it_opens_at_the_first_fault_and_closes_after_good_probes_in_a_row() {
        let mut now = start();
        let mut breaker = Breaker::new(now, SETTINGS);
        assert!(breaker.is_closed() && !breaker.wants_probe() && breaker.poll_timeout().is_none());
        breaker.handle_fault(now);
        assert!(!breaker.is_closed() && !breaker.wants_probe());
        breaker.handle_good(now);
        assert!(!breaker.wants_probe(), "good news during the pause changes nothing");
        now += s(1);
        breaker.handle_timeout(now);
        breaker.handle_good(now);
        breaker.handle_fault(now);
        assert!(!breaker.wants_probe(), "a bad probe opens it again");
        assert_eq!(mend(&mut breaker, &mut now), s(2));
    }

    #[test]
    fn what_flaps_is_left_alone_for_longer_each_time_until_it_has_been_good_for_long() {
        let mut now = start();
        let mut breaker = Breaker::new(now, SETTINGS);
        let mut pauses = Vec::new();
        for _ in 0..5 {
            now += s(10);
            breaker.handle_fault(now);
            breaker.handle_fault(now);
            pauses.push(mend(&mut breaker, &mut now));
        }
        assert_eq!(pauses, [s(1), s(2), s(4), s(8), s(8)]);
        now += s(60);
        breaker.handle_fault(now);
        assert_eq!(mend(&mut breaker, &mut now), s(1));
    }

    #[test]
    fn the_operator_who_has_repaired_it_waits_for_no_pause() {
        let mut now = start();
        let mut breaker = Breaker::new(now, SETTINGS);
        breaker.handle_fault(now);
        assert_eq!(breaker.poll_timeout(), Some(now + s(1)));
        breaker.handle_restore(now);
        assert_eq!(breaker.poll_timeout(), Some(now));
        breaker.handle_timeout(now);
        breaker.handle_restore(now);
        breaker.handle_fault(now);
        assert_eq!(
            breaker.poll_timeout(),
            Some(now + s(2)),
            "what is not repaired is left alone for longer"
        );
        now += s(2);
        assert_eq!(mend(&mut breaker, &mut now), s(0));
    }

    #[test]
    fn the_operators_bypass_lasts_until_it_is_taken_back() {
        let mut now = start();
        let mut breaker = Breaker::new(now, SETTINGS);
        breaker.handle_bypass(now, None);
        assert!(breaker.is_bypassed() && !breaker.is_closed());
        for _ in 0..3 {
            now += s(100);
            breaker.handle_timeout(now);
            breaker.handle_good(now);
            breaker.handle_fault(now);
            assert!(!breaker.is_closed() && !breaker.wants_probe() && breaker.poll_timeout().is_none());
        }
        breaker.handle_restore(now);
        assert_eq!(mend(&mut breaker, &mut now), s(0));
        breaker.handle_restore(now);
        assert!(breaker.is_closed(), "taking back nothing changes nothing");
        breaker.handle_bypass(now, Some(now + s(60)));
        assert_eq!(mend(&mut breaker, &mut now), s(60));
        assert!(!breaker.is_bypassed());
    }
}

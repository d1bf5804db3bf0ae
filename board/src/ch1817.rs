//! Cermetek CH1817: a DAA whose RI pulses in time with the ringing current and whose OH closes the loop.
//!
//! The voltage and the polarity of the line come from contacts beside it, where a board has them.

use std::time::{Duration, Instant};

use embedded_hal::digital::OutputPin;

use crate::Level;
use crate::debounce::{Debounced, Settled};
use crate::events::Events;
use crate::fxo::{FxoEvent, FxoInput, FxoLine};
use crate::fxs::{LineError, Polarity};
use crate::ring_detector::{RingDetector, RingSign};

/// One line of an exchange behind a CH1817.
#[derive(Debug)]
pub struct Ch1817<P> {
    off_hook: P,
    voltage: Option<Debounced>,
    reversed: Option<Debounced>,
    state: State,
    events: Events<FxoEvent>,
}

/// Levels of the contacts that a board has besides RI.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LineInputs {
    /// Active while there is a voltage.
    pub voltage: Option<Level>,
    /// Active while the loop is reversed.
    pub reversed: Option<Level>,
}

#[derive(Debug)]
enum State {
    OnHook { detector: RingDetector, rings: u32 },
    Seized,
    Flashing { until: Instant },
}

impl<P: OutputPin> Ch1817<P> {
    /// `off_hook` drives OH and is low.
    pub fn new(off_hook: P, inputs: LineInputs) -> Ch1817<P> {
        let mut line = Ch1817 {
            off_hook,
            voltage: inputs.voltage.map(|level| Debounced::new(level, LOST_AFTER)),
            reversed: inputs.reversed.map(|level| Debounced::new(level, REVERSED_AFTER)),
            state: on_hook(),
            events: Events::new(),
        };
        if !line.is_present() {
            line.events.push(FxoEvent::Lost);
        }
        line
    }

    fn handle_ring(&mut self, sign: RingSign) {
        let State::OnHook { rings, .. } = &mut self.state else {
            return;
        };
        let event = match sign {
            RingSign::Began => {
                *rings += 1;
                (*rings == 1).then_some(FxoEvent::Ringing)
            }
            RingSign::Ended => Some(FxoEvent::RingPause { rings: *rings }),
            RingSign::GaveUp => {
                *rings = 0;
                Some(FxoEvent::RingStopped)
            }
        };
        if let Some(event) = event {
            self.events.push(event);
        }
    }

    fn handle_voltage(&mut self, change: Settled) {
        let event = match (&self.state, change.level) {
            (State::OnHook { .. }, Level::Inactive) => FxoEvent::Lost,
            (State::Seized | State::Flashing { .. }, Level::Inactive) => FxoEvent::Disconnected,
            (State::OnHook { .. } | State::Seized | State::Flashing { .. }, Level::Active) => FxoEvent::Back,
        };
        self.events.push(event);
    }

    fn set_state(&mut self, now: Instant, state: State) {
        let settle = match state {
            State::OnHook { .. } => LOST_AFTER,
            State::Seized => DISCONNECTED_AFTER,
            // Our own break takes the voltage with it on some boards.
            State::Flashing { .. } => LOST_AFTER,
        };
        if let Some(voltage) = &mut self.voltage {
            voltage.set_settle(now, settle);
        }
        self.state = state;
    }
}

impl<P: OutputPin> FxoLine for Ch1817<P> {
    type Error = P::Error;

    fn handle_edge(&mut self, at: Instant, edge: (FxoInput, Level)) -> Result<(), LineError<P::Error>> {
        self.handle_timeout(at)?;
        let (input, level) = edge;
        match input {
            FxoInput::Ring => {
                if let State::OnHook { detector, .. } = &mut self.state {
                    detector.handle_edge(at, level);
                }
            }
            FxoInput::Voltage => {
                if let Some(voltage) = &mut self.voltage {
                    voltage.handle_edge(at, level);
                }
            }
            FxoInput::Reversed => {
                if let Some(reversed) = &mut self.reversed {
                    reversed.handle_edge(at, level);
                }
            }
        }
        Ok(())
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), LineError<P::Error>> {
        while let State::OnHook { detector, .. } = &mut self.state
            && detector.poll_timeout().is_some_and(|due| due <= now)
        {
            if let Some(sign) = detector.handle_timeout(now) {
                self.handle_ring(sign);
            }
        }
        if let Some(change) = self.voltage.as_mut().and_then(|voltage| voltage.handle_timeout(now)) {
            self.handle_voltage(change);
        }
        if let Some(change) = self.reversed.as_mut().and_then(|reversed| reversed.handle_timeout(now)) {
            self.events.push(FxoEvent::Polarity(match change.level {
                Level::Inactive => Polarity::Forward,
                Level::Active => Polarity::Reverse,
            }));
        }
        match self.state {
            State::Flashing { until } if until <= now => self.seize(now),
            State::OnHook { .. } | State::Seized | State::Flashing { .. } => Ok(()),
        }
    }

    fn seize(&mut self, now: Instant) -> Result<(), LineError<P::Error>> {
        self.set_state(now, State::Seized);
        self.off_hook.set_high().map_err(LineError::Pin)
    }

    fn release(&mut self, now: Instant) -> Result<(), LineError<P::Error>> {
        self.set_state(now, on_hook());
        self.off_hook.set_low().map_err(LineError::Pin)
    }

    fn flash(&mut self, now: Instant, lasting: Duration) -> Result<(), LineError<P::Error>> {
        match self.state {
            State::Seized => {}
            State::OnHook { .. } | State::Flashing { .. } => return Err(LineError::Unable),
        }
        self.set_state(now, State::Flashing { until: now + lasting });
        self.off_hook.set_low().map_err(LineError::Pin)
    }

    fn is_present(&self) -> bool {
        self.voltage
            .as_ref()
            .is_none_or(|voltage| voltage.level() == Level::Active)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let own = match &self.state {
            State::OnHook { detector, .. } => detector.poll_timeout(),
            State::Seized => None,
            State::Flashing { until } => Some(*until),
        };
        let contacts = self
            .voltage
            .iter()
            .chain(&self.reversed)
            .filter_map(Debounced::poll_timeout);
        contacts.chain(own).min()
    }

    fn poll_event(&mut self) -> Option<FxoEvent> {
        self.events.pop()
    }

    fn events_dropped(&self) -> u64 {
        self.events.dropped()
    }
}

fn on_hook() -> State {
    State::OnHook {
        detector: RingDetector::new(),
        rings: 0,
    }
}

/// Ringing current pulls the voltage through zero for a while; a pulled plug stays pulled.
const LOST_AFTER: Duration = Duration::from_secs(1);
/// Exchanges open the loop for 250 ms and more at the end of a call; switching a call takes up to 90 ms.
const DISCONNECTED_AFTER: Duration = Duration::from_millis(120);
/// The slowest exchange turns a loop round in 20 ms or less.
const REVERSED_AFTER: Duration = Duration::from_millis(30);

//! A hook switch and a ringer that makes its own melody: a USB or I2S handset on the desk.

use std::time::Instant;

use branchline_config::country::Ring;
use embedded_hal::digital::OutputPin;

use crate::Level;
use crate::cadence::Cadence;
use crate::events::Events;
use crate::fxs::{FxsEvent, FxsLine, LineError, Polarity};
use crate::hook::Hook;

/// One handset; without a ringer it rings through the loudspeaker, which is not this driver's.
#[derive(Debug)]
pub struct Handset<P> {
    hook: Hook,
    ringer: Option<P>,
    ringing: Option<(Cadence, u32)>,
    events: Events<FxsEvent>,
}

impl<P: OutputPin> Handset<P> {
    /// A ringer that is off.
    pub fn new(ringer: Option<P>, hook: Hook) -> Handset<P> {
        Handset {
            hook,
            ringer,
            ringing: None,
            events: Events::new(),
        }
    }

    fn drive(&mut self, level: Level) -> Result<(), LineError<P::Error>> {
        let Some(ringer) = &mut self.ringer else { return Ok(()) };
        match level {
            Level::Active => ringer.set_high(),
            Level::Inactive => ringer.set_low(),
        }
        .map_err(LineError::Pin)
    }

    fn collect(&mut self, now: Instant) -> Result<(), LineError<P::Error>> {
        while let Some(event) = self.hook.poll_event() {
            if event == FxsEvent::OffHook {
                self.stop_ringing(now)?;
            }
            self.events.push(event);
        }
        Ok(())
    }
}

impl<P: OutputPin> FxsLine for Handset<P> {
    type Error = P::Error;

    fn handle_edge(&mut self, at: Instant, level: Level) -> Result<(), LineError<P::Error>> {
        self.handle_timeout(at)?;
        self.hook.handle_edge(at, level);
        Ok(())
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), LineError<P::Error>> {
        self.hook.handle_timeout(now);
        self.collect(now)?;
        let Some((cadence, rings)) = &mut self.ringing else {
            return Ok(());
        };
        let Some(level) = cadence.handle_timeout(now) else {
            return Ok(());
        };
        if level == Level::Inactive {
            *rings += 1;
            let rings = *rings;
            self.events.push(FxsEvent::RingPause { rings });
        }
        self.drive(level)
    }

    fn ring(&mut self, now: Instant, ring: Ring) -> Result<(), LineError<P::Error>> {
        if self.hook.is_off_hook() {
            return Err(LineError::OffHook);
        }
        let cadence = Cadence::start(now, ring.cadence_ms).ok_or(LineError::Unable)?;
        self.ringing = Some((cadence, 0));
        self.drive(Level::Active)
    }

    fn stop_ringing(&mut self, _now: Instant) -> Result<(), LineError<P::Error>> {
        match self.ringing.take() {
            Some(_) => self.drive(Level::Inactive),
            None => Ok(()),
        }
    }

    fn set_polarity(&mut self, _polarity: Polarity) -> Result<(), LineError<P::Error>> {
        Err(LineError::Unable)
    }

    fn is_off_hook(&self) -> bool {
        self.hook.is_off_hook()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let step = self.ringing.as_ref().map(|(cadence, _)| cadence.poll_timeout());
        [self.hook.poll_timeout(), step].into_iter().flatten().min()
    }

    fn poll_event(&mut self) -> Option<FxsEvent> {
        self.events.pop()
    }

    fn events_dropped(&self) -> u64 {
        self.events.dropped()
    }
}

//! Silvertel Ag1171: a ringing SLIC with three pins.
//!
//! SHK says that current flows. RM switches from battery to ringing voltage and must be low whenever it does not ring. F/R
//! chooses the polarity; while RM is high, toggling it makes the ringing current.

use std::time::{Duration, Instant};

use branchline_config::country::Ring;
use embedded_hal::digital::OutputPin;

use crate::Level;
use crate::cadence::Cadence;
use crate::events::Events;
use crate::fxs::{FxsEvent, FxsLine, LineError, Polarity};
use crate::hook::Hook;

/// One telephone behind an Ag1171.
#[derive(Debug)]
pub struct Ag1171<P> {
    hook: Hook,
    ring_mode: P,
    forward: P,
    polarity: Polarity,
    ringing: Option<Ringing>,
    events: Events<FxsEvent>,
}

#[derive(Debug)]
struct Ringing {
    cadence: Cadence,
    half_wave: Duration,
    rings: u32,
    /// While the current is on.
    current: Option<Current>,
}

#[derive(Debug)]
struct Current {
    is_forward: bool,
    toggle_at: Instant,
}

impl<P: OutputPin> Ag1171<P> {
    /// `ring_mode` drives RM and is low, `forward` drives F/R and is high; `hook` is what SHK reads.
    pub fn new(ring_mode: P, forward: P, hook: Hook) -> Ag1171<P> {
        Ag1171 {
            hook,
            ring_mode,
            forward,
            polarity: Polarity::Forward,
            ringing: None,
            events: Events::new(),
        }
    }

    fn collect(&mut self, now: Instant) -> Result<(), P::Error> {
        while let Some(event) = self.hook.poll_event() {
            if event == FxsEvent::OffHook && self.ringing.is_some() {
                self.silence(now)?;
            }
            self.events.push(event);
        }
        Ok(())
    }

    /// Battery back, polarity as it should be. RM goes first: F/R must not move while it is high without meaning it.
    fn silence(&mut self, now: Instant) -> Result<(), P::Error> {
        self.ringing = None;
        self.hook.set_settle(now, None);
        self.ring_mode.set_low()?;
        self.rest()
    }

    fn rest(&mut self) -> Result<(), P::Error> {
        match self.polarity {
            Polarity::Forward => self.forward.set_high(),
            Polarity::Reverse => self.forward.set_low(),
        }
    }

    fn ring_on(&mut self, now: Instant) -> Result<(), P::Error> {
        let Some(ringing) = &mut self.ringing else {
            return Ok(());
        };
        ringing.current = Some(Current {
            is_forward: self.polarity == Polarity::Forward,
            toggle_at: now + ringing.half_wave,
        });
        // SHK follows each half wave of the current; the direct current of a lifted handset outlasts it.
        self.hook.set_settle(now, Some(ringing.half_wave * 8 / 5));
        self.ring_mode.set_high()
    }

    fn ring_off(&mut self, now: Instant) -> Result<(), P::Error> {
        let Some(ringing) = &mut self.ringing else {
            return Ok(());
        };
        ringing.current = None;
        ringing.rings += 1;
        let rings = ringing.rings;
        self.hook.set_settle(now, None);
        self.ring_mode.set_low()?;
        self.rest()?;
        self.events.push(FxsEvent::RingPause { rings });
        Ok(())
    }

    fn toggle(&mut self, now: Instant) -> Result<(), P::Error> {
        let Some(ringing) = &mut self.ringing else {
            return Ok(());
        };
        let half_wave = ringing.half_wave;
        let Some(current) = ringing.current.as_mut().filter(|current| current.toggle_at <= now) else {
            return Ok(());
        };
        current.is_forward = !current.is_forward;
        current.toggle_at = match now.duration_since(current.toggle_at) < half_wave {
            true => current.toggle_at + half_wave,
            false => now + half_wave,
        };
        match current.is_forward {
            true => self.forward.set_high(),
            false => self.forward.set_low(),
        }
    }
}

impl<P: OutputPin> FxsLine for Ag1171<P> {
    type Error = P::Error;

    fn handle_edge(&mut self, at: Instant, level: Level) -> Result<(), LineError<P::Error>> {
        self.handle_timeout(at)?;
        self.hook.handle_edge(at, level);
        Ok(())
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), LineError<P::Error>> {
        self.hook.handle_timeout(now);
        self.collect(now).map_err(LineError::Pin)?;
        let change = self
            .ringing
            .as_mut()
            .and_then(|ringing| ringing.cadence.handle_timeout(now));
        match change {
            Some(Level::Active) => self.ring_on(now),
            Some(Level::Inactive) => self.ring_off(now),
            None => self.toggle(now),
        }
        .map_err(LineError::Pin)
    }

    fn ring(&mut self, now: Instant, ring: Ring) -> Result<(), LineError<P::Error>> {
        if self.hook.is_off_hook() {
            return Err(LineError::OffHook);
        }
        let cadence = Cadence::start(now, ring.cadence_ms).ok_or(LineError::Unable)?;
        self.ringing = Some(Ringing {
            cadence,
            half_wave: Duration::from_secs(1) / (2 * u32::from(ring.hz.max(1))),
            rings: 0,
            current: None,
        });
        self.ring_on(now).map_err(LineError::Pin)
    }

    fn stop_ringing(&mut self, now: Instant) -> Result<(), LineError<P::Error>> {
        match self.ringing {
            Some(_) => self.silence(now).map_err(LineError::Pin),
            None => Ok(()),
        }
    }

    fn set_polarity(&mut self, polarity: Polarity) -> Result<(), LineError<P::Error>> {
        self.polarity = polarity;
        let rings = self.ringing.as_ref().is_some_and(|ringing| ringing.current.is_some());
        match rings {
            true => Ok(()),
            false => self.rest().map_err(LineError::Pin),
        }
    }

    fn is_off_hook(&self) -> bool {
        self.hook.is_off_hook()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let ringing = self.ringing.as_ref();
        let step = ringing.map(|ringing| ringing.cadence.poll_timeout());
        let toggle = ringing
            .and_then(|ringing| ringing.current.as_ref())
            .map(|current| current.toggle_at);
        [self.hook.poll_timeout(), step, toggle].into_iter().flatten().min()
    }

    fn poll_event(&mut self) -> Option<FxsEvent> {
        self.events.pop()
    }

    fn events_dropped(&self) -> u64 {
        self.events.dropped()
    }
}

//! All bridges of one worker.

mod bridges;
mod packets;

use crate::plan::PlanError;
use crate::rtcp;
use crate::{
    BridgeId, Drop, EVENTS_MAX, LEGS_MAX, LatchConfig, Leg, LegId, LegQuality, MediaEvent, MediaPlan, OwnEnd, Packet,
    Verdict,
};
use std::collections::{HashMap, VecDeque};
use std::time::Instant;

/// The relay of one worker.
///
/// - `handle_plan`, `handle_packet`, `handle_timeout`, `handle_measure`: inputs
/// - `poll_event`, `poll_timeout`: outputs, after each input
/// - `quality`, `counters`, `port`: questions
/// - `release_leg`, `adopt_leg`: handing a leg to another worker
#[derive(Debug)]
pub struct Relay {
    config: LatchConfig,
    slots: Vec<Option<Slot>>,
    free: Vec<u32>,
    by_leg: HashMap<LegId, u32>,
    /// Slot of every even port, at half its number.
    by_port: Box<[u32]>,
    bridges: HashMap<BridgeId, Bridge>,
    /// Legs that came from another relay before their plan; at most [`MOVING_MAX`].
    moving: VecDeque<Leg>,
    events: VecDeque<MediaEvent>,
    /// Not later than the next deadline; packets only move deadlines back.
    due: Option<(Instant, Reason)>,
    counters: RelayCounters,
}

/// Why `handle_timeout` is to be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// The end of a key may have been lost.
    Key,
    /// A leg may have been silent for too long.
    Silence,
}

/// Counts since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RelayCounters {
    /// Datagrams forwarded.
    pub forwarded: u64,
    /// Datagrams dropped, for whatever reason.
    pub dropped: u64,
    /// Events dropped because nobody polled them.
    pub events_dropped: u64,
}

#[derive(Debug)]
struct Slot {
    leg: Leg,
    bridge: BridgeId,
    far: Far,
}

/// Who hears a leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Far {
    Nobody,
    Leg(u32),
    Own(OwnEnd),
}

#[derive(Debug, Default)]
struct Bridge {
    slots: Vec<u32>,
    own: Option<OwnEnd>,
    departed: VecDeque<(LegId, LegQuality)>,
}

impl Relay {
    /// An empty relay.
    #[must_use]
    pub fn new(config: LatchConfig) -> Self {
        Self {
            config,
            slots: Vec::new(),
            free: Vec::new(),
            by_leg: HashMap::new(),
            by_port: vec![NOBODY; LEGS_MAX].into_boxed_slice(),
            bridges: HashMap::new(),
            moving: VecDeque::new(),
            events: VecDeque::new(),
            due: None,
            counters: RelayCounters::default(),
        }
    }

    /// Makes a bridge what the plan says.
    ///
    /// # Errors
    /// [`PlanError`]; nothing has changed then.
    pub fn handle_plan(&mut self, now: Instant, plan: MediaPlan) -> Result<(), PlanError> {
        self.check(&plan)?;
        let MediaPlan { bridge, legs, own } = plan;
        if legs.is_empty() {
            self.close(bridge);
            return Ok(());
        }
        let mut is_changed = self.drop_legs_not_in(bridge, &legs);
        let mut slots = Vec::with_capacity(legs.len());
        for leg in &legs {
            let (slot, is_new) = self.place(now, bridge, leg);
            is_changed |= is_new;
            slots.push(slot);
        }
        is_changed |= slots
            .iter()
            .zip(&legs)
            .any(|(slot, leg)| self.slot(*slot).is_none_or(|slot| slot.leg.plan != *leg));
        is_changed |= self.bridges.get(&bridge).is_some_and(|known| known.own != own);
        if is_changed {
            self.apply(now, (legs, own), &slots);
        }
        let bridge = self.bridges.entry(bridge).or_default();
        (bridge.slots, bridge.own) = (slots, own);
        Ok(())
    }

    /// Decides about one datagram.
    pub fn handle_packet(&mut self, now: Instant, packet: &Packet<'_>) -> Verdict {
        let verdict = match self.by_port.get(usize::from(packet.port / 2)) {
            Some(&slot) if slot != NOBODY => {
                if packet.port.is_multiple_of(2) && !rtcp::is_rtcp(packet.data) {
                    self.handle_rtp(now, slot, packet)
                } else {
                    self.handle_rtcp(now, slot, packet)
                }
            }
            Some(_) | None => Verdict::Drop(Drop::UnknownPort),
        };
        match verdict {
            Verdict::Forward { .. } | Verdict::Echo { .. } => self.counters.forwarded += 1,
            Verdict::Drop(_) => self.counters.dropped += 1,
        }
        verdict
    }

    /// Tells silences and keys that are due.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.due.is_none_or(|(due, _)| due > now) {
            return;
        }
        self.due = None;
        for index in 0..self.slots.len() {
            let Some(slot) = self.slots[index].as_mut() else {
                continue;
            };
            let leg = slot.leg.plan.leg;
            let key = slot.leg.handle_key_timeout(now);
            let silent_since = slot
                .leg
                .silence_due()
                .filter(|due| *due <= now)
                .map(|_| slot.leg.tell_silence());
            if let Some(key) = key {
                self.tell(MediaEvent::Dtmf {
                    leg,
                    digit: key.digit,
                    duration_ms: key.duration_ms,
                });
            }
            if let Some(since) = silent_since {
                self.tell(MediaEvent::Silence { leg, since });
            }
            self.arm(index as u32);
        }
    }

    /// Tells the figures of every live leg, by [`MediaEvent::Measured`].
    pub fn handle_measure(&mut self) {
        let legs = self.slots.iter().flatten();
        let legs = legs.map(|slot| (slot.leg.plan.leg, slot.leg.quality())).collect();
        self.tell(MediaEvent::Measured { legs });
    }

    /// When `handle_timeout` is to be called, and why.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<(Instant, Reason)> {
        self.due
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<MediaEvent> {
        self.events.pop_front()
    }

    /// Figures of a live leg.
    #[must_use]
    pub fn quality(&self, leg: LegId) -> Option<LegQuality> {
        Some(self.slot(*self.by_leg.get(&leg)?)?.leg.quality())
    }

    /// How many legs are live.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_leg.len()
    }

    /// No leg is live.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_leg.is_empty()
    }

    /// Even port of a live leg.
    #[must_use]
    pub fn port(&self, leg: LegId) -> Option<u16> {
        Some(self.slot(*self.by_leg.get(&leg)?)?.leg.plan.port)
    }

    /// Whether a leg has this even port.
    #[must_use]
    pub fn has_port(&self, port: u16) -> bool {
        self.by_port
            .get(usize::from(port / 2))
            .is_some_and(|slot| *slot != NOBODY)
    }

    /// Counts since the start.
    #[must_use]
    pub fn counters(&self) -> RelayCounters {
        self.counters
    }

    /// Takes a leg out, to be adopted by another relay.
    pub fn release_leg(&mut self, leg: LegId) -> Option<Leg> {
        let slot = *self.by_leg.get(&leg)?;
        self.remove(slot).map(|slot| slot.leg)
    }

    /// Takes over what another relay learned about a leg, before or after its plan.
    pub fn adopt_leg(&mut self, now: Instant, mut leg: Leg) {
        let Some(index) = self.by_leg.get(&leg.plan.leg).copied() else {
            if self.moving.len() == MOVING_MAX {
                self.moving.pop_front();
            }
            self.moving.push_back(leg);
            return;
        };
        let window = self.config.window;
        if let Some(slot) = self.slot_mut(index) {
            leg.handle_plan(now, slot.leg.plan.clone(), window);
            slot.leg = leg;
        }
        self.arm(index);
    }

    fn arm(&mut self, index: u32) {
        let Some(slot) = self.slot(index) else { return };
        let (key, silence) = (slot.leg.key_due(), slot.leg.silence_due());
        for (at, reason) in [(key, Reason::Key), (silence, Reason::Silence)] {
            if let Some(at) = at {
                self.arm_at(at, reason);
            }
        }
    }

    fn arm_at(&mut self, at: Instant, reason: Reason) {
        let due = (at, reason);
        self.due = Some(self.due.map_or(due, |before| before.min(due)));
    }

    fn tell(&mut self, event: MediaEvent) {
        if self.events.len() < EVENTS_MAX {
            self.events.push_back(event);
        } else {
            self.counters.events_dropped += 1;
        }
    }

    fn slot(&self, index: u32) -> Option<&Slot> {
        self.slots.get(index as usize)?.as_ref()
    }

    fn slot_mut(&mut self, index: u32) -> Option<&mut Slot> {
        self.slots.get_mut(index as usize)?.as_mut()
    }
}

const NOBODY: u32 = u32::MAX;
/// Legs on their way between two workers; a transfer moves one or two.
const MOVING_MAX: usize = 64;

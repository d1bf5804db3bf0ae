//! All bridges of one worker.

use crate::latch::{Admission, Arrival};
use crate::plan::PlanError;
use crate::rtcp::{self, Rtcp};
use crate::rtp::Rtp;
use crate::{
    BRIDGE_LEGS_MAX, BridgeId, DEPARTED_MAX, Drop, EVENTS_MAX, LEGS_MAX, LatchConfig, Leg, LegId, LegPlan, LegQuality,
    MediaEvent, MediaPlan, Packet, Verdict,
};
use std::collections::{HashMap, VecDeque};
use std::time::Instant;

/// The relay of one worker.
///
/// - `handle_plan`, `handle_packet`, `handle_timeout`: inputs
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
    peer: Option<u32>,
}

#[derive(Debug, Default)]
struct Bridge {
    slots: Vec<u32>,
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
        let MediaPlan { bridge, legs } = plan;
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
        if is_changed {
            self.apply(now, legs, &slots);
        }
        self.bridges.entry(bridge).or_default().slots = slots;
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
            Verdict::Forward { .. } => self.counters.forwarded += 1,
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

    /// Figures of every live leg.
    pub fn qualities(&self) -> impl Iterator<Item = (LegId, LegQuality)> {
        self.slots
            .iter()
            .flatten()
            .map(|slot| (slot.leg.plan.leg, slot.leg.quality()))
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

    fn handle_rtp(&mut self, now: Instant, index: u32, packet: &Packet<'_>) -> Verdict {
        let Some(slot) = self.slots.get_mut(index as usize).and_then(Option::as_mut) else {
            return Verdict::Drop(Drop::UnknownPort);
        };
        let Some(rtp) = Rtp::parse(packet.data) else {
            slot.leg.drops.garbage += 1;
            return Verdict::Drop(Drop::Garbage);
        };
        let (leg, peer) = (slot.leg.plan.leg, slot.peer);
        let should_send = slot.leg.plan.direction.sends();
        let arrival = Arrival {
            now,
            source: packet.source,
            rtp: &rtp,
            should_send,
        };
        let heard = slot.leg.handle_rtp(&arrival, &self.config);
        let key_due = slot.leg.key_due();
        match heard.admission {
            Admission::Accepted { locked_now: false, .. } => {}
            Admission::Accepted { locked_now: true, .. } => self.tell(MediaEvent::Latched {
                leg,
                source: packet.source,
            }),
            Admission::Unconfirmed => return Verdict::Drop(Drop::Unconfirmed),
            Admission::Foreign => return Verdict::Drop(Drop::Foreign),
        }
        if let Some(key) = heard.key {
            self.tell(MediaEvent::Dtmf {
                leg,
                digit: key.digit,
                duration_ms: key.duration_ms,
            });
        }
        if let Some(at) = key_due {
            self.arm_at(at, Reason::Key);
        }
        let sent = if should_send {
            self.send_rtp(peer, packet)
        } else {
            Err(Drop::Held)
        };
        self.settle(index, sent)
    }

    fn send_rtp(&mut self, peer: Option<u32>, packet: &Packet<'_>) -> Result<Verdict, Drop> {
        let peer = peer.and_then(|peer| self.slot_mut(peer)).ok_or(Drop::NoPeer)?;
        if !peer.leg.plan.direction.receives() {
            return Err(Drop::Held);
        }
        let to = peer.leg.latch.remote().ok_or(Drop::NoRemote)?;
        peer.leg.handle_sent(packet.data.len());
        Ok(Verdict::Forward {
            port: peer.leg.plan.port,
            to,
        })
    }

    fn handle_rtcp(&mut self, now: Instant, index: u32, packet: &Packet<'_>) -> Verdict {
        let Some(slot) = self.slots.get_mut(index as usize).and_then(Option::as_mut) else {
            return Verdict::Drop(Drop::UnknownPort);
        };
        let Some(ssrc) = rtcp::sender_ssrc(packet.data) else {
            slot.leg.drops.garbage += 1;
            return Verdict::Drop(Drop::Garbage);
        };
        if !slot.leg.admit_rtcp(now, packet.source, ssrc) {
            return Verdict::Drop(Drop::Foreign);
        }
        let peer = slot.peer;
        let mut stamp = None;
        for part in rtcp::packets(packet.data) {
            let reports = match part {
                Rtcp::Sender {
                    stamp: sent, reports, ..
                } => {
                    stamp = Some(sent);
                    reports
                }
                Rtcp::Receiver { reports, .. } => reports,
                Rtcp::Other { .. } => continue,
            };
            for report in reports.iter() {
                slot.leg
                    .round_trip
                    .handle_report(now, report.last_sender_report, report.delay);
            }
        }
        // RTCP also flows while the call is held (RFC 3264 section 5.1).
        let sent = self.send_rtcp(now, peer, stamp);
        self.settle(index, sent)
    }

    fn send_rtcp(&mut self, now: Instant, peer: Option<u32>, stamp: Option<u32>) -> Result<Verdict, Drop> {
        let peer = peer.and_then(|peer| self.slot_mut(peer)).ok_or(Drop::NoPeer)?;
        let to = peer.leg.rtcp_remote().ok_or(Drop::NoRemote)?;
        if let Some(stamp) = stamp {
            peer.leg.round_trip.handle_forwarded(now, stamp);
        }
        Ok(Verdict::Forward {
            port: peer.leg.plan.port | 1,
            to,
        })
    }

    fn settle(&mut self, index: u32, sent: Result<Verdict, Drop>) -> Verdict {
        sent.unwrap_or_else(|reason| {
            if let Some(slot) = self.slot_mut(index) {
                slot.leg.drops.unsent += 1;
            }
            Verdict::Drop(reason)
        })
    }

    fn check(&self, plan: &MediaPlan) -> Result<(), PlanError> {
        let (bridge, legs) = (plan.bridge, plan.legs.len());
        let is_twice = |(index, leg): (usize, &LegPlan)| plan.legs[..index].iter().any(|other| other.leg == leg.leg);
        if legs > BRIDGE_LEGS_MAX || plan.legs.iter().enumerate().any(is_twice) {
            return Err(PlanError::Legs { bridge, legs });
        }
        for (index, LegPlan { leg, port, .. }) in plan.legs.iter().enumerate() {
            let (leg, port) = (*leg, *port);
            if port == 0 || !port.is_multiple_of(2) {
                return Err(PlanError::Port { leg, port });
            }
            let owner = self
                .by_port
                .get(usize::from(port / 2))
                .and_then(|slot| self.slot(*slot));
            let planned = plan.legs[..index]
                .iter()
                .find(|other| other.port == port)
                .map(|other| other.leg);
            let owner = planned
                .or(owner.map(|slot| slot.leg.plan.leg))
                .filter(|owner| *owner != leg);
            if let Some(owner) = owner {
                return Err(PlanError::PortInUse { leg, port, owner });
            }
        }
        let new = plan
            .legs
            .iter()
            .filter(|leg| !self.by_leg.contains_key(&leg.leg))
            .count();
        let is_full = self.by_leg.len() + new > LEGS_MAX || self.bridges.len() >= LEGS_MAX;
        if new > 0 && is_full {
            Err(PlanError::Full)
        } else {
            Ok(())
        }
    }

    fn close(&mut self, bridge: BridgeId) {
        let Bridge { slots, departed } = self.bridges.remove(&bridge).unwrap_or_default();
        let mut legs = Vec::from(departed);
        for slot in slots {
            if let Some(slot) = self.remove(slot) {
                legs.push((slot.leg.plan.leg, slot.leg.quality()));
            }
        }
        // Never refused: a call record waits for it, and each is owed to one plan.
        self.events.push_back(MediaEvent::Closed { bridge, legs });
    }

    fn drop_legs_not_in(&mut self, bridge: BridgeId, legs: &[LegPlan]) -> bool {
        let Some(known) = self.bridges.get(&bridge) else {
            return true;
        };
        let leg_of = |slot: &u32| self.slot(*slot).map(|slot| slot.leg.plan.leg);
        let is_gone = |slot: &u32| leg_of(slot).is_none_or(|id| legs.iter().all(|leg| leg.leg != id));
        let gone: Vec<u32> = known.slots.iter().copied().filter(is_gone).collect();
        for slot in &gone {
            let Some(slot) = self.remove(*slot) else { continue };
            let Some(known) = self.bridges.get_mut(&bridge) else {
                continue;
            };
            if known.departed.len() == DEPARTED_MAX {
                known.departed.pop_front();
            }
            known.departed.push_back((slot.leg.plan.leg, slot.leg.quality()));
        }
        !gone.is_empty()
    }

    /// Slot of a leg that is now in `bridge`, and whether it was not there before.
    fn place(&mut self, now: Instant, bridge: BridgeId, plan: &LegPlan) -> (u32, bool) {
        let Some(index) = self.by_leg.get(&plan.leg).copied() else {
            let moved = self.moving.iter().position(|leg| leg.plan.leg == plan.leg);
            let leg = moved.and_then(|place| self.moving.remove(place));
            let leg = leg.unwrap_or_else(|| Leg::new(now, plan.clone()));
            return (
                self.insert(Slot {
                    leg,
                    bridge,
                    peer: None,
                }),
                true,
            );
        };
        let from = self.slot(index).map(|slot| slot.bridge);
        if from == Some(bridge) {
            return (index, false);
        }
        self.detach(index);
        if let Some(slot) = self.slot_mut(index) {
            slot.bridge = bridge;
        }
        (index, true)
    }

    /// Gives every leg its plan and its peer.
    fn apply(&mut self, now: Instant, legs: Vec<LegPlan>, slots: &[u32]) {
        let window = self.config.window;
        for (plan, index) in legs.into_iter().zip(slots) {
            let peer = slots.iter().copied().find(|other| other != index);
            let port = plan.port;
            let Some(slot) = self.slot_mut(*index) else { continue };
            let before = slot.leg.plan.port;
            slot.peer = peer;
            slot.leg.handle_plan(now, plan, window);
            self.free_port(before, *index);
            self.set_port(port, *index);
            self.arm(*index);
        }
    }

    fn insert(&mut self, slot: Slot) -> u32 {
        let leg = slot.leg.plan.leg;
        let index = match self.free.pop() {
            Some(index) => {
                self.slots[index as usize] = Some(slot);
                index
            }
            None => {
                self.slots.push(Some(slot));
                (self.slots.len() - 1) as u32
            }
        };
        self.by_leg.insert(leg, index);
        index
    }

    fn remove(&mut self, index: u32) -> Option<Slot> {
        self.detach(index);
        let slot = self.slots.get_mut(index as usize)?.take()?;
        self.free.push(index);
        self.by_leg.remove(&slot.leg.plan.leg);
        self.free_port(slot.leg.plan.port, index);
        Some(slot)
    }

    /// Takes a leg out of its bridge; the leg it was talking to has nobody then.
    fn detach(&mut self, index: u32) {
        let Some(slot) = self.slot_mut(index) else { return };
        let (bridge, peer) = (slot.bridge, slot.peer.take());
        if let Some(peer) = peer.and_then(|peer| self.slot_mut(peer)) {
            peer.peer = None;
        }
        if let Some(bridge) = self.bridges.get_mut(&bridge) {
            bridge.slots.retain(|slot| *slot != index);
        }
    }

    fn free_port(&mut self, port: u16, owner: u32) {
        if self.by_port.get(usize::from(port / 2)) == Some(&owner) {
            self.set_port(port, NOBODY);
        }
    }

    fn set_port(&mut self, port: u16, slot: u32) {
        if let Some(place) = self.by_port.get_mut(usize::from(port / 2)) {
            *place = slot;
        }
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

//! Plans become bridges: legs come, go and move, each with its port.

use super::{Bridge, Far, NOBODY, Relay, Slot};
use crate::plan::PlanError;
use crate::{BRIDGE_LEGS_MAX, BridgeId, DEPARTED_MAX, LEGS_MAX, Leg, LegPlan, MediaEvent, MediaPlan, OwnEnd};
use std::time::Instant;

impl Relay {
    pub(super) fn check(&self, plan: &MediaPlan) -> Result<(), PlanError> {
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

    pub(super) fn close(&mut self, bridge: BridgeId) {
        let Bridge { slots, departed, .. } = self.bridges.remove(&bridge).unwrap_or_default();
        let mut legs = Vec::from(departed);
        for slot in slots {
            if let Some(slot) = self.remove(slot) {
                legs.push((slot.leg.plan.leg, slot.leg.quality()));
            }
        }
        // Never refused: a call record waits for it, and each is owed to one plan.
        self.events.push_back(MediaEvent::Closed { bridge, legs });
    }

    pub(super) fn drop_legs_not_in(&mut self, bridge: BridgeId, legs: &[LegPlan]) -> bool {
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
    pub(super) fn place(&mut self, now: Instant, bridge: BridgeId, plan: &LegPlan) -> (u32, bool) {
        let Some(index) = self.by_leg.get(&plan.leg).copied() else {
            let moved = self.moving.iter().position(|leg| leg.plan.leg == plan.leg);
            let leg = moved.and_then(|place| self.moving.remove(place));
            let leg = leg.unwrap_or_else(|| Leg::new(now, plan.clone()));
            return (
                self.insert(Slot {
                    leg,
                    bridge,
                    far: Far::Nobody,
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

    /// Gives every leg its plan and who hears it.
    pub(super) fn apply(&mut self, now: Instant, (legs, own): (Vec<LegPlan>, Option<OwnEnd>), slots: &[u32]) {
        let window = self.config.window;
        for (plan, index) in legs.into_iter().zip(slots) {
            let peer = slots.iter().copied().find(|other| other != index);
            let far = peer.map(Far::Leg).or(own.map(Far::Own)).unwrap_or(Far::Nobody);
            let port = plan.port;
            let Some(slot) = self.slot_mut(*index) else { continue };
            let before = slot.leg.plan.port;
            slot.far = far;
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

    pub(super) fn remove(&mut self, index: u32) -> Option<Slot> {
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
        let (bridge, far) = (slot.bridge, std::mem::replace(&mut slot.far, Far::Nobody));
        if let Far::Leg(peer) = far
            && let Some(peer) = self.slot_mut(peer)
        {
            peer.far = Far::Nobody;
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
}

//! Which worker has which bridge.

use branchline_media::{BridgeId, LegId, MediaPlan};
use std::collections::HashMap;

/// Where bridges and legs are; as many entries as there are open bridges and their legs.
#[derive(Debug)]
pub(super) struct Placement {
    bridges: HashMap<BridgeId, Placed>,
    legs: HashMap<LegId, (BridgeId, usize)>,
    /// Legs on each worker.
    load: Vec<usize>,
}

#[derive(Debug)]
struct Placed {
    worker: usize,
    legs: Vec<LegId>,
}

/// What a plan means for the workers.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Placing {
    /// The worker that has the bridge.
    pub(super) worker: usize,
    /// Legs that come from other workers.
    pub(super) moves: Vec<(LegId, usize)>,
}

impl Placement {
    pub(super) fn new(workers: usize) -> Self {
        Self {
            bridges: HashMap::new(),
            legs: HashMap::new(),
            load: vec![0; workers],
        }
    }

    pub(super) fn place(&mut self, plan: &MediaPlan) -> Placing {
        let worker = self.worker_for(plan);
        let mut moves = Vec::new();
        let before = self
            .bridges
            .remove(&plan.bridge)
            .map(|placed| placed.legs)
            .unwrap_or_default();
        for leg in before
            .iter()
            .filter(|leg| plan.legs.iter().all(|planned| planned.leg != **leg))
        {
            self.forget(*leg);
        }
        for leg in plan.legs.iter().map(|planned| planned.leg) {
            let Some((bridge, from)) = self.legs.insert(leg, (plan.bridge, worker)) else {
                self.load[worker] += 1;
                continue;
            };
            if bridge != plan.bridge
                && let Some(lost) = self.bridges.get_mut(&bridge)
            {
                lost.legs.retain(|other| *other != leg);
            }
            if from != worker {
                self.load[from] = self.load[from].saturating_sub(1);
                self.load[worker] += 1;
                moves.push((leg, from));
            }
        }
        if !plan.legs.is_empty() {
            let legs = plan.legs.iter().map(|planned| planned.leg).collect();
            self.bridges.insert(plan.bridge, Placed { worker, legs });
        }
        Placing { worker, moves }
    }

    /// Makes the next new bridge go past this worker.
    #[cfg(test)]
    pub(super) fn pretend_full(&mut self, worker: usize) {
        self.load[worker] = LEGS_BEFORE_NEXT;
    }

    fn worker_for(&self, plan: &MediaPlan) -> usize {
        if let Some(placed) = self.bridges.get(&plan.bridge) {
            return placed.worker;
        }
        if let Some((_, worker)) = plan.legs.iter().find_map(|planned| self.legs.get(&planned.leg)) {
            return *worker;
        }
        // A worker gets a fair load before the next one has to wake up at all.
        let least = (0..self.load.len())
            .min_by_key(|worker| self.load[*worker])
            .unwrap_or(0);
        (0..self.load.len())
            .find(|worker| self.load[*worker] < LEGS_BEFORE_NEXT)
            .unwrap_or(least)
    }

    fn forget(&mut self, leg: LegId) {
        if let Some((_, worker)) = self.legs.remove(&leg) {
            self.load[worker] = self.load[worker].saturating_sub(1);
        }
    }
}

/// 12,800 packets a second; chosen, not tuned.
const LEGS_BEFORE_NEXT: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use branchline_media::LegPlan;
    use branchline_sdp::Direction;

    #[test]
    fn a_leg_of_another_worker_is_moved_to_the_bridge_that_gains_it() {
        let mut placement = Placement::new(2);
        placement.load[0] = LEGS_BEFORE_NEXT - 2;
        assert_eq!(
            placement.place(&plan(1, &[1, 2])),
            Placing {
                worker: 0,
                moves: vec![]
            }
        );
        assert_eq!(
            placement.place(&plan(2, &[3, 4])),
            Placing {
                worker: 1,
                moves: vec![]
            }
        );
        assert_eq!(
            placement.place(&plan(1, &[1, 4])),
            Placing {
                worker: 0,
                moves: vec![(LegId(4), 1)]
            }
        );
        assert_eq!(
            placement.place(&plan(1, &[1, 4])),
            Placing {
                worker: 0,
                moves: vec![]
            }
        );
        assert_eq!(
            placement.place(&plan(2, &[])),
            Placing {
                worker: 1,
                moves: vec![]
            }
        );
        assert_eq!(placement.load, [LEGS_BEFORE_NEXT, 0]);
        placement.place(&plan(1, &[]));
        assert!(
            placement.bridges.is_empty() && placement.legs.is_empty(),
            "{placement:?}"
        );
        assert_eq!(placement.load, [LEGS_BEFORE_NEXT - 2, 0]);
    }

    #[test]
    fn when_all_workers_are_loaded_the_least_loaded_is_next() {
        let mut placement = Placement::new(3);
        placement.load = vec![900, 500, 700];
        assert_eq!(placement.place(&plan(1, &[1])).worker, 1);
    }

    fn plan(bridge: u64, legs: &[u64]) -> MediaPlan {
        let leg = |leg: &u64| LegPlan {
            leg: LegId(*leg),
            port: 4000,
            signalled: None,
            signalled_rtcp: None,
            direction: Direction::SendRecv,
            telephone_event: None,
            codecs: Vec::new(),
            rtp_timeout: None,
        };
        MediaPlan {
            bridge: BridgeId(bridge),
            legs: legs.iter().map(leg).collect(),
            own: None,
        }
    }
}

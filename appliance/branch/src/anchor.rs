//! The box in the middle of the media: a port per leg, descriptions rewritten to it, and the plan for the relay.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use branchline_call::{CallId, LegId};
use branchline_media::{BridgeId, LegPlan, LegQuality, MediaPlan, OwnEnd, PortPool};
use branchline_sdp::{Anchor, Codec, Direction, Origin, Sdp};

/// The media side of every leg.
pub(crate) struct Anchors {
    pool: PortPool,
    legs: HashMap<LegId, Anchored>,
    /// Legs that are the box itself.
    own: HashMap<LegId, OwnEnd>,
    bridges: HashMap<CallId, BridgeId>,
    calls: HashMap<BridgeId, CallId>,
    next_bridge: u64,
    timeouts: Timeouts,
}

/// How long a leg may send nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timeouts {
    pub(crate) talking: Duration,
    pub(crate) held: Duration,
}

struct Anchored {
    port: u16,
    address: IpAddr,
    /// Sent last, to keep the version of an unchanged description (RFC 3264 section 8).
    sent: Option<Sdp>,
    version: u64,
    heard: Option<Heard>,
    /// What was heard before an offer that may yet be refused.
    before: Option<Heard>,
    /// The offer we have not answered yet, which the answer has to line up with.
    offer: Option<Sdp>,
    /// Mean opinion score of what it sends, as measured last.
    mos: Option<f32>,
}

#[derive(Clone)]
struct Heard {
    rtp: Option<SocketAddr>,
    rtcp: Option<SocketAddr>,
    direction: Direction,
    telephone_event: Option<u8>,
    codecs: Vec<Codec>,
}

/// What it means when a leg sends nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Silence {
    /// Somebody vanished.
    EndsCall,
    /// Nobody has to speak before the answer.
    IsNormal,
}

/// No media port is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoPort;

impl Anchors {
    pub(crate) fn new(pool: PortPool, timeouts: Timeouts) -> Self {
        Anchors {
            pool,
            legs: HashMap::new(),
            own: HashMap::new(),
            bridges: HashMap::new(),
            calls: HashMap::new(),
            next_bridge: 1,
            timeouts,
        }
    }

    pub(crate) fn pool(&self) -> &PortPool {
        &self.pool
    }

    pub(crate) fn pool_mut(&mut self) -> &mut PortPool {
        &mut self.pool
    }

    pub(crate) fn timeouts(&self) -> Timeouts {
        self.timeouts
    }

    pub(crate) fn set_timeouts(&mut self, timeouts: Timeouts) {
        self.timeouts = timeouts;
    }

    pub(crate) fn len(&self) -> usize {
        self.legs.len() + self.own.len()
    }

    /// A leg that is the box itself: it needs no port.
    pub(crate) fn add_own(&mut self, leg: LegId, end: OwnEnd) {
        self.own.insert(leg, end);
    }

    pub(crate) fn own(&self, leg: LegId) -> Option<OwnEnd> {
        self.own.get(&leg).copied()
    }

    /// A leg described itself as an offer: what we answer will have to line up with it.
    pub(crate) fn heard_offer(&mut self, leg: LegId, sdp: &Sdp, address: IpAddr) -> Result<(), NoPort> {
        let anchored = self.leg(leg, address)?;
        anchored.offer = Some(sdp.clone());
        anchored.before = anchored.heard.replace(Heard::of(sdp));
        Ok(())
    }

    /// The offer of a leg was refused: what it said before still counts.
    pub(crate) fn forget_offer(&mut self, leg: LegId) {
        if let Some(anchored) = self.legs.get_mut(&leg)
            && anchored.offer.take().is_some()
        {
            anchored.heard = anchored.before.take();
        }
    }

    /// A leg answered our offer.
    pub(crate) fn heard_answer(&mut self, leg: LegId, sdp: &Sdp) {
        if let Some(anchored) = self.legs.get_mut(&leg) {
            anchored.heard = Some(Heard::of(sdp));
        }
    }

    /// The description of the other party, as the box says it to `leg`.
    pub(crate) fn describe(&mut self, leg: LegId, sdp: &Sdp, address: IpAddr) -> Result<Sdp, NoPort> {
        let anchored = self.leg(leg, address)?;
        let aligned;
        // An answer has the lines of its offer; a later offer has no fewer lines than the last description (RFC 3264 section 8).
        let lines = anchored.offer.take().or_else(|| {
            let sent = anchored.sent.as_ref()?;
            (sent.media().len() > sdp.media().len()).then(|| sent.clone())
        });
        let sdp = match lines {
            Some(lines) => {
                aligned = sdp.align_to_offer(&lines);
                &aligned
            }
            None => sdp,
        };
        let ports = sdp.ports_for_carried(anchored.port);
        let origin = Origin {
            session_id: leg.0,
            version: anchored.version,
        };
        let mut said = sdp.anchor(&Anchor {
            address: anchored.address,
            origin,
            ports: &ports,
        });
        if anchored.sent.as_ref().is_some_and(|sent| !sent.is_same_content(&said)) {
            anchored.version += 1;
            let origin = Origin {
                session_id: leg.0,
                version: anchored.version,
            };
            said = sdp.anchor(&Anchor {
                address: anchored.address,
                origin,
                ports: &ports,
            });
        }
        anchored.sent = Some(said.clone());
        Ok(said)
    }

    fn leg(&mut self, leg: LegId, address: IpAddr) -> Result<&mut Anchored, NoPort> {
        match self.legs.entry(leg) {
            std::collections::hash_map::Entry::Occupied(known) => Ok(known.into_mut()),
            std::collections::hash_map::Entry::Vacant(vacant) => {
                let port = self.pool.take(address.into()).ok_or(NoPort)?;
                Ok(vacant.insert(Anchored {
                    port,
                    address,
                    sent: None,
                    version: 1,
                    heard: None,
                    before: None,
                    offer: None,
                    mos: None,
                }))
            }
        }
    }

    /// What the relay should do for a call whose joined legs are `legs`; `None` when it need not know of the call.
    pub(crate) fn plan(&mut self, call: CallId, legs: &[LegId], silence: Silence) -> Option<MediaPlan> {
        let own = legs.iter().find_map(|leg| self.own(*leg));
        let legs: Vec<LegPlan> = legs.iter().filter_map(|leg| self.leg_plan(*leg, silence)).collect();
        if legs.is_empty() && !self.bridges.contains_key(&call) {
            return None;
        }
        let bridge = *self.bridges.entry(call).or_insert_with(|| {
            self.next_bridge += 1;
            BridgeId(self.next_bridge)
        });
        self.calls.insert(bridge, call);
        Some(MediaPlan { bridge, legs, own })
    }

    /// Ends the bridge of a call; the relay reports what it measured.
    pub(crate) fn close(&mut self, call: CallId) -> Option<MediaPlan> {
        let bridge = self.bridges.remove(&call)?;
        Some(MediaPlan {
            bridge,
            legs: Vec::new(),
            own: None,
        })
    }

    /// The relay has let go of a bridge.
    pub(crate) fn closed(&mut self, bridge: BridgeId) -> Option<CallId> {
        self.calls.remove(&bridge)
    }

    fn leg_plan(&self, leg: LegId, silence: Silence) -> Option<LegPlan> {
        let anchored = self.legs.get(&leg)?;
        let heard = anchored.heard.as_ref()?;
        let held = !heard.direction.receives() || !heard.direction.sends();
        Some(LegPlan {
            leg: branchline_media::LegId(leg.0),
            port: anchored.port,
            signalled: heard.rtp,
            signalled_rtcp: heard.rtcp,
            direction: heard.direction,
            telephone_event: heard.telephone_event,
            codecs: heard.codecs.clone(),
            rtp_timeout: match silence {
                Silence::EndsCall if held => Some(self.timeouts.held),
                Silence::EndsCall => Some(self.timeouts.talking),
                Silence::IsNormal => None,
            },
        })
    }

    /// The leg said that it sends, so that its silence tells something.
    pub(crate) fn must_send(&self, leg: LegId) -> bool {
        let heard = self.legs.get(&leg).and_then(|anchored| anchored.heard.as_ref());
        heard.is_some_and(|heard| heard.direction.sends())
    }

    /// A leg is gone: its port rests before it is used again.
    pub(crate) fn release(&mut self, now: std::time::Instant, leg: LegId) {
        self.own.remove(&leg);
        if let Some(anchored) = self.legs.remove(&leg) {
            self.pool.give_back(now, anchored.port);
        }
    }

    /// The relay measured a leg.
    pub(crate) fn measured(&mut self, leg: LegId, quality: &LegQuality) {
        if let Some(anchored) = self.legs.get_mut(&leg) {
            anchored.mos = (quality.packets_in > 0).then_some(quality.mos);
        }
    }

    /// Mean opinion score of what a leg sends, once it has been measured.
    pub(crate) fn mos(&self, leg: LegId) -> Option<f32> {
        self.legs.get(&leg)?.mos
    }

    /// Codec a leg uses first, once it has described itself.
    pub(crate) fn codec(&self, leg: LegId) -> Option<&str> {
        let heard = self.legs.get(&leg)?.heard.as_ref()?;
        heard
            .codecs
            .iter()
            .find(|codec| !codec.is_telephone_event())
            .map(|codec| codec.name.as_str())
    }
}

impl Heard {
    fn of(sdp: &Sdp) -> Heard {
        let stream = sdp.carried();
        Heard {
            rtp: stream.as_ref().and_then(branchline_sdp::Stream::rtp_address),
            rtcp: stream.as_ref().and_then(branchline_sdp::Stream::rtcp_address),
            direction: stream
                .as_ref()
                .map_or(Direction::Inactive, branchline_sdp::Stream::direction),
            telephone_event: sdp.telephone_event_payload(),
            codecs: sdp.codecs(),
        }
    }
}

//! How far strangers may disturb others by calling for help. Their calls go out whatever happens; but anybody can forge
//! them, and a flood must neither end one call after the other nor fill the telephones with texts.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};

use branchline_call::CallId;
use branchline_route::{Source, Sources};
use branchline_sip::Flow;

use super::Phone;
use crate::Branch;
use crate::now::Now;
use crate::output::Level;
use crate::quota::Quota;

/// Whether a call for help disturbs others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Voice {
    /// It is told, and ends another call where no channel is free.
    #[default]
    Loud,
    /// It is only put through and recorded.
    Quiet,
}

/// Where a stranger calls from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The branch: a telephone of ours that the box has forgotten is there.
    Branch,
    /// Anywhere: whoever can forge one address can forge many.
    Elsewhere,
}

/// Calls for help of those that are not registered here.
pub(crate) struct Strangers {
    by_source: Sources<Quota>,
    elsewhere: Quota,
}

impl Strangers {
    pub(crate) fn new() -> Strangers {
        Strangers {
            by_source: Sources::new(SOURCES_MAX),
            elsewhere: Quota::new(LOUD_ELSEWHERE_MAX, WITHIN),
        }
    }

    /// How the next call from a source is heard.
    pub(crate) fn handle_call(&mut self, now: Instant, (source, origin): (IpAddr, Origin)) -> Voice {
        let own = self
            .by_source
            .entry(Source::new(source), || Quota::new(LOUD_OF_SOURCE_MAX, WITHIN));
        let is_loud = own.allows(now)
            && match origin {
                Origin::Branch => true,
                Origin::Elsewhere => self.elsewhere.allows(now),
            };
        if is_loud { Voice::Loud } else { Voice::Quiet }
    }
}

impl Branch {
    /// Decides how a call for help is heard.
    pub(super) fn listen_to(&mut self, now: Now, call: CallId, phone: &Phone) {
        if phone.extension.is_some() {
            return;
        }
        let source = phone.flow.remote.ip();
        let origin = if is_near(phone.flow) || self.guard.trusts(now.mono, source) {
            Origin::Branch
        } else {
            Origin::Elsewhere
        };
        let voice = self.strangers.handle_call(now.mono, (source, origin));
        if let Some(facts) = self.facts.get_mut(&call) {
            facts.voice = voice;
        }
        if voice == Voice::Quiet {
            self.counters.calls_emergency_quiet += 1;
            if self.notices.allows(now.mono) {
                let text = format!("one of many calls for help from unregistered phones is not told: from {source}");
                self.notice(Level::Warning, text);
            }
        }
    }

    pub(super) fn voice_of(&self, call: CallId) -> Voice {
        self.facts.get(&call).map_or(Voice::Loud, |facts| facts.voice)
    }
}

/// Whether a phone is on the network of the box, or on one that nobody outside can call from.
fn is_near(flow: Flow) -> bool {
    match (flow.remote.ip().to_canonical(), flow.local.ip().to_canonical()) {
        (IpAddr::V4(remote), local) => {
            let network = |address: Ipv4Addr| u32::from(address) >> 8;
            let is_ours = matches!(local, IpAddr::V4(local) if network(local) == network(remote));
            is_ours || remote.is_private() || remote.is_link_local() || remote.is_loopback()
        }
        (IpAddr::V6(remote), local) => {
            let network = |address: Ipv6Addr| u128::from(address) >> 64;
            let is_ours = matches!(local, IpAddr::V6(local) if network(local) == network(remote));
            is_ours || remote.is_unique_local() || remote.is_unicast_link_local() || remote.is_loopback()
        }
    }
}

/// Somebody in need who is cut off calls again, and once more.
const LOUD_OF_SOURCE_MAX: u32 = 3;
/// Source addresses can be forged, so those of the whole world together are held to a bound as well.
const LOUD_ELSEWHERE_MAX: u32 = 6;
const WITHIN: Duration = Duration::from_secs(600);
/// Beyond, the source heard from longest ago is forgotten; the bound on all from elsewhere holds.
const SOURCES_MAX: usize = 1024;

//! How far strangers may disturb others by calling for help. Their calls go out whatever happens; but anybody can forge
//! them, and a flood must neither end one call after the other nor fill the telephones with texts.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use branchline_call::CallId;
use branchline_route::{Source, Sources};

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

/// Calls for help of those that are not registered here.
pub(crate) struct Strangers {
    by_source: Sources<Quota>,
    all: Quota,
}

impl Strangers {
    pub(crate) fn new() -> Strangers {
        Strangers {
            by_source: Sources::new(SOURCES_MAX),
            all: Quota::new(LOUD_MAX, WITHIN),
        }
    }

    /// How the next call from a source is heard.
    pub(crate) fn handle_call(&mut self, now: Instant, source: IpAddr) -> Voice {
        let own = self
            .by_source
            .entry(Source::new(source), || Quota::new(LOUD_OF_SOURCE_MAX, WITHIN));
        if own.allows(now) && self.all.allows(now) {
            Voice::Loud
        } else {
            Voice::Quiet
        }
    }
}

impl Branch {
    /// Decides how a call for help is heard.
    pub(super) fn listen_to(&mut self, now: Now, call: CallId, phone: &Phone) {
        if phone.extension.is_some() {
            return;
        }
        let source = phone.flow.remote.ip();
        let voice = self.strangers.handle_call(now.mono, source);
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

/// Somebody in need who is cut off calls again, and once more.
const LOUD_OF_SOURCE_MAX: u32 = 3;
/// Source addresses can be forged, so all of them together are held to a bound as well.
const LOUD_MAX: u32 = 6;
const WITHIN: Duration = Duration::from_secs(600);
/// Beyond, the source heard from longest ago is forgotten; the bound on all holds.
const SOURCES_MAX: usize = 1024;

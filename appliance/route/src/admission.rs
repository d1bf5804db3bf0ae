//! Overload control: says no early and cheaply, so that the calls already up stay up. Emergencies are always admitted.
//!
//! In: each new request that opens something, with how loaded the box is. Out: admit, or shed with a Retry-After
//! (RFC 3261 section 20.33) for a 503. Within dialogs nothing is asked: a call that is up is never shed.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::bucket::Bucket;
use crate::sources::{Source, Sources};

/// Requests a second that any source may send, however little the box is set to take.
const SOURCE_PER_SECOND_MIN: u32 = 100;
/// Callers told to come back are spread over this many seconds, or they all come back at once.
const SPREAD_S: u32 = 8;

/// Rates and bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdmissionLimits {
    /// New calls a second; twice as many may come at once.
    pub calls_per_second: u32,
    /// REGISTERs a second; twice as many may come at once.
    pub registers_per_second: u32,
    /// Other new requests (OPTIONS, SUBSCRIBE, MESSAGE) a second; twice as many may come at once.
    pub others_per_second: u32,
    /// Requests a second from one source; ten times as many may come at once, as when a proxy of phones starts.
    pub source_per_second: u32,
    /// Sources remembered; beyond, the one heard from longest ago is forgotten.
    pub sources_max: usize,
    /// Calls at once.
    pub calls_max: u32,
    /// Time a request may wait before it is handled.
    pub queue_delay_max: Duration,
    /// How long requests must have waited too long before new ones are shed: one burst is not overload.
    pub queue_patience: Duration,
}

impl Default for AdmissionLimits {
    fn default() -> AdmissionLimits {
        AdmissionLimits {
            calls_per_second: 50,
            registers_per_second: 200,
            others_per_second: 200,
            source_per_second: SOURCE_PER_SECOND_MIN,
            sources_max: 4096,
            calls_max: 500,
            // Half of T1 (RFC 3261): later, and phones retransmit into the overload.
            queue_delay_max: Duration::from_millis(250),
            queue_patience: Duration::from_millis(500),
        }
    }
}

impl From<&branchline_config::Sip> for AdmissionLimits {
    fn from(sip: &branchline_config::Sip) -> AdmissionLimits {
        AdmissionLimits {
            calls_per_second: sip.max_calls_per_second,
            registers_per_second: sip.max_registers_per_second,
            others_per_second: sip.max_registers_per_second,
            source_per_second: source_per_second(sip),
            calls_max: sip.max_calls,
            ..AdmissionLimits::default()
        }
    }
}

// A trunk, or a site behind one NAT, is a single source and may be all of the traffic; a call brings about two requests.
fn source_per_second(sip: &branchline_config::Sip) -> u32 {
    SOURCE_PER_SECOND_MIN
        .max(sip.max_registers_per_second)
        .max(sip.max_calls_per_second.saturating_mul(2))
}

/// What a request opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArrivalKind {
    /// INVITE without To tag.
    Call,
    /// The same to an emergency number, see [`emergency_number`](crate::emergency_number).
    EmergencyCall,
    /// REGISTER.
    Register,
    /// OPTIONS, SUBSCRIBE, MESSAGE, …
    Other,
}

/// How loaded the box is at this moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Calls in progress.
    pub live_calls: u32,
    /// Time between this request's arrival on the socket and now.
    pub queue_delay: Duration,
}

/// One new request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// What it opens.
    pub kind: ArrivalKind,
    /// Where it came from.
    pub source: IpAddr,
    /// How loaded the box is.
    pub load: Load,
}

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Go on.
    Admit,
    /// 503 with this Retry-After.
    Shed {
        /// Seconds.
        retry_after_s: u32,
    },
}

/// The overload machine. `handle_arrival` for each new request; it has no timers and puts nothing out by itself.
#[derive(Clone, Debug)]
pub struct Admission {
    limits: AdmissionLimits,
    calls: Bucket,
    registers: Bucket,
    others: Bucket,
    sources: Sources<Bucket>,
    late: Option<Late>,
    shed: u64,
}

impl Admission {
    /// Full buckets.
    pub fn new(limits: AdmissionLimits, now: Instant) -> Admission {
        Admission {
            calls: Bucket::new(limits.calls_per_second, 2, now),
            registers: Bucket::new(limits.registers_per_second, 2, now),
            others: Bucket::new(limits.others_per_second, 2, now),
            sources: Sources::new(limits.sources_max),
            late: None,
            shed: 0,
            limits,
        }
    }

    /// Admits or sheds one new request. Call it once per transaction, not for retransmissions.
    pub fn handle_arrival(&mut self, now: Instant, arrival: Arrival) -> Verdict {
        if arrival.kind == ArrivalKind::EmergencyCall {
            return Verdict::Admit;
        }
        let is_late = self.is_late(now, arrival.load.queue_delay);
        let is_full = arrival.kind == ArrivalKind::Call && arrival.load.live_calls >= self.limits.calls_max;
        if is_late || is_full {
            return self.shed(1);
        }
        let rate = self.limits.source_per_second;
        let source = self
            .sources
            .entry(Source::new(arrival.source), || Bucket::new(rate, 10, now));
        if let Err(wait_s) = source.take(now) {
            return self.shed(wait_s);
        }
        let bucket = match arrival.kind {
            ArrivalKind::Call | ArrivalKind::EmergencyCall => &mut self.calls,
            ArrivalKind::Register => &mut self.registers,
            ArrivalKind::Other => &mut self.others,
        };
        match bucket.take(now) {
            Ok(()) => Verdict::Admit,
            Err(wait_s) => self.shed(wait_s),
        }
    }

    /// New limits after a reload; buckets start full, sources are remembered anew.
    pub fn handle_limits(&mut self, now: Instant, limits: AdmissionLimits) {
        *self = Admission {
            shed: self.shed,
            late: self.late,
            ..Admission::new(limits, now)
        };
    }

    /// Requests shed since the start.
    pub fn shed_total(&self) -> u64 {
        self.shed
    }

    /// Sources remembered, at most `sources_max`.
    pub fn sources(&self) -> usize {
        self.sources.len()
    }

    fn is_late(&mut self, now: Instant, queue_delay: Duration) -> bool {
        if queue_delay <= self.limits.queue_delay_max {
            self.late = None;
            return false;
        }
        let patience = self.limits.queue_patience;
        // Delays further apart than that are bursts of their own.
        let going_on = self
            .late
            .filter(|late| now.saturating_duration_since(late.last) <= patience);
        let since = going_on.map_or(now, |late| late.since);
        self.late = Some(Late { since, last: now });
        now.saturating_duration_since(since) >= patience
    }

    fn shed(&mut self, wait_s: u32) -> Verdict {
        let turn = u32::try_from(self.shed % u64::from(SPREAD_S)).unwrap_or(0);
        self.shed = self.shed.saturating_add(1);
        Verdict::Shed {
            retry_after_s: wait_s.saturating_add(turn),
        }
    }
}

/// A run of requests that waited too long.
#[derive(Clone, Copy, Debug)]
struct Late {
    since: Instant,
    last: Instant,
}

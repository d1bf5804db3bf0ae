//! Overload control: says no early and cheaply, so that the calls already up stay up. Emergencies are always admitted.
//!
//! In: each new request that opens something, with how loaded the box is. Out: admit, or shed with a Retry-After
//! (RFC 3261 section 20.33) for a 503. Within dialogs nothing is asked: a call that is up is never shed.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::sources::{Source, Sources};

/// Thousandths of a token, so that slow rates refill without fractions.
const TOKEN: u64 = 1000;
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

#[derive(Clone, Copy, Debug)]
struct Bucket {
    per_second: u64,
    capacity: u64,
    level: u64,
    filled_at: Instant,
}

impl Bucket {
    fn new(per_second: u32, burst_s: u32, now: Instant) -> Bucket {
        let per_second = u64::from(per_second.max(1));
        let capacity = per_second * u64::from(burst_s) * TOKEN;
        Bucket {
            per_second,
            capacity,
            level: capacity,
            filled_at: now,
        }
    }

    /// Takes one token, or says in how many seconds there will be one.
    fn take(&mut self, now: Instant) -> Result<(), u32> {
        let elapsed_ms = u64::try_from(now.saturating_duration_since(self.filled_at).as_millis()).unwrap_or(u64::MAX);
        if elapsed_ms > 0 {
            let gained = elapsed_ms.saturating_mul(self.per_second);
            self.level = self.level.saturating_add(gained).min(self.capacity);
            self.filled_at = now;
        }
        if self.level < TOKEN {
            // A thousandth of a token comes per millisecond and unit of rate: one second always brings a token.
            return Err(1);
        }
        self.level -= TOKEN;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // The clock itself is of no interest; any start will do.
    #[expect(clippy::disallowed_methods, reason = "an Instant can only be made from the clock")]
    fn start() -> Instant {
        Instant::now()
    }

    fn arrival(kind: ArrivalKind, last: u8) -> Arrival {
        Arrival {
            kind,
            source: IpAddr::from([192, 0, 2, last]),
            load: Load::default(),
        }
    }

    fn limits() -> AdmissionLimits {
        AdmissionLimits {
            calls_per_second: 10,
            registers_per_second: 5,
            source_per_second: 100,
            ..Default::default()
        }
    }

    fn admitted(admission: &mut Admission, now: Instant, arrivals: impl Iterator<Item = Arrival>) -> usize {
        arrivals
            .filter(|arrival| admission.handle_arrival(now, *arrival) == Verdict::Admit)
            .count()
    }

    #[test]
    fn calls_beyond_the_rate_are_shed_and_the_rate_comes_back() {
        let now = start();
        let mut admission = Admission::new(limits(), now);
        let calls = || std::iter::repeat_n(arrival(ArrivalKind::Call, 1), 100);
        assert_eq!(admitted(&mut admission, now, calls()), 20);
        assert_eq!(admitted(&mut admission, now + Duration::from_secs(1), calls()), 10);
        assert_eq!(admitted(&mut admission, now + Duration::from_secs(60), calls()), 20);
        assert_eq!(admission.shed_total(), 250);
    }

    #[test]
    fn registrations_are_shed_apart_from_calls() {
        let now = start();
        let mut admission = Admission::new(limits(), now);
        let registers = std::iter::repeat_n(arrival(ArrivalKind::Register, 1), 50);
        assert_eq!(admitted(&mut admission, now, registers), 10);
        assert_eq!(
            admitted(&mut admission, now, std::iter::once(arrival(ArrivalKind::Call, 2))),
            1
        );
    }

    #[test]
    fn one_source_cannot_use_up_what_others_need() {
        let now = start();
        let limits = AdmissionLimits {
            source_per_second: 1,
            ..limits()
        };
        let mut admission = Admission::new(limits, now);
        assert_eq!(
            admitted(
                &mut admission,
                now,
                std::iter::repeat_n(arrival(ArrivalKind::Call, 1), 500)
            ),
            10
        );
        assert_eq!(
            admitted(
                &mut admission,
                now,
                std::iter::repeat_n(arrival(ArrivalKind::Call, 2), 5)
            ),
            5
        );
    }

    #[test]
    fn one_source_may_bring_all_that_the_configuration_lets_in() {
        let text = |keys: &str| format!("[site]\ncountry = \"US\"\n[sip]\n{keys}");
        let cases = [
            ("", 200),
            ("max_registers_per_second = 10\nmax_calls_per_second = 10\n", 100),
            ("max_registers_per_second = 1000\n", 1000),
            ("max_calls_per_second = 400\n", 800),
        ];
        for (keys, expected) in cases {
            let config = branchline_config::Config::parse("f", &text(keys)).unwrap();
            let limits = AdmissionLimits::from(&config.sip);
            assert_eq!(limits.source_per_second, expected, "{keys}");
            let now = start();
            let mut admission = Admission::new(limits, now);
            let all = config.sip.max_registers_per_second as usize * 2;
            let registers = std::iter::repeat_n(arrival(ArrivalKind::Register, 1), all + 1);
            assert_eq!(admitted(&mut admission, now, registers), all, "{keys}");
        }
    }

    #[test]
    fn a_lasting_queue_sheds_and_a_short_one_does_not() {
        let now = start();
        let mut admission = Admission::new(AdmissionLimits::default(), now);
        let late = |ms: u64| Arrival {
            load: Load {
                live_calls: 0,
                queue_delay: Duration::from_millis(ms),
            },
            ..arrival(ArrivalKind::Call, 1)
        };
        let at = |ms: u64| now + Duration::from_millis(ms);
        assert_eq!(admission.handle_arrival(at(0), late(300)), Verdict::Admit);
        assert_eq!(admission.handle_arrival(at(499), late(300)), Verdict::Admit);
        assert!(matches!(
            admission.handle_arrival(at(500), late(300)),
            Verdict::Shed { .. }
        ));
        assert_eq!(admission.handle_arrival(at(501), late(10)), Verdict::Admit);
        assert_eq!(admission.handle_arrival(at(502), late(300)), Verdict::Admit);
        // Another burst, with nothing in between.
        assert_eq!(admission.handle_arrival(at(10_000), late(300)), Verdict::Admit);
    }

    #[test]
    fn an_emergency_call_is_admitted_whatever_the_load() {
        let now = start();
        let mut admission = Admission::new(limits(), now);
        let load = Load {
            live_calls: u32::MAX,
            queue_delay: Duration::from_secs(60),
        };
        for second in 0..100 {
            let now = now + Duration::from_secs(second);
            let call = Arrival {
                load,
                ..arrival(ArrivalKind::Call, 1)
            };
            assert!(matches!(admission.handle_arrival(now, call), Verdict::Shed { .. }));
            let emergency = Arrival {
                load,
                ..arrival(ArrivalKind::EmergencyCall, 1)
            };
            assert_eq!(admission.handle_arrival(now, emergency), Verdict::Admit);
        }
    }

    #[test]
    fn those_shed_are_told_to_come_back_at_different_times() {
        let now = start();
        let mut admission = Admission::new(
            AdmissionLimits {
                calls_max: 0,
                ..limits()
            },
            now,
        );
        let waits: std::collections::BTreeSet<u32> = (0..100)
            .filter_map(|_| match admission.handle_arrival(now, arrival(ArrivalKind::Call, 1)) {
                Verdict::Shed { retry_after_s } => Some(retry_after_s),
                Verdict::Admit => None,
            })
            .collect();
        assert_eq!(waits.into_iter().collect::<Vec<_>>(), (1..=8).collect::<Vec<_>>());
    }

    #[test]
    fn sources_are_bounded_and_time_may_step_back() {
        let now = start() + Duration::from_secs(1000);
        let mut admission = Admission::new(
            AdmissionLimits {
                sources_max: 16,
                ..limits()
            },
            now,
        );
        for n in 0..10_000_u32 {
            let source = IpAddr::from((n + 1).to_be_bytes());
            admission.handle_arrival(
                now - Duration::from_millis(u64::from(n % 7)),
                Arrival {
                    source,
                    ..arrival(ArrivalKind::Other, 1)
                },
            );
        }
        assert_eq!(admission.sources(), 16);
    }
}

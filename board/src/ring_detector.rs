//! Ringing current, told from noise and from pulse dialling by its frequency and how long it lasts.

use std::time::{Duration, Instant};

use crate::Level;
use crate::debounce::Debounced;

/// What the detector heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RingSign {
    /// A ring that has lasted long enough to be one.
    Began,
    /// The ring is over; silence, or the end.
    Ended,
    /// No further ring came: the caller gave up.
    GaveUp,
}

/// Reads the ring indication of one line, which pulses in time with the current.
///
/// Inputs: [`handle_edge`](Self::handle_edge), [`handle_timeout`](Self::handle_timeout), which answers with what was heard.
#[derive(Clone, Debug)]
pub struct RingDetector {
    contact: Debounced,
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Quiet,
    /// Rising edges of a ring that may be one.
    Hearing(Burst),
    /// The ring counts.
    Ringing(Burst),
    /// Between two rings.
    Pause {
        since: Instant,
    },
    /// Another ring, not yet long enough.
    HearingAgain {
        burst: Burst,
        paused: Instant,
    },
}

#[derive(Clone, Copy, Debug)]
struct Burst {
    began: Instant,
    last: Instant,
    waves: u32,
    /// Edges too close to the one before: bounce or noise.
    stray: u32,
}

impl RingDetector {
    /// A quiet line.
    #[must_use]
    pub fn new() -> RingDetector {
        RingDetector {
            contact: Debounced::new(Level::Inactive, SETTLE),
            state: State::Quiet,
        }
    }

    /// Whether a caller is there, ringing or between two rings.
    #[must_use]
    pub fn is_ringing(&self) -> bool {
        match self.state {
            State::Quiet | State::Hearing(_) => false,
            State::Ringing(_) | State::Pause { .. } | State::HearingAgain { .. } => true,
        }
    }

    /// The ring indication changed. Call [`handle_timeout`](Self::handle_timeout) for the same time before.
    pub fn handle_edge(&mut self, at: Instant, level: Level) {
        self.contact.handle_edge(at, level);
    }

    /// Time passed; to be called again until nothing is due.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<RingSign> {
        let own = self.own_timeout().filter(|due| *due <= now);
        let contact = self.contact.poll_timeout().filter(|due| *due <= now);
        // Whatever was due first, however late we are told.
        if contact.is_some_and(|contact| own.is_none_or(|own| contact <= own)) {
            let change = self.contact.handle_timeout(now)?;
            return match change.level {
                Level::Active => self.handle_wave(change.since),
                Level::Inactive => None,
            };
        }
        let due = own?;
        let (next, sign) = match self.state {
            State::Quiet | State::Hearing(_) => (State::Quiet, None),
            State::Ringing(burst) => (State::Pause { since: burst.last }, Some(RingSign::Ended)),
            State::Pause { .. } => (State::Quiet, Some(RingSign::GaveUp)),
            // Nothing but a click: the pause goes on.
            State::HearingAgain { paused, .. } if due < paused + PAUSE_MAX => (State::Pause { since: paused }, None),
            State::HearingAgain { .. } => (State::Quiet, Some(RingSign::GaveUp)),
        };
        self.state = next;
        sign
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        [self.contact.poll_timeout(), self.own_timeout()]
            .into_iter()
            .flatten()
            .min()
    }

    /// A half wave began.
    fn handle_wave(&mut self, at: Instant) -> Option<RingSign> {
        let (next, sign) = match self.state {
            State::Quiet => (State::Hearing(Burst::new(at)), None),
            State::Pause { since } => (
                State::HearingAgain {
                    burst: Burst::new(at),
                    paused: since,
                },
                None,
            ),
            State::Hearing(burst) => match burst.with(at) {
                Some(burst) if burst.counts() => (State::Ringing(burst), Some(RingSign::Began)),
                Some(burst) => (State::Hearing(burst), None),
                None => (State::Hearing(Burst::new(at)), None),
            },
            State::HearingAgain { burst, paused } => match burst.with(at) {
                Some(burst) if burst.counts() => (State::Ringing(burst), Some(RingSign::Began)),
                Some(burst) => (State::HearingAgain { burst, paused }, None),
                None => {
                    let burst = Burst::new(at);
                    (State::HearingAgain { burst, paused }, None)
                }
            },
            // A slower wave inside of a ring is one whose neighbour was lost.
            State::Ringing(burst) => (
                State::Ringing(burst.with(at).unwrap_or(Burst { last: at, ..burst })),
                None,
            ),
        };
        self.state = next;
        sign
    }

    fn own_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Quiet => None,
            State::Hearing(burst) | State::Ringing(burst) => Some(burst.last + WAVE_MAX + SLACK + SETTLE),
            State::Pause { since } => Some(since + PAUSE_MAX),
            State::HearingAgain { burst, .. } => Some(burst.last + WAVE_MAX + SLACK + SETTLE),
        }
    }
}

impl Default for RingDetector {
    fn default() -> Self {
        Self::new()
    }
}

impl Burst {
    fn new(at: Instant) -> Burst {
        Burst {
            began: at,
            last: at,
            waves: 0,
            stray: 0,
        }
    }

    /// With one more edge; `None` when it is too late to belong to it.
    fn with(mut self, at: Instant) -> Option<Burst> {
        let wave = at.duration_since(self.last);
        if wave > WAVE_MAX {
            return None;
        }
        if wave < WAVE_MIN {
            self.stray += 1;
        } else {
            self.waves += 1;
            self.last = at;
        }
        Some(self)
    }

    fn counts(&self) -> bool {
        self.waves >= WAVES_MIN && 2 * self.stray <= self.waves && self.last.duration_since(self.began) >= BURST_MIN
    }
}

/// The half wave of the fastest current lasts 7 ms.
const SETTLE: Duration = Duration::from_millis(3);
/// Ringing current has 15 to 68 Hz (47 CFR 68.312 for type B, ETSI EN 300 001); pulse dialling on a parallel telephone 8 to 12.
const WAVE_MIN: Duration = Duration::from_micros(14_300);
const WAVE_MAX: Duration = Duration::from_millis(76);
const WAVES_MIN: u32 = 3;
/// Shorter is a bell that tinkles, or lightning; the shortest ring of a country lasts 400 ms.
const BURST_MIN: Duration = Duration::from_millis(180);
/// A lost wave does not end a ring.
const SLACK: Duration = Duration::from_millis(76);
/// The longest silence between rings is 5 s (Austria, Portugal, Sweden).
const PAUSE_MAX: Duration = Duration::from_millis(6_500);

//! Recognises DTMF keys within the limits of ITU-T Q.24, and not in speech.

use std::collections::VecDeque;

use super::dtmf::{COLUMNS_HZ, KEYS, ROWS_HZ};
use super::spectrum::{HighPass, Part, Window};
use super::{RATE_HZ, peak};

/// What was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DtmfEvent {
    /// A key is down, told about 40 ms after it was pressed.
    Down {
        /// `0` to `9`, `*`, `#`, `A` to `D`
        key: char,
    },
    /// It was let go.
    Up {
        /// Which
        key: char,
        /// How long it sounded, to 10 ms
        lasted_ms: u32,
    },
}

/// Events kept until they are polled; the oldest goes when there are more.
const EVENTS_MAX: usize = 32;

/// Listens to one direction of one call.
///
/// Input: [`handle_block`](Self::handle_block). Output: [`poll_event`](Self::poll_event).
#[derive(Clone, Debug)]
pub struct DtmfDetector {
    fresh: [f32; HOP],
    high: [f32; HOP],
    filled: usize,
    filter: HighPass,
    window: Window<WINDOW>,
    /// The same sound without dial tone.
    high_window: Window<WINDOW>,
    /// The parts of the last hops, the newest first.
    before: [[Part; 8]; PHASE_HOPS],
    state: State,
    events: VecDeque<DtmfEvent>,
}

#[derive(Clone, Copy, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "a box would be allocated in the middle of a call"
)]
enum State {
    Quiet,
    /// A key that has not lasted long enough.
    Heard(Tally),
    Down {
        tally: Tally,
        /// Another key that may have replaced it.
        next: Option<Tally>,
    },
}

/// One key over some hops.
#[derive(Clone, Copy, Debug)]
struct Tally {
    key: usize,
    /// The last hops, in a ring.
    last: [Hit; HITS_MIN],
    hits: u32,
    loudest: f32,
    misses: u32,
}

/// Both tones of a key in one hop.
#[derive(Clone, Copy, Debug)]
struct Hit {
    key: usize,
    /// Of both together
    peak: f32,
    /// Their part in all that sounds above the dial tone.
    purity: f32,
    /// How far each is off, relative
    drift: (f32, f32),
}

impl DtmfDetector {
    /// Nothing heard yet.
    #[must_use]
    pub fn new() -> DtmfDetector {
        DtmfDetector {
            fresh: [0.0; HOP],
            high: [0.0; HOP],
            filled: 0,
            filter: HighPass::new(HIGH_PASS_HZ),
            window: Window::new(),
            high_window: Window::new(),
            before: [[Part::default(); 8]; PHASE_HOPS],
            state: State::Quiet,
            events: VecDeque::with_capacity(EVENTS_MAX),
        }
    }

    /// The next samples, as many as there are.
    pub fn handle_block(&mut self, block: &[i16]) {
        for sample in block {
            let sample = f32::from(*sample);
            self.fresh[self.filled] = sample;
            self.high[self.filled] = self.filter.next(sample);
            self.filled += 1;
            if self.filled == HOP {
                self.filled = 0;
                self.window.push(&self.fresh);
                self.high_window.push(&self.high);
                let hit = self.listen();
                self.count(hit);
            }
        }
    }

    /// Whether a key is down, or what sounds now may become one; known about 15 ms after it was pressed.
    #[must_use]
    pub fn suspects(&self) -> bool {
        match &self.state {
            State::Quiet => false,
            State::Heard(tally) => tally.hits >= SUSPECT_HITS,
            State::Down { .. } => true,
        }
    }

    /// What was heard, oldest first.
    pub fn poll_event(&mut self) -> Option<DtmfEvent> {
        self.events.pop_front()
    }

    /// The key in the window, if there is one and nothing else.
    fn listen(&mut self) -> Option<Hit> {
        let parts = ALL_HZ.map(|hz| self.window.part(hz));
        let before = self.before[PHASE_HOPS - 1];
        self.before.copy_within(..PHASE_HOPS - 1, 1);
        self.before[0] = parts;
        let row = loudest(&parts[..4])?;
        let column = loudest(&parts[4..])? + 4;
        let off = |at: usize| parts[at].offset_hz(before[at], (ALL_HZ[at], PHASE_HOPS * HOP));
        let offsets = (off(row), off(column));
        if offsets.0.abs() > ALL_HZ[row] * OFFSET_MAX || offsets.1.abs() > ALL_HZ[column] * OFFSET_MAX {
            return None;
        }
        let low = parts[row].peak_at::<WINDOW>(offsets.0);
        let high = parts[column].peak_at::<WINDOW>(offsets.1);
        let least = peak(LEVEL_MIN_DBM0);
        let is_loud = low >= least && high >= least;
        let is_balanced = high <= low * NORMAL_TWIST_MAX && low <= high * REVERSE_TWIST_MAX;
        let purity = (low * low + high * high) / self.high_window.energy();
        (is_loud && is_balanced && purity >= EDGE_PURITY_MIN).then_some(Hit {
            key: row * 4 + column - 4,
            peak: low + high,
            purity,
            drift: (offsets.0 / ALL_HZ[row], offsets.1 / ALL_HZ[column]),
        })
    }

    fn count(&mut self, hit: Option<Hit>) {
        self.state = match (self.state, hit) {
            (State::Quiet, None) => State::Quiet,
            (State::Quiet, Some(hit)) => State::Heard(Tally::new(hit)),
            (State::Heard(tally), Some(hit)) if hit.key != tally.key => State::Heard(Tally::new(hit)),
            (State::Heard(mut tally), hit) => {
                tally.add(hit);
                if tally.misses > BREAKS_MAX {
                    State::Quiet
                } else if tally.lasts() {
                    self.tell(DtmfEvent::Down { key: KEYS[tally.key] });
                    State::Down { tally, next: None }
                } else {
                    State::Heard(tally)
                }
            }
            (State::Down { tally, next }, hit) => self.count_down(tally, next, hit),
        };
    }

    /// While a key is down.
    fn count_down(&mut self, mut tally: Tally, next: Option<Tally>, hit: Option<Hit>) -> State {
        let other = hit.filter(|hit| hit.key != tally.key);
        let next = match (next, other) {
            (Some(mut next), Some(hit)) if next.key == hit.key => {
                next.add(Some(hit));
                Some(next)
            }
            (_, Some(hit)) => Some(Tally::new(hit)),
            (next, None) => next,
        };
        tally.add(hit.filter(|hit| hit.key == tally.key));
        let up = DtmfEvent::Up {
            key: KEYS[tally.key],
            lasted_ms: tally.lasted_ms(),
        };
        if let Some(next) = next.filter(Tally::lasts) {
            self.tell(up);
            self.tell(DtmfEvent::Down { key: KEYS[next.key] });
            return State::Down {
                tally: next,
                next: None,
            };
        }
        if tally.misses <= PAUSE_MAX {
            return State::Down { tally, next };
        }
        self.tell(up);
        next.map_or(State::Quiet, State::Heard)
    }

    fn tell(&mut self, event: DtmfEvent) {
        if self.events.len() >= EVENTS_MAX {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }
}

impl Default for DtmfDetector {
    fn default() -> Self {
        Self::new()
    }
}

impl Tally {
    fn new(hit: Hit) -> Tally {
        let none = Hit { peak: 0.0, ..hit };
        let mut last = [none; HITS_MIN];
        last[0] = hit;
        Tally {
            key: hit.key,
            last,
            hits: 1,
            loudest: hit.peak,
            misses: 0,
        }
    }

    /// One more hop. The sound counts from half its level up, so that what counts is as long as the key.
    fn add(&mut self, hit: Option<Hit>) {
        let Some(hit) = hit.filter(|hit| hit.peak >= self.loudest / 2.0) else {
            self.misses += 1;
            return;
        };
        self.last[self.hits as usize % HITS_MIN] = hit;
        self.loudest = self.loudest.max(hit.peak);
        self.hits += 1;
        self.misses = 0;
    }

    fn lasted_ms(&self) -> u32 {
        let samples = u64::from(self.hits) * HOP as u64;
        (samples * 1000 / u64::from(RATE_HZ)) as u32
    }

    /// Long enough, as pure as a machine, and, where the window is full of it, as steady: a voice glides.
    fn lasts(&self) -> bool {
        let is_long = self.last.iter().all(|hit| hit.peak >= self.loudest / 2.0);
        // Half a key in the window has half of the power at its frequencies.
        let is_pure = |hit: &Hit| hit.purity >= PURITY_MIN * hit.peak / self.loudest;
        let whole = self.last.iter().filter(|hit| hit.peak >= self.loudest * WHOLE_MIN);
        let spread = |drift: fn(&Hit) -> f32| {
            let drifts = whole.clone().map(drift);
            drifts.clone().fold(f32::MIN, f32::max) - drifts.fold(f32::MAX, f32::min)
        };
        let is_steady = spread(|hit| hit.drift.0).max(spread(|hit| hit.drift.1)) <= GLIDE_MAX;
        is_long && is_steady && self.last.iter().all(is_pure)
    }
}

fn loudest(parts: &[Part]) -> Option<usize> {
    let peaks = parts.iter().map(|part| part.peak()).enumerate();
    let (at, most) = peaks.clone().max_by(|a, b| a.1.total_cmp(&b.1))?;
    let mut others = peaks.filter(|(other, _)| *other != at);
    others.all(|(_, peak)| peak * NEIGHBOUR_MIN <= most).then_some(at)
}

const ALL_HZ: [f32; 8] = [
    ROWS_HZ[0],
    ROWS_HZ[1],
    ROWS_HZ[2],
    ROWS_HZ[3],
    COLUMNS_HZ[0],
    COLUMNS_HZ[1],
    COLUMNS_HZ[2],
    COLUMNS_HZ[3],
];
/// 2.5 ms
const HOP: usize = 20;
/// Hops over which a phase is compared: 5 ms tell offsets of up to 100 Hz.
const PHASE_HOPS: usize = 2;
/// 25 ms: long enough to tell 697 from 770 Hz beside a dial tone, short enough for keys of 40 ms.
const WINDOW: usize = 200;
/// Between the 23 ms that must not be heard and the 40 ms that must (ITU-T Q.24 table A-1).
const HITS_MIN: usize = 12;
/// So much of a key may reach the far end, which must not hear one in it.
const SUSPECT_HITS: u32 = 3;
/// Hops. An interruption of 10 ms is not the end of a key; a pause of 40 ms is.
const BREAKS_MAX: u32 = 4;
const PAUSE_MAX: u32 = 10;
/// Between the 1.5 % + 2 Hz that must be heard and the 3.5 % that must not.
const OFFSET_MAX: f32 = 0.022;
/// A key's frequencies stay within 6 Hz in 1000, noise included.
const GLIDE_MAX: f32 = 0.006;
/// Keys down to -27 dBm0 must be heard, with a reserve for lossy lines.
const LEVEL_MIN_DBM0: f32 = -34.0;
/// High over low: 4 dB must be heard; 6 dB here.
const NORMAL_TWIST_MAX: f32 = 2.0;
/// Low over high: 8 dB must be heard; 9 dB here.
const REVERSE_TWIST_MAX: f32 = 2.8;
/// Over the next frequency of its group: 8 dB.
const NEIGHBOUR_MIN: f32 = 2.5;
/// Of a key's peak, when the window holds nothing else.
const WHOLE_MIN: f32 = 0.96;
/// Of all that sounds above the dial tone.
const PURITY_MIN: f32 = 0.9;
const EDGE_PURITY_MIN: f32 = 0.4;
const HIGH_PASS_HZ: f32 = 600.0;

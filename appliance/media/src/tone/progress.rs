//! Recognises a country's call-progress tones: the exchange has dial tone, the far end rings, is busy.

use branchline_config::country::{Analog, Tone};

use super::spectrum::Window;
use super::{RATE_HZ, peak};

/// What a tone says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Dial now.
    Dial,
    /// The far end rings.
    Ringback,
    /// The far end is busy, or has hung up.
    Busy,
    /// No way through the network; in some countries also what is heard after a hang-up.
    Congestion,
    /// Another call waits.
    Waiting,
}

/// Listens to one direction of one line.
///
/// Input: [`handle_block`](Self::handle_block), which answers with what begins to be heard. Question:
/// [`heard`](Self::heard).
#[derive(Clone, Debug)]
pub struct ProgressDetector {
    fresh: [f32; HOP],
    filled: usize,
    window: Window<WINDOW>,
    /// Power around each frequency of the grid.
    spectrum: [f32; GRID],
    loudest: f32,
    followers: [Follower; 5],
    heard: Option<Progress>,
}

/// How one tone's cadence has been met so far.
#[derive(Clone, Copy, Debug)]
struct Follower {
    says: Progress,
    bands: Bands,
    cadence_ms: &'static [u16],
    /// Hops that a tone without end has to last to be it.
    steady_hops: u32,
    run: Run,
    /// Hops of something else that are too few to end the run.
    doubt: u32,
    /// The step that would come next.
    next: usize,
    met: u32,
}

/// What has lasted since the last change.
#[derive(Clone, Copy, Debug)]
struct Run {
    sound: Sound,
    hops: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sound {
    Silence,
    /// What the follower waits for
    Tone,
    /// Speech, music, other tones
    Other,
}

/// Where a tone's power is: one band, or two that are far enough from each other to be told apart.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Bands {
    first: (f32, f32),
    second: Option<(f32, f32)>,
}

impl ProgressDetector {
    /// For the tones of one country.
    #[must_use]
    pub fn new(analog: &Analog) -> ProgressDetector {
        let tones = [
            (Progress::Dial, analog.dial),
            (Progress::Ringback, analog.ringback),
            (Progress::Busy, analog.busy),
            (Progress::Congestion, analog.congestion),
            (Progress::Waiting, analog.waiting),
        ];
        ProgressDetector {
            fresh: [0.0; HOP],
            filled: 0,
            window: Window::new(),
            spectrum: [0.0; GRID],
            loudest: 0.0,
            followers: tones.map(|(says, tone)| Follower::new(says, tone, &tones)),
            heard: None,
        }
    }

    /// The tone that is heard now; a pause in its cadence does not end it.
    #[must_use]
    pub fn heard(&self) -> Option<Progress> {
        self.heard
    }

    /// The next samples. Tells a tone once when it begins to be recognised.
    pub fn handle_block(&mut self, block: &[i16]) -> Option<Progress> {
        let mut began = None;
        for sample in block {
            self.fresh[self.filled] = f32::from(*sample);
            self.filled += 1;
            if self.filled == HOP {
                self.filled = 0;
                self.window.push(&self.fresh);
                began = self.listen().or(began);
            }
        }
        began
    }

    fn listen(&mut self) -> Option<Progress> {
        let energy = self.window.energy();
        let loudness = energy.sqrt();
        // A tone's edge is where half of its level is; there its spectrum is not yet what it will be.
        let is_silent = loudness < peak(LEVEL_MIN_DBM0) || loudness < self.loudest / 2.0;
        let is_edge = loudness < self.loudest * 0.9;
        self.loudest = (self.loudest * FADE).max(loudness);
        if !is_silent {
            for (at, power) in self.spectrum.iter_mut().enumerate() {
                *power = self.window.part(grid_hz(at)).peak().powi(2) / HANN_SPREAD;
            }
        }
        for follower in &mut self.followers {
            follower.follow(if is_silent {
                Sound::Silence
            } else if follower.bands.hold(&self.spectrum, energy) {
                Sound::Tone
            } else if is_edge {
                follower.run.sound
            } else {
                Sound::Other
            });
        }
        let now = self.followers.iter().find(|follower| follower.is_met());
        let now = now.map(|follower| follower.says);
        let began = now.filter(|says| self.heard != Some(*says));
        self.heard = now;
        began
    }
}

impl Follower {
    fn new(says: Progress, tone: Tone, all: &[(Progress, Tone)]) -> Follower {
        Follower {
            says,
            bands: Bands::of(tone),
            cadence_ms: tone.cadence_ms,
            steady_hops: steady_hops(tone, all),
            run: Run {
                sound: Sound::Silence,
                hops: 0,
            },
            doubt: 0,
            next: 0,
            met: 0,
        }
    }

    fn follow(&mut self, sound: Sound) {
        if sound == self.run.sound {
            self.run.hops += 1 + self.doubt;
            self.doubt = 0;
        } else if sound == Sound::Other && self.doubt < DOUBT_MAX {
            self.doubt += 1;
        } else {
            self.end_run();
            let hops = 1 + self.doubt;
            self.run = Run { sound, hops };
            self.doubt = 0;
        }
    }

    /// A run of sound or silence is over.
    fn end_run(&mut self) {
        let is_on = match self.run.sound {
            Sound::Silence => false,
            Sound::Tone => true,
            Sound::Other => {
                self.met = 0;
                return;
            }
        };
        let steps = self.cadence_ms.len();
        let fits = |step: usize| step.is_multiple_of(2) == is_on && is_about(self.run.hops, self.cadence_ms[step]);
        if self.met > 0 && fits(self.next) {
            self.next = (self.next + 1) % steps;
            self.met += 1;
        } else if let Some(step) = (0..steps).find(|step| fits(*step)) {
            self.next = (step + 1) % steps;
            self.met = 1;
        } else {
            self.met = 0;
        }
    }

    fn is_met(&self) -> bool {
        match self.cadence_ms.get(self.next) {
            None => self.run.sound == Sound::Tone && self.run.hops >= self.steady_hops,
            Some(expected_ms) => {
                let expected = hops(*expected_ms);
                let is_over = self.run.hops > expected + expected / 4 + SLACK_HOPS;
                self.met >= needed(self.cadence_ms) && !is_over && self.run.sound != Sound::Other
            }
        }
    }
}

impl Bands {
    fn of(tone: Tone) -> Bands {
        let low = tone.hz.iter().copied().min().map_or(0.0, f32::from);
        let high = tone.hz.iter().copied().max().map_or(0.0, f32::from);
        match high - low < APART_HZ {
            true => Bands {
                first: (low - BAND_HZ, high + BAND_HZ),
                second: None,
            },
            false => Bands {
                first: (low - BAND_HZ, low + BAND_HZ),
                second: Some((high - BAND_HZ, high + BAND_HZ)),
            },
        }
    }

    /// Whether this is what sounds: nearly all of it, and in both bands.
    fn hold(&self, spectrum: &[f32; GRID], energy: f32) -> bool {
        let power = |(least, most): (f32, f32)| -> f32 {
            let inside = (0..GRID).filter(|at| (least..=most).contains(&grid_hz(*at)));
            inside.map(|at| spectrum[at]).sum()
        };
        let first = power(self.first);
        let second = self.second.map(power);
        let is_balanced = second.is_none_or(|second| first <= second * TWIST_MAX && second <= first * TWIST_MAX);
        is_balanced && first + second.unwrap_or(0.0) >= PURITY_MIN * energy
    }

    fn overlap(&self, other: &Bands) -> bool {
        let touch = |a: (f32, f32), b: (f32, f32)| a.0 < b.1 && b.0 < a.1;
        touch(self.first, other.first)
            && match (self.second, other.second) {
                (None, None) => true,
                (Some(own), Some(theirs)) => touch(own, theirs),
                (None, Some(_)) | (Some(_), None) => false,
            }
    }
}

/// Steps of a cadence that must be met: all of them; a short one must come back.
fn needed(cadence_ms: &[u16]) -> u32 {
    let cycle_ms: u32 = cadence_ms.iter().map(|ms| u32::from(*ms)).sum();
    let least = if cycle_ms <= SHORT_CYCLE_MS { 4 } else { 2 };
    cadence_ms.len().max(least) as u32
}

/// Longer than any other tone of these frequencies sounds without a break.
fn steady_hops(tone: Tone, all: &[(Progress, Tone)]) -> u32 {
    let bands = Bands::of(tone);
    let alike = all.iter().filter(|(_, other)| Bands::of(*other).overlap(&bands));
    let longest = alike.flat_map(|(_, other)| other.cadence_ms.iter().step_by(2)).max();
    let longest = longest.map_or(0, |ms| hops(*ms));
    (longest + longest / 4 + SLACK_HOPS).max(hops(STEADY_MS))
}

fn is_about(heard_hops: u32, ms: u16) -> bool {
    let wanted = hops(ms);
    heard_hops.abs_diff(wanted) <= wanted / 8 + 1
}

fn grid_hz(at: usize) -> f32 {
    260.0 + 20.0 * at as f32
}

fn hops(ms: u16) -> u32 {
    (u32::from(ms) + HOP_MS / 2) / HOP_MS
}

/// 20 ms
const HOP: usize = 160;
const HOP_MS: u32 = 1000 * HOP as u32 / RATE_HZ;
/// 50 ms tell 350 from 440 Hz; its lines are 20 Hz apart.
const WINDOW: usize = 400;
/// 260 to 740 Hz
const GRID: usize = 25;
/// A sine's power is in three lines of a Hann window: 1, 1/4 and 1/4.
const HANN_SPREAD: f32 = 1.5;
const BAND_HZ: f32 = 45.0;
/// Closer frequencies are one band: a modulated tone, or 440 with 480 Hz. Their cadences tell what they are.
const APART_HZ: f32 = 60.0;
const DOUBT_MAX: u32 = 2;
/// Busy and its like; a ring and its silence take longer.
const SHORT_CYCLE_MS: u32 = 3000;
const SLACK_HOPS: u32 = 3;
/// A dial tone is believed after half a second.
const STEADY_MS: u16 = 500;
/// Exchanges send -10 to -20 dBm0; lines lose up to 15 dB.
const LEVEL_MIN_DBM0: f32 = -38.0;
const PURITY_MIN: f32 = 0.7;
/// 10 dB between the two frequencies of a tone.
const TWIST_MAX: f32 = 10.0;
/// A hop forgets 0.1 dB of the loudest sound, so that a quieter tone can follow speech.
const FADE: f32 = 0.988;

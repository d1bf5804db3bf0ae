//! Learns a tone that comes again and again: what an exchange sends after a hang-up, where it is not the country's own.
//!
//! Nothing but its regularity is known: bursts of the same pitch, as long as each other, with pauses as long as each other.

use super::spectrum::Window;
use super::{RATE_HZ, peak};

/// A tone that was learnt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repeated {
    /// Its frequency, the lower one of two, to 20 Hz.
    pub hz: u16,
    /// Length of a burst, to 20 ms.
    pub on_ms: u16,
    /// Length of a pause, to 20 ms.
    pub off_ms: u16,
}

/// Listens to one direction of one line.
///
/// Input: [`handle_block`](Self::handle_block), which answers once when a tone has been learnt.
#[derive(Clone, Debug)]
pub struct RepeatDetector {
    fresh: [f32; HOP],
    filled: usize,
    window: Window<WINDOW>,
    loudest: f32,
    run: Run,
    /// Hops that fit neither tone nor pause, too few to end a run.
    doubt: u32,
    /// The last burst, until its pause is over.
    burst: Option<(usize, u32)>,
    cycle: Cycle,
    /// Cycles alike, one after the other.
    alike: u32,
}

#[derive(Clone, Copy, Debug)]
struct Run {
    sound: Sound,
    hops: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sound {
    Pause,
    /// Its line, the lower one of two.
    Tone(usize),
    Other,
}

#[derive(Clone, Copy, Debug, Default)]
struct Cycle {
    line: usize,
    on: u32,
    off: u32,
}

impl RepeatDetector {
    /// Nothing heard yet.
    #[must_use]
    pub fn new() -> RepeatDetector {
        RepeatDetector {
            fresh: [0.0; HOP],
            filled: 0,
            window: Window::new(),
            loudest: 0.0,
            run: Run {
                sound: Sound::Pause,
                hops: 0,
            },
            doubt: 0,
            burst: None,
            cycle: Cycle::default(),
            alike: 0,
        }
    }

    /// The next samples.
    pub fn handle_block(&mut self, block: &[i16]) -> Option<Repeated> {
        let mut learnt = None;
        for sample in block {
            self.fresh[self.filled] = f32::from(*sample);
            self.filled += 1;
            if self.filled == HOP {
                self.filled = 0;
                self.window.push(&self.fresh);
                let sound = self.listen();
                learnt = self.follow(sound).or(learnt);
            }
        }
        learnt
    }

    fn listen(&mut self) -> Sound {
        let energy = self.window.energy();
        let loudness = energy.sqrt();
        let is_pause = loudness < peak(LEVEL_MIN_DBM0) || loudness < self.loudest / 2.0;
        self.loudest = (self.loudest * FADE).max(loudness);
        if is_pause {
            return Sound::Pause;
        }
        let mut powers = [0.0; LINES];
        for (line, power) in powers.iter_mut().enumerate() {
            *power = self.window.part(line_hz(line)).peak().powi(2) / HANN_SPREAD;
        }
        let (line, first) = take_strongest(&mut powers);
        let (other, second) = take_strongest(&mut powers);
        if first + second >= PURITY_MIN * energy {
            // Of two that are about as strong, the lower one, or they would take turns.
            Sound::Tone(if second > first * PARTNER_MIN {
                line.min(other)
            } else {
                line
            })
        } else {
            Sound::Other
        }
    }

    fn follow(&mut self, sound: Sound) -> Option<Repeated> {
        if sound.is_like(self.run.sound) {
            self.run.hops += 1 + std::mem::take(&mut self.doubt);
            return None;
        }
        if sound == Sound::Other && self.doubt < DOUBT_MAX {
            self.doubt += 1;
            return None;
        }
        let ended = self.run;
        let hops = 1 + std::mem::take(&mut self.doubt);
        self.run = Run { sound, hops };
        match (ended.sound, self.burst) {
            (Sound::Tone(line), _) => self.burst = Some((line, ended.hops)),
            (Sound::Pause, Some((line, on))) => {
                let off = ended.hops;
                self.burst = None;
                return self.count(Cycle { line, on, off });
            }
            (Sound::Pause, None) => {}
            (Sound::Other, _) => (self.burst, self.alike) = (None, 0),
        }
        None
    }

    fn count(&mut self, cycle: Cycle) -> Option<Repeated> {
        if cycle.is_like(self.cycle) {
            self.alike += 1;
        } else {
            (self.cycle, self.alike) = (cycle, 1);
        }
        let is_busy = (CYCLE_MIN..=CYCLE_MAX).contains(&(cycle.on + cycle.off)) && cycle.off <= cycle.on * PAUSE_MAX;
        let is_learnt = self.alike == ALIKE_MIN && is_busy;
        let ms = |hops: u32| (hops * HOP as u32 * 1000 / RATE_HZ) as u16;
        is_learnt.then(|| Repeated {
            hz: line_hz(cycle.line) as u16,
            on_ms: ms(cycle.on),
            off_ms: ms(cycle.off),
        })
    }
}

impl Default for RepeatDetector {
    fn default() -> Self {
        Self::new()
    }
}

impl Sound {
    fn is_like(self, other: Sound) -> bool {
        match (self, other) {
            (Sound::Pause, Sound::Pause) | (Sound::Other, Sound::Other) => true,
            (Sound::Tone(line), Sound::Tone(other)) => line.abs_diff(other) <= 1,
            (Sound::Pause | Sound::Tone(_) | Sound::Other, _) => false,
        }
    }
}

impl Cycle {
    fn is_like(self, other: Cycle) -> bool {
        let about = |a: u32, b: u32| a.abs_diff(b) <= 1 + b / 12;
        self.line.abs_diff(other.line) <= 1 && about(self.on, other.on) && about(self.off, other.off)
    }
}

/// The strongest line and the power around it, which is taken out.
fn take_strongest(powers: &mut [f32; LINES]) -> (usize, f32) {
    let strongest = powers.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
    let line = strongest.map_or(0, |(line, _)| line);
    let around = line.saturating_sub(2)..(line + 3).min(LINES);
    let power = powers[around.clone()].iter().sum();
    powers[around].fill(0.0);
    (line, power)
}

fn line_hz(line: usize) -> f32 {
    280.0 + 20.0 * line as f32
}

/// 20 ms
const HOP: usize = 160;
/// 50 ms; its lines are 20 Hz apart.
const WINDOW: usize = 400;
/// 280 to 1000 Hz
const LINES: usize = 37;
/// A sine's power is in three lines of a Hann window: 1, 1/4 and 1/4.
const HANN_SPREAD: f32 = 1.5;
const LEVEL_MIN_DBM0: f32 = -38.0;
const PURITY_MIN: f32 = 0.7;
/// A hop forgets 0.1 dB of the loudest sound.
const FADE: f32 = 0.988;
/// 10 dB
const PARTNER_MIN: f32 = 0.1;
const DOUBT_MAX: u32 = 2;
const ALIKE_MIN: u32 = 4;
/// Hops. A stuttering dial tone is faster, a ringing one slower than what is sent after a hang-up.
const CYCLE_MIN: u32 = 14;
const CYCLE_MAX: u32 = 80;
/// Bursts; a longer pause is between two reminders that a call waits.
const PAUSE_MAX: u32 = 3;

//! A back end without hardware: outputs that remember, inputs that follow a scripted waveform.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use branchline_config::board::Pin;
use embedded_hal::digital::{ErrorKind, ErrorType, OutputPin};
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::gpio::{Edge, Gpio, GpioError, InputId, Level};
use crate::{Equipment, Event};

/// One chip with pins that nobody solders.
#[derive(Debug, Default)]
pub struct FakeGpio {
    /// Label of the only chip.
    label: String,
    pins: u32,
    initial: BTreeMap<u32, Level>,
    inputs: BTreeMap<u32, InputId>,
    outputs: BTreeMap<u32, FakePin>,
}

impl FakeGpio {
    /// A chip with so many pins, all of whose inputs are inactive.
    #[must_use]
    pub fn new(label: &str, pins: u32) -> FakeGpio {
        FakeGpio {
            label: label.to_owned(),
            pins,
            ..FakeGpio::default()
        }
    }

    /// The level that an input has when it is claimed.
    pub fn set_initial(&mut self, pin: u32, level: Level) {
        self.initial.insert(pin, level);
    }

    /// The input that was claimed on this pin.
    #[must_use]
    pub fn input_of(&self, pin: u32) -> Option<InputId> {
        self.inputs.get(&pin).copied()
    }

    /// The output that was claimed on this pin.
    #[must_use]
    pub fn output_of(&self, pin: u32) -> Option<FakePin> {
        self.outputs.get(&pin).cloned()
    }

    fn check(&self, chip: &str, pin: &Pin) -> Result<(), GpioError> {
        if chip != self.label {
            let known = vec![self.label.clone()];
            return Err(GpioError::NoChip { known });
        }
        if pin.offset >= self.pins {
            return Err(GpioError::NoPin { pins: self.pins });
        }
        if self.inputs.contains_key(&pin.offset) || self.outputs.contains_key(&pin.offset) {
            let by = "branchline".to_owned();
            return Err(GpioError::Taken { by });
        }
        Ok(())
    }
}

impl Gpio for FakeGpio {
    type Output = FakePin;

    fn output(&mut self, chip: &str, pin: &Pin, initial: Level) -> Result<FakePin, GpioError> {
        self.check(chip, pin)?;
        let output = FakePin::new(initial);
        self.outputs.insert(pin.offset, output.clone());
        Ok(output)
    }

    fn input(&mut self, chip: &str, pin: &Pin, id: InputId) -> Result<Level, GpioError> {
        self.check(chip, pin)?;
        self.inputs.insert(pin.offset, id);
        Ok(self.initial.get(&pin.offset).copied().unwrap_or(Level::Inactive))
    }
}

/// Writes an output keeps; the oldest half goes when there are more.
pub const WRITES_MAX: usize = 100_000;

/// An output that remembers what was written to it, also for who holds a clone.
#[derive(Clone, Debug)]
pub struct FakePin(Rc<RefCell<Written>>);

#[derive(Debug)]
struct Written {
    levels: Vec<Level>,
    is_broken: bool,
}

impl FakePin {
    fn new(initial: Level) -> FakePin {
        FakePin(Rc::new(RefCell::new(Written {
            levels: vec![initial],
            is_broken: false,
        })))
    }

    /// What it is at now.
    #[must_use]
    pub fn level(&self) -> Level {
        self.0.borrow().levels.last().copied().unwrap_or(Level::Inactive)
    }

    /// Everything written, the initial level first.
    #[must_use]
    pub fn levels(&self) -> Vec<Level> {
        self.0.borrow().levels.clone()
    }

    /// From now on every write fails, as when the chip is pulled out.
    pub fn break_down(&self) {
        self.0.borrow_mut().is_broken = true;
    }

    fn write(&self, level: Level) -> Result<(), ErrorKind> {
        let mut written = self.0.borrow_mut();
        if written.is_broken {
            return Err(ErrorKind::Other);
        }
        if written.levels.len() >= WRITES_MAX {
            written.levels.drain(..WRITES_MAX / 2);
        }
        written.levels.push(level);
        Ok(())
    }
}

impl ErrorType for FakePin {
    type Error = ErrorKind;
}

impl OutputPin for FakePin {
    fn set_low(&mut self) -> Result<(), ErrorKind> {
        self.write(Level::Inactive)
    }

    fn set_high(&mut self) -> Result<(), ErrorKind> {
        self.write(Level::Active)
    }
}

/// What one input does over time, written as a script: set, wait, pulses, ringing current.
#[derive(Clone, Debug)]
pub struct Waveform {
    input: InputId,
    at: Instant,
    level: Level,
    edges: Vec<Edge>,
    bounce: Option<Bounce>,
}

#[derive(Clone, Debug)]
struct Bounce {
    rng: ChaCha12Rng,
    longest: Duration,
}

impl Waveform {
    /// A clean contact that is inactive at `start`.
    #[must_use]
    pub fn new(input: InputId, start: Instant) -> Waveform {
        Waveform {
            input,
            at: start,
            level: Level::Inactive,
            edges: Vec::new(),
            bounce: None,
        }
    }

    /// Every change from now on bounces for up to `longest`.
    #[must_use]
    pub fn with_bounce(mut self, seed: u64, longest: Duration) -> Waveform {
        let rng = ChaCha12Rng::seed_from_u64(seed);
        self.bounce = Some(Bounce { rng, longest });
        self
    }

    /// Changes to a level; nothing happens when it has it.
    #[must_use]
    pub fn set(mut self, level: Level) -> Waveform {
        if level == self.level {
            return self;
        }
        self.level = level;
        // The contact has no time left to bounce from the change before.
        while self.edges.last().is_some_and(|edge| edge.at >= self.at) {
            self.edges.pop();
        }
        self.push(self.at, level);
        if let Some(mut bounce) = self.bounce.take() {
            for at in bounce.times(self.at) {
                self.push(at, level.toggled());
                self.push(at + BOUNCE, level);
            }
            self.bounce = Some(bounce);
        }
        self
    }

    /// Nothing happens for a while.
    #[must_use]
    pub fn wait_ms(mut self, ms: u64) -> Waveform {
        self.at += Duration::from_millis(ms);
        self
    }

    /// Lifts, or closes the loop, for so long.
    #[must_use]
    pub fn active_ms(self, ms: u64) -> Waveform {
        self.set(Level::Active).wait_ms(ms)
    }

    /// Puts down, or opens the loop, for so long.
    #[must_use]
    pub fn inactive_ms(self, ms: u64) -> Waveform {
        self.set(Level::Inactive).wait_ms(ms)
    }

    /// A digit of a dial: so many breaks and makes, then the pause of `pause_ms`.
    #[must_use]
    pub fn dial(mut self, pulses: u32, (break_ms, make_ms): (u64, u64), pause_ms: u64) -> Waveform {
        for _ in 0..pulses {
            self = self.inactive_ms(break_ms).active_ms(make_ms);
        }
        self.wait_ms(pause_ms)
    }

    /// Ringing current of `hz` for so long, as a ring indication shows it.
    #[must_use]
    pub fn ring(mut self, hz: u64, ms: u64) -> Waveform {
        let half = Duration::from_micros(500_000 / hz.max(1));
        let end = self.at + Duration::from_millis(ms);
        while self.at < end {
            self = self.set(Level::Active);
            self.at += half;
            self = self.set(Level::Inactive);
            self.at += half;
        }
        self
    }

    /// When the script has got to.
    #[must_use]
    pub fn end(&self) -> Instant {
        self.at
    }

    /// The edges, in order.
    #[must_use]
    pub fn edges(self) -> Vec<Edge> {
        self.edges
    }

    fn push(&mut self, at: Instant, level: Level) {
        let input = self.input;
        self.edges.push(Edge { at, input, level });
    }
}

impl Bounce {
    /// Up to four short returns to the old level within the bounce.
    fn times(&mut self, at: Instant) -> Vec<Instant> {
        let room = u64::try_from(self.longest.as_micros()).unwrap_or(u64::MAX);
        let mut times: Vec<u64> = (0..self.rng.next_u32() % 5)
            .map(|_| self.rng.next_u64() % room.max(1))
            .collect();
        times.sort_unstable();
        times.dedup_by(|late, early| *late < *early + 200);
        times.into_iter().map(|us| at + Duration::from_micros(us)).collect()
    }
}

/// One return to the old level.
const BOUNCE: Duration = Duration::from_micros(100);

/// Lets time pass to `until`: every edge at its time, every time-out when it is due. Returns what happened, and when.
pub fn play(equipment: &mut Equipment<FakePin>, edges: &[Edge], until: Instant) -> Vec<(Instant, Event)> {
    let mut happened = Vec::new();
    let mut edges = edges.iter().copied().filter(|edge| edge.at <= until).peekable();
    loop {
        let due = equipment.poll_timeout().filter(|due| *due <= until);
        let now = match (edges.peek().copied(), due) {
            (Some(edge), due) if due.is_none_or(|due| edge.at <= due) => {
                edges.next();
                equipment.handle_edge(edge);
                edge.at
            }
            (_, Some(due)) => {
                equipment.handle_timeout(due);
                due
            }
            (_, None) => return happened,
        };
        while let Some(event) = equipment.poll_event() {
            happened.push((now, event));
        }
    }
}

//! Pins that nobody soldered, in the place of a GPIO chip: the test moves inputs and sees when outputs changed.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use branchline_board::{Edge, Gpio, GpioError, InputId, Level};
use branchline_config::board::Pin;
use branchline_pbx::board::{Pins, Wake};
use embedded_hal::digital::{ErrorType, OutputPin};

use super::clock;

/// Label of the only chip.
pub const CHIP: &str = "bench";

/// One chip; clones are the same one.
#[derive(Clone, Default)]
pub struct Bench(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    inputs: BTreeMap<u32, InputId>,
    outputs: BTreeMap<u32, Vec<(Instant, Level)>>,
    edges: Vec<Edge>,
    is_woken: bool,
}

impl Bench {
    /// Moves an input now.
    pub fn set(&self, pin: u32, level: Level) {
        let mut state = self.0.state.lock().unwrap();
        let input = *state.inputs.get(&pin).expect("somebody has claimed this input");
        let at = clock::now();
        state.edges.push(Edge { at, input, level });
        self.0.changed.notify_all();
    }

    /// What was written to an output, and when; nothing while nobody has claimed it.
    pub fn written(&self, pin: u32) -> Vec<(Instant, Level)> {
        self.0
            .state
            .lock()
            .unwrap()
            .outputs
            .get(&pin)
            .cloned()
            .unwrap_or_default()
    }

    /// What an output is at.
    pub fn level(&self, pin: u32) -> Option<Level> {
        self.written(pin).last().map(|(_, level)| *level)
    }

    /// Waits until an output is at `level`, and says since when; fails the test after `within`.
    pub fn wait_for(&self, pin: u32, level: Level, within: Duration) -> Instant {
        let found = clock::try_for(within, || {
            self.written(pin).last().filter(|last| last.1 == level).copied()
        });
        found
            .unwrap_or_else(|| panic!("pin {pin} is not {level:?}: {:?}", self.written(pin)))
            .0
    }

    fn wake(&self) {
        self.0.state.lock().unwrap().is_woken = true;
        self.0.changed.notify_all();
    }
}

impl Gpio for Bench {
    type Output = Output;

    fn output(&mut self, chip: &str, pin: &Pin, initial: Level) -> Result<Output, GpioError> {
        known(chip)?;
        let output = Output {
            bench: self.clone(),
            pin: pin.offset,
        };
        output.write(initial);
        Ok(output)
    }

    fn input(&mut self, chip: &str, pin: &Pin, id: InputId) -> Result<Level, GpioError> {
        known(chip)?;
        self.0.state.lock().unwrap().inputs.insert(pin.offset, id);
        Ok(Level::Inactive)
    }
}

impl Pins for Bench {
    fn wait(&mut self, timeout: Option<Duration>) -> io::Result<Vec<Edge>> {
        let state = self.0.state.lock().unwrap();
        let idle = |state: &mut State| state.edges.is_empty() && !state.is_woken;
        let timeout = timeout.unwrap_or(Duration::from_secs(3600));
        let (mut state, _) = self.0.changed.wait_timeout_while(state, timeout, idle).unwrap();
        state.is_woken = false;
        Ok(std::mem::take(&mut state.edges))
    }

    fn waker(&self) -> Wake {
        let bench = self.clone();
        Arc::new(move || bench.wake())
    }
}

fn known(chip: &str) -> Result<(), GpioError> {
    match chip {
        CHIP => Ok(()),
        _ => Err(GpioError::NoChip {
            known: vec![CHIP.to_owned()],
        }),
    }
}

/// One output.
pub struct Output {
    bench: Bench,
    pin: u32,
}

impl Output {
    fn write(&self, level: Level) {
        let mut state = self.bench.0.state.lock().unwrap();
        state.outputs.entry(self.pin).or_default().push((clock::now(), level));
    }
}

impl ErrorType for Output {
    type Error = Infallible;
}

impl OutputPin for Output {
    fn set_low(&mut self) -> Result<(), Infallible> {
        self.write(Level::Inactive);
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Infallible> {
        self.write(Level::Active);
        Ok(())
    }
}

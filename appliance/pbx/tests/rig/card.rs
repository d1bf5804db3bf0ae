//! A sound card of the test's own, paced by the clock of the machine: what a microphone hears, and what was played.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use branchline_phones::sound::Sound;
use branchline_sound::{Card, CardError, Cards, Shape, Shapes};

use super::clock;

const RATE_HZ: u32 = 8000;
const SHAPE: Shape = Shape {
    rate_hz: RATE_HZ,
    channels: 1,
};

/// One card; clones are the same one.
#[derive(Clone, Default)]
pub struct BenchCard(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// What the microphone hears next; silence afterwards.
    said: Vec<i16>,
    played: Vec<i16>,
    open: Option<Open>,
}

struct Open {
    since: Instant,
    recorded: u64,
    /// Samples taken over by the card.
    written: u64,
}

impl BenchCard {
    /// Lets the microphone hear this, after what it has still to hear.
    pub fn say(&self, sound: &[i16]) {
        self.lock().said.extend(sound);
    }

    /// Forgets what was played.
    pub fn forget(&self) {
        self.lock().played.clear();
    }

    /// What was played since.
    pub fn heard(&self) -> Sound {
        Sound {
            rate_hz: RATE_HZ,
            samples: self.lock().played.clone(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

impl Open {
    fn elapsed(&self) -> u64 {
        (self.since.elapsed().as_secs_f64() * f64::from(RATE_HZ)) as u64
    }

    fn queued(&self) -> u64 {
        self.written.saturating_sub(self.elapsed())
    }
}

impl Cards for BenchCard {
    fn open(&mut self, _: &str) -> Result<Box<dyn Card>, CardError> {
        self.lock().open = Some(Open {
            since: clock::now(),
            recorded: 0,
            written: 0,
        });
        Ok(Box::new(self.clone()))
    }
}

impl Card for BenchCard {
    fn shapes(&self) -> Shapes {
        Shapes {
            capture: SHAPE,
            playback: SHAPE,
        }
    }

    fn read(&mut self, room: &mut [i16]) -> Result<usize, CardError> {
        let mut state = self.lock();
        let Some(open) = &mut state.open else { return Ok(0) };
        let due = usize::try_from(open.elapsed() - open.recorded).unwrap().min(room.len());
        open.recorded += due as u64;
        let spoken = due.min(state.said.len());
        room[..due].fill(0);
        for (place, sample) in room.iter_mut().zip(state.said.drain(..spoken)) {
            *place = sample;
        }
        Ok(due)
    }

    fn write(&mut self, samples: &[i16]) -> Result<usize, CardError> {
        let mut state = self.lock();
        state.played.extend(samples);
        if let Some(open) = &mut state.open {
            // A card that ran empty goes on from now.
            open.written = open.written.max(open.elapsed()) + samples.len() as u64;
        }
        Ok(samples.len())
    }

    fn queued(&mut self) -> Result<usize, CardError> {
        let state = self.lock();
        Ok(state
            .open
            .as_ref()
            .map_or(0, |open| usize::try_from(open.queued()).unwrap()))
    }
}

//! `branchline board` in this process, on pins and a card of the test's own.

use std::path::Path;
use std::thread::JoinHandle;

use branchline_pbx::board::{self, Setup, Stop};
use branchline_pbx::place::Place;
use branchline_sound::{Card, CardError, Cards};

use super::daemon::Daemon;
use super::pins::Bench;

/// A board that is served; stopped in order at the end.
pub struct Board {
    /// Its pins.
    pub bench: Bench,
    stop: Stop,
    running: Option<JoinHandle<()>>,
}

impl Board {
    /// Serves the board that the daemon's configuration names.
    pub fn start(daemon: &Daemon, reset: &Path, cards: impl Cards + Clone + 'static) -> Board {
        let (bench, stop) = (Bench::default(), Stop::default());
        let place = Place::new(Some(daemon.configuration().to_owned()), Some(daemon.state().to_owned()));
        let setup = Setup {
            place,
            otherwise: "generic".to_owned(),
            reset: Some(reset.to_owned()),
        };
        let (pins, told) = (bench.clone(), stop.clone());
        let running = std::thread::spawn(move || {
            board::run(&setup, || Ok((pins.clone(), cards.clone())), &told).expect("the board is served");
        });
        Board {
            bench,
            stop,
            running: Some(running),
        }
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        self.stop.stop();
        let ended = self.running.take().map(JoinHandle::join);
        assert!(std::thread::panicking() || matches!(ended, Some(Ok(()))));
    }
}

/// A machine without sound.
#[derive(Clone)]
pub struct NoCards;

impl Cards for NoCards {
    fn open(&mut self, name: &str) -> Result<Box<dyn Card>, CardError> {
        Err(CardError::Gone(format!("there is no card {name}")))
    }
}

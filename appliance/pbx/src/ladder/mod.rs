//! Plays `.ladder` files against a daemon of its own, with telephones on real sockets of the loopback.
//!
//! In: the text of a flow. Out: whether it went as written. The daemon gets a temporary state folder and is killed at
//! the end.

mod daemon;
mod ground;
mod hosted;
mod theatre;

use std::time::Duration;

use branchline_ladder::flow::{self, Cast, Failure, Flow, Who};

use daemon::Daemon;
use hosted::Hosted;
use theatre::Loopback;

/// Why a flow could not be played, or went otherwise.
#[derive(Debug, thiserror::Error)]
pub enum LadderFault {
    /// The text has faults.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Text(Vec<flow::Fault>),
    /// No daemon, or no socket.
    #[error("{what}: {source}")]
    World {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// A step went otherwise.
    #[error("{file}:{}: {}", .failure.line, .failure.what)]
    Step {
        /// The file.
        file: String,
        /// The step.
        failure: Failure,
    },
}

/// A flow to be played.
#[derive(Clone, Debug)]
pub struct Play {
    file: String,
    flow: Flow,
}

impl Play {
    /// Reads the text of a file.
    ///
    /// # Errors
    /// [`LadderFault::Text`] with every fault.
    pub fn read(file: &str, text: &str) -> Result<Play, LadderFault> {
        Ok(Play {
            file: file.to_owned(),
            flow: flow::parse(file, text).map_err(LadderFault::Text)?,
        })
    }

    /// Name of the file.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// It lasts at least so long.
    pub fn lasts(&self) -> Duration {
        self.flow.lasts()
    }

    /// Plays it.
    ///
    /// # Errors
    /// [`LadderFault::World`] without sockets or a daemon, [`LadderFault::Step`] if it goes another way.
    pub fn run(&self) -> Result<(), LadderFault> {
        let world = |what| move |source| LadderFault::World { what, source };
        let held = ground::hold().map_err(world("addresses of the loopback"))?;
        let cast = Cast::of(&self.flow, held.ground);
        let daemon = Daemon::start(&cast.config, held.ground.server).map_err(world("the daemon"))?;
        let actors: Vec<Who> = cast.actors.iter().map(|(who, _)| who.clone()).collect();
        let hosted = cast.hosted.map(|setup| Hosted::new(setup, held.ground.server));
        let hosted = hosted.transpose().map_err(world("the hosted PBX's socket"))?;
        let mut theatre = Loopback::new(cast.actors, hosted, daemon).map_err(world("a telephone's socket"))?;
        flow::play(&self.flow, &actors, &mut theatre).map_err(|failure| LadderFault::Step {
            file: self.file.clone(),
            failure,
        })
    }
}

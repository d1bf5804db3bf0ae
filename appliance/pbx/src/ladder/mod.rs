//! Plays `.ladder` files against a daemon of its own, with telephones on real sockets of the loopback.
//!
//! In: the text of a flow. Out: whether it went as written. The daemon gets a temporary state folder and is killed at
//! the end.

mod daemon;
mod theatre;

use branchline_ladder::flow::{self, Cast, Failure, Ground, Who};

use daemon::Daemon;
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

/// Plays the text of a file.
pub fn play(file: &str, text: &str) -> Result<(), LadderFault> {
    let flow = flow::parse(file, text).map_err(LadderFault::Text)?;
    let server = daemon::free_address().map_err(|source| LadderFault::World {
        what: "a port for the box",
        source,
    })?;
    let cast = Cast::of(
        &flow,
        Ground {
            server,
            phones: [127, 0, 10],
            trunks: [127, 0, 11],
        },
    );
    let daemon = Daemon::start(&cast.config).map_err(|source| LadderFault::World {
        what: "the daemon",
        source,
    })?;
    let actors: Vec<Who> = cast.actors.iter().map(|(who, _)| who.clone()).collect();
    let mut theatre = Loopback::new(cast.actors, daemon).map_err(|source| LadderFault::World {
        what: "a telephone's socket",
        source,
    })?;
    flow::play(&flow, &actors, &mut theatre).map_err(|failure| LadderFault::Step {
        file: file.to_owned(),
        failure,
    })
}

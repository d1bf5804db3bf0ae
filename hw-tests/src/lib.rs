//! Drills from outside: a box with its telephones in one network namespace, a hosted PBX in another, and between them a
//! line that loses, delays and breaks.
//!
//! [`rig`] stands these up and takes them down; [`wan`] plays what happens to the line, [`states`] cuts it under calls in every state, [`database`] lets the call
//! database fail, [`walk`] loses everything in every combination under calls of real telephones, [`ordered`] has the box drill itself; [`report`] prints what came of it.
//!
//! The same from further outside: [`board`] is a board with the image on it, in QEMU or on a bench, and [`cases`] what it is
//! held to.

pub mod board;
mod broken;
pub mod cases;
pub mod clock;
pub mod conversation;
pub mod database;
pub mod ordered;
pub mod report;
pub mod rig;
pub mod states;
pub mod walk;
pub mod wan;

/// Why a drill could not be held.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The system refused something.
    #[error("{what}: {source}")]
    System {
        /// What was tried.
        what: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// Something did not come about in time.
    #[error("{0}")]
    Late(String),
}

impl Fault {
    pub(crate) fn system(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Fault {
        let what = what.into();
        move |source| Fault::System { what, source }
    }
}

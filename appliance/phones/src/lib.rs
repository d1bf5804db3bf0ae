//! Telephones of other makers: baresip and PJSIP, told what to do, and what they hear.
//!
//! In: what a test or a drill wants a telephone to do. Out: programs that are known to be ready, their events, and sound to
//! measure. A program that outlives its owner is stopped by its pid; one whose owner panics prints the end of its log.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::missing_panics_doc,
    reason = "a step that fails ends the test, or the drill's step, with its cause"
)]

pub mod baresip;
pub mod clock;
pub mod inbox;
pub mod pjsua;
pub mod program;
pub mod sound;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

pub use baresip::Baresip;
pub use pjsua::Pjsua;

/// What makes one telephone different from the next.
#[derive(Clone, Debug)]
pub struct Phone<'a> {
    /// Its own folder, which has to be there.
    pub folder: PathBuf,
    /// Its address.
    pub ip: IpAddr,
    /// Its extension, also the user name of its digest.
    pub extension: &'a str,
    /// Its password.
    pub password: &'a str,
    /// Where it registers, with the port of the transport.
    pub registrar: SocketAddr,
    /// How.
    pub transport: Transport,
    /// Where its SIP is, if not on the standard port of its address; baresip alone.
    pub own: Option<SocketAddr>,
    /// So many of its RTP packets are lost on their way; PJSIP alone.
    pub drops_percent: u8,
    /// The tone it plays. Multiples of 50 Hz fit the frames they are measured in.
    pub tone_hz: u32,
}

/// How SIP travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Datagrams, port 5060
    Udp,
    /// Port 5060
    Tcp,
    /// Port 5061
    Tls,
}

//! The daemon: `branchline_branch::Branch` on real sockets, files and clocks.
//!
//! [`Daemon::bind`] opens everything and says what is wrong; [`Daemon::run`] goes round until it is told to stop. One
//! thread owns the branch. Each turn takes what has arrived, moves the branch on, gives the journal its entries, and
//! only then sends.

pub(crate) mod clock;
mod journal;
mod limits;
mod load;
mod logged;
mod orders;
mod relay;
mod remainder;
mod start;
mod storage;
mod turn;
mod view;

use std::io;

use branchline_calldb::OpenError;
use tokio::signal::unix::{SignalKind, signal};

use crate::hub::Feed;
use crate::io::bind::BindFault;
use crate::io::tls::TlsFault;
use crate::notify;
use crate::rtp::RtpError;

pub use self::load::{LoadFault, Read, read_at_start};
pub use self::start::Daemon;

use self::turn::{Loop, Woken};

/// Why the daemon cannot run.
#[derive(Debug, thiserror::Error)]
pub enum RunFault {
    /// The configuration.
    #[error(transparent)]
    Load(#[from] LoadFault),
    /// A place to listen.
    #[error(transparent)]
    Bind(#[from] BindFault),
    /// Certificate or key.
    #[error("TLS: {0}")]
    Tls(#[from] TlsFault),
    /// The journal.
    #[error("{}", with_source(.0))]
    Journal(#[from] OpenError),
    /// The media workers.
    #[error("{}", with_source(.0))]
    Rtp(#[from] RtpError),
    /// The system.
    #[error("the daemon cannot start: {0}")]
    Io(#[from] io::Error),
}

fn with_source(fault: &dyn std::error::Error) -> String {
    match fault.source() {
        Some(source) => format!("{fault}: {source}"),
        None => fault.to_string(),
    }
}

impl Daemon {
    /// Answers phones until SIGTERM, SIGINT or an order of the hub; then hangs up, flushes the journal and returns.
    pub fn run(self, feed: Feed) -> Result<(), RunFault> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(2)
            .build()?;
        let ended = runtime.block_on(async {
            let mut going = Loop::start(self, feed)?;
            let mut signals = Signals::new()?;
            notify::ready("answering phones");
            going.begin();
            while going.is_going() {
                let woken = tokio::select! {
                    biased;
                    woken = going.wait() => woken,
                    woken = signals.next() => woken,
                };
                going.turn(woken);
            }
            Ok::<Loop, RunFault>(going)
        });
        // A reload that hangs on a disk must not hold the end up.
        let finished = ended.map(Loop::finish);
        runtime.shutdown_background();
        finished
    }
}

struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    hang_up: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> io::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Woken {
        tokio::select! {
            _ = self.terminate.recv() => Woken::Stop,
            _ = self.interrupt.recv() => Woken::Stop,
            _ = self.hang_up.recv() => Woken::Reload,
        }
    }
}

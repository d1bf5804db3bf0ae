//! The RTP workers: threads that own sockets and relay what arrives, as plans tell them.
//!
//! In: [`MediaPlan`] values. Out: [`RtpEvent`] values, and datagrams. A worker never waits for the rest of the daemon, and
//! the rest never waits for a worker, so that a storm of signalling cannot starve speech.
//!
//! A bridge lives on one worker. When a transfer brings legs of two workers together, the leg that moves is taken out
//! of its old relay and handed over with its lock and figures; its sockets are shared, so the port stays the same.

mod placement;
mod ports;
#[cfg(test)]
mod tests;
mod worker;

use branchline_media::{Family, LatchConfig, MediaEvent, MediaPlan};
use branchline_net::BindError;
use placement::Placement;
use ports::PortTable;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::thread::JoinHandle;
use thiserror::Error;
use tokio::sync::mpsc;
use worker::{Command, Mailbox, Worker};

/// How the workers are set up.
#[derive(Debug, Clone)]
pub struct RtpConfig {
    /// Local addresses, one per family; unspecified addresses take every interface.
    pub addresses: Vec<IpAddr>,
    /// RTP takes the even ports of this range, RTCP the odd ones. Default 16384 to 32767.
    pub ports: RangeInclusive<u16>,
    /// Threads; `None` is one per core.
    pub workers: Option<usize>,
    /// How sources are learned.
    pub latch: LatchConfig,
}

impl Default for RtpConfig {
    fn default() -> Self {
        Self {
            addresses: Vec::new(),
            ports: 16_384..=32_767,
            workers: None,
            latch: LatchConfig::default(),
        }
    }
}

/// What the workers tell the daemon.
#[derive(Debug)]
pub enum RtpEvent {
    /// From the relay.
    Media(MediaEvent),
    /// A plan was not carried out; the text names bridge, leg and port.
    Refused(String),
}

/// Why the workers could not do something.
#[derive(Debug, Error)]
pub enum RtpError {
    /// A thread or one of its descriptors could not be made.
    #[error("cannot start an RTP worker")]
    Start(#[from] std::io::Error),
    /// No address of this family is configured.
    #[error("no media address for {0:?} is configured")]
    NoAddress(Family),
    /// No pair of ports could be bound; the last fault.
    #[error("no media ports left")]
    Bind(#[from] BindError),
    /// Every pair of the range is bound already.
    #[error("every media port of the range is in use")]
    RangeUsedUp,
    /// A worker has stopped, or has not taken its commands for so long that its queue is full.
    #[error("RTP worker {0} does not take commands")]
    Stalled(usize),
}

/// The daemon's end of the workers; dropping it stops them.
#[derive(Debug)]
pub struct RtpHandle {
    ports: Arc<PortTable>,
    placement: Placement,
    mailboxes: Arc<[Mailbox]>,
    threads: Vec<JoinHandle<()>>,
}

impl RtpHandle {
    /// Starts the workers. Events arrive at the receiver; up to [`EVENTS_WAITING_MAX`] wait there, more wait in the relays.
    ///
    /// # Errors
    /// [`RtpError::Start`].
    pub fn start(config: &RtpConfig) -> Result<(Self, mpsc::Receiver<RtpEvent>), RtpError> {
        let cores = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let count = config.workers.unwrap_or_else(cores).clamp(1, WORKERS_MAX);
        let (events, receiver) = mpsc::channel(EVENTS_WAITING_MAX);
        let ports = Arc::new(PortTable::new(&config.addresses, config.ports.clone()));
        let (mailboxes, inboxes): (Vec<_>, Vec<_>) = (0..count)
            .map(|_| Mailbox::open())
            .collect::<Result<Vec<_>, _>>()?
            .into_iter()
            .unzip();
        let mailboxes: Arc<[Mailbox]> = mailboxes.into();
        let mut handle = Self {
            ports: ports.clone(),
            placement: Placement::new(count),
            mailboxes: mailboxes.clone(),
            threads: vec![],
        };
        for (index, inbox) in inboxes.into_iter().enumerate() {
            let (config, ports, mailboxes) = (config.clone(), ports.clone(), mailboxes.clone());
            let events = events.clone();
            let run = move || {
                let shared = worker::Shared {
                    index,
                    ports,
                    mailboxes,
                    events,
                };
                match Worker::new(&config, shared) {
                    Ok(mut worker) => worker.run(&inbox),
                    Err(error) => tracing::error!(worker = index, %error, "an RTP worker cannot run"),
                }
            };
            handle
                .threads
                .push(std::thread::Builder::new().name(format!("rtp-{index}")).spawn(run)?);
        }
        Ok((handle, receiver))
    }

    /// Binds up to `count` more pairs and gives their even ports, for [`branchline_media::PortPool::handle_ready`].
    ///
    /// # Errors
    /// When not a single pair could be bound.
    pub fn bind_ports(&mut self, family: Family, count: usize) -> Result<Vec<u16>, RtpError> {
        self.ports.bind(family, count)
    }

    /// Carries out a plan on the worker that has its bridge.
    ///
    /// # Errors
    /// [`RtpError::Stalled`].
    pub fn plan(&mut self, plan: MediaPlan) -> Result<(), RtpError> {
        let placed = self.placement.place(&plan);
        // The new owner gets the plan first: it then knows the leg when that is handed over.
        self.send(placed.worker, Command::Plan(plan))?;
        for (leg, from) in placed.moves {
            self.send(from, Command::Move { leg, to: placed.worker })?;
        }
        Ok(())
    }

    /// Asks every worker for the live figures of its legs; each tells them by [`MediaEvent::Measured`].
    ///
    /// # Errors
    /// [`RtpError::Stalled`].
    pub fn measure(&self) -> Result<(), RtpError> {
        (0..self.mailboxes.len()).try_for_each(|worker| self.send(worker, Command::Measure))
    }

    /// Count of worker threads.
    #[must_use]
    pub fn workers(&self) -> usize {
        self.mailboxes.len()
    }

    fn send(&self, worker: usize, command: Command) -> Result<(), RtpError> {
        match self.mailboxes[worker].post(command) {
            Ok(()) => Ok(()),
            Err(_) => Err(RtpError::Stalled(worker)),
        }
    }
}

impl Drop for RtpHandle {
    fn drop(&mut self) {
        for mailbox in self.mailboxes.iter() {
            mailbox.stop();
        }
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("an RTP worker ended in a panic");
            }
        }
    }
}

/// Most worker threads.
pub const WORKERS_MAX: usize = 64;
/// Events waiting for the daemon.
pub const EVENTS_WAITING_MAX: usize = 4096;

//! What the kernel tells of the box's networks, on threads of their own: which port each neighbour is behind, when asked, and
//! which addresses have a network behind them, whenever that changes.

use std::io;
use std::net::IpAddr;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use branchline_branch::Neighbour;
use branchline_net::{LinkWatch, Waited, linked_addresses, neighbours};
use tokio::sync::mpsc;

/// The branch's end; dropping it ends the threads.
#[derive(Debug)]
pub struct Surroundings {
    asked: SyncSender<()>,
    noticed: mpsc::Receiver<Noticed>,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Noticed {
    /// The whole table.
    Neighbours(Vec<Neighbour>),
    /// Addresses with a network behind them, in order.
    Links(Vec<IpAddr>),
}

impl Surroundings {
    /// Starts the threads. A kernel that tells nothing of its links is no reason not to run.
    pub fn start() -> io::Result<Surroundings> {
        let (asked, asking) = sync_channel(1);
        let (telling, noticed) = mpsc::channel(NOTICED_MAX);
        let links = telling.clone();
        thread::Builder::new()
            .name("neighbours".to_owned())
            .spawn(move || tell_neighbours(&asking, &telling))?;
        thread::Builder::new()
            .name("links".to_owned())
            .spawn(move || match LinkWatch::open(PATIENCE) {
                Ok(watch) => tell_links(&watch, &links),
                Err(error) => tracing::warn!(%error, "the kernel tells nothing of its links"),
            })?;
        Ok(Surroundings { asked, noticed })
    }

    /// Asks for the neighbours; never waits. Who is asked already answers once.
    pub fn ask(&self) {
        // Full: the answer that comes is as new.
        let _ = self.asked.try_send(());
    }

    /// What was noticed next. Safe to cancel.
    pub async fn noticed(&mut self) -> Option<Noticed> {
        self.noticed.recv().await
    }
}

fn tell_neighbours(asking: &Receiver<()>, telling: &mpsc::Sender<Noticed>) {
    while let Ok(()) = asking.recv() {
        let found = match neighbours() {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(%error, "the kernel does not tell which ports the phones are behind");
                continue;
            }
        };
        let neighbour = |one: branchline_net::Neighbour| Neighbour {
            address: one.address,
            interface: one.interface,
            port: one.port,
        };
        let found = found.into_iter().map(neighbour).collect();
        if telling.blocking_send(Noticed::Neighbours(found)).is_err() {
            return;
        }
    }
}

fn tell_links(watch: &LinkWatch, telling: &mpsc::Sender<Noticed>) {
    let mut told = None;
    while !telling.is_closed() {
        match linked_addresses() {
            Ok(linked) if told.as_ref() != Some(&linked) => {
                told = Some(linked.clone());
                if telling.blocking_send(Noticed::Links(linked)).is_err() {
                    return;
                }
            }
            Ok(_) => {}
            Err(error) => tracing::debug!(%error, "the kernel does not tell its addresses"),
        }
        match watch.wait() {
            Ok(Waited::Changed | Waited::InVain) => {}
            Err(error) => {
                tracing::warn!(%error, "the kernel tells nothing more of its links");
                return;
            }
        }
    }
}

/// Answers that wait for the loop.
const NOTICED_MAX: usize = 16;
/// The thread sees within this that nobody listens any more.
const PATIENCE: Duration = Duration::from_secs(1);

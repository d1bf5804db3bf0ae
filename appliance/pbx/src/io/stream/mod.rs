//! Stream connections: TCP and TLS, accepted and opened.
//!
//! The connections live on a thread of their own, so that a thousand TLS handshakes delay no call. The branch's end is
//! [`Streams`]: it takes what arrived and hands out what is to be written; neither ever waits.

mod accept;
mod census;
mod connection;
mod keep_alive;
mod open;
mod shared;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use branchline_branch::FlowFault;
use branchline_sip::{ConnectionId, Flow, Transmit, Transport};
use bytes::Bytes;
use rustls::{ClientConfig, ServerConfig};
use tokio::sync::{mpsc, watch};

use self::open::Open;
use self::shared::{Event, Shared};

pub use self::shared::{Counts, Refused, Writer};

/// How the connections are set up.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What the box shows of itself; replaced when the certificate is renewed. `None` without a TLS listener.
    pub server: Option<Arc<ServerConfig>>,
    /// How peers prove themselves where the box opens the connection.
    pub client: Arc<ClientConfig>,
    /// Most connections in all.
    pub connections_max: usize,
    /// Most connections accepted from one address.
    pub per_source_max: usize,
    /// A connection that carries nothing for so long is closed.
    pub idle_max: Duration,
    /// Pause between pings on a connection that the box opened.
    pub ping_every: Duration,
}

/// Most connections a box holds, where the system lets it; two thousand phones and room for those that come back.
pub const CONNECTIONS_MAX: usize = 4096;
/// Most from one address: phones of a home office share one behind their router.
pub const PER_SOURCE_MAX: usize = 512;

/// What arrived.
#[derive(Clone, Debug)]
pub enum Arrived {
    /// One whole message.
    Message(Flow, Bytes),
    /// The flow is of no more use.
    Failed(Flow, FlowFault),
}

/// The branch's end; dropping it closes everything.
#[derive(Debug)]
pub struct Streams {
    events: mpsc::Receiver<Event>,
    opens: mpsc::Sender<Open>,
    server: watch::Sender<Option<Arc<ServerConfig>>>,
    shared: Arc<Shared>,
    connections: HashMap<ConnectionId, Connection>,
    by_remote: HashMap<(Transport, SocketAddr), ConnectionId>,
    names: HashMap<SocketAddr, String>,
    waiting: VecDeque<Arrived>,
}

#[derive(Debug)]
struct Connection {
    writer: Writer,
    flow: Flow,
    /// Other flows that the branch named for what went out here: without a connection, or with one that is gone.
    others: VecDeque<Flow>,
}

impl Connection {
    fn new(writer: Writer, flow: Flow) -> Connection {
        let others = VecDeque::new();
        Connection { writer, flow, others }
    }

    // Who waits on the oldest of them has long given up.
    fn answers_for(&mut self, named: Flow) {
        if named == self.flow || self.others.contains(&named) {
            return;
        }
        if self.others.len() == OTHERS_MAX {
            self.others.pop_front();
        }
        self.others.push_back(named);
    }
}

impl Streams {
    /// Starts the thread, with listeners that are bound already.
    pub fn start(listeners: Vec<(Transport, TcpListener)>, settings: Settings) -> io::Result<Streams> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (events_in, events) = mpsc::channel(EVENTS_MAX);
        let (opens, opening) = mpsc::channel(OPENS_MAX);
        let (server, serving) = watch::channel(settings.server.clone());
        let shared = Arc::new(Shared::new(settings, events_in));
        let theirs = Arc::clone(&shared);
        thread::Builder::new().name("streams".to_owned()).spawn(move || {
            runtime.block_on(accept::serve(listeners, (theirs, serving), opening));
            // Connections in the middle of a write end with the daemon.
            runtime.shutdown_background();
        })?;
        Ok(Streams {
            events,
            opens,
            server,
            shared,
            connections: HashMap::new(),
            by_remote: HashMap::new(),
            names: HashMap::new(),
            waiting: VecDeque::new(),
        })
    }

    /// What arrives next; `None` when the thread has ended. Safe to cancel.
    pub async fn arrived(&mut self) -> Option<Arrived> {
        loop {
            if let Some(arrived) = self.waiting.pop_front() {
                return Some(arrived);
            }
            let event = self.events.recv().await?;
            self.note(event);
        }
    }

    /// What has arrived, if something has.
    pub fn try_arrived(&mut self) -> Option<Arrived> {
        loop {
            if let Some(arrived) = self.waiting.pop_front() {
                return Some(arrived);
            }
            let event = self.events.try_recv().ok()?;
            self.note(event);
        }
    }

    /// Sends a message: on its connection while there is one, on another to the same place, or on a new one.
    pub fn send(&mut self, transmit: Transmit) {
        let Transmit { flow, bytes } = transmit;
        let named = flow.connection.filter(|id| self.connections.contains_key(id));
        let id = named.or_else(|| self.by_remote.get(&(flow.transport, flow.remote)).copied());
        let written = match id {
            Some(id) => self.write(id, (flow, bytes)),
            None => self.open(flow, bytes),
        };
        if let Err(lost) = written {
            if lost == Lost::TooSlow {
                self.shared.counts.slow_closed.fetch_add(1, Ordering::Relaxed);
                tracing::info!(remote = %flow.remote, "a peer does not read what it is sent; its connection is closed");
            }
            self.fail(flow, FlowFault::Broken);
            if let Some(id) = id {
                self.forget(id, FlowFault::Broken);
            }
        }
    }

    /// The name by which an address was found, for the certificate of a connection to it.
    pub fn name(&mut self, address: SocketAddr, name: &str) {
        if self.names.len() < NAMES_MAX || self.names.contains_key(&address) {
            self.names.insert(address, name.to_owned());
        }
    }

    /// Shows another certificate to connections that come from now on.
    pub fn show(&self, server: Arc<ServerConfig>) {
        self.server.send_replace(Some(server));
    }

    /// Connections now, those being opened included.
    pub fn open_count(&self) -> usize {
        self.shared.census.total()
    }

    /// What happened since start.
    pub fn counts(&self) -> &Counts {
        &self.shared.counts
    }

    fn write(&mut self, id: ConnectionId, (named, bytes): (Flow, Bytes)) -> Result<(), Lost> {
        let connection = self.connections.get_mut(&id).ok_or(Lost::Gone)?;
        connection.answers_for(named);
        connection.writer.write(bytes).map_err(|refused| match refused {
            Refused::Full => Lost::TooSlow,
            Refused::Closed => Lost::Gone,
        })
    }

    fn open(&mut self, flow: Flow, bytes: Bytes) -> Result<(), Lost> {
        let id = self.shared.next_id();
        let (writer, queue) = shared::writer();
        writer.write(bytes).map_err(|_| Lost::Gone)?;
        let own = Flow {
            connection: Some(id),
            ..flow
        };
        let name = self.names.get(&flow.remote).cloned();
        let open = Open {
            flow: own,
            name,
            queue,
            writer: writer.downgrade(),
        };
        self.opens.try_send(open).map_err(|_| Lost::Gone)?;
        self.by_remote.insert((flow.transport, flow.remote), id);
        let mut connection = Connection::new(writer, own);
        connection.answers_for(flow);
        self.connections.insert(id, connection);
        Ok(())
    }

    fn note(&mut self, event: Event) {
        match event {
            Event::Opened { flow, writer } => {
                let Some(id) = flow.connection else { return };
                self.by_remote.insert((flow.transport, flow.remote), id);
                self.connections.insert(id, Connection::new(writer, flow));
            }
            // What a connection that was given up still had to say is not heard: the branch was told that it failed.
            Event::Message { flow, bytes } => {
                if flow.connection.is_some_and(|id| self.connections.contains_key(&id)) {
                    self.waiting.push_back(Arrived::Message(flow, bytes));
                }
            }
            Event::Closed { id, fault } => self.forget(id, fault),
        }
    }

    fn forget(&mut self, id: ConnectionId, fault: FlowFault) {
        let Some(gone) = self.connections.remove(&id) else {
            return;
        };
        let place = (gone.flow.transport, gone.flow.remote);
        if self.by_remote.get(&place) == Some(&id) {
            self.by_remote.remove(&place);
        }
        self.fail(gone.flow, fault);
        for other in gone.others {
            self.fail(other, fault);
        }
    }

    fn fail(&mut self, flow: Flow, fault: FlowFault) {
        let known = self
            .waiting
            .iter()
            .any(|arrived| matches!(arrived, Arrived::Failed(other, _) if *other == flow));
        if !known {
            self.waiting.push_back(Arrived::Failed(flow, fault));
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lost {
    /// There is no such connection any more, or none can be opened.
    Gone,
    /// Its queue is full.
    TooSlow,
}

/// Messages that wait for the branch; while it is full, connections are not read.
const EVENTS_MAX: usize = 1024;
/// Connections waiting to be opened; beyond it a flow fails at once.
const OPENS_MAX: usize = 256;
/// Flows remembered besides its own for a connection.
const OTHERS_MAX: usize = 16;
/// Names of trunks' addresses.
const NAMES_MAX: usize = 1024;

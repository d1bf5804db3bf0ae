//! The listeners' side of the streams' thread.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use branchline_sip::frame::Side;
use branchline_sip::{Flow, Transport};
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use super::census::Seat;
use super::connection::{self, Link};
use super::open::{self, Open};
use super::shared::{Event, Shared, count, writer};
use crate::io::tls;

type Certificate = watch::Receiver<Option<Arc<ServerConfig>>>;

/// Accepts and opens until the branch's end is gone.
pub(super) async fn serve(
    listeners: Vec<(Transport, std::net::TcpListener)>,
    (shared, certificate): (Arc<Shared>, Certificate),
    mut opening: mpsc::Receiver<Open>,
) {
    // Dropped at the end, which ends what it holds.
    let mut tasks = JoinSet::new();
    for (transport, listener) in listeners {
        match TcpListener::from_std(listener) {
            Ok(listener) => {
                let accepting = Accepting {
                    listener,
                    transport,
                    certificate: certificate.clone(),
                };
                tasks.spawn(accept(accepting, Arc::clone(&shared)));
            }
            Err(error) => tracing::error!(%transport, %error, "a listener cannot be used"),
        }
    }
    while let Some(wanted) = opening.recv().await {
        tasks.spawn(open::run(wanted, Arc::clone(&shared)));
        while tasks.try_join_next().is_some() {}
    }
}

struct Accepting {
    listener: TcpListener,
    transport: Transport,
    certificate: Certificate,
}

async fn accept(accepting: Accepting, shared: Arc<Shared>) {
    let Accepting {
        listener,
        transport,
        certificate,
    } = accepting;
    let mut connections = JoinSet::new();
    let mut pause = PAUSE_MIN;
    loop {
        match listener.accept().await {
            Ok((stream, remote)) => {
                pause = PAUSE_MIN;
                while connections.try_join_next().is_some() {}
                let Some(seat) = shared.census.admit(remote.ip()) else {
                    count(&shared.counts.refused);
                    tracing::debug!(%remote, "too many connections");
                    continue;
                };
                let server = certificate.borrow().clone();
                let accepted = Accepted {
                    stream,
                    remote,
                    transport,
                    server,
                    seat,
                };
                connections.spawn(run(accepted, Arc::clone(&shared)));
            }
            Err(error) if is_the_peers(&error) => {}
            Err(error) => {
                // Without a descriptor to spare the listener stays readable: asking again at once would spin.
                tracing::warn!(%transport, %error, ?pause, "cannot accept connections");
                sleep(pause).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
        }
    }
}

struct Accepted {
    stream: TcpStream,
    remote: SocketAddr,
    transport: Transport,
    server: Option<Arc<ServerConfig>>,
    seat: Seat,
}

async fn run(accepted: Accepted, shared: Arc<Shared>) {
    let Accepted {
        stream,
        remote,
        transport,
        server,
        seat,
    } = accepted;
    let Ok(local) = stream.local_addr() else { return };
    connection::tune(&stream);
    let id = shared.next_id();
    let flow = Flow {
        transport,
        local,
        remote,
        connection: Some(id),
    };
    match (transport, server) {
        (Transport::Udp | Transport::Tcp, _) => attend(stream, flow, &shared).await,
        (Transport::Tls, None) => {}
        (Transport::Tls, Some(server)) => {
            match timeout(HANDSHAKE_WITHIN, TlsAcceptor::from(server).accept(stream)).await {
                Ok(Ok(stream)) => attend(stream, flow, &shared).await,
                Ok(Err(error)) => {
                    count(&shared.counts.handshakes_failed);
                    tracing::debug!(%remote, error = %tls::chain(&error), "TLS failed");
                }
                Err(_) => count(&shared.counts.idle_closed),
            }
        }
    }
    drop(seat);
}

async fn attend<S>(stream: S, flow: Flow, shared: &Arc<Shared>)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite,
{
    let Some(id) = flow.connection else { return };
    let (writer, queue) = writer();
    let weak = writer.downgrade();
    if shared.events.send(Event::Opened { flow, writer }).await.is_err() {
        return;
    }
    let link = Link {
        flow,
        side: Side::Accepted,
        queue,
        writer: weak,
    };
    let fault = connection::serve(stream, link, shared).await;
    // The branch's end is gone when the daemon ends.
    let _ = shared.events.send(Event::Closed { id, fault }).await;
}

// The peer gave up between its connecting and our accepting (accept(2)).
fn is_the_peers(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
    )
}

/// From the first byte to the end of a TLS handshake.
pub(super) const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(1);

//! Connections that the box opens.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use branchline_branch::FlowFault;
use branchline_sip::frame::Side;
use branchline_sip::{Flow, Transport};
use rustls::pki_types::ServerName;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::accept::HANDSHAKE_WITHIN;
use super::connection::{self, Link};
use super::shared::{Event, Queue, Shared, WeakWriter};
use crate::io::tls;

/// A connection that the branch asked for.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) flow: Flow,
    /// The name that the peer's certificate must carry; without one, its address.
    pub(super) name: Option<String>,
    pub(super) queue: Queue,
    pub(super) writer: WeakWriter,
}

pub(super) async fn run(open: Open, shared: Arc<Shared>) {
    let Some(id) = open.flow.connection else { return };
    let flow = open.flow;
    let seat = shared.census.admit(flow.remote.ip());
    let done = match seat {
        Some(_) => connect_and_serve(open, &shared).await,
        None => Err(io::Error::other("too many connections")),
    };
    let fault = done.unwrap_or_else(|error| {
        tracing::info!(remote = %flow.remote, transport = %flow.transport, error = %tls::chain(&error), "cannot connect");
        FlowFault::Broken
    });
    // The branch's end is gone when the daemon ends.
    let _ = shared.events.send(Event::Closed { id, fault }).await;
}

async fn connect_and_serve(open: Open, shared: &Arc<Shared>) -> io::Result<FlowFault> {
    let Open {
        flow,
        name,
        queue,
        writer,
    } = open;
    let stream = within(CONNECT_WITHIN, connect(flow)).await?;
    connection::tune(&stream);
    let link = Link {
        flow,
        side: Side::Opened,
        queue,
        writer,
    };
    let fault = match flow.transport {
        Transport::Udp | Transport::Tcp => connection::serve(stream, link, shared).await,
        Transport::Tls => {
            let name = server_name(name, flow.remote)?;
            let connector = TlsConnector::from(Arc::clone(&shared.settings.client));
            let stream = within(HANDSHAKE_WITHIN, connector.connect(name, stream)).await?;
            connection::serve(stream, link, shared).await
        }
    };
    Ok(fault)
}

async fn connect(flow: Flow) -> io::Result<TcpStream> {
    let socket = match flow.remote {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // The address that the message names as ours.
    if !flow.local.ip().is_unspecified() {
        socket.bind(SocketAddr::new(flow.local.ip(), 0))?;
    }
    socket.connect(flow.remote).await
}

fn server_name(name: Option<String>, remote: SocketAddr) -> io::Result<ServerName<'static>> {
    match name {
        Some(name) => ServerName::try_from(name).map_err(io::Error::other),
        None => Ok(ServerName::IpAddress(remote.ip().into())),
    }
}

async fn within<T>(limit: Duration, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(limit, work)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// A place that takes longer is taken as unreachable; the branch then tries the next.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

//! Connections of the page: only from where they may come, only so many, and none that idles for ever.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use branchline_config::Reach;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep};

/// Connections at once; more wait to be accepted.
pub const CONNECTIONS_MAX: usize = 64;
/// Without a byte in either direction for this long, a connection is closed.
const IDLE_MAX: Duration = Duration::from_secs(30);
const RETRY_AFTER: Duration = Duration::from_millis(100);

/// The listener of the page.
pub(crate) struct Connections {
    listener: TcpListener,
    reach: Reach,
    places: Arc<Semaphore>,
}

impl Connections {
    pub(crate) fn new(listener: TcpListener, reach: Reach) -> Connections {
        Connections {
            listener,
            reach,
            places: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
        }
    }
}

impl Listener for Connections {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        loop {
            let place = Arc::clone(&self.places).acquire_owned().await.ok();
            match self.listener.accept().await {
                Ok((stream, peer)) if is_welcome(self.reach, peer.ip()) => {
                    return (
                        Connection {
                            stream,
                            _place: place,
                            idle: Box::pin(sleep(IDLE_MAX)),
                        },
                        peer,
                    );
                }
                Ok((_, peer)) => tracing::debug!(%peer, "the page is not for the world"),
                Err(error) => {
                    tracing::warn!(%error, "the page does not accept");
                    sleep(RETRY_AFTER).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

// Whoever binds a certain address has said who may reach it; "lan" opens every interface, so the source decides.
fn is_welcome(reach: Reach, peer: IpAddr) -> bool {
    match (reach, peer.to_canonical()) {
        (Reach::Box, _) => true,
        (Reach::Lan, IpAddr::V4(peer)) => peer.is_loopback() || peer.is_private() || peer.is_link_local(),
        (Reach::Lan, IpAddr::V6(peer)) => peer.is_loopback() || peer.is_unique_local() || peer.is_unicast_link_local(),
    }
}

/// Who is at the other end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) IpAddr);

impl Connected<IncomingStream<'_, Connections>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Connections>) -> Peer {
        Peer(stream.remote_addr().ip().to_canonical())
    }
}

/// One connection; it gives its place back when dropped.
pub(crate) struct Connection {
    stream: TcpStream,
    _place: Option<OwnedSemaphorePermit>,
    idle: Pin<Box<Sleep>>,
}

impl Connection {
    fn watched<T>(&mut self, polled: Poll<io::Result<T>>, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        match polled {
            Poll::Ready(done) => {
                self.idle.as_mut().reset(Instant::now() + IDLE_MAX);
                Poll::Ready(done)
            }
            Poll::Pending => self
                .idle
                .as_mut()
                .poll(context)
                .map(|()| Err(io::ErrorKind::TimedOut.into())),
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_read(cx, buffer);
        this.watched(polled, cx)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.watched(polled, cx)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn on_the_lan_only_private_sources_are_welcome() {
        let cases = [
            ("127.0.0.1", true),
            ("192.168.1.9", true),
            ("10.1.1.1", true),
            ("169.254.3.4", true),
            ("fe80::1", true),
            ("fd00::1", true),
            ("::ffff:10.0.0.1", true),
            ("203.0.113.7", false),
            ("2001:db8::1", false),
            ("::ffff:203.0.113.7", false),
        ];
        for (peer, welcome) in cases {
            assert_eq!(is_welcome(Reach::Lan, peer.parse().unwrap()), welcome, "{peer}");
        }
        assert!(is_welcome(Reach::Box, "203.0.113.7".parse().unwrap()));
    }
}

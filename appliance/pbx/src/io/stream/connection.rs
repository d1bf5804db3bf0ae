//! One connection: bytes in, messages out, and the other way round.

use std::io;
use std::time::Duration;

use branchline_branch::FlowFault;
use branchline_sip::Flow;
use branchline_sip::frame::{Framed, Framer, PING, PONG, Side};
use bytes::{Bytes, BytesMut};
use nix::sys::socket::{setsockopt, sockopt};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

use super::keep_alive::{Due, KeepAlive};
use super::shared::{Event, Queue, Shared, WeakWriter, count};

/// What a connection needs to know of itself.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) flow: Flow,
    pub(super) side: Side,
    pub(super) queue: Queue,
    pub(super) writer: WeakWriter,
}

/// Why a connection is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The peer closed it.
    Closed,
    /// It broke.
    Broken(io::ErrorKind),
    /// The box has no more use for it.
    Box,
    /// What came is not SIP.
    Malformed,
    /// Nothing came, or only half of something.
    Idle,
    /// The peer did not read.
    Slow,
    /// The peer no longer answers our pings.
    Silent,
}

/// Runs until the connection is over, and says what that means for its flow.
pub(super) async fn serve<S>(stream: S, link: Link, shared: &Shared) -> FlowFault
where
    S: AsyncRead + AsyncWrite,
{
    let Link {
        flow,
        side,
        queue,
        writer,
    } = link;
    let (input, output) = tokio::io::split(stream);
    let end = tokio::select! {
        end = read(input, Reading { flow, side, writer }, shared) => end,
        end = write(output, queue) => end,
    };
    match end {
        End::Closed | End::Broken(_) | End::Box | End::Silent => {}
        End::Malformed => count(&shared.counts.malformed_closed),
        End::Idle => count(&shared.counts.idle_closed),
        End::Slow => count(&shared.counts.slow_closed),
    }
    tracing::debug!(remote = %flow.remote, transport = %flow.transport, ?end, "a connection is over");
    match end {
        End::Silent => FlowFault::Silent,
        End::Closed | End::Broken(_) | End::Box | End::Malformed | End::Idle | End::Slow => FlowFault::Broken,
    }
}

struct Reading {
    flow: Flow,
    side: Side,
    writer: WeakWriter,
}

async fn read(mut input: impl AsyncRead + Unpin, reading: Reading, shared: &Shared) -> End {
    let Reading { flow, side, writer } = reading;
    let mut framer = Framer::new(side);
    let mut buffer = BytesMut::with_capacity(READ_BYTES);
    let mut deadline = Instant::now() + FIRST_WITHIN;
    let mut keep_alive = KeepAlive::new(Instant::now(), side, shared.settings.ping_every);
    loop {
        buffer.clear();
        let wake = keep_alive.poll_timeout().map_or(deadline, |due| due.min(deadline));
        match timeout_at(wake, input.read_buf(&mut buffer)).await {
            Err(_) if deadline <= Instant::now() => return End::Idle,
            Err(_) => match keep_alive.handle_timeout(Instant::now()) {
                Due::Nothing => continue,
                Due::Silent => return End::Silent,
                Due::Ping => {
                    // A queue that is full has its own end.
                    let _ = writer.write(Bytes::from_static(PING));
                    continue;
                }
            },
            Ok(Err(error)) => return End::Broken(error.kind()),
            Ok(Ok(0)) => return End::Closed,
            Ok(Ok(_)) => {}
        }
        keep_alive.handle_bytes(Instant::now());
        let had_half = framer.buffered_bytes() > 0;
        let mut whole = false;
        framer.handle_bytes(&buffer);
        while let Some(frame) = framer.poll_frame() {
            whole = true;
            match frame {
                // Waits while the branch is busy: the peer is then not read either.
                Ok(Framed::Message(bytes)) => {
                    if shared.events.send(Event::Message { flow, bytes }).await.is_err() {
                        return End::Box;
                    }
                }
                // A peer that pings without reading fills its own queue, and is closed for that by the write timeout.
                Ok(Framed::Ping) => drop(writer.write(Bytes::from_static(PONG))),
                Ok(Framed::Pong) => keep_alive.handle_pong(),
                Err(fault) => {
                    tracing::debug!(remote = %flow.remote, %fault, "not SIP");
                    return End::Malformed;
                }
            }
        }
        // Drops of a message do not buy time: the whole of it is due when its first byte was seen.
        match (framer.buffered_bytes() > 0, had_half && !whole) {
            (true, true) => {}
            (true, false) => deadline = Instant::now() + WHOLE_WITHIN,
            (false, _) => deadline = Instant::now() + shared.settings.idle_max,
        }
    }
}

async fn write(mut output: impl AsyncWrite + Unpin, mut queue: Queue) -> End {
    let mut given_up = None;
    while let Some(bytes) = queue.next().await {
        let deadline = match queue.is_given_up() {
            true => *given_up.get_or_insert_with(|| Instant::now() + WRITE_WITHIN),
            false => Instant::now() + WRITE_WITHIN,
        };
        let written = timeout_at(deadline, async {
            output.write_all(&bytes).await?;
            output.flush().await
        });
        match written.await {
            Err(_) if queue.is_given_up() => return End::Box,
            Err(_) => return End::Slow,
            Ok(Err(error)) => return End::Broken(error.kind()),
            Ok(Ok(())) => queue.written(bytes.len()),
        }
    }
    // Says goodbye over TLS; who does not listen is not waited for.
    let _ = timeout(CLOSE_WITHIN, output.shutdown()).await;
    End::Box
}

/// Small messages leave at once, and a peer that vanished is noticed though nobody has anything to say.
pub(super) fn tune(stream: &TcpStream) {
    let tuned = stream.set_nodelay(true).and_then(|()| {
        setsockopt(stream, sockopt::KeepAlive, &true)?;
        setsockopt(stream, sockopt::TcpKeepIdle, &KEEP_ALIVE_IDLE_S)?;
        setsockopt(stream, sockopt::TcpKeepInterval, &KEEP_ALIVE_EVERY_S)?;
        setsockopt(stream, sockopt::TcpKeepCount, &KEEP_ALIVE_TIMES)?;
        setsockopt(stream, sockopt::TcpUserTimeout, &UNACKNOWLEDGED_MS)?;
        // DSCP CS3, as for datagrams.
        match stream.local_addr()?.is_ipv4() {
            true => setsockopt(stream, sockopt::Ipv4Tos, &SIGNALLING_TOS)?,
            false => setsockopt(stream, sockopt::Ipv6TClass, &SIGNALLING_TOS)?,
        }
        Ok(())
    });
    if let Err(error) = tuned {
        tracing::debug!(%error, "a connection keeps the system's settings");
    }
}

/// Bytes taken from the kernel at once.
const READ_BYTES: usize = 4096;
/// The first message of a connection: who connects has something to say.
const FIRST_WITHIN: Duration = Duration::from_secs(30);
/// The rest of a message whose first byte has come.
const WHOLE_WITHIN: Duration = Duration::from_secs(10);
/// One message; a peer that takes nothing for so long has stopped reading.
const WRITE_WITHIN: Duration = Duration::from_secs(10);
const CLOSE_WITHIN: Duration = Duration::from_millis(500);
// A phone that lost its power is noticed within two minutes.
const KEEP_ALIVE_IDLE_S: u32 = 60;
const KEEP_ALIVE_EVERY_S: u32 = 15;
const KEEP_ALIVE_TIMES: u32 = 4;
// Timer F (RFC 3261) is 32 s: what was not acknowledged by then helps nobody.
const UNACKNOWLEDGED_MS: u32 = 32_000;
const SIGNALLING_TOS: i32 = 0x60;

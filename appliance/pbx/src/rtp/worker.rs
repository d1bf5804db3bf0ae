//! One thread: sockets into a relay, datagrams out of it.

use super::ports::{PortPair, PortTable};
use super::{RtpConfig, RtpEvent};
use crate::tide::Tide;
use branchline_media::rtp::set_ssrc;
use branchline_media::{BridgeId, Leg, LegId, MediaPlan, Packet, Relay, Verdict};
use branchline_net::{BatchReceiver, BatchSender, Outgoing, Socket};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::{EfdFlags, EventFd};
use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::TrySendError as TrySend;

/// What a worker is told.
#[derive(Debug)]
pub(super) enum Command {
    Plan(MediaPlan),
    /// Hand a leg to another worker.
    Move {
        leg: LegId,
        to: usize,
    },
    /// Take a leg from another worker.
    Adopt(Box<Leg>),
    Measure,
}

/// Where commands for a worker are put.
#[derive(Debug)]
pub(super) struct Mailbox {
    commands: SyncSender<Command>,
    wake: Arc<EventFd>,
    stopping: Arc<AtomicBool>,
}

/// The worker's end of its mailbox.
#[derive(Debug)]
pub(super) struct Inbox {
    commands: Receiver<Command>,
    wake: Arc<EventFd>,
    stopping: Arc<AtomicBool>,
}

/// What a worker has in common with the others.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) index: usize,
    pub(super) ports: Arc<PortTable>,
    pub(super) mailboxes: Arc<[Mailbox]>,
    pub(super) events: Sender<RtpEvent>,
}

pub(super) struct Worker {
    shared: Shared,
    relay: Relay,
    /// The leg sockets and the wake-up.
    epoll: Epoll,
    tide: Tide,
    sockets: Sockets,
    bridge_ports: HashMap<BridgeId, Vec<u16>>,
    receiver: BatchReceiver,
    sender: BatchSender,
    /// The event that found the daemon's queue full.
    waiting: Option<RtpEvent>,
}

/// Registered pairs at half their port number.
struct Sockets {
    pairs: Vec<Option<Arc<PortPair>>>,
}

impl Mailbox {
    pub(super) fn open() -> io::Result<(Self, Inbox)> {
        let (sender, receiver) = sync_channel(COMMANDS_WAITING_MAX);
        let wake = Arc::new(EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?);
        let stopping = Arc::new(AtomicBool::new(false));
        let inbox = Inbox {
            commands: receiver,
            wake: wake.clone(),
            stopping: stopping.clone(),
        };
        Ok((
            Self {
                commands: sender,
                wake,
                stopping,
            },
            inbox,
        ))
    }

    pub(super) fn post(&self, command: Command) -> Result<(), TrySendError<Command>> {
        self.commands.try_send(command)?;
        self.wake();
        Ok(())
    }

    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        self.wake();
    }

    fn wake(&self) {
        // It fails only when the counter is full, and then the worker is awake.
        let _ = self.wake.write(1);
    }
}

impl Worker {
    pub(super) fn new(config: &RtpConfig, shared: Shared) -> io::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let wake = &shared.mailboxes[shared.index].wake;
        epoll.add(wake.as_ref(), EpollEvent::new(EpollFlags::EPOLLIN, WAKE))?;
        Ok(Self {
            relay: Relay::new(config.latch),
            epoll,
            tide: Tide::new(now(), GATHER),
            sockets: Sockets { pairs: Vec::new() },
            bridge_ports: HashMap::new(),
            receiver: BatchReceiver::new(PACKETS_PER_BATCH, DATAGRAM_BYTES_MAX),
            sender: BatchSender::new(),
            waiting: None,
            shared,
        })
    }

    pub(super) fn run(&mut self, inbox: &Inbox) {
        let mut ready = [EpollEvent::empty(); READY_MAX];
        while !inbox.stopping.load(Ordering::Acquire) {
            if let Some(gather) = self.tide.gather() {
                std::thread::park_timeout(gather);
            }
            let count = match self.epoll.wait(&mut ready, self.timeout()) {
                Ok(count) => count,
                Err(nix::errno::Errno::EINTR) => continue,
                Err(error) => {
                    tracing::error!(worker = self.shared.index, %error, "an RTP worker stops");
                    return;
                }
            };
            let now = now();
            self.tide.handle_batch(now, count);
            for event in &ready[..count] {
                if event.data() == WAKE {
                    self.handle_inbox(now, inbox);
                } else {
                    self.handle_ready(now, event.data() as u16);
                }
            }
            self.relay.handle_timeout(now);
            self.tell();
        }
    }

    fn timeout(&self) -> EpollTimeout {
        if self.waiting.is_some() {
            return timeout_of(RETRY);
        }
        match self.relay.poll_timeout() {
            Some((due, _)) => timeout_of(due.saturating_duration_since(now()) + Duration::from_millis(1)),
            None => EpollTimeout::NONE,
        }
    }

    fn handle_ready(&mut self, now: Instant, port: u16) {
        for _ in 0..BATCHES_PER_TURN_MAX {
            if self.pass_on(now, port) < PACKETS_PER_BATCH {
                return;
            }
        }
    }

    /// Takes one batch from a socket and gives how many packets it was.
    fn pass_on(&mut self, now: Instant, port: u16) -> usize {
        let Some(pair) = self.sockets.pair(port) else { return 0 };
        let socket = if port.is_multiple_of(2) { &pair.rtp } else { &pair.rtcp };
        // An error here is an unreachable peer, told once and gone.
        let received = self.receiver.receive(socket).unwrap_or(0);
        let mut outgoing = [Outgoing { to: NOWHERE, data: &[] }; PACKETS_PER_BATCH];
        let (mut count, mut from) = (0, port);
        for datagram in self.receiver.datagrams() {
            let packet = Packet {
                port,
                source: datagram.source,
                data: datagram.data,
            };
            let (out, to) = match self.relay.handle_packet(now, &packet) {
                Verdict::Forward { port, to } => (port, to),
                Verdict::Echo { port, to, ssrc } => {
                    self.sockets
                        .send_echo(&mut self.sender, port, (to, ssrc, datagram.data));
                    continue;
                }
                Verdict::Drop(_) => continue,
            };
            if out != from && count > 0 {
                self.sockets.send(&mut self.sender, from, &outgoing[..count]);
                count = 0;
            }
            from = out;
            outgoing[count] = Outgoing {
                to,
                data: datagram.data,
            };
            count += 1;
        }
        self.sockets.send(&mut self.sender, from, &outgoing[..count]);
        received
    }

    fn handle_inbox(&mut self, now: Instant, inbox: &Inbox) {
        // It fails only when another wake-up was read just before.
        let _ = inbox.wake.read();
        while let Ok(command) = inbox.commands.try_recv() {
            self.handle_command(now, command);
        }
    }

    fn handle_command(&mut self, now: Instant, command: Command) {
        match command {
            Command::Plan(plan) => self.handle_plan(now, plan),
            Command::Move { leg, to } => self.hand_over(leg, to),
            Command::Adopt(leg) => self.relay.adopt_leg(now, *leg),
            Command::Measure => self.relay.handle_measure(),
        }
    }

    fn handle_plan(&mut self, now: Instant, plan: MediaPlan) {
        let bridge = plan.bridge;
        let ports: Vec<u16> = plan.legs.iter().map(|leg| leg.port).collect();
        if let Err(error) = self.relay.handle_plan(now, plan) {
            tracing::warn!(worker = self.shared.index, %error, "a media plan is refused");
            let _ = self.shared.events.try_send(RtpEvent::Refused(error.to_string()));
            return;
        }
        for port in &ports {
            self.register(*port);
        }
        let before = if ports.is_empty() {
            self.bridge_ports.remove(&bridge)
        } else {
            self.bridge_ports.insert(bridge, ports)
        };
        for port in before.into_iter().flatten() {
            self.unregister_unused(port);
        }
    }

    fn hand_over(&mut self, leg: LegId, to: usize) {
        let Some(port) = self.relay.port(leg) else { return };
        let Some(leg) = self.relay.release_leg(leg) else { return };
        self.unregister_unused(port);
        if self.shared.mailboxes[to].post(Command::Adopt(Box::new(leg))).is_err() {
            tracing::warn!(
                worker = self.shared.index,
                to,
                "a leg lost its figures on the way to another worker"
            );
        }
    }

    fn register(&mut self, port: u16) {
        if self.sockets.pair(port).is_some() {
            return;
        }
        let Some(pair) = self.shared.ports.pair(port) else {
            let _ = self
                .shared
                .events
                .try_send(RtpEvent::Refused(format!("port {port} is not bound")));
            return;
        };
        for (socket, port) in [(&pair.rtp, port), (&pair.rtcp, port | 1)] {
            drain(&mut self.receiver, socket);
            if let Err(error) = self
                .epoll
                .add(socket, EpollEvent::new(EpollFlags::EPOLLIN, u64::from(port)))
            {
                tracing::error!(port, %error, "a media port cannot be watched");
            }
        }
        self.sockets.set(port, Some(pair));
    }

    fn unregister_unused(&mut self, port: u16) {
        if self.relay.has_port(port) {
            return;
        }
        if let Some(pair) = self.sockets.set(port, None) {
            for socket in [&pair.rtp, &pair.rtcp] {
                // It fails only if adding it failed.
                let _ = self.epoll.delete(socket);
            }
        }
    }

    /// Passes events on as long as there is room; the rest stays here and is tried again.
    fn tell(&mut self) {
        loop {
            let next = self
                .waiting
                .take()
                .or_else(|| self.relay.poll_event().map(RtpEvent::Media));
            let Some(event) = next else { return };
            match self.shared.events.try_send(event) {
                Ok(()) | Err(TrySend::Closed(_)) => {}
                Err(TrySend::Full(event)) => {
                    self.waiting = Some(event);
                    return;
                }
            }
        }
    }
}

impl Sockets {
    fn pair(&self, port: u16) -> Option<&Arc<PortPair>> {
        self.pairs.get(usize::from(port / 2))?.as_ref()
    }

    fn set(&mut self, port: u16, pair: Option<Arc<PortPair>>) -> Option<Arc<PortPair>> {
        let place = usize::from(port / 2);
        if self.pairs.len() <= place {
            self.pairs.resize(place + 1, None);
        }
        std::mem::replace(&mut self.pairs[place], pair)
    }

    fn send_echo(&self, sender: &mut BatchSender, port: u16, (to, ssrc, data): (SocketAddr, u32, &[u8])) {
        let mut own = [0; DATAGRAM_BYTES_MAX];
        let Some(own) = own.get_mut(..data.len()) else { return };
        own.copy_from_slice(data);
        set_ssrc(own, ssrc);
        self.send(sender, port, &[Outgoing { to, data: own }]);
    }

    fn send(&self, sender: &mut BatchSender, port: u16, outgoing: &[Outgoing<'_>]) {
        if let Some(pair) = self.pair(port) {
            sender.send(if port.is_multiple_of(2) { &pair.rtp } else { &pair.rtcp }, outgoing);
        }
    }
}

/// Late packets of the call that had the port before must not teach the new one a source.
fn drain(receiver: &mut BatchReceiver, socket: &Socket) {
    for _ in 0..DRAIN_BATCHES_MAX {
        if !receiver.receive(socket).is_ok_and(|count| count == receiver.batch()) {
            return;
        }
    }
}

fn timeout_of(wait: Duration) -> EpollTimeout {
    EpollTimeout::try_from(wait).unwrap_or(EpollTimeout::MAX)
}

#[expect(clippy::disallowed_methods, reason = "the workers are where time enters the relay")]
fn now() -> Instant {
    Instant::now()
}

const WAKE: u64 = u64::MAX;
const READY_MAX: usize = 512;
const COMMANDS_WAITING_MAX: usize = 4096;
/// A stream brings one packet in 20 ms, and room for each further one is paid for whether it comes or not.
const PACKETS_PER_BATCH: usize = 4;
/// Of one socket, so that a flood at one port does not hold up the others.
const BATCHES_PER_TURN_MAX: usize = 16;
/// RTP never exceeds an Ethernet frame.
const DATAGRAM_BYTES_MAX: usize = 1500;
/// More than a receive buffer holds.
const DRAIN_BATCHES_MAX: usize = 1024;
/// A tenth of a packet's length: no jitter buffer notices, and no caller.
const GATHER: Duration = Duration::from_millis(2);
/// When the daemon's queue was full.
const RETRY: Duration = Duration::from_millis(50);
const NOWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

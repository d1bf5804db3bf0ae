//! Telephones on sockets of the loopback, in real time.

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use branchline_calldb::{Filter, Lookup, Records};
use branchline_ladder::flow::{Order, RecordLine, Theatre, Who};
use branchline_ladder::{Actor, ActorSetup};
use bytes::Bytes;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::daemon::Daemon;
use super::hosted::{Cable, Hosted};
use crate::clock;
use crate::control::client::Client;
use crate::control::protocol::Request;
use crate::hub::HostedOrder;

/// Sound heard within this time counts as heard now.
const LATELY: Duration = Duration::from_secs(2);
const SOUND_EVERY: Duration = Duration::from_millis(20);
const DATAGRAM_BYTES_MAX: usize = 65_535;
const RECORDS_WITHIN: Duration = Duration::from_secs(2);

struct Player {
    who: Who,
    actor: Actor,
    socket: UdpSocket,
    plugged: bool,
}

/// Where a flow plays with sockets.
pub(super) struct Loopback {
    players: Vec<Player>,
    hosted: Option<Hosted>,
    daemon: Daemon,
    began: Instant,
    /// RTP sockets by their address.
    media: BTreeMap<SocketAddr, UdpSocket>,
    /// Who heard whom, by RTP addresses.
    heard: BTreeMap<(SocketAddr, SocketAddr), Instant>,
    sequence: u16,
    next_sound: Instant,
}

impl Loopback {
    pub(super) fn new(actors: Vec<(Who, ActorSetup)>, hosted: Option<Hosted>, daemon: Daemon) -> io::Result<Loopback> {
        let player = |(who, setup): (Who, ActorSetup)| {
            let socket = bind(setup.address)?;
            Ok(Player {
                who,
                actor: Actor::new(setup),
                socket,
                plugged: true,
            })
        };
        let now = clock::now();
        Ok(Loopback {
            players: actors.into_iter().map(player).collect::<io::Result<_>>()?,
            hosted,
            daemon,
            began: now,
            media: BTreeMap::new(),
            heard: BTreeMap::new(),
            sequence: 0,
            next_sound: now,
        })
    }

    fn turn(&mut self, end: Instant) {
        let now = clock::now();
        for player in &mut self.players {
            if player.actor.poll_timeout().is_some_and(|at| at <= now) {
                player.actor.handle_timeout(now);
            }
            flush(player);
        }
        if self.next_sound <= now {
            self.speak();
            self.next_sound = now + SOUND_EVERY;
        }
        let due = self
            .players
            .iter()
            .filter_map(|player| player.actor.poll_timeout())
            .min();
        let next = due.map_or(end, |due| due.min(end)).min(self.next_sound);
        self.wait(next.saturating_duration_since(now));
        self.receive();
    }

    fn wait(&self, time: Duration) {
        let sockets = self
            .players
            .iter()
            .map(|player| &player.socket)
            .chain(self.media.values())
            .chain(self.hosted.iter().flat_map(Hosted::sockets));
        let mut fds: Vec<PollFd<'_>> = sockets
            .map(|socket| PollFd::new(socket.as_fd(), PollFlags::POLLIN))
            .collect();
        let ms = u16::try_from(time.as_millis()).unwrap_or(u16::MAX).max(1);
        // An interrupted wait is a short one.
        let _ = poll(&mut fds, PollTimeout::from(ms));
    }

    fn receive(&mut self) {
        let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
        if let Some(hosted) = &mut self.hosted {
            hosted.receive(clock::now(), &mut buffer);
        }
        for player in &mut self.players {
            while let Ok((length, _)) = player.socket.recv_from(&mut buffer) {
                if player.plugged {
                    player
                        .actor
                        .handle_message(clock::now(), Bytes::copy_from_slice(&buffer[..length]));
                    flush(player);
                }
            }
        }
        let mut received = Vec::new();
        for (own, socket) in &self.media {
            while let Ok((length, _)) = socket.recv_from(&mut buffer) {
                if let Some(source) = source_of(&buffer[..length]) {
                    received.push((*own, source));
                }
            }
        }
        let now = clock::now();
        for pair in received {
            self.heard.insert(pair, now);
        }
    }

    /// Every telephone in a call sends one packet, which names its address.
    fn speak(&mut self) {
        let mut spoken = Vec::new();
        for player in self.players.iter().filter(|player| player.plugged) {
            for call in player
                .actor
                .calls()
                .iter()
                .filter(|call| call.is_alive() && call.answered.is_some())
            {
                if let Some(remote) = call.remote
                    && call.way.sends()
                {
                    spoken.push((call.media, remote.media));
                }
            }
        }
        self.sequence = self.sequence.wrapping_add(1);
        for (own, to) in spoken {
            if !self.media.contains_key(&own)
                && let Ok(socket) = bind(own)
            {
                self.media.insert(own, socket);
            }
            if let Some(socket) = self.media.get(&own) {
                // A packet that is not sent is a lost one.
                let _ = socket.send_to(&packet(self.sequence, own), to);
            }
        }
    }

    fn player(&mut self, who: &Who) -> Result<&mut Player, String> {
        let found = self.players.iter_mut().find(|player| player.who == *who);
        found.ok_or_else(|| format!("there is no {who}"))
    }

    fn view(&self) -> Option<branchline_branch::view::View> {
        Client::connect(&self.daemon.place().control_socket()).ok()?.view().ok()
    }
}

impl Theatre for Loopback {
    fn elapsed(&self) -> Duration {
        clock::now().saturating_duration_since(self.began)
    }

    fn run_until(&mut self, at: Duration) {
        let end = self.began + at;
        while clock::now() < end {
            self.turn(end);
        }
    }

    fn with(&mut self, who: &Who, act: &mut dyn FnMut(&mut Actor, Instant)) -> bool {
        let Ok(player) = self.player(who) else { return false };
        act(&mut player.actor, clock::now());
        flush(player);
        true
    }

    fn order(&mut self, order: &Order) -> Result<(), String> {
        match order {
            Order::Unplug(who) => self.player(who)?.plugged = false,
            Order::Plug(who) => self.player(who)?.plugged = true,
            Order::Crash(who) => {
                let player = self.player(who)?;
                let mut address = player.actor.setup().address;
                address.set_port(address.port().saturating_add(7));
                player.socket = bind(address).map_err(|error| format!("{address}: {error}"))?;
                player.actor.crash(clock::now(), address);
            }
            Order::Takes(who, habit) => habit.apply(self.player(who)?.actor.features_mut()),
            Order::CutHosted => self.hosted.as_mut().ok_or(NO_HOSTED)?.cable = Cable::Out,
            Order::MendHosted => self.hosted.as_mut().ok_or(NO_HOSTED)?.cable = Cable::In,
            Order::HostedTakes(habit) => habit.apply(self.hosted.as_mut().ok_or(NO_HOSTED)?.pbx_mut()),
            Order::Drill(lasts, canary) => {
                let order = HostedOrder::Away {
                    lasts_s: lasts.as_secs(),
                    canary: canary.clone(),
                };
                let client = Client::connect(&self.daemon.place().control_socket());
                let done = client.and_then(|mut client| client.command(&Request::Hosted(order)));
                done.map_err(|fault| fault.to_string())?;
            }
            Order::Restart => self.daemon.restart().map_err(|error| format!("the daemon: {error}"))?,
        }
        Ok(())
    }

    fn records(&mut self) -> Vec<RecordLine> {
        let filter = Filter {
            number: None,
            since_utc_ms: None,
            until_utc_ms: None,
            limit: 100,
            after: None,
        };
        match Records::open_read_only(&self.daemon.place().records()).query(filter, RECORDS_WITHIN) {
            Lookup::Found(page) => page
                .records
                .into_iter()
                .map(|listed| RecordLine {
                    from: listed.record.from.dialled,
                    to: listed.record.to.dialled,
                    outcome: listed.record.outcome.name().to_owned(),
                    talk_ms: listed.record.talk_ms,
                })
                .collect(),
            Lookup::NotFound | Lookup::Unavailable(_) => Vec::new(),
        }
    }

    fn hosted(&mut self) -> Option<(String, usize)> {
        let hosted = self.view()?.hosted?;
        Some((hosted.mode, usize::try_from(hosted.lines_confirmed).unwrap_or(0)))
    }

    fn drill(&mut self) -> Option<String> {
        Some(self.view()?.hosted?.drill?.stage)
    }

    fn calls(&mut self) -> usize {
        self.view().map_or(usize::MAX, |view| view.calls.len())
    }

    fn left(&mut self) -> Option<String> {
        let Some(view) = self.view() else {
            return Some("the daemon does not answer".to_owned());
        };
        let (calls, sessions) = (view.calls.len(), view.counters.sessions);
        (calls > 0 || sessions > 0).then(|| format!("left: {calls} calls, {sessions} sessions"))
    }

    fn hears(&mut self, who: &Who, from: &Who) -> bool {
        let media = |who: &Who| -> Vec<SocketAddr> {
            let player = self.players.iter().find(|player| player.who == *who);
            let calls = player.into_iter().flat_map(|player| player.actor.calls());
            calls.filter(|call| call.is_alive()).map(|call| call.media).collect()
        };
        let (own, other, now) = (media(who), media(from), clock::now());
        let heard = |pair: (SocketAddr, SocketAddr)| {
            self.heard
                .get(&pair)
                .is_some_and(|at| now.saturating_duration_since(*at) < LATELY)
        };
        own.iter().any(|to| other.iter().any(|source| heard((*to, *source))))
    }
}

pub(super) fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(address)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn flush(player: &mut Player) {
    while let Some(bytes) = player.actor.poll_transmit() {
        if player.plugged {
            // What the box does not take is lost, as on any network.
            let _ = player.socket.send_to(&bytes, player.actor.setup().server);
        }
    }
}

/// An RTP packet whose payload is the address of its sender.
fn packet(sequence: u16, own: SocketAddr) -> Vec<u8> {
    let mut packet = vec![0x80, 8];
    packet.extend(sequence.to_be_bytes());
    packet.extend((u32::from(sequence) * 160).to_be_bytes());
    packet.extend(u32::from(own.port()).to_be_bytes());
    packet.extend(own.to_string().into_bytes());
    packet
}

fn source_of(packet: &[u8]) -> Option<SocketAddr> {
    std::str::from_utf8(packet.get(12..)?).ok()?.parse().ok()
}

const NO_HOSTED: &str = "there is no hosted PBX";

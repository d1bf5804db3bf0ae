//! The analog telephones and lines of a board: their machines between the pins, the sound and the daemon.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError};
use std::thread;
use std::time::{Duration, Instant};

use branchline_analog::{Gateway, GatewaySetup, Output, Place, Station, StationSetup, Supervision};
use branchline_board::{Equipment, FxoEvent, FxsEvent};
use branchline_branch::view::FaultView;
use branchline_config::board::{Board, Sound as Wired};
use branchline_config::country::Analog;
use branchline_config::{Config, Extension, ExtensionEntry, Transport, Trunk};
use branchline_media::voice::{ChannelConfig, ChannelEvent, Device as Kind, Gains};
use branchline_route::Tables;
use branchline_sip::{Flow, Transmit};
use branchline_sound::{CardId, Cards, DeviceConfig, DeviceId, Port, Sound, SoundEvent};
use bytes::Bytes;
use embedded_hal::digital::OutputPin;

use super::{News, Wake};

/// What telephones and lines are made from.
pub(super) struct Parts<'p> {
    pub(super) config: &'p Config,
    pub(super) board: &'p Board,
    pub(super) analog: &'static Analog,
    pub(super) news: SyncSender<News>,
    pub(super) wake: Wake,
}

/// All telephones and lines that have an extension or a trunk.
pub(super) struct Telephony {
    devices: Vec<Device>,
    sound: Option<Sound>,
    analog: &'static Analog,
    /// Of the configuration; they stay.
    faults: Vec<FaultView>,
    /// Why a card cannot be used.
    cards: BTreeMap<CardId, String>,
}

struct Device {
    name: String,
    machine: Machine,
    socket: Arc<UdpSocket>,
}

#[expect(clippy::large_enum_variant, reason = "a few devices, and nothing moves them")]
enum Machine {
    Telephone(Station),
    Line(Gateway),
}

/// A device on its way to be one.
struct Plan<'p> {
    name: &'p str,
    wired: &'p Wired,
    kind: Kind,
    role: Role<'p>,
    address: SocketAddr,
}

enum Role<'p> {
    Extension(&'p ExtensionEntry),
    Trunk(&'p Trunk, Supervision),
}

/// What of a configuration the telephones and lines hang on; another needs them made anew.
pub(super) type Roles = (Vec<(Extension, Option<String>)>, Vec<(String, Option<String>)>);

pub(super) fn roles(config: &Config) -> Roles {
    let phones = config.extensions.iter().filter(|entry| entry.phone.is_some());
    let lines = config.trunks.iter().filter(|trunk| trunk.line.is_some());
    (
        phones
            .map(|entry| (entry.number.clone(), entry.phone.clone()))
            .collect(),
        lines.map(|trunk| (trunk.name.clone(), trunk.line.clone())).collect(),
    )
}

impl Telephony {
    /// Opens sockets and cards. What cannot be had is a fault; the rest works.
    pub(super) fn open(now: Instant, parts: &Parts<'_>, cards: impl Cards + 'static) -> Telephony {
        let mut telephony = Telephony {
            devices: Vec::new(),
            sound: None,
            analog: parts.analog,
            faults: Vec::new(),
            cards: BTreeMap::new(),
        };
        let plans = telephony.plans(parts);
        if plans.is_empty() {
            return telephony;
        }
        let configs = plans.iter().map(|plan| plan.sound(parts.analog)).collect();
        match Sound::start(configs, cards) {
            Ok(sound) => {
                for (plan, media) in plans.iter().zip(sound.locals()) {
                    match plan.make(now, parts, *media) {
                        Ok(device) => telephony.devices.push(device),
                        Err(error) => telephony.complain(
                            format!("{} has no way to the daemon: {error}", plan.name),
                            "stop what listens there",
                        ),
                    }
                }
                telephony.sound = Some(sound);
            }
            Err(error) => telephony.complain(
                format!("no sound for telephones and lines: {error}"),
                "look at the log: journalctl -u branchline-board",
            ),
        }
        telephony.listen(parts);
        telephony
    }

    fn plans<'p>(&mut self, parts: &Parts<'p>) -> Vec<Plan<'p>> {
        let board = parts.board;
        let phones = board
            .fxs
            .iter()
            .map(|fxs| (fxs.name.as_str(), &fxs.sound, Kind::Telephone));
        let handsets = board
            .handsets
            .iter()
            .map(|set| (set.name.as_str(), &set.sound, Kind::Handset));
        let phones: Vec<_> = phones.chain(handsets).collect();
        let mut plans = Vec::new();
        for (entry, at) in parts.config.extensions.iter().zip(1..) {
            let Some(wanted) = &entry.phone else { continue };
            let role = format!("phone = \"{wanted}\" of extension {}", entry.number.as_str());
            if let Some((name, wired, kind)) = self.find(&phones, (wanted, &role)) {
                // Any port: the registration tells it.
                let address = SocketAddr::from((Ipv4Addr::new(127, 66, 0, at), 0));
                let role = Role::Extension(entry);
                plans.push(Plan {
                    name,
                    wired,
                    kind,
                    role,
                    address,
                });
            }
        }
        let lines: Vec<_> = board
            .fxo
            .iter()
            .map(|fxo| (fxo.name.as_str(), &fxo.sound, Kind::Line))
            .collect();
        for trunk in &parts.config.trunks {
            let Some(wanted) = &trunk.line else { continue };
            let role = format!("line = \"{wanted}\" of trunk {}", trunk.name);
            let found = self.find(&lines, (wanted, &role));
            let host = trunk.host.parse::<IpAddr>().ok().zip(trunk.port);
            if let (Some((name, wired, kind)), Some(address)) = (found, host) {
                let turns = board.fxo.iter().any(|fxo| fxo.name == name && fxo.reversed.is_some());
                let supervision = if turns {
                    Supervision::Polarity
                } else {
                    Supervision::Time
                };
                let role = Role::Trunk(trunk, supervision);
                plans.push(Plan {
                    name,
                    wired,
                    kind,
                    role,
                    address: address.into(),
                });
            }
        }
        plans
    }

    fn find<'p>(
        &mut self,
        known: &[(&'p str, &'p Option<Wired>, Kind)],
        (wanted, role): (&str, &str),
    ) -> Option<(&'p str, &'p Wired, Kind)> {
        let Some((name, wired, kind)) = known.iter().find(|(name, ..)| *name == wanted) else {
            let names: Vec<&str> = known.iter().map(|(name, ..)| *name).collect();
            let fix = match names.as_slice() {
                [] => "the board has none; choose another board".to_owned(),
                names => format!("the board has: {}", names.join(", ")),
            };
            self.complain(format!("{role}: there is no such device on the board"), fix);
            return None;
        };
        if wired.is_none() {
            let fix = "add sound = { card = \"hw:0\", channel = 0 } to it in the board's file";
            self.complain(format!("{role}: {name} has no sound"), fix);
        }
        wired.as_ref().map(|wired| (*name, wired, *kind))
    }

    fn complain(&mut self, text: String, fix: impl Into<String>) {
        tracing::error!(fault = text, "the board");
        self.faults.push(FaultView { text, fix: fix.into() });
    }

    /// One thread for each socket, which ends with the news that nobody takes.
    fn listen(&mut self, parts: &Parts<'_>) {
        for at in 0..self.devices.len() {
            let (socket, news, wake) = (
                Arc::clone(&self.devices[at].socket),
                parts.news.clone(),
                Arc::clone(&parts.wake),
            );
            let listening = thread::Builder::new()
                .name("sip".to_owned())
                .spawn(move || listen(&socket, at, (&news, &wake)));
            if let Err(error) = listening {
                let name = self.devices[at].name.clone();
                self.complain(format!("{name} does not hear the daemon: {error}"), "restart the box");
            }
        }
    }

    /// What does not work.
    pub(super) fn faults(&self) -> Vec<FaultView> {
        let cards = self.cards.values().map(|fault| FaultView {
            text: fault.clone(),
            fix: "plug it in; it is tried again all the time".to_owned(),
        });
        self.faults.iter().cloned().chain(cards).collect()
    }

    /// Whether every telephone can call and be called.
    pub(super) fn is_served(&self) -> bool {
        !self.devices.is_empty()
            && self.faults.is_empty()
            && self.cards.is_empty()
            && self.devices.iter().all(|device| match &device.machine {
                Machine::Telephone(station) => station.is_ready(),
                Machine::Line(_) => true,
            })
    }

    /// Whether nobody uses a telephone or a line.
    pub(super) fn is_idle(&self) -> bool {
        self.devices.iter().all(|device| device.machine.is_idle())
    }

    /// Another dial plan.
    pub(super) fn handle_tables(&mut self, tables: &Arc<Tables>) {
        for device in &mut self.devices {
            if let Machine::Telephone(station) = &mut device.machine {
                station.handle_tables(Arc::clone(tables));
            }
        }
    }

    pub(super) fn handle_phone(&mut self, now: Instant, (name, event): (&str, FxsEvent)) {
        let device = self.devices.iter_mut().find(|device| device.name == name);
        if let Some(Machine::Telephone(station)) = device.map(|device| &mut device.machine) {
            station.handle_phone(now, event);
        }
    }

    pub(super) fn handle_line(&mut self, now: Instant, (name, event): (&str, FxoEvent)) {
        let device = self.devices.iter_mut().find(|device| device.name == name);
        if let Some(Machine::Line(gateway)) = device.map(|device| &mut device.machine) {
            gateway.handle_line(now, event);
        }
    }

    /// A datagram for one of them.
    pub(super) fn handle_datagram(&mut self, now: Instant, at: usize, (from, bytes): (SocketAddr, &Bytes)) {
        let Some(device) = self.devices.get_mut(at) else { return };
        let Ok(local) = device.socket.local_addr() else { return };
        let flow = Flow::udp(local, from);
        match &mut device.machine {
            Machine::Telephone(station) => station.handle_bytes(now, flow, bytes),
            Machine::Line(gateway) => gateway.handle_bytes(now, flow, bytes),
        }
    }

    /// Time passed; and what the sound has to tell. Whether the faults changed.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> bool {
        let faults = self.cards.len();
        while let Some(event) = self.sound.as_ref().and_then(|sound| sound.event(Duration::ZERO)) {
            match event {
                SoundEvent::Channel { device, event } => self.heard(now, device, &event),
                SoundEvent::CardOpened { card } => {
                    self.cards.remove(&card);
                }
                SoundEvent::CardLost { card, fault } => {
                    tracing::error!(fault, "a sound card is gone");
                    self.cards.insert(card, format!("a sound card is gone: {fault}"));
                }
            }
        }
        for device in &mut self.devices {
            match &mut device.machine {
                Machine::Telephone(station) => station.handle_timeout(now),
                Machine::Line(gateway) => gateway.handle_timeout(now),
            }
        }
        self.cards.len() != faults
    }

    fn heard(&mut self, now: Instant, device: DeviceId, event: &ChannelEvent) {
        match self.devices.get_mut(device.0).map(|device| &mut device.machine) {
            Some(Machine::Telephone(station)) => station.handle_sound(now, event),
            Some(Machine::Line(gateway)) => gateway.handle_sound(now, event),
            None => {}
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do.
    pub(super) fn poll_timeout(&self, now: Instant) -> Option<Instant> {
        self.sound.as_ref()?;
        let listens = now + if self.is_idle() { IDLE_LOOK } else { BUSY_LOOK };
        let machines = self.devices.iter().filter_map(|device| match &device.machine {
            Machine::Telephone(station) => station.poll_timeout(),
            Machine::Line(gateway) => gateway.poll_timeout(),
        });
        machines.chain([listens]).min()
    }

    /// Does what the machines want done.
    pub(super) fn carry_out<P: OutputPin + 'static>(&mut self, now: Instant, equipment: &mut Equipment<P>) {
        for (at, device) in self.devices.iter_mut().enumerate() {
            while let Some(output) = device.machine.poll_output() {
                let sound = self.sound.as_ref();
                let done = match output {
                    Output::Transmit(transmit) => device.send(&transmit),
                    Output::Sound(plan) => sound.is_none_or(|sound| sound.plan(DeviceId(at), plan).is_ok()),
                    Output::Digit(digit) => sound.is_none_or(|sound| sound.digit(DeviceId(at), digit).is_ok()),
                    Output::Ring => equipment
                        .phone(&device.name)
                        .is_some_and(|phone| phone.ring(now, self.analog.ring).is_ok()),
                    Output::StopRinging => equipment
                        .phone(&device.name)
                        .is_some_and(|phone| phone.stop_ringing(now).is_ok()),
                    Output::Polarity(polarity) => equipment
                        .phone(&device.name)
                        .is_some_and(|phone| phone.set_polarity(polarity).is_ok()),
                    Output::Seize => equipment.line(&device.name).is_some_and(|line| line.seize(now).is_ok()),
                    Output::Release => equipment
                        .line(&device.name)
                        .is_some_and(|line| line.release(now).is_ok()),
                };
                if !done {
                    tracing::warn!(name = device.name, "a device did not do what was asked of it");
                }
            }
        }
    }
}

impl Plan<'_> {
    fn sound(&self, analog: &'static Analog) -> DeviceConfig {
        let mut seed = [0; 8];
        // The system's dice are never empty once it has started.
        let _ = getrandom::fill(&mut seed);
        DeviceConfig {
            port: Port {
                card: self.wired.card.clone(),
                channel: self.wired.channel.map(usize::from),
            },
            channel: ChannelConfig {
                analog,
                device: self.kind,
                gains: Gains {
                    microphone_db: f32::from(self.wired.microphone_db),
                    speaker_db: f32::from(self.wired.speaker_db),
                },
                echo_tail_ms: self.wired.echo_tail_ms,
                seed: u64::from_be_bytes(seed),
            },
            address: self.address.ip(),
        }
    }

    fn make(&self, now: Instant, parts: &Parts<'_>, media: SocketAddr) -> io::Result<Device> {
        let socket = UdpSocket::bind(self.address)?;
        socket.set_read_timeout(Some(LISTEN_FOR))?;
        let place = Place {
            sip: socket.local_addr()?,
            branch: branch_address(parts.config).ok_or(io::ErrorKind::AddrNotAvailable)?,
            media,
        };
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(io::Error::from)?;
        let machine = match self.role {
            Role::Extension(entry) => Machine::Telephone(Station::new(
                now,
                StationSetup {
                    number: entry.number.as_str().to_owned(),
                    hashes: entry.hashes.clone(),
                    place,
                    analog: parts.analog,
                    tables: Arc::new(Tables::new(parts.config)),
                    seed,
                },
            )),
            Role::Trunk(trunk, supervision) => Machine::Line(Gateway::new(GatewaySetup {
                number: called(trunk),
                place,
                supervision,
                seed,
            })),
        };
        Ok(Device {
            name: self.name.to_owned(),
            machine,
            socket: Arc::new(socket),
        })
    }
}

/// The number that calls of the exchange are for.
fn called(trunk: &Trunk) -> String {
    let inbound = trunk.inbound.first().map(|inbound| inbound.number.clone());
    inbound
        .or_else(|| trunk.number.clone())
        .unwrap_or_else(|| "0".to_owned())
}

/// Where the daemon takes datagrams of this machine.
fn branch_address(config: &Config) -> Option<SocketAddr> {
    let listens = config.sip.listen.iter();
    let mut udp = listens
        .filter(|listen| listen.transport == Transport::Udp && listen.address.is_ipv4())
        .map(|listen| listen.address);
    let any = udp.clone().find(|address| address.ip().is_unspecified());
    let everywhere = any.map(|address| SocketAddr::from((Ipv4Addr::LOCALHOST, address.port())));
    everywhere.or_else(|| udp.next())
}

impl Device {
    fn send(&self, transmit: &Transmit) -> bool {
        // A daemon that is not there is found out by the silence.
        let _ = self.socket.send_to(&transmit.bytes, transmit.flow.remote);
        true
    }
}

impl Machine {
    fn is_idle(&self) -> bool {
        match self {
            Machine::Telephone(station) => station.is_idle(),
            Machine::Line(gateway) => gateway.is_idle(),
        }
    }

    fn poll_output(&mut self) -> Option<Output> {
        match self {
            Machine::Telephone(station) => station.poll_output(),
            Machine::Line(gateway) => gateway.poll_output(),
        }
    }
}

fn listen(socket: &UdpSocket, device: usize, (news, wake): (&SyncSender<News>, &Wake)) {
    let mut datagram = vec![0; DATAGRAM_BYTES_MAX];
    // The last holder but this one is the device: when that has gone, so has its owner.
    loop {
        let (length, from) = match socket.recv_from(&mut datagram) {
            Ok(received) => received,
            // Nothing came, or a refusal of the daemon's machine came back.
            Err(_) => match news.try_send(News::Listening) {
                Ok(()) | Err(TrySendError::Full(_)) => continue,
                Err(TrySendError::Disconnected(_)) => return,
            },
        };
        let bytes = Bytes::copy_from_slice(&datagram[..length]);
        match news.try_send(News::Datagram { device, from, bytes }) {
            // SIP repeats what is dropped.
            Ok(()) | Err(TrySendError::Full(_)) => wake(),
            Err(TrySendError::Disconnected(_)) => return,
        }
    }
}

/// How often the sound is asked for news: keys of somebody who dials, and of nobody.
const BUSY_LOOK: Duration = Duration::from_millis(10);
const IDLE_LOOK: Duration = Duration::from_millis(100);
/// Then a listener looks whether anybody still wants to hear of it.
const LISTEN_FOR: Duration = Duration::from_millis(500);
const DATAGRAM_BYTES_MAX: usize = 65_535;

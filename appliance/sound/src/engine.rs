//! Cards, channels and RTP, frame by frame; time is an argument, so that a test can be the clock.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use branchline_media::voice::{Channel, ChannelConfig, ChannelEvent, ChannelPlan, FRAME_SAMPLES, Frame};
use thiserror::Error;

use crate::card::{Card, CardError};
use crate::deck::Deck;
use crate::figures::{CardFigures, SoundFigures};
use crate::{DEVICES_MAX, QUEUE_MAX};

/// A device: where its sound is, and what it is.
#[derive(Clone, Debug)]
pub struct DeviceConfig {
    /// Where it hangs.
    pub port: Port,
    /// Tones, gains, echo.
    pub channel: ChannelConfig,
    /// The address its RTP leaves from and comes to.
    pub address: IpAddr,
}

/// A card, and which of its channels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// As the system calls it, such as `hw:CARD=Headset`.
    pub card: String,
    /// Left is 0; none records the first and plays on all.
    pub channel: Option<usize>,
}

/// A device by its place in what the engine was made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceId(pub usize);

/// A card by its place in the figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CardId(pub usize);

/// Something happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SoundEvent {
    /// On a device.
    Channel {
        /// Which
        device: DeviceId,
        /// What
        event: ChannelEvent,
    },
    /// The devices of a card can be heard, for the first time or again.
    CardOpened {
        /// Which
        card: CardId,
    },
    /// The devices of a card are silent until it is back.
    CardLost {
        /// Which
        card: CardId,
        /// Why
        fault: String,
    },
}

/// Why an engine cannot be made.
#[derive(Debug, Error)]
pub enum EngineError {
    /// More than [`DEVICES_MAX`].
    #[error("{0} devices with sound; {DEVICES_MAX} are the most")]
    TooMany(usize),
    /// No port for RTP.
    #[error("no port for RTP on {address}")]
    Socket {
        /// Of the box
        address: IpAddr,
        /// What the system says
        source: std::io::Error,
    },
}

/// All devices with sound.
///
/// Input: [`handle_plan`](Self::handle_plan), [`handle_digit`](Self::handle_digit), [`handle_card`](Self::handle_card),
/// [`handle_packets`](Self::handle_packets) when a socket can be read, and [`handle_frame`](Self::handle_frame) every 20 ms.
/// Output: [`poll_wanted`](Self::poll_wanted), [`poll_lost`](Self::poll_lost), [`poll_event`](Self::poll_event).
pub struct Engine {
    devices: Vec<Device>,
    slots: Vec<Slot>,
    events: VecDeque<SoundEvent>,
    events_dropped: u64,
    lost: VecDeque<Box<dyn Card>>,
}

struct Device {
    channel: Channel,
    slot: usize,
    place: Option<usize>,
    socket: UdpSocket,
    local: SocketAddr,
}

/// A card that is there, or should be.
struct Slot {
    name: String,
    state: State,
    opened: u64,
    fault: Option<String>,
    recorded: Vec<Frame>,
    played: Vec<Frame>,
}

#[expect(clippy::large_enum_variant, reason = "a few cards, and nothing moves them")]
enum State {
    Closed { try_at: Instant },
    Opening,
    Open(Deck),
}

impl Engine {
    /// Binds a port for each device; the cards are asked for by [`Self::poll_wanted`].
    pub fn new(now: Instant, devices: Vec<DeviceConfig>) -> Result<Engine, EngineError> {
        if devices.len() > DEVICES_MAX {
            return Err(EngineError::TooMany(devices.len()));
        }
        let mut engine = Engine {
            devices: Vec::with_capacity(devices.len()),
            slots: Vec::new(),
            events: VecDeque::with_capacity(QUEUE_MAX),
            events_dropped: 0,
            lost: VecDeque::new(),
        };
        for device in devices {
            let slot = engine.slot(now, device.port.card);
            let (socket, local) = bind(device.address).map_err(|source| EngineError::Socket {
                address: device.address,
                source,
            })?;
            engine.devices.push(Device {
                channel: Channel::new(device.channel),
                slot,
                place: device.port.channel,
                socket,
                local,
            });
        }
        Ok(engine)
    }

    /// Where each device's RTP comes to, for its session descriptions.
    #[must_use]
    pub fn locals(&self) -> Vec<SocketAddr> {
        self.devices.iter().map(|device| device.local).collect()
    }

    /// Readable when a packet has come.
    pub fn sockets(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.devices.iter().map(|device| device.socket.as_fd())
    }

    /// The state that is wanted of a device.
    pub fn handle_plan(&mut self, now: Instant, device: DeviceId, plan: ChannelPlan) {
        if let Some(device) = self.devices.get_mut(device.0) {
            device.channel.handle_plan(now, plan);
        }
    }

    /// A key of a device that makes no sound.
    pub fn handle_digit(&mut self, now: Instant, device: DeviceId, digit: char) {
        if let Some(device) = self.devices.get_mut(device.0) {
            device.channel.handle_digit(now, digit);
        }
    }

    /// A card that was wanted, or why it cannot be had; it is wanted again after a second.
    pub fn handle_card(&mut self, now: Instant, card: CardId, opened: Result<Box<dyn Card>, CardError>) {
        let Some(slot) = self.slots.get_mut(card.0) else { return };
        match opened.and_then(Deck::new) {
            Ok(deck) => {
                slot.recorded.resize(deck.capture_channels(), SILENCE);
                slot.played.resize(deck.playback_channels(), SILENCE);
                slot.opened += 1;
                slot.fault = None;
                slot.state = State::Open(deck);
                self.tell(SoundEvent::CardOpened { card });
            }
            Err(error) => {
                let fault = error.to_string();
                slot.state = State::Closed { try_at: now + REOPEN };
                if slot.fault.as_ref() != Some(&fault) {
                    slot.fault = Some(fault.clone());
                    self.tell(SoundEvent::CardLost { card, fault });
                }
            }
        }
    }

    /// Packets that have come; what a stranger sends is dropped.
    pub fn handle_packets(&mut self, now: Instant) {
        self.devices.iter_mut().for_each(|device| device.receive(now));
    }

    /// 20 ms of every device.
    pub fn handle_frame(&mut self, now: Instant) {
        for slot in 0..self.slots.len() {
            let done = self.slots[slot].record();
            self.keep_or_lose(now, slot, done);
        }
        for number in 0..self.devices.len() {
            self.handle_device(now, number);
        }
        for slot in 0..self.slots.len() {
            let done = self.slots[slot].play();
            self.keep_or_lose(now, slot, done);
        }
    }

    /// A card that should be opened now.
    pub fn poll_wanted(&mut self, now: Instant) -> Option<(CardId, String)> {
        let due = |slot: &Slot| matches!(slot.state, State::Closed { try_at } if try_at <= now);
        let number = self.slots.iter().position(due)?;
        let slot = &mut self.slots[number];
        slot.state = State::Opening;
        Some((CardId(number), slot.name.clone()))
    }

    /// A card that is gone; to close it may take a while.
    pub fn poll_lost(&mut self) -> Option<Box<dyn Card>> {
        self.lost.pop_front()
    }

    /// What happened, oldest first.
    pub fn poll_event(&mut self) -> Option<SoundEvent> {
        self.events.pop_front()
    }

    /// Counts and levels up to now.
    #[must_use]
    pub fn figures(&self) -> SoundFigures {
        SoundFigures {
            cards: self.slots.iter().map(Slot::figures).collect(),
            devices: self.devices.iter().map(|device| device.channel.figures()).collect(),
            late_frames: 0,
            events_dropped: self.events_dropped,
        }
    }

    fn slot(&mut self, now: Instant, name: String) -> usize {
        if let Some(known) = self.slots.iter().position(|slot| slot.name == name) {
            return known;
        }
        self.slots.push(Slot {
            name,
            state: State::Closed { try_at: now },
            opened: 0,
            fault: None,
            recorded: Vec::new(),
            played: Vec::new(),
        });
        self.slots.len() - 1
    }

    fn handle_device(&mut self, now: Instant, number: usize) {
        let device = &mut self.devices[number];
        let slot = &mut self.slots[device.slot];
        let recorded = slot.recorded.get(device.place.unwrap_or(0));
        device.channel.handle_microphone(now, recorded.unwrap_or(&SILENCE));
        let mut frame = SILENCE;
        device.channel.fill_speaker(now, &mut frame);
        match device.place {
            Some(place) => slot
                .played
                .iter_mut()
                .skip(place)
                .take(1)
                .for_each(|played| *played = frame),
            None => slot.played.fill(frame),
        }
        if let Some(talk) = device.channel.plan().talk {
            while let Some(packet) = device.channel.poll_packet() {
                // A packet that cannot leave is one that is lost on the way.
                let _ = device.socket.send_to(packet.as_ref(), talk.remote);
            }
        }
        while let Some(event) = self.devices[number].channel.poll_event() {
            self.tell(SoundEvent::Channel {
                device: DeviceId(number),
                event,
            });
        }
    }

    fn keep_or_lose(&mut self, now: Instant, number: usize, done: Result<(), CardError>) {
        let Err(error) = done else { return };
        let slot = &mut self.slots[number];
        let closed = State::Closed { try_at: now + REOPEN };
        if let State::Open(deck) = std::mem::replace(&mut slot.state, closed) {
            self.lost.push_back(deck.into_card());
        }
        let fault = error.to_string();
        slot.fault = Some(fault.clone());
        slot.recorded.fill(SILENCE);
        self.tell(SoundEvent::CardLost {
            card: CardId(number),
            fault,
        });
    }

    fn tell(&mut self, event: SoundEvent) {
        if self.events.len() >= QUEUE_MAX {
            self.events.pop_front();
            self.events_dropped += 1;
        }
        self.events.push_back(event);
    }
}

impl Device {
    fn receive(&mut self, now: Instant) {
        let mut room = [0; DATAGRAM_BYTES_MAX];
        let far = self.channel.plan().talk.map(|talk| talk.remote);
        for _ in 0..DATAGRAMS_MAX {
            match self.socket.recv_from(&mut room) {
                Ok((length, source)) if far == Some(source) => self.channel.handle_packet(now, &room[..length]),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Nothing more; or nobody listens at the far end, which its silence tells.
                Err(_) => return,
            }
        }
    }
}

impl Slot {
    fn record(&mut self) -> Result<(), CardError> {
        match &mut self.state {
            State::Open(deck) => deck.record(&mut self.recorded),
            State::Closed { .. } | State::Opening => Ok(()),
        }
    }

    fn play(&mut self) -> Result<(), CardError> {
        let done = match &mut self.state {
            State::Open(deck) => deck.play(&self.played),
            State::Closed { .. } | State::Opening => Ok(()),
        };
        self.played.fill(SILENCE);
        done
    }

    fn figures(&self) -> CardFigures {
        let figures = match &self.state {
            State::Open(deck) => deck.figures(),
            State::Closed { .. } | State::Opening => CardFigures::default(),
        };
        CardFigures {
            name: self.name.clone(),
            opened: self.opened,
            fault: self.fault.clone(),
            ..figures
        }
    }
}

/// An even port: an odd one is RTCP's (RFC 3550 section 11), and refused by some.
fn bind(address: IpAddr) -> std::io::Result<(UdpSocket, SocketAddr)> {
    for _ in 0..BIND_TRIES {
        let socket = UdpSocket::bind((address, 0))?;
        let local = socket.local_addr()?;
        if local.port().is_multiple_of(2) {
            socket.set_nonblocking(true)?;
            return Ok((socket, local));
        }
    }
    Err(ErrorKind::AddrInUse.into())
}

const SILENCE: Frame = [0; FRAME_SAMPLES];
const REOPEN: Duration = Duration::from_secs(1);
const DATAGRAM_BYTES_MAX: usize = 2048;
/// Of one device at a time; the others must have their turn.
const DATAGRAMS_MAX: usize = 32;
const BIND_TRIES: usize = 64;

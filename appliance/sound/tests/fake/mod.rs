//! A card whose clock is the test, and a far end on loopback.

#![allow(dead_code, reason = "not every test uses all of it")]

use std::f64::consts::TAU;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use branchline_config::country;
use branchline_media::rtp::Rtp;
use branchline_media::tone::level_dbm0;
use branchline_media::voice::{ChannelConfig, ChannelPlan, Device, Gains, Hear, Law, Talk};
use branchline_sdp::Direction;
use branchline_sound::{Card, CardError, CardId, Cards, DeviceConfig, Engine, Port, Shape, Shapes, SoundEvent};
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;
use std::os::fd::AsFd;

/// The card as a test sees it; the engine has the other end.
#[derive(Clone)]
pub(crate) struct FakeCard(Arc<Mutex<Inside>>);

pub(crate) struct Inside {
    shapes: Shapes,
    /// How much faster its clock is.
    ppm: f64,
    /// What each of its microphones hears, in Hz of the true time.
    hums_hz: Vec<f64>,
    seconds: f64,
    recorded: u64,
    unread: Vec<i16>,
    queue: Vec<i16>,
    /// What its loudspeakers played, channel by channel.
    pub(crate) played: Vec<i16>,
    starved: f64,
    pub(crate) runs_empty: bool,
    pub(crate) is_pulled: bool,
    pub(crate) xruns: u64,
}

impl FakeCard {
    pub(crate) fn new(shapes: Shapes, ppm: f64, hums_hz: &[f64]) -> FakeCard {
        FakeCard(Arc::new(Mutex::new(Inside {
            shapes,
            ppm,
            hums_hz: hums_hz.to_vec(),
            seconds: 0.0,
            recorded: 0,
            unread: Vec::new(),
            queue: Vec::new(),
            played: Vec::new(),
            starved: 0.0,
            runs_empty: false,
            is_pulled: false,
            xruns: 0,
        })))
    }

    pub(crate) fn inside(&self) -> MutexGuard<'_, Inside> {
        self.0.lock().unwrap()
    }

    /// Its clock goes on.
    pub(crate) fn advance(&self, time: Duration) {
        let mut card = self.inside();
        card.seconds += time.as_secs_f64();
        let faster = 1.0 + card.ppm / 1e6;
        let capture = card.shapes.capture;
        let due = (card.seconds * faster * f64::from(capture.rate_hz)) as u64;
        for at in card.recorded..due {
            let true_seconds = at as f64 / f64::from(capture.rate_hz) / faster;
            for channel in 0..capture.channels {
                let hz = card.hums_hz.get(channel).copied().unwrap_or(0.0);
                card.unread
                    .push((8000.0 * (TAU * (hz * true_seconds).fract()).sin()) as i16);
            }
        }
        card.recorded = due;
        let playback = card.shapes.playback;
        card.starved += time.as_secs_f64() * faster * f64::from(playback.rate_hz);
        let due = card.starved as usize * playback.channels;
        card.starved = card.starved.fract();
        let taken = due.min(card.queue.len());
        let sound: Vec<i16> = card.queue.drain(..taken).collect();
        card.runs_empty |= taken < due && !card.played.is_empty();
        card.played.extend(sound);
    }
}

struct Held(FakeCard);

impl Held {
    fn check(&self) -> Result<(), CardError> {
        match self.0.inside().is_pulled {
            true => Err(CardError::Gone("No such device".to_owned())),
            false => Ok(()),
        }
    }

    fn check_playback(&self) -> Result<(), CardError> {
        self.check()?;
        let mut card = self.0.inside();
        if std::mem::take(&mut card.runs_empty) {
            card.xruns += 1;
            return Err(CardError::Xrun);
        }
        Ok(())
    }
}

impl Card for Held {
    fn shapes(&self) -> Shapes {
        self.0.inside().shapes
    }

    fn read(&mut self, room: &mut [i16]) -> Result<usize, CardError> {
        self.check()?;
        let mut card = self.0.inside();
        let count = card.unread.len().min(room.len());
        for (place, sample) in room.iter_mut().zip(card.unread.drain(..count)) {
            *place = sample;
        }
        Ok(count)
    }

    fn write(&mut self, samples: &[i16]) -> Result<usize, CardError> {
        self.check_playback()?;
        self.0.inside().queue.extend(samples);
        Ok(samples.len())
    }

    fn queued(&mut self) -> Result<usize, CardError> {
        self.check_playback()?;
        let card = self.0.inside();
        Ok(card.queue.len() / card.shapes.playback.channels)
    }
}

impl Cards for FakeCard {
    fn open(&mut self, _: &str) -> Result<Box<dyn Card>, CardError> {
        let held = Held(self.clone());
        held.check()?;
        // What was recorded while nobody had it is lost.
        self.inside().unread.clear();
        Ok(Box::new(held))
    }
}

pub(crate) fn shape(rate_hz: u32, channels: usize) -> Shape {
    Shape { rate_hz, channels }
}

pub(crate) fn device(card: &str, channel: Option<usize>) -> DeviceConfig {
    DeviceConfig {
        port: Port {
            card: card.to_owned(),
            channel,
        },
        channel: ChannelConfig {
            analog: country::by_code("DE").unwrap().analog,
            device: Device::Handset,
            gains: Gains::default(),
            echo_tail_ms: 0,
            seed: 1,
        },
        address: Ipv4Addr::LOCALHOST.into(),
    }
}

/// A telephone elsewhere: sends a tone by the true time and keeps what it hears.
pub(crate) struct Far {
    socket: UdpSocket,
    /// What it says; 0 is silence.
    pub(crate) hz: f64,
    sent: u32,
    pub(crate) heard: Vec<i16>,
}

impl Far {
    pub(crate) fn new(hz: f64) -> Far {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.set_nonblocking(true).unwrap();
        let (sent, heard) = (0, Vec::new());
        Far {
            socket,
            hz,
            sent,
            heard,
        }
    }

    pub(crate) fn plan(&self) -> ChannelPlan {
        ChannelPlan {
            hear: Hear::Far,
            talk: Some(Talk {
                remote: self.socket.local_addr().unwrap(),
                law: Law::Pcmu,
                telephone_event: None,
                direction: Direction::SendRecv,
            }),
        }
    }

    pub(crate) fn send(&mut self, to: SocketAddr) {
        let mut packet = vec![0x80, 0];
        packet.extend((self.sent as u16).to_be_bytes());
        packet.extend((self.sent * 160).to_be_bytes());
        packet.extend(7u32.to_be_bytes());
        for at in self.sent * 160..(self.sent + 1) * 160 {
            let value = 8000.0 * (TAU * (self.hz * f64::from(at) / 8000.0).fract()).sin();
            packet.push(Law::Pcmu.encode(value as i16));
        }
        self.sent += 1;
        self.socket.send_to(&packet, to).unwrap();
    }

    /// Until something comes, or for so long.
    pub(crate) fn wait(&self, time: Duration) {
        let mut sockets = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
        ppoll(&mut sockets, Some(TimeSpec::from_duration(time)), None).unwrap();
    }

    pub(crate) fn receive(&mut self) {
        let mut room = [0; 500];
        while let Ok(length) = self.socket.recv(&mut room) {
            let rtp = Rtp::parse(&room[..length]).unwrap();
            self.heard
                .extend(rtp.payload.iter().map(|code| Law::Pcmu.decode(*code)));
        }
    }
}

/// An engine whose time is the test's.
pub(crate) struct Bench {
    pub(crate) engine: Engine,
    pub(crate) now: Instant,
    cards: Vec<(String, FakeCard)>,
    pub(crate) told: Vec<SoundEvent>,
}

impl Bench {
    #[expect(
        clippy::disallowed_methods,
        reason = "an Instant can only be made by reading the clock"
    )]
    pub(crate) fn new(devices: Vec<DeviceConfig>, cards: &[(&str, &FakeCard)]) -> Bench {
        let now = Instant::now();
        Bench {
            engine: Engine::new(now, devices).unwrap(),
            now,
            cards: cards
                .iter()
                .map(|(name, card)| ((*name).to_owned(), (*card).clone()))
                .collect(),
            told: Vec::new(),
        }
    }

    /// Time goes on by a frame; each far end talks to the device of its place.
    pub(crate) fn frame(&mut self, fars: &mut [Far]) {
        let locals = self.engine.locals();
        for (far, local) in fars.iter_mut().zip(locals) {
            far.send(local);
        }
        self.now += FRAME;
        for (_, card) in &self.cards {
            card.advance(FRAME);
        }
        self.engine.handle_packets(self.now);
        self.engine.handle_frame(self.now);
        while let Some((CardId(card), name)) = self.engine.poll_wanted(self.now) {
            let known = self.cards.iter_mut().find(|(known, _)| *known == name);
            let opened = known.map_or(Err(CardError::Gone("unknown".to_owned())), |(_, card)| card.open(&name));
            self.engine.handle_card(self.now, CardId(card), opened);
        }
        while self.engine.poll_lost().is_some() {}
        self.told.extend(std::iter::from_fn(|| self.engine.poll_event()));
        fars.iter_mut().for_each(Far::receive);
    }

    pub(crate) fn seconds(&mut self, count: u32, fars: &mut [Far]) {
        for _ in 0..count * 50 {
            self.frame(fars);
        }
    }
}

const FRAME: Duration = Duration::from_millis(20);

/// Frequency and level of the strongest tone, and how many of a hundred parts of the power are in it.
pub(crate) struct Tone {
    pub(crate) hz: f64,
    pub(crate) dbm0: f64,
    pub(crate) purity: f64,
}

/// Looks around a frequency.
pub(crate) fn tone(sound: &[i16], rate_hz: u32, near_hz: f64) -> Tone {
    let power = sound.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>() / sound.len() as f64;
    let part = |hz: f64| {
        let (mut re, mut im) = (0.0, 0.0);
        for (at, sample) in sound.iter().enumerate() {
            let angle = TAU * (hz * at as f64 / f64::from(rate_hz)).fract();
            re += f64::from(*sample) * angle.cos();
            im += f64::from(*sample) * angle.sin();
        }
        2.0 * (re * re + im * im) / (sound.len() as f64).powi(2)
    };
    let best = |around: f64, step: f64| {
        let all = (-40..=40).map(|number| around + f64::from(number) * step);
        all.map(|hz| (hz, part(hz))).max_by(|a, b| a.1.total_cmp(&b.1)).unwrap()
    };
    let (hz, best) = best(best(near_hz, 0.1).0, 0.0025);
    Tone {
        hz,
        dbm0: f64::from(level_dbm0((2.0 * power).sqrt() as f32)),
        purity: 100.0 * best / power.max(1e-9),
    }
}

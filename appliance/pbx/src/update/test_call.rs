//! A call to the box's echo, as a telephone makes one: digest, SIP, sound through the relay, and its record.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use branchline_calldb::{Filter, Lookup, Records};
use branchline_config::{Config, ExtensionEntry, Transport};
use branchline_ladder::{Actor, ActorSetup, Dial, Features, Proof, Reaction, Role, Stage, What};
use branchline_media::rtp::Rtp;
use branchline_update::TestCall;
use bytes::Bytes;

use crate::clock;
use crate::place::Place;

/// A second of sound.
const PACKETS: u16 = 50;
const PACKET_EVERY: Duration = Duration::from_millis(20);
const PACKET_BYTES: usize = 160;
/// After the last packet.
const ECHO_WITHIN: Duration = Duration::from_millis(500);
const ANSWER_WITHIN: Duration = Duration::from_secs(8);
const GOODBYE_WITHIN: Duration = Duration::from_secs(3);
const RECORD_WITHIN: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(100);
const DATAGRAM_BYTES_MAX: usize = 4096;

/// Calls; says why where it cannot.
pub(super) fn make(place: &Place, config: &Config) -> Result<TestCall, String> {
    let number = config.emergency.test_number.clone();
    let number = number.ok_or("there is no test number: set emergency.test_number")?;
    let caller = config.extensions.first().ok_or("there is no extension to call from")?;
    let server = server(config).ok_or("there is no UDP address to call: sip.listen has none")?;
    let began_utc_ms = clock::utc_ms();
    let mut phone = Phone::new(server, caller).map_err(|error| format!("{server}: {error}"))?;
    let mut made = phone.call(&number)?;
    made.recorded = is_recorded(place, (&number, began_utc_ms));
    Ok(made)
}

fn server(config: &Config) -> Option<SocketAddr> {
    let listen = config
        .sip
        .listen
        .iter()
        .find(|listen| listen.transport == Transport::Udp)?;
    let ip = match listen.address.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    Some(SocketAddr::new(ip, listen.address.port()))
}

struct Phone {
    actor: Actor,
    signalling: UdpSocket,
    sound: UdpSocket,
    server: SocketAddr,
    seed: u64,
}

impl Phone {
    fn new(server: SocketAddr, caller: &ExtensionEntry) -> io::Result<Phone> {
        let bind = || UdpSocket::bind((server.ip(), 0));
        let (signalling, sound) = (bind()?, bind()?);
        signalling.set_nonblocking(true)?;
        sound.set_nonblocking(true)?;
        let mut seed = [0; 8];
        getrandom::fill(&mut seed)?;
        let seed = u64::from_le_bytes(seed);
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let actor = Actor::new(ActorSetup {
            role: Role::Phone,
            number: caller.number.as_str().to_owned(),
            password: Proof::Hashes {
                md5: caller.hashes.md5.map(|hash| hex(&hash)),
                sha256: caller.hashes.sha256.map(|hash| hex(&hash)),
            },
            address: signalling.local_addr()?,
            media: sound.local_addr()?,
            server,
            transport: branchline_sip::Transport::Udp,
            seed,
            reaction: Reaction::default(),
            features: Features::default(),
        });
        Ok(Phone {
            actor,
            signalling,
            sound,
            server,
            seed,
        })
    }

    fn call(&mut self, number: &str) -> Result<TestCall, String> {
        let call = self.actor.dial(clock::now(), &Dial::new(number));
        let stage = |phone: &Phone| phone.actor.call(call).map(|call| call.stage);
        self.wait(ANSWER_WITHIN, |phone| stage(phone) != Some(Stage::Inviting));
        match stage(self) {
            Some(Stage::Up) => {}
            Some(Stage::Over { status, .. }) => return Err(format!("{number} is refused with {status}")),
            Some(Stage::Inviting | Stage::Ringing) | None => return Err(format!("{number} does not answer")),
        }
        let remote = self.actor.call(call).and_then(|call| call.remote);
        let to = remote.ok_or("the answer describes no sound")?.media;
        let made = self.talk(to);
        self.actor.hang_up(clock::now(), call);
        self.wait(GOODBYE_WITHIN, |phone| {
            let heard = std::iter::from_fn(|| phone.actor.poll_heard());
            heard
                .into_iter()
                .any(|heard| matches!(heard.what, What::Response { method, .. } if method == "BYE"))
        });
        Ok(made)
    }

    /// Sends sound that no two packets have alike, and counts what comes back as it was.
    fn talk(&mut self, to: SocketAddr) -> TestCall {
        let began = clock::now();
        let mut sent: Vec<Instant> = Vec::new();
        let mut took: Vec<Option<Duration>> = vec![None; usize::from(PACKETS)];
        let end = began + PACKET_EVERY * u32::from(PACKETS) + ECHO_WITHIN;
        while clock::now() < end && took.iter().any(Option::is_none) {
            let now = clock::now();
            let n = u16::try_from(sent.len()).unwrap_or(PACKETS);
            if n < PACKETS && now >= began + PACKET_EVERY * u32::from(n) {
                // One that the system does not take is a lost one.
                let _ = self.sound.send_to(&self.packet(n), to);
                sent.push(now);
            }
            self.receive_sound((&sent, &mut took));
            self.turn();
            std::thread::park_timeout(Duration::from_millis(1));
        }
        let mut returned: Vec<Duration> = took.into_iter().flatten().collect();
        returned.sort();
        let median = returned.get(returned.len() / 2).copied().unwrap_or_default();
        TestCall {
            sent: u32::from(PACKETS),
            returned: u32::try_from(returned.len()).unwrap_or(0),
            round_trip_us: u32::try_from(median.as_micros()).unwrap_or(u32::MAX),
            recorded: false,
        }
    }

    fn receive_sound(&self, (sent, took): (&[Instant], &mut [Option<Duration>])) {
        let mut buffer = [0; DATAGRAM_BYTES_MAX];
        while let Ok((length, _)) = self.sound.recv_from(&mut buffer) {
            let Some(packet) = Rtp::parse(&buffer[..length]) else {
                continue;
            };
            let same = (0..sent.len()).find(|n| took[*n].is_none() && self.payload(*n as u16) == packet.payload);
            if let Some(n) = same {
                took[n] = Some(clock::now().saturating_duration_since(sent[n]));
            }
        }
    }

    fn packet(&self, n: u16) -> Vec<u8> {
        let mut packet = vec![0x80, 8];
        packet.extend(n.to_be_bytes());
        packet.extend((u32::from(n) * PACKET_BYTES as u32).to_be_bytes());
        packet.extend((self.seed as u32).to_be_bytes());
        packet.extend(self.payload(n));
        packet
    }

    fn payload(&self, n: u16) -> Vec<u8> {
        let mut state = self.seed ^ (u64::from(n) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let next = |_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as u8
        };
        (0..PACKET_BYTES).map(next).collect()
    }

    fn wait(&mut self, within: Duration, mut is_there: impl FnMut(&mut Phone) -> bool) {
        let end = clock::now() + within;
        while clock::now() < end && !is_there(self) {
            self.turn();
            std::thread::park_timeout(Duration::from_millis(2));
        }
    }

    fn turn(&mut self) {
        let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
        while let Ok((length, _)) = self.signalling.recv_from(&mut buffer) {
            self.actor
                .handle_message(clock::now(), Bytes::copy_from_slice(&buffer[..length]));
        }
        let now = clock::now();
        if self.actor.poll_timeout().is_some_and(|at| at <= now) {
            self.actor.handle_timeout(now);
        }
        while let Some(bytes) = self.actor.poll_transmit() {
            // What the box does not take is sent again.
            let _ = self.signalling.send_to(&bytes, self.server);
        }
    }
}

fn is_recorded(place: &Place, (number, since_utc_ms): (&str, i64)) -> bool {
    let end = clock::now() + RECORD_WITHIN;
    loop {
        let filter = Filter {
            number: Some(number.to_owned()),
            since_utc_ms: Some(since_utc_ms),
            until_utc_ms: None,
            limit: 1,
            after: None,
        };
        match Records::open_read_only(&place.records()).query(filter, RECORD_WITHIN) {
            Lookup::Found(page) if !page.records.is_empty() => return true,
            Lookup::Found(_) | Lookup::NotFound | Lookup::Unavailable(_) if clock::now() >= end => return false,
            Lookup::Found(_) | Lookup::NotFound | Lookup::Unavailable(_) => std::thread::park_timeout(LOOK_EVERY),
        }
    }
}

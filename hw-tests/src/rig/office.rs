//! The telephones of the branch, on real sockets.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use branchline_ladder::{Actor, ActorSetup, Dial, Features, Heard, Proof, Reaction, Role, Stage};
use branchline_sip::Transport;
use bytes::Bytes;

use super::namespace::Namespace;
use super::sound::{Listener, Tone};
use super::{BOX_INSIDE, sip};
use crate::{Fault, clock};

/// All telephones.
pub struct Office {
    /// In order of their extensions, from 201 on.
    pub telephones: Vec<Telephone>,
    /// How calls ended that were not answered.
    pub refusals: Vec<String>,
}

/// One telephone that answers at once and sounds a tone of its own into its calls.
pub struct Telephone {
    /// What it does.
    pub actor: Actor,
    /// What it saw since it was last asked.
    pub heard: Vec<Heard>,
    sip: UdpSocket,
    rtp: UdpSocket,
    next_packet: Instant,
    sequence: u16,
    last_sound: Option<Instant>,
    longest_gap: Duration,
    tone: Tone,
    listener: Listener,
}

/// What a telephone registers with.
#[derive(Clone, Debug)]
pub struct Account {
    /// Its extension.
    pub number: String,
    /// As the box knows it.
    pub password: String,
}

impl Account {
    pub(super) fn of(number: &str) -> Account {
        Account {
            number: number.to_owned(),
            password: format!("secret-{number}"),
        }
    }
}

/// A packet of sound every so often.
const PACKET: Duration = Duration::from_millis(20);
const BYTES_MAX: usize = 65_536;
static STARTS: AtomicU16 = AtomicU16::new(0);

impl Office {
    pub(crate) fn new(namespace: &Namespace, accounts: &[Account]) -> Result<Office, Fault> {
        // As after each start of a telephone, its Call-IDs are new: the box would take those of before for old news.
        let start = u64::from(STARTS.fetch_add(1, Ordering::Relaxed)) << 48 | u64::from(std::process::id()) << 32;
        let mut telephones = Vec::new();
        for (place, account) in (11..).zip(accounts) {
            let ip = Ipv4Addr::new(10, 98, 0, place);
            let sockets = namespace.inside(move || Ok((UdpSocket::bind(sip(ip))?, UdpSocket::bind((ip, 4000))?)))?;
            let (sip_socket, rtp) = sockets.map_err(Fault::system("a telephone's sockets"))?;
            for socket in [&sip_socket, &rtp] {
                socket.set_nonblocking(true).map_err(Fault::system("a socket"))?;
            }
            telephones.push(Telephone {
                actor: Actor::new(setup(account, ip, start)),
                heard: Vec::new(),
                sip: sip_socket,
                rtp,
                next_packet: clock::now(),
                sequence: 0,
                last_sound: None,
                longest_gap: Duration::ZERO,
                tone: Tone::of(telephones.len()),
                listener: Listener::default(),
            });
        }
        Ok(Office {
            telephones,
            refusals: Vec::new(),
        })
    }

    pub(crate) fn register_all(&mut self) -> Result<(), Fault> {
        for telephone in &mut self.telephones {
            telephone.actor.register(clock::now());
        }
        let all = |office: &Office| {
            let known = |telephone: &Telephone| telephone.actor.registered_until().is_some();
            office.telephones.iter().all(known)
        };
        if self.run(Duration::from_secs(10), all) {
            Ok(())
        } else {
            Err(Fault::Late("not every telephone registered".to_owned()))
        }
    }

    /// Lets the telephones live until `done`, or for `time`; says whether it was done.
    pub fn run(&mut self, time: Duration, mut done: impl FnMut(&Office) -> bool) -> bool {
        let end = clock::now() + time;
        loop {
            for telephone in &mut self.telephones {
                telephone.turn();
            }
            if done(self) {
                return true;
            }
            if clock::now() >= end {
                return false;
            }
            clock::pause(Duration::from_micros(500));
        }
    }

    /// One telephone calls another; the time until it is answered, `None` if it is not within `patience`.
    pub fn call(&mut self, from: usize, to: usize, patience: Duration) -> Option<Duration> {
        let number = self.telephones[to].actor.setup().number.clone();
        let began = clock::now();
        let call = self.telephones[from].actor.dial(began, &Dial::new(&number));
        let stage = |office: &Office| office.telephones[from].actor.call(call).map(|call| call.stage);
        let is_decided = |office: &Office| matches!(stage(office), None | Some(Stage::Up | Stage::Over { .. }));
        self.run(patience, is_decided);
        let took = clock::now() - began;
        match stage(self) {
            Some(Stage::Up) => Some(took),
            Some(Stage::Over { status, .. }) => {
                self.refusals.push(format!("{status} after {} ms", took.as_millis()));
                None
            }
            Some(Stage::Inviting | Stage::Ringing) | None => {
                self.refusals.push(format!("nothing after {} ms", took.as_millis()));
                None
            }
        }
    }

    /// One telephone calls another, which may let it ring.
    pub fn ring(&mut self, from: usize, to: usize) {
        let number = self.telephones[to].actor.setup().number.clone();
        self.telephones[from].actor.dial(clock::now(), &Dial::new(&number));
    }

    /// One telephone hangs up all its calls, and nobody is left in one.
    pub fn hang_up(&mut self, who: usize) -> bool {
        let telephone = &mut self.telephones[who];
        let live: Vec<_> = telephone
            .actor
            .calls()
            .iter()
            .filter(|call| call.is_alive())
            .map(|call| call.handle)
            .collect();
        for call in live {
            telephone.actor.hang_up(clock::now(), call);
        }
        self.run(Duration::from_secs(3), |office| {
            office.telephones[who].actor.live_call().is_none()
        })
    }

    /// Measures sound anew from now on.
    pub fn listen_anew(&mut self) {
        for telephone in &mut self.telephones {
            (telephone.last_sound, telephone.longest_gap) = (None, Duration::ZERO);
            telephone.listener = Listener::default();
        }
    }

    /// The longest silence that a telephone heard, up to now.
    #[must_use]
    pub fn longest_gap(&self, who: usize) -> Duration {
        let telephone = &self.telephones[who];
        let open = telephone.last_sound.map_or(Duration::MAX, |at| clock::now() - at);
        telephone.longest_gap.max(open)
    }

    /// How much of what one telephone heard lately is the tone of another, 0 to 1.
    #[must_use]
    pub fn share_heard(&self, who: usize, of: usize) -> f64 {
        self.telephones[who].listener.share(&self.telephones[of].tone)
    }
}

impl Telephone {
    /// A call of it is answered.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.actor.live_call().is_some_and(|call| call.stage == Stage::Up)
    }

    fn turn(&mut self) {
        let mut buffer = [0; BYTES_MAX];
        while let Ok(length) = self.sip.recv(&mut buffer) {
            self.actor
                .handle_message(clock::now(), Bytes::copy_from_slice(&buffer[..length]));
        }
        if self.actor.poll_timeout().is_some_and(|at| at <= clock::now()) {
            self.actor.handle_timeout(clock::now());
        }
        while let Some(bytes) = self.actor.poll_transmit() {
            // What the box does not take is lost, as on any network.
            let _ = self.sip.send_to(&bytes, self.actor.setup().server);
        }
        self.heard.extend(std::iter::from_fn(|| self.actor.poll_heard()));
        self.speak();
        while let Ok(length) = self.rtp.recv(&mut buffer) {
            let now = clock::now();
            self.listener.hear(&buffer[..length]);
            if let Some(last) = self.last_sound.replace(now) {
                self.longest_gap = self.longest_gap.max(now - last);
            }
        }
    }

    fn speak(&mut self) {
        let remote = self
            .actor
            .live_call()
            .filter(|call| call.stage == Stage::Up)
            .and_then(|call| call.remote);
        let Some(remote) = remote else { return };
        let now = clock::now();
        if self.next_packet > now {
            return;
        }
        self.next_packet = (self.next_packet + PACKET).max(now);
        self.sequence = self.sequence.wrapping_add(1);
        let mut packet = vec![0x80, 8];
        packet.extend(self.sequence.to_be_bytes());
        packet.extend((u32::from(self.sequence) * 160).to_be_bytes());
        packet.extend([0, 0, 0, 7]);
        packet.extend(self.tone.next_packet());
        let _ = self.rtp.send_to(&packet, remote.media);
    }
}

fn setup(account: &Account, ip: Ipv4Addr, start: u64) -> ActorSetup {
    ActorSetup {
        role: Role::Phone,
        number: account.number.clone(),
        password: Proof::Password(account.password.clone()),
        address: sip(ip),
        media: SocketAddr::from((ip, 4000)),
        server: sip(BOX_INSIDE),
        transport: Transport::Udp,
        seed: start | u64::from(ip.to_bits()),
        reaction: Reaction {
            provisional: None,
            finally: Some((Duration::ZERO, 200)),
        },
        features: Features::default(),
    }
}

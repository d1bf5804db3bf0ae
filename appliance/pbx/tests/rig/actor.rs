//! A telephone, or a provider, of the ladder language on a socket of its own, for calls that last as long as a test wants.

use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use branchline_ladder::{Actor, ActorSetup, CallHandle, Dial, Features, Reaction, Role, Stage};
use branchline_sip::Transport;
use bytes::Bytes;

use super::clock;

const WITHIN: Duration = Duration::from_secs(10);
const TURN: Duration = Duration::from_millis(5);

type Deed = Box<dyn FnOnce(&mut Actor) + Send>;

/// Runs on a thread until it is dropped.
pub struct Player {
    deeds: Option<Sender<Deed>>,
    thread: Option<JoinHandle<()>>,
}

impl Player {
    /// A telephone that registers.
    pub fn phone(server: SocketAddr, address: SocketAddr, (number, password): (&str, &str)) -> Player {
        let player = Player::start(setup(server, address, (Role::Phone, number, password)));
        player.with(|actor| actor.register(clock::now()));
        player
    }

    /// A provider without registration that answers each call at once.
    pub fn provider(server: SocketAddr, address: SocketAddr) -> Player {
        let mut setup = setup(server, address, (Role::Trunk, "provider", ""));
        setup.reaction = Reaction {
            provisional: None,
            finally: Some((Duration::ZERO, 200)),
        };
        Player::start(setup)
    }

    fn start(setup: ActorSetup) -> Player {
        let socket = UdpSocket::bind(setup.address).expect("an address of the test's own");
        socket.set_read_timeout(Some(TURN)).expect("a span above zero");
        let (deeds, waiting) = channel();
        let thread = std::thread::spawn(move || play(Actor::new(setup), &socket, &waiting));
        Player {
            deeds: Some(deeds),
            thread: Some(thread),
        }
    }

    /// Dials, and waits until it is answered.
    pub fn call(&self, number: &str) -> CallHandle {
        let number = number.to_owned();
        let call = self.with(move |actor| actor.dial(clock::now(), &Dial::new(&number)));
        clock::wait_for("an answer", WITHIN, || {
            self.stage(call).filter(|stage| *stage == Stage::Up)
        });
        call
    }

    /// Hangs up, and waits until that is answered.
    pub fn hang_up(&self, call: CallHandle) {
        self.with(move |actor| actor.hang_up(clock::now(), call));
        clock::wait_for("the end of the call", WITHIN, || (!self.is_up(call)).then_some(()));
    }

    /// Whether a call is up.
    pub fn is_up(&self, call: CallHandle) -> bool {
        self.stage(call) == Some(Stage::Up)
    }

    fn stage(&self, call: CallHandle) -> Option<Stage> {
        self.with(move |actor| actor.call(call).map(|call| call.stage))
    }

    fn with<T: Send + 'static>(&self, deed: impl FnOnce(&mut Actor) -> T + Send + 'static) -> T {
        let (answer, answered) = channel();
        let deeds = self.deeds.as_ref().expect("until it is dropped");
        let deed = Box::new(move |actor: &mut Actor| drop(answer.send(deed(actor))));
        deeds.send(deed).expect("the thread runs");
        answered.recv_timeout(WITHIN).expect("the thread answers")
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        drop(self.deeds.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn setup(server: SocketAddr, address: SocketAddr, (role, number, password): (Role, &str, &str)) -> ActorSetup {
    let mut media = address;
    media.set_port(4000);
    ActorSetup {
        role,
        number: number.to_owned(),
        password: password.to_owned().into(),
        address,
        media,
        server,
        transport: Transport::Udp,
        seed: u64::from(address.port()),
        reaction: Reaction::default(),
        features: Features::default(),
    }
}

fn play(mut actor: Actor, socket: &UdpSocket, deeds: &Receiver<Deed>) {
    let mut buffer = [0; 4096];
    loop {
        loop {
            match deeds.try_recv() {
                Ok(deed) => deed(&mut actor),
                Err(std::sync::mpsc::TryRecvError::Empty) => break,
                Err(std::sync::mpsc::TryRecvError::Disconnected) => return,
            }
        }
        let now = clock::now();
        if actor.poll_timeout().is_some_and(|at| at <= now) {
            actor.handle_timeout(now);
        }
        while let Some(bytes) = actor.poll_transmit() {
            let _ = socket.send_to(&bytes, actor.setup().server);
        }
        if let Ok((length, _)) = socket.recv_from(&mut buffer) {
            actor.handle_message(clock::now(), Bytes::copy_from_slice(&buffer[..length]));
        }
    }
}

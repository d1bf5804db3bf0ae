//! The box's end: connect, say hello, send the journal, take what the cloud wants.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use branchline_journal::Entry;
use branchline_wire::VERSIONS;
use branchline_wire::v1::{
    Applied, BoxId, Certificate, Command, Down, Health, Hello, Outcome, Refusal, SignedGeneration, Tail, Up, Welcome,
};
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::SeedableRng;
use uuid::Uuid;

use crate::{Backoff, Commands, Feed, Found, JournalState, Pace, Read, Verdict};

/// A connection or an answer that takes longer is given up.
const PATIENCE: Duration = Duration::from_secs(20);
/// Silence after which the cloud is asked whether it is there.
const QUIET: Duration = Duration::from_secs(30);
/// A session that lasted so long ends the growth of the pauses.
const HELD: Duration = Duration::from_secs(60);
/// Messages that a shell may leave unsent; above it nothing more is read from the journal.
const UNSENT_MAX: usize = 64;

/// What is fixed for one run of the program.
#[derive(Clone, Debug)]
pub struct BoxEndConfig {
    /// Which box.
    pub this: BoxId,
    /// This start of the program.
    pub boot: Uuid,
    /// Version of the program.
    pub software: String,
    /// Entries in a second while catching up.
    pub entries_per_s: u32,
    /// For the pauses between connections.
    pub seed: [u8; 32],
}

/// The time of day as the box knows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WallClock {
    /// Unix time, ms.
    pub utc_ms: i64,
    /// Whether it comes from a time service.
    pub trusted: bool,
}

/// What the shell shall do.
#[derive(Clone, Debug, PartialEq)]
pub enum BoxOutput {
    /// Connect; answer with [`BoxEnd::handle_connected`] or [`BoxEnd::handle_lost`].
    Connect,
    /// Close the connection.
    Disconnect,
    /// Send this.
    Send(Up),
    /// Look what the journal has there; answer with [`BoxEnd::handle_found`].
    Find(Tail),
    /// Read the journal; answer with [`BoxEnd::handle_read`].
    Read(Read),
    /// The cloud has everything up to here.
    Acked(Tail),
    /// Say how the box is; answer with [`BoxEnd::handle_health`].
    TellHealth,
    /// Check and apply; answer with [`BoxEnd::handle_applied`].
    Apply(Box<SignedGeneration>),
    /// Carry out; answer with [`BoxEnd::handle_outcome`].
    Run(Command),
    /// Keep the new certificate.
    Certificate(Certificate),
}

/// Why a connection is no more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// It could not be made, or broke.
    #[error("{0}")]
    Broken(String),
    /// No answer within 20 s.
    #[error("the cloud did not answer for {} s", PATIENCE.as_secs())]
    Silent,
    /// The cloud does not want this box.
    #[error("the cloud refuses this box: {}", .0.problem)]
    Refused(Refusal),
    /// The cloud broke the protocol.
    #[error("the cloud {0}")]
    Protocol(&'static str),
}

/// Why the end wants to be woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It is time to connect again.
    Connect,
    /// An answer is overdue.
    Patience,
    /// It is time to ask whether the cloud is there.
    Quiet,
    /// It is time to say how the box is.
    Health,
    /// More of the journal may go.
    Pace,
}

/// Where the end is, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Waiting to connect again.
    Waiting,
    /// On the way to a session.
    Connecting,
    /// In a session.
    Up,
}

enum State {
    Waiting { until: Instant },
    Connecting { give_up_at: Instant },
    Greeting { give_up_at: Instant },
    Finding { welcome: Welcome },
    Up(Box<Session>),
}

struct Session {
    feed: Feed,
    began: Instant,
    heard: Instant,
    /// When an answer to our ping is overdue.
    ping: Option<Instant>,
    health_every: Duration,
    health_at: Instant,
}

/// The box's end of the link.
///
/// Happenings: [`handle_connected`](Self::handle_connected), [`handle_lost`](Self::handle_lost),
/// [`handle_message`](Self::handle_message), [`handle_journal`](Self::handle_journal),
/// [`handle_urgent`](Self::handle_urgent), [`handle_timeout`](Self::handle_timeout). Answers to outputs:
/// [`handle_found`](Self::handle_found), [`handle_read`](Self::handle_read), [`handle_health`](Self::handle_health),
/// [`handle_applied`](Self::handle_applied), [`handle_outcome`](Self::handle_outcome).
pub struct BoxEnd {
    config: BoxEndConfig,
    state: State,
    journal: JournalState,
    generation: u64,
    clock: WallClock,
    commands: Commands,
    backoff: Backoff,
    rng: ChaCha12Rng,
    lost: Option<Lost>,
    outputs: VecDeque<BoxOutput>,
}

impl BoxEnd {
    /// Connects as soon as it is polled. `generation` is the one in force.
    #[must_use]
    pub fn new(now: Instant, config: BoxEndConfig, journal: JournalState, generation: u64) -> Self {
        BoxEnd {
            rng: ChaCha12Rng::from_seed(config.seed),
            config,
            state: State::Waiting { until: now },
            journal,
            generation,
            clock: WallClock::default(),
            commands: Commands::default(),
            backoff: Backoff::default(),
            lost: None,
            outputs: VecDeque::new(),
        }
    }

    /// The wall clock of the box, told to the cloud in the next hello.
    pub fn handle_clock(&mut self, clock: WallClock) {
        self.clock = clock;
    }

    /// The connection stands.
    pub fn handle_connected(&mut self, now: Instant) {
        if !matches!(self.state, State::Connecting { .. }) {
            return;
        }
        self.state = State::Greeting {
            give_up_at: now + PATIENCE,
        };
        self.send(Up::Hello(Hello {
            versions: VERSIONS.to_vec(),
            this: self.config.this,
            boot: self.config.boot,
            software: self.config.software.clone(),
            tail: self.journal.tail,
            first_seq: self.journal.first_seq,
            generation: self.generation,
            utc_ms: self.clock.utc_ms,
            clock_trusted: self.clock.trusted,
        }));
    }

    /// The connection could not be made or is no more.
    pub fn handle_lost(&mut self, now: Instant, why: Lost) {
        let asked = match &why {
            Lost::Refused(refusal) => {
                // Only a person can change it: asking seldom does no harm, and nobody has to visit the box afterwards.
                let s = refusal.retry_after_s.map_or(crate::BACKOFF_MAX.as_secs(), u64::from);
                Duration::from_secs(s.min(crate::BACKOFF_MAX.as_secs() * 12))
            }
            Lost::Broken(_) | Lost::Silent | Lost::Protocol(_) => Duration::ZERO,
        };
        if let State::Up(session) = &self.state
            && now.saturating_duration_since(session.began) >= HELD
        {
            self.backoff.reset();
        }
        let pause = self.backoff.next(&mut self.rng, asked);
        self.state = State::Waiting { until: now + pause };
        self.lost = Some(why);
        self.outputs.retain(|output| {
            matches!(
                output,
                BoxOutput::Acked(_) | BoxOutput::Apply(_) | BoxOutput::Run(_) | BoxOutput::Certificate(_)
            )
        });
    }

    /// The cloud said something.
    pub fn handle_message(&mut self, now: Instant, message: Down) {
        if let State::Up(session) = &mut self.state {
            session.heard = now;
            session.ping = None;
        }
        match message {
            Down::Welcome(welcome) => self.welcomed(now, welcome),
            Down::Refused(refusal) => self.give_up(now, Lost::Refused(refusal)),
            Down::Ack(ack) => self.acked(now, ack.up_to),
            Down::Desired(signed) => self.outputs.push_back(BoxOutput::Apply(signed)),
            Down::Command(command) => match self.commands.handle_command(command) {
                Verdict::Run(command) => self.outputs.push_back(BoxOutput::Run(command)),
                Verdict::Underway => {}
                Verdict::Tell(outcome) => self.send(Up::Outcome(outcome)),
            },
            Down::Certificate(certificate) => self.outputs.push_back(BoxOutput::Certificate(certificate)),
            Down::Ping => self.send(Up::Pong),
            Down::Pong | Down::Unknown(_) => {}
        }
    }

    /// The journal grew or was trimmed.
    pub fn handle_journal(&mut self, journal: JournalState) {
        self.journal = journal;
    }

    /// An entry that should not wait for its turn; without a session it does.
    pub fn handle_urgent(&mut self, entry: Entry) {
        if matches!(self.state, State::Up(_)) {
            self.send(Up::Urgent(Box::new(entry)));
        }
    }

    /// What the journal has at the place that was asked for.
    pub fn handle_found(&mut self, now: Instant, found: Found) {
        let State::Finding { welcome } = &self.state else {
            return;
        };
        let welcome = welcome.clone();
        self.begin(now, &welcome, Some(found));
    }

    /// What was read of the journal.
    pub fn handle_read(&mut self, entries: Vec<Entry>) {
        if let State::Up(session) = &mut self.state
            && let Some(entries) = session.feed.handle_read(entries)
        {
            self.send(Up::Entries(entries));
        }
    }

    /// How the box is.
    pub fn handle_health(&mut self, mut health: Health) {
        if let State::Up(session) = &self.state {
            health.unsent = session.feed.unsent(self.journal);
            self.send(Up::Health(health));
        }
    }

    /// What became of a generation. The cloud asks again in the next session when this does not arrive.
    pub fn handle_applied(&mut self, applied: Applied) {
        if applied.refused.is_none() {
            self.generation = self.generation.max(applied.generation);
        }
        if matches!(self.state, State::Up(_)) {
            self.send(Up::Applied(applied));
        }
    }

    /// What became of a command. The cloud asks again in the next session when this does not arrive.
    pub fn handle_outcome(&mut self, outcome: Outcome) {
        self.commands.handle_outcome(&outcome);
        if matches!(self.state, State::Up(_)) {
            self.send(Up::Outcome(outcome));
        }
    }

    /// Time passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        match &mut self.state {
            State::Waiting { until } => {
                if now >= *until {
                    self.state = State::Connecting {
                        give_up_at: now + PATIENCE,
                    };
                    self.outputs.push_back(BoxOutput::Connect);
                }
            }
            State::Connecting { give_up_at } | State::Greeting { give_up_at } => {
                if now >= *give_up_at {
                    self.give_up(now, Lost::Silent);
                }
            }
            State::Finding { .. } => {}
            State::Up(session) => {
                if session.ping.is_some_and(|due| now >= due) {
                    self.give_up(now, Lost::Silent);
                    return;
                }
                let asks = session.ping.is_none() && now >= session.heard + QUIET;
                let tells = now >= session.health_at;
                if asks {
                    session.ping = Some(now + PATIENCE);
                }
                if tells {
                    session.health_at = now + session.health_every;
                }
                if asks {
                    self.send(Up::Ping);
                }
                if tells {
                    self.outputs.push_back(BoxOutput::TellHealth);
                }
            }
        }
    }

    /// What to do next.
    pub fn poll_output(&mut self, now: Instant) -> Option<BoxOutput> {
        if self.outputs.len() < UNSENT_MAX
            && let State::Up(session) = &mut self.state
            && let Some(read) = session.feed.poll_read(now, self.journal)
        {
            self.outputs.push_back(BoxOutput::Read(read));
        }
        self.outputs.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout), and why.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<(Instant, Reason)> {
        match &self.state {
            State::Waiting { until } => Some((*until, Reason::Connect)),
            State::Connecting { give_up_at } | State::Greeting { give_up_at } => Some((*give_up_at, Reason::Patience)),
            State::Finding { .. } => None,
            State::Up(session) => {
                let alive = match session.ping {
                    Some(due) => (due, Reason::Patience),
                    None => (session.heard + QUIET, Reason::Quiet),
                };
                let pace = session.feed.poll_timeout(self.journal).map(|at| (at, Reason::Pace));
                [Some(alive), Some((session.health_at, Reason::Health)), pace]
                    .into_iter()
                    .flatten()
                    .min_by_key(|(at, _)| *at)
            }
        }
    }

    /// Where it is, for people.
    #[must_use]
    pub fn progress(&self) -> Progress {
        match self.state {
            State::Waiting { .. } => Progress::Waiting,
            State::Connecting { .. } | State::Greeting { .. } | State::Finding { .. } => Progress::Connecting,
            State::Up(_) => Progress::Up,
        }
    }

    /// Why the last connection ended.
    #[must_use]
    pub fn lost(&self) -> Option<&Lost> {
        self.lost.as_ref()
    }

    fn welcomed(&mut self, now: Instant, welcome: Welcome) {
        if !matches!(self.state, State::Greeting { .. }) {
            return self.give_up(now, Lost::Protocol("greeted twice"));
        }
        if !VERSIONS.contains(&welcome.version) {
            return self.give_up(now, Lost::Protocol("chose a version that this box does not speak"));
        }
        match welcome.acked {
            None => self.begin(now, &welcome, None),
            Some(tail) => {
                self.state = State::Finding { welcome };
                self.outputs.push_back(BoxOutput::Find(tail));
            }
        }
    }

    fn begin(&mut self, now: Instant, welcome: &Welcome, found: Option<Found>) {
        let health_every = Duration::from_secs(u64::from(welcome.health_s.max(1)));
        let pace = Pace::new(now, self.config.entries_per_s);
        let acked = welcome.acked.zip(found);
        self.state = State::Up(Box::new(Session {
            feed: Feed::new(acked, self.journal, welcome.window as usize, pace),
            began: now,
            heard: now,
            ping: None,
            health_every,
            health_at: now,
        }));
    }

    fn acked(&mut self, now: Instant, up_to: Tail) {
        let State::Up(session) = &mut self.state else { return };
        if session.feed.handle_ack(up_to) {
            self.outputs.push_back(BoxOutput::Acked(up_to));
        } else {
            self.give_up(now, Lost::Protocol("acknowledges what was never sent"));
        }
    }

    fn give_up(&mut self, now: Instant, why: Lost) {
        self.handle_lost(now, why);
        self.outputs.push_back(BoxOutput::Disconnect);
    }

    fn send(&mut self, message: Up) {
        self.outputs.push_back(BoxOutput::Send(message));
    }
}

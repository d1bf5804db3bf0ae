//! The cloud's end of one connection: who is there, what is stored, what the box is told.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use branchline_journal::Entry;
use branchline_wire::VERSIONS;
use branchline_wire::v1::{
    Ack, Applied, BoxId, Certificate, Command, Down, Enrol, Health, Hello, Outcome, Refusal, Renew, SignedGeneration,
    Tail, Up, Welcome,
};

/// Entries that a box may have on their way.
pub const WINDOW_ENTRIES: u32 = 1000;
/// How long a connection may take to say who it is.
const PATIENCE: Duration = Duration::from_secs(20);
/// A box that is silent for longer is gone; it asks every 30 s by itself.
const GONE: Duration = Duration::from_secs(90);
/// Batches that may wait for the store; a box that sends more does not keep to its window.
const BATCHES_MAX: usize = 64;
/// How often a box says how it is.
const HEALTH_S: u32 = 30;

/// What the store knows of a box at its hello.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownBox {
    /// Last entry up to which nothing is missing.
    pub acked: Option<Tail>,
    /// Newest generation of its configuration.
    pub desired: Option<(u64, SignedGeneration)>,
    /// Commands without an outcome, in time, oldest first.
    pub commands: Vec<Command>,
}

/// What the shell shall do.
#[derive(Clone, Debug, PartialEq)]
pub enum CloudOutput {
    /// Send this.
    Send(Down),
    /// Decide on a new box; answer with [`CloudEnd::handle_certificate`] or [`CloudEnd::handle_refused`].
    Enrol(Enrol),
    /// Sign for a known box; answer with [`CloudEnd::handle_certificate`].
    Renew(Renew),
    /// Look the box up; answer with [`CloudEnd::handle_known`].
    Look(Hello),
    /// Store in one step with the place of the last one and the gap before the first; answer with [`CloudEnd::handle_stored`].
    Store {
        /// In order.
        entries: Vec<Entry>,
        /// Entries before them that the box gave up.
        lost: u64,
    },
    /// Store ahead of its turn; needs no answer.
    StoreAhead(Box<Entry>),
    /// How the box is.
    Health(Health),
    /// What became of a generation.
    Applied(Applied),
    /// What became of a command.
    Outcome(Outcome),
    /// Close the connection once what is to be sent is sent.
    Close(Closing),
}

/// Why the cloud ends a connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Closing {
    /// It was told why.
    #[error("refused: {0}")]
    Refused(String),
    /// Nothing came for 90 s, or no hello for 20 s.
    #[error("silent")]
    Silent,
    /// The box broke the protocol.
    #[error("the box {0}")]
    Protocol(&'static str),
    /// The same box connected again.
    #[error("the box has a newer connection")]
    Replaced,
}

enum State {
    /// `certified`: whose certificate the connection came with.
    Greeting {
        certified: Option<BoxId>,
        give_up_at: Instant,
    },
    Enrolling,
    Looking {
        hello: Hello,
    },
    Up(Session),
    Closed,
}

struct Session {
    heard: Instant,
    /// Next entry in order.
    next: Next,
    /// Handed to the store, oldest first.
    storing: VecDeque<Tail>,
}

/// Which entry has to come next.
#[derive(Clone, Copy)]
enum Next {
    /// The box says where it begins: it knows whether its journal is still the one of the acknowledgement.
    AsTheBoxSays {
        at_most: u64,
    },
    Seq(u64),
}

/// The cloud's end of the link.
///
/// Happenings: [`handle_message`](Self::handle_message), [`handle_desired`](Self::handle_desired),
/// [`handle_command`](Self::handle_command), [`handle_replaced`](Self::handle_replaced),
/// [`handle_timeout`](Self::handle_timeout). Answers to outputs: [`handle_certificate`](Self::handle_certificate),
/// [`handle_refused`](Self::handle_refused), [`handle_known`](Self::handle_known),
/// [`handle_stored`](Self::handle_stored).
pub struct CloudEnd {
    state: State,
    outputs: VecDeque<CloudOutput>,
}

impl CloudEnd {
    /// A connection with the certificate of `certified`, or with none.
    #[must_use]
    pub fn new(now: Instant, certified: Option<BoxId>) -> Self {
        CloudEnd {
            state: State::Greeting {
                certified,
                give_up_at: now + PATIENCE,
            },
            outputs: VecDeque::new(),
        }
    }

    /// The box said something.
    pub fn handle_message(&mut self, now: Instant, message: Up) {
        match &mut self.state {
            State::Greeting { certified, .. } => {
                let certified = *certified;
                self.greeted(certified, message);
            }
            State::Up(session) => {
                session.heard = now;
                self.said(message);
            }
            State::Enrolling | State::Looking { .. } => {
                if !matches!(message, Up::Ping | Up::Pong | Up::Unknown(_)) {
                    self.refuse("speaks before it is answered");
                }
            }
            State::Closed => {}
        }
    }

    /// The certificate that was asked for.
    pub fn handle_certificate(&mut self, certificate: Certificate) {
        self.send(Down::Certificate(certificate));
    }

    /// The box is not let in; it is told why.
    pub fn handle_refused(&mut self, refusal: Refusal) {
        let problem = refusal.problem.clone();
        self.send(Down::Refused(refusal));
        self.close(Closing::Refused(problem));
    }

    /// What is known of the box. `utc_ms` is the time of the cloud.
    pub fn handle_known(&mut self, now: Instant, known: KnownBox, utc_ms: i64) {
        let State::Looking { hello } = &self.state else { return };
        let Some(version) = VERSIONS
            .into_iter()
            .rev()
            .find(|version| hello.versions.contains(version))
        else {
            return self.handle_refused(Refusal {
                problem: format!("this cloud speaks versions {VERSIONS:?} of the link; update the box"),
                retry_after_s: None,
            });
        };
        let in_force = hello.generation;
        let generation = known.desired.as_ref().map_or(0, |(number, _)| *number);
        self.state = State::Up(Session {
            heard: now,
            next: Next::AsTheBoxSays {
                at_most: known.acked.map_or(u64::MAX, |tail| tail.seq + 1),
            },
            storing: VecDeque::new(),
        });
        self.send(Down::Welcome(Welcome {
            version,
            acked: known.acked,
            window: WINDOW_ENTRIES,
            health_s: HEALTH_S,
            generation,
            utc_ms,
        }));
        if let Some((number, signed)) = known.desired
            && number > in_force
        {
            self.send(Down::Desired(Box::new(signed)));
        }
        for command in known.commands {
            self.send(Down::Command(command));
        }
    }

    /// The oldest batch at the store is durable.
    pub fn handle_stored(&mut self) {
        if let State::Up(session) = &mut self.state
            && let Some(up_to) = session.storing.pop_front()
        {
            self.send(Down::Ack(Ack { up_to }));
        }
    }

    /// There is a newer generation.
    pub fn handle_desired(&mut self, signed: SignedGeneration) {
        if matches!(self.state, State::Up(_)) {
            self.send(Down::Desired(Box::new(signed)));
        }
    }

    /// There is a new command.
    pub fn handle_command(&mut self, command: Command) {
        if matches!(self.state, State::Up(_)) {
            self.send(Down::Command(command));
        }
    }

    /// The same box came by another connection.
    pub fn handle_replaced(&mut self) {
        self.close(Closing::Replaced);
    }

    /// Time passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.poll_timeout().is_some_and(|due| now >= due) {
            self.close(Closing::Silent);
        }
    }

    /// When to call [`handle_timeout`](Self::handle_timeout): the box is silent for too long then.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Greeting { give_up_at, .. } => Some(*give_up_at),
            State::Up(session) => Some(session.heard + GONE),
            State::Enrolling | State::Looking { .. } | State::Closed => None,
        }
    }

    /// What to do next.
    pub fn poll_output(&mut self) -> Option<CloudOutput> {
        self.outputs.pop_front()
    }

    fn greeted(&mut self, certified: Option<BoxId>, message: Up) {
        match message {
            Up::Enrol(enrol) => {
                self.state = State::Enrolling;
                self.outputs.push_back(CloudOutput::Enrol(enrol));
            }
            Up::Hello(hello) if certified == Some(hello.this) => {
                self.state = State::Looking { hello: hello.clone() };
                self.outputs.push_back(CloudOutput::Look(hello));
            }
            Up::Hello(_) => self.refuse("says it is another box than its certificate does"),
            Up::Ping => self.send(Down::Pong),
            Up::Pong | Up::Unknown(_) => {}
            Up::Entries(_) | Up::Urgent(_) | Up::Health(_) | Up::Applied(_) | Up::Outcome(_) | Up::Renew(_) => {
                self.refuse("speaks before its hello");
            }
        }
    }

    fn said(&mut self, message: Up) {
        match message {
            Up::Entries(batch) => self.batch(batch.entries, batch.lost),
            Up::Urgent(entry) => self.outputs.push_back(CloudOutput::StoreAhead(entry)),
            Up::Health(health) => self.outputs.push_back(CloudOutput::Health(health)),
            Up::Applied(applied) => self.outputs.push_back(CloudOutput::Applied(applied)),
            Up::Outcome(outcome) => self.outputs.push_back(CloudOutput::Outcome(outcome)),
            Up::Renew(renew) => self.outputs.push_back(CloudOutput::Renew(renew)),
            Up::Ping => self.send(Down::Pong),
            Up::Pong | Up::Unknown(_) => {}
            Up::Enrol(_) | Up::Hello(_) => self.refuse("greets twice"),
        }
    }

    fn batch(&mut self, entries: Vec<Entry>, lost: u64) {
        let State::Up(session) = &mut self.state else { return };
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else {
            return self.refuse("sends a batch without entries");
        };
        let expected = match session.next {
            Next::AsTheBoxSays { at_most } => first.seq <= at_most.saturating_add(lost),
            Next::Seq(seq) => seq.checked_add(lost) == Some(first.seq),
        };
        let in_order = entries.iter().zip(first.seq..).all(|(entry, seq)| entry.seq == seq);
        if !expected || !in_order {
            return self.refuse("leaves a gap that it does not tell of");
        }
        if session.storing.len() >= BATCHES_MAX {
            return self.refuse("sends more than its window");
        }
        session.next = Next::Seq(last.seq.saturating_add(1));
        session.storing.push_back(Tail {
            seq: last.seq,
            id: last.id,
        });
        self.outputs.push_back(CloudOutput::Store { entries, lost });
    }

    fn refuse(&mut self, what: &'static str) {
        self.close(Closing::Protocol(what));
    }

    fn close(&mut self, why: Closing) {
        if !matches!(self.state, State::Closed) {
            self.state = State::Closed;
            self.outputs.push_back(CloudOutput::Close(why));
        }
    }

    fn send(&mut self, message: Down) {
        self.outputs.push_back(CloudOutput::Send(message));
    }
}

//! One upstream: online, suspect, lost, or on its way back.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::path::Path;

/// What an operator may choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Pause between probes while all is well.
    pub probe: Duration,
    /// How long the upstream must answer well before the branch returns to it; grows with each return that did not last.
    pub settle: Duration,
}

/// How the upstream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It answers.
    Online,
    /// Something was not answered in time; probes are out.
    Suspect,
    /// Nothing comes back: the branch lives on its own.
    Survival,
    /// It answers again and has to go on doing so for a while.
    Returning,
}

impl Mode {
    /// The word on the page, on the command line and in the metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Mode::Online => "online",
            Mode::Suspect => "suspect",
            Mode::Survival => "survival",
            Mode::Returning => "returning",
        }
    }
}

/// Why the mode is what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The box has just started.
    Started,
    /// Something raised a doubt.
    Doubt(Suspicion),
    /// The doubt was unfounded.
    Answered,
    /// No probe was answered either.
    Silent,
    /// The first answer after an outage.
    Heard,
    /// It answered well for long enough.
    Steady,
    /// It fell silent again before it could be trusted.
    Relapsed,
    /// It answers probes and no calls.
    Deaf,
}

impl Reason {
    /// For a person to read.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Reason::Started => "the box has just started",
            Reason::Doubt(Suspicion::Request) => "a request was not answered in time",
            Reason::Doubt(Suspicion::Probe) => "a probe was not answered in time",
            Reason::Doubt(Suspicion::Transport) => "the network reports it unreachable",
            Reason::Doubt(Suspicion::Ping) => "its connection answers no ping",
            Reason::Doubt(Suspicion::Media) => "the sound of its calls stopped",
            Reason::Doubt(Suspicion::Link) => "the cable towards it is out",
            Reason::Answered => "it answers",
            Reason::Silent => "no probe is answered",
            Reason::Heard => "it answers again, and has to go on doing so for a while",
            Reason::Steady => "it has answered well for long enough",
            Reason::Relapsed => "it fell silent again",
            Reason::Deaf => "it answers probes, and no calls",
        }
    }
}

/// What raises a doubt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suspicion {
    /// A request without so much as a 100.
    Request,
    /// A probe without an answer.
    Probe,
    /// ICMP, a refused or broken connection.
    Transport,
    /// A ping on its connection without an answer (RFC 5626 section 4.4.1).
    Ping,
    /// RTP from it stopped.
    Media,
    /// The interface towards it has no carrier.
    Link,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Another mode.
    Changed {
        /// The mode that ended.
        from: Mode,
        /// The mode that began.
        to: Mode,
        /// Why.
        reason: Reason,
    },
    /// Requests that still wait for a first sign of life should go another way.
    Doubted,
}

/// One probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProbeId(u64);

/// What became of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Any answer of the upstream itself.
    Answered,
    /// It could not be sent, or somebody on the way said that there is nobody.
    Failed,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Online,
    Suspect { why: Suspicion, doubted: bool, sent: u32 },
    Survival,
    Returning { hold: Duration, answered: u32, lost: u32 },
}

/// The health of one upstream.
///
/// Inputs: `handle_*`. Outputs: [`poll_probe`](Self::poll_probe), [`poll_event`](Self::poll_event),
/// [`poll_timeout`](Self::poll_timeout). Questions: [`mode`](Self::mode) and its neighbours.
#[derive(Clone, Debug)]
pub struct Health {
    settings: Settings,
    rng: ChaCha12Rng,
    path: Path,
    state: State,
    since: Instant,
    reason: Reason,
    heard_at: Instant,
    /// A request is out since then, and nothing at all came back.
    waiting_since: Option<Instant>,
    probes: VecDeque<Probe>,
    next_id: u64,
    next_probe: Instant,
    /// The last return to it, and how many returns in a row did not last.
    returned: Option<Instant>,
    flaps: u32,
    /// Calls in a row that it said nothing about.
    deaf: u32,
    trips: u64,
    events: VecDeque<Event>,
}

#[derive(Clone, Copy, Debug)]
struct Probe {
    id: ProbeId,
    sent: Instant,
    is_late: bool,
}

impl Health {
    /// An upstream nobody has spoken to yet; the first probe is due at once.
    #[must_use]
    pub fn new(now: Instant, settings: Settings, seed: [u8; 32]) -> Health {
        Health {
            settings,
            rng: ChaCha12Rng::from_seed(seed),
            path: Path::default(),
            state: State::Online,
            since: now,
            reason: Reason::Started,
            heard_at: now,
            waiting_since: None,
            probes: VecDeque::new(),
            next_id: 1,
            next_probe: now,
            returned: None,
            flaps: 0,
            deaf: 0,
            trips: 0,
            events: VecDeque::new(),
        }
    }

    /// How it is.
    #[must_use]
    pub fn mode(&self) -> Mode {
        match self.state {
            State::Online => Mode::Online,
            State::Suspect { .. } => Mode::Suspect,
            State::Survival => Mode::Survival,
            State::Returning { .. } => Mode::Returning,
        }
    }

    /// Since when, and why.
    #[must_use]
    pub fn since(&self) -> (Instant, Reason) {
        (self.since, self.reason)
    }

    /// A new request may go there.
    #[must_use]
    pub fn serves(&self) -> bool {
        match self.state {
            State::Online | State::Suspect { doubted: false, .. } => true,
            State::Suspect { doubted: true, .. } | State::Survival | State::Returning { .. } => false,
        }
    }

    /// Smoothed round trip.
    #[must_use]
    pub fn rtt(&self) -> Option<Duration> {
        self.path.rtt()
    }

    /// Smoothed loss of round trips, percent.
    #[must_use]
    pub fn loss_percent(&self) -> u64 {
        self.path.loss_percent()
    }

    /// How often it was lost.
    #[must_use]
    pub fn trips(&self) -> u64 {
        self.trips
    }

    /// Other settings; what is known stays.
    pub fn handle_settings(&mut self, settings: Settings) {
        self.settings = settings;
    }

    /// Anything came from it.
    pub fn handle_alive(&mut self, now: Instant) {
        self.heard_at = now;
        self.waiting_since = None;
        match &mut self.state {
            State::Online => {}
            State::Suspect { .. } => self.enter(now, State::Online, Reason::Answered),
            State::Survival => {
                let state = State::Returning {
                    hold: self.hold(now),
                    answered: 0,
                    lost: 0,
                };
                self.probes.clear();
                self.next_probe = now;
                self.enter(now, state, Reason::Heard);
            }
            State::Returning { .. } => {}
        }
    }

    /// A request was sent to it: something has to come back soon.
    pub fn handle_sent(&mut self, now: Instant) {
        if matches!(self.state, State::Online) {
            self.waiting_since.get_or_insert(now);
        }
    }

    /// Something looks wrong.
    pub fn handle_suspicion(&mut self, now: Instant, why: Suspicion) {
        if matches!(self.state, State::Online) {
            self.suspect(now, why);
        }
    }

    /// A call was given up because it said nothing about it, although it is there: what answers probes need not take calls.
    pub fn handle_deaf(&mut self, now: Instant) {
        if matches!(self.state, State::Online) {
            self.deaf += 1;
            if self.deaf >= DEAF_MAX {
                self.lose(now, Reason::Deaf);
            }
        }
    }

    /// It said something about a call.
    pub fn handle_call_heard(&mut self) {
        self.deaf = 0;
    }

    /// A probe came to an end. An unanswered one need not be reported.
    pub fn handle_probe(&mut self, now: Instant, id: ProbeId, outcome: Outcome) {
        let Some(at) = self.probes.iter().position(|probe| probe.id == id) else {
            return;
        };
        match outcome {
            Outcome::Answered => {
                let probe = self.probes.remove(at);
                if let Some(probe) = probe {
                    self.path.handle_round_trip(now.saturating_duration_since(probe.sent));
                }
                if let State::Returning { answered, .. } = &mut self.state {
                    *answered += 1;
                }
                self.handle_alive(now);
            }
            // It stays among the unanswered.
            Outcome::Failed => self.handle_suspicion(now, Suspicion::Transport),
        }
    }

    /// The probe to send now, if one is due.
    pub fn poll_probe(&mut self, now: Instant) -> Option<ProbeId> {
        if self.next_probe > now {
            return None;
        }
        self.next_probe = now + self.pause();
        if let State::Suspect { sent, .. } = &mut self.state {
            *sent += 1;
        }
        let id = ProbeId(self.next_id);
        self.next_id += 1;
        if self.probes.len() >= PROBES_MAX {
            self.probes.pop_front();
        }
        self.probes.push_back(Probe {
            id,
            sent: now,
            is_late: false,
        });
        Some(id)
    }

    /// The next thing that happened.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) or [`poll_probe`](Self::poll_probe) is wanted.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let due = match self.state {
            State::Online => self.waiting_since.map(|since| since + self.patience()),
            State::Suspect { doubted: false, .. } => Some(self.since + self.doubt_after()),
            State::Suspect { doubted: true, .. } => None,
            State::Survival => None,
            State::Returning { hold, .. } => Some((self.since + hold).max(self.next_probe)),
        };
        let answer_within = self.path.answer_within();
        let late = self.probes.iter().find(|probe| !probe.is_late);
        let late = late.map(|probe| probe.sent + answer_within);
        // Until the proof is complete, the next late probe wakes it.
        let verdict = match self.state {
            State::Suspect { .. } if self.is_proven() => Some(self.since + self.verdict_after()),
            State::Suspect { .. } | State::Online | State::Survival | State::Returning { .. } => None,
        };
        [due, late, verdict, Some(self.next_probe)].into_iter().flatten().min()
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.count_late(now);
        match self.state {
            State::Online => {
                if self.waiting_since.is_some_and(|since| since + self.patience() <= now) {
                    self.suspect(now, Suspicion::Request);
                }
            }
            State::Suspect { why, doubted, sent } => {
                if !doubted && self.since + self.doubt_after() <= now {
                    self.state = State::Suspect {
                        why,
                        doubted: true,
                        sent,
                    };
                    self.events.push_back(Event::Doubted);
                }
                if self.is_proven() && self.since + self.verdict_after() <= now {
                    self.lose(now, Reason::Silent);
                }
            }
            State::Survival => {}
            State::Returning { hold, answered, lost } => {
                if now.saturating_duration_since(self.heard_at) > RELAPSE.max(self.path.answer_within() * 4) {
                    self.next_probe = now;
                    self.enter(now, State::Survival, Reason::Relapsed);
                } else if self.since + hold <= now && answered >= GOOD_MIN && answered >= lost {
                    self.returned = Some(now);
                    self.next_probe = now + self.settings.probe;
                    self.enter(now, State::Online, Reason::Steady);
                }
            }
        }
    }

    /// A burst of probes decides.
    fn suspect(&mut self, now: Instant, why: Suspicion) {
        // What is out already is part of the evidence only from now on.
        self.probes.clear();
        self.next_probe = now;
        let state = State::Suspect {
            why,
            doubted: false,
            sent: 0,
        };
        self.enter(now, state, Reason::Doubt(why));
    }

    fn lose(&mut self, now: Instant, reason: Reason) {
        let lasted = |at: Instant| now.saturating_duration_since(at) > STEADY_AGAIN;
        self.flaps = match self.returned {
            Some(at) if !lasted(at) => (self.flaps + 1).min(FLAPS_MAX),
            Some(_) | None => 0,
        };
        self.trips += 1;
        self.deaf = 0;
        // Their loss tells of the outage, not of the path.
        self.probes.clear();
        self.next_probe = now + self.jittered(PROBE_LOST);
        self.enter(now, State::Survival, reason);
    }

    fn enter(&mut self, now: Instant, state: State, reason: Reason) {
        let from = self.mode();
        self.state = state;
        self.since = now;
        self.reason = reason;
        self.waiting_since = None;
        let to = self.mode();
        if to == Mode::Online {
            self.next_probe = now + self.jittered(self.settings.probe);
        }
        self.events.push_back(Event::Changed { from, to, reason });
    }

    /// Probes whose answer is overdue count as lost; they are kept for a while, should they be late only.
    fn count_late(&mut self, now: Instant) {
        let answer_within = self.path.answer_within();
        let heard_at = self.heard_at;
        let (mut late, mut silent) = (0, false);
        for probe in self.probes.iter_mut().filter(|probe| !probe.is_late) {
            if probe.sent + answer_within > now {
                break;
            }
            probe.is_late = true;
            late += 1;
            // What came after it was sent shows that the upstream is there.
            silent |= probe.sent > heard_at;
        }
        self.probes
            .retain(|probe| now.saturating_duration_since(probe.sent) < PROBE_KEPT);
        match &mut self.state {
            State::Online => {
                (0..late).for_each(|_| self.path.handle_loss());
                if silent {
                    self.suspect(now, Suspicion::Probe);
                }
            }
            State::Returning { lost, .. } => *lost += late,
            State::Suspect { .. } | State::Survival => {}
        }
    }

    /// By then something must have come back for a request.
    fn patience(&self) -> Duration {
        self.path.answer_within() + REQUEST_MARGIN
    }

    /// By then one of the burst's probes must have been answered.
    fn doubt_after(&self) -> Duration {
        BURST_EVERY * BURST + self.path.answer_within()
    }

    fn verdict_after(&self) -> Duration {
        VERDICT_MIN.max(self.path.answer_within() * 2)
    }

    /// So many probes were not answered that it cannot be chance.
    fn is_proven(&self) -> bool {
        let unanswered = self.probes.iter().filter(|probe| probe.is_late).count();
        u32::try_from(unanswered).unwrap_or(u32::MAX) >= self.path.proof()
    }

    fn pause(&mut self) -> Duration {
        match self.state {
            State::Online => self.jittered(self.settings.probe),
            State::Suspect { sent, .. } if sent < BURST => BURST_EVERY,
            State::Suspect { .. } => SUSPECT_EVERY,
            State::Survival => self.jittered(PROBE_LOST),
            State::Returning { .. } => self.jittered(PROBE_RETURNING),
        }
    }

    fn hold(&mut self, now: Instant) -> Duration {
        let lasted = self
            .returned
            .is_none_or(|at| now.saturating_duration_since(at) > STEADY_AGAIN);
        if lasted {
            self.flaps = 0;
        }
        let hold = (self.settings.settle * (1 << self.flaps)).min(HOLD_MAX.max(self.settings.settle));
        self.jittered(hold)
    }

    /// Up to a quarter longer, so that branches do not act in step.
    fn jittered(&mut self, time: Duration) -> Duration {
        time + time * (self.rng.next_u32() % 250) / 1000
    }
}

/// Probes remembered at once; a burst and what follows until the verdict.
const PROBES_MAX: usize = 64;
/// Answers later than this tell nothing.
const PROBE_KEPT: Duration = Duration::from_secs(8);
/// The first probes of a doubt.
const BURST: u32 = 8;
const BURST_EVERY: Duration = Duration::from_millis(25);
/// Then on, until the verdict.
const SUSPECT_EVERY: Duration = Duration::from_millis(100);
/// A request takes the upstream a little longer than a probe.
const REQUEST_MARGIN: Duration = Duration::from_millis(50);
/// A delay that grew suddenly must not pass for a loss: two round trips over satellite.
const VERDICT_MIN: Duration = Duration::from_millis(1200);
const PROBE_LOST: Duration = Duration::from_secs(2);
const PROBE_RETURNING: Duration = Duration::from_millis(500);
/// Silence that ends a return.
const RELAPSE: Duration = Duration::from_secs(3);
/// Calls in a row without a word: one INVITE may be lost with all its repetitions.
const DEAF_MAX: u32 = 2;
/// Answers that a return takes at least.
const GOOD_MIN: u32 = 5;
/// A return that lasted this long was good; the next one is as quick as the first.
const STEADY_AGAIN: Duration = Duration::from_secs(600);
const FLAPS_MAX: u32 = 5;
const HOLD_MAX: Duration = Duration::from_secs(300);

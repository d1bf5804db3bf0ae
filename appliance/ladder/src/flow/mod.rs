//! The language of call flows: one line, one step.

mod cast;
mod parse;
mod play;

use std::time::Duration;

use crate::{Features, Hearing};

pub use cast::{Cast, Ground};
pub use parse::{Fault, parse};
pub use play::{Failure, RecordLine, Theatre, play};

/// A whole flow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    /// Extensions with their further keys.
    pub extensions: Vec<(String, Vec<(String, String)>)>,
    /// Trunks with their further keys.
    pub trunks: Vec<(String, Vec<(String, String)>)>,
    /// The hosted PBX with its keys; every extension has a line there.
    pub hosted: Option<(crate::HostedKind, Vec<(String, String)>)>,
    /// Numbers that the hosted PBX takes outside, each with a telephone there.
    pub operators: Vec<String>,
    /// Places with their keys: fields of the address in capitals.
    pub locations: Vec<(String, Vec<(String, String)>)>,
    /// Classes of service with their keys.
    pub classes: Vec<(String, Vec<(String, String)>)>,
    /// `section.key` and value.
    pub settings: Vec<(String, String)>,
    /// Telephones without an extension.
    pub strangers: Vec<String>,
    /// Extensions whose telephone does not register by itself.
    pub unregistered: Vec<String>,
    /// What happens, in order.
    pub steps: Vec<Step>,
}

impl Flow {
    /// It lasts at least so long, for all that it waits.
    pub fn lasts(&self) -> Duration {
        self.steps.iter().fold(Duration::ZERO, |time, step| {
            let time = step.at.map_or(time, |at| time.max(at));
            match step.action {
                Action::Wait(more) | Action::Never(_, _, more) => time + more,
                Action::Send(..) | Action::Order(_) | Action::Expect(..) | Action::State(..) => time,
            }
        })
    }
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Its number in the file, from 1.
    pub line: usize,
    /// Not before this, since the flow began; else at once.
    pub at: Option<Duration>,
    /// What.
    pub action: Action,
}

/// `phone 201`, `trunk a` or `operator 911`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Who {
    /// `phone`, `trunk` or `operator`.
    pub kind: &'static str,
    /// Number or name.
    pub name: String,
}

impl std::fmt::Display for Who {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.kind, self.name)
    }
}

/// What a line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// A telephone sends something.
    Send(Who, Sent),
    /// Something happens to a telephone or to the box.
    Order(Order),
    /// Nothing for a while.
    Wait(Duration),
    /// A telephone gets something by then.
    Expect(Who, Got, Duration),
    /// A telephone does not get something for so long.
    Never(Who, Got, Duration),
    /// The box is in a state by then.
    State(State, Duration),
}

/// What a telephone sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sent {
    /// A call.
    Invite {
        /// What is dialled.
        to: String,
        /// The description comes in the ACK.
        late: bool,
        /// Caller shown by a trunk.
        from: Option<String>,
        /// Telephone whose call is taken over.
        replacing: Option<String>,
        /// Further headers.
        headers: Vec<(String, String)>,
    },
    /// A response to its newest ringing call.
    Status(u16),
    /// The end of its newest call: BYE, CANCEL or a refusal, whatever fits.
    End,
    /// A change of its newest call.
    Change(crate::Way),
    /// A blind transfer of its newest call.
    Refer(String),
    /// Joins its two calls.
    Join,
    /// A key.
    Key(char),
    /// A registration.
    Register,
}

/// What happens to a telephone or to the box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Its cable is pulled.
    Unplug(Who),
    /// Its cable is plugged in.
    Plug(Who),
    /// It loses power and comes back elsewhere.
    Crash(Who),
    /// It behaves in this way from now on.
    Takes(Who, Habit),
    /// The box is killed and starts again.
    Restart,
    /// Nothing passes between the box and the hosted PBX any more.
    CutHosted,
    /// It passes again.
    MendHosted,
    /// It behaves in this way from now on.
    HostedTakes(HostedHabit),
    /// A drill takes the hosted PBX away from these for so long; from everybody where nobody is named.
    Drill(Duration, Vec<String>),
}

/// What a hosted PBX can do besides its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostedHabit {
    /// It says nothing about new calls, and goes on answering all else.
    Deaf,
    /// It takes calls again.
    Hears,
    /// It restarts in no time and knows no contact any more.
    Forgets,
}

impl HostedHabit {
    /// From now on.
    pub fn apply(self, pbx: &mut crate::HostedPbx) {
        match self {
            HostedHabit::Deaf => pbx.set_hearing(Hearing::Deaf),
            HostedHabit::Hears => pbx.set_hearing(Hearing::Good),
            HostedHabit::Forgets => pbx.forget(),
        }
    }
}

/// A way to behave that not every telephone has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Habit {
    /// It never acknowledges an answer.
    NeverAcks,
    /// A trunk asks for credentials.
    Challenges,
    /// It knows no session timers.
    NoTimers,
    /// It rings reliably and acknowledges ringing (RFC 3262).
    Prack,
}

impl Habit {
    /// Makes a telephone behave in this way.
    pub fn apply(self, features: &mut Features) {
        match self {
            Habit::NeverAcks => features.never_acks = true,
            Habit::Challenges => features.challenges = true,
            Habit::NoTimers => features.timer = false,
            Habit::Prack => features.prack = true,
        }
    }
}

/// What a telephone gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Got {
    /// A request by its method, and what is in its headers; a change of a session is `re-INVITE`.
    Request(String, Vec<Holds>),
    /// A response by its status.
    Status(u16),
    /// A response with a description.
    Described(u16),
}

/// What a header of a message must be like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holds {
    /// One of its values contains this text.
    With(String, String),
    /// It is not there.
    Without(String),
}

/// A state of the box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Sound goes from one to the other and back.
    Sound(Who, Who),
    /// So many calls.
    Calls(usize),
    /// So many records.
    Records(usize),
    /// There is a record.
    Record {
        /// Caller.
        from: String,
        /// What was dialled.
        to: String,
        /// How it went.
        outcome: String,
        /// How long was talked, within a second.
        talk: Option<Duration>,
    },
    /// A telephone is registered.
    Registered(Who),
    /// How the hosted PBX is, as the box sees it.
    Mode(String),
    /// So many lines are confirmed by the hosted PBX.
    Lines(usize),
    /// How far the last drill is.
    Drill(String),
    /// No call, session, port or timer of one is left.
    NothingLeft,
}

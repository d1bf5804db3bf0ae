//! One telephone: what its user does, and what the branch does to it.

mod calls;
mod ringing;

use std::sync::Arc;
use std::time::{Duration, Instant};

use branchline_board::FxsEvent;
use branchline_config::Hashes;
use branchline_config::country::{Analog, Tone};
use branchline_media::tone::CallerId;
use branchline_media::voice::{ChannelEvent, ChannelPlan, Hear, Talk};
use branchline_route::{Dialling, Tables, dialling};
use branchline_sip::Flow;
use branchline_sip::agent::SessionId;
use bytes::Bytes;

use crate::description::Describer;
use crate::output::{Output, Outputs};
use crate::uplink::{Place, Uplink};
use ringing::Ringing;

/// What a telephone is to the branch.
#[derive(Clone, Debug)]
pub struct StationSetup {
    /// Its extension.
    pub number: String,
    /// What proves it.
    pub hashes: Hashes,
    /// Where it is.
    pub place: Place,
    /// Tones, ringing and caller id of the country.
    pub analog: &'static Analog,
    /// The dial plan: which numbers are whole.
    pub tables: Arc<Tables>,
    /// For tags, nonces and the like; not to be guessed.
    pub seed: [u8; 32],
}

/// One telephone.
///
/// Inputs: [`handle_phone`](Self::handle_phone), [`handle_sound`](Self::handle_sound),
/// [`handle_bytes`](Self::handle_bytes), [`handle_timeout`](Self::handle_timeout). After each drain
/// [`poll_output`](Self::poll_output), then ask [`poll_timeout`](Self::poll_timeout).
///
/// One call is spoken, one may be held and one may wait. A recall holds the call and gives a dial tone; another toggles, or
/// takes the call that waits. Hanging up joins the one that is held with the other.
pub struct Station {
    analog: &'static Analog,
    tables: Arc<Tables>,
    uplink: Uplink,
    hook: HookState,
    slot: Slot,
    held: Option<Call>,
    waiting: Option<Waiting>,
    /// Two calls whose parties are being joined.
    joining: Option<[SessionId; 2]>,
    ringing: Option<Ringing>,
    outputs: Outputs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HookState {
    On,
    Off,
}

/// What the handset is used for.
#[derive(Debug)]
enum Slot {
    Idle,
    Dialling {
        digits: String,
        until: Instant,
    },
    Calling {
        call: Call,
        heard: Heard,
    },
    Talking(Call),
    /// It came to nothing; a tone says so, then silence.
    Ended {
        tone: Option<Tone>,
        until: Instant,
    },
}

/// What the far end of a call that is not answered lets hear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    Nothing,
    Ringback,
    Far,
}

#[derive(Debug)]
struct Call {
    session: SessionId,
    describer: Describer,
    talk: Option<Talk>,
}

/// A call that rings here, or knocks.
#[derive(Debug)]
struct Waiting {
    call: Call,
    caller: CallerId,
    /// What our 200 will say; nothing where the caller left the offer to us.
    answer: Option<branchline_sip::agent::Body>,
}

impl Station {
    /// On hook, and on its way to be registered.
    #[must_use]
    pub fn new(now: Instant, setup: StationSetup) -> Station {
        let mut uplink = Uplink::new(setup.place, setup.seed);
        uplink.register(&setup.number, &setup.hashes);
        let mut station = Station {
            analog: setup.analog,
            tables: setup.tables,
            uplink,
            hook: HookState::On,
            slot: Slot::Idle,
            held: None,
            waiting: None,
            joining: None,
            ringing: None,
            outputs: Outputs::default(),
        };
        station.settle(now);
        station
    }

    /// The telephone's user did something.
    pub fn handle_phone(&mut self, now: Instant, event: FxsEvent) {
        match event {
            FxsEvent::OffHook => self.lifted(now),
            FxsEvent::OnHook => self.put_down(now),
            FxsEvent::Flash => self.recalled(now),
            FxsEvent::Digit(digit) if matches!(self.slot, Slot::Talking(_)) => {
                self.outputs.push(Output::Digit(digit));
            }
            FxsEvent::Digit(digit) => self.dialled(now, digit),
            FxsEvent::Misdialled => self.end(now, Some(self.analog.congestion)),
            FxsEvent::RingPause { rings } => {
                if let Some(ringing) = &mut self.ringing {
                    ringing.handle_pause(rings);
                }
            }
        }
        self.settle(now);
    }

    /// Its sound was heard, or was sent.
    pub fn handle_sound(&mut self, now: Instant, event: &ChannelEvent) {
        match event {
            ChannelEvent::Digit(digit) => self.dialled(now, *digit),
            ChannelEvent::Sent => {
                if let Some(ringing) = &mut self.ringing {
                    ringing.handle_sent(&mut self.outputs);
                }
            }
            // The branch watches over silence, and telephones make neither tones of an exchange nor callers' numbers.
            ChannelEvent::Heard(_) | ChannelEvent::CallerId(_) | ChannelEvent::Silence => {}
        }
        self.settle(now);
    }

    /// A datagram came.
    pub fn handle_bytes(&mut self, now: Instant, flow: Flow, bytes: &Bytes) {
        self.uplink.handle_bytes(now, flow, bytes);
        self.settle(now);
    }

    /// Another dial plan.
    pub fn handle_tables(&mut self, tables: Arc<Tables>) {
        self.tables = tables;
    }

    /// Time passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.uplink.handle_timeout(now);
        match &self.slot {
            Slot::Dialling { digits, until } if *until <= now => match digits.as_str() {
                "" => self.end(now, Some(self.analog.congestion)),
                _ => self.call(now),
            },
            Slot::Ended { tone: Some(_), until } if *until <= now => {
                self.slot = Slot::Ended {
                    tone: None,
                    until: *until,
                }
            }
            Slot::Idle | Slot::Dialling { .. } | Slot::Calling { .. } | Slot::Talking(_) | Slot::Ended { .. } => {}
        }
        self.settle(now);
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let own = match &self.slot {
            Slot::Dialling { until, .. } | Slot::Ended { tone: Some(_), until } => Some(*until),
            Slot::Idle | Slot::Calling { .. } | Slot::Talking(_) | Slot::Ended { tone: None, .. } => None,
        };
        own.into_iter().chain(self.uplink.poll_timeout()).min()
    }

    /// What is to be done.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop()
    }

    /// Whether the branch knows it: calls can come in.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.uplink.is_ready()
    }

    /// Whether nobody uses it.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        matches!(self.slot, Slot::Idle) && self.held.is_none() && self.waiting.is_none()
    }

    fn dialled(&mut self, now: Instant, digit: char) {
        let Slot::Dialling { digits, until } = &mut self.slot else {
            return;
        };
        if digits.len() < DIGITS_MAX {
            digits.push(digit);
        }
        *until = now + BETWEEN_DIGITS;
        if dialling(digits, &self.tables) == Dialling::Complete {
            self.call(now);
        }
    }

    fn dial_tone(&mut self, now: Instant) {
        self.slot = Slot::Dialling {
            digits: String::new(),
            until: now + FIRST_DIGIT,
        };
    }

    /// A tone says that it came to nothing.
    fn end(&mut self, now: Instant, tone: Option<Tone>) {
        if self.hook == HookState::Off {
            let until = now + TONE_FOR;
            self.slot = Slot::Ended { tone, until };
        } else {
            self.slot = Slot::Idle;
        }
    }

    /// Everything that follows from what happened.
    fn settle(&mut self, now: Instant) {
        while let Some(news) = self.uplink.poll_news(now) {
            self.handle_news(now, news);
        }
        self.outputs.want(self.sound());
        while let Some(transmit) = self.uplink.poll_transmit() {
            self.outputs.push(Output::Transmit(transmit));
        }
    }

    fn sound(&self) -> ChannelPlan {
        let hears = |hear| ChannelPlan { hear, talk: None };
        match &self.slot {
            Slot::Idle => hears(self.ringing.as_ref().map_or(Hear::Silence, Ringing::hear)),
            Slot::Dialling { digits, .. } if digits.is_empty() => hears(Hear::Tone(self.analog.dial)),
            Slot::Dialling { .. } => hears(Hear::Silence),
            Slot::Calling { call, heard } => ChannelPlan {
                hear: match heard {
                    Heard::Nothing => Hear::Silence,
                    Heard::Ringback => Hear::Tone(self.analog.ringback),
                    Heard::Far => Hear::Far,
                },
                talk: call.talk,
            },
            Slot::Talking(call) => ChannelPlan {
                hear: match self.waiting {
                    Some(_) => Hear::FarAnd(self.analog.waiting),
                    None => Hear::Far,
                },
                talk: call.talk,
            },
            Slot::Ended { tone, .. } => hears(tone.map_or(Hear::Silence, Hear::Tone)),
        }
    }
}

/// Longer than any number with its prefixes.
const DIGITS_MAX: usize = 40;
/// People look for the number with the handset in their hand.
const FIRST_DIGIT: Duration = Duration::from_secs(15);
const BETWEEN_DIGITS: Duration = Duration::from_secs(4);
/// Then the line is silent, until the handset is put down.
const TONE_FOR: Duration = Duration::from_secs(30);

//! One line of an exchange: calls of the branch go out over it, calls of the exchange come in.

use std::time::{Duration, Instant};

use branchline_board::{FxoEvent, Polarity};
use branchline_media::tone::{CallerId, Presented, Progress};
use branchline_media::voice::{ChannelEvent, ChannelPlan, Hear, Signal, Talk};
use branchline_sdp::Direction;
use branchline_sip::Flow;
use branchline_sip::agent::{Body, SessionEvent, SessionId, Verdict};
use branchline_sip::message::{Message, Uri};
use branchline_sip::transaction::ServerKey;
use bytes::Bytes;

use crate::description::{Describer, talk_of};
use crate::output::{Output, Outputs};
use crate::uplink::{News, Place, Presence, Uplink};

/// What a line is to the branch.
#[derive(Clone, Debug)]
pub struct GatewaySetup {
    /// The number of the line, or whatever the trunk's calls are for.
    pub number: String,
    /// Where it is.
    pub place: Place,
    /// How an answer is known.
    pub supervision: Supervision,
    /// For tags and the like; not to be guessed.
    pub seed: [u8; 32],
}

/// How it is known that the far end of a line answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Supervision {
    /// The exchange turns the loop round.
    Polarity,
    /// Nobody tells; a call counts as answered a while after it was dialled.
    Time,
}

/// One line.
///
/// Inputs: [`handle_line`](Self::handle_line), [`handle_sound`](Self::handle_sound),
/// [`handle_bytes`](Self::handle_bytes), [`handle_timeout`](Self::handle_timeout). After each drain
/// [`poll_output`](Self::poll_output), then ask [`poll_timeout`](Self::poll_timeout).
pub struct Gateway {
    number: String,
    supervision: Supervision,
    uplink: Uplink,
    state: State,
    outputs: Outputs,
}

#[derive(Debug)]
enum State {
    /// On hook. A line that was just released is left alone until the exchange has noticed.
    Idle {
        rest_until: Option<Instant>,
    },
    /// The exchange rings; its caller's number may still come.
    Ringing {
        call_at: Instant,
        caller: Option<CallerId>,
    },
    /// The branch was told; the exchange rings on.
    Bringing(Call),
    /// The branch wants to call before the line has rested.
    Resting {
        order: Order,
        until: Instant,
    },
    /// Off hook, waiting for the exchange.
    Seized {
        order: Order,
        give_up_at: Instant,
    },
    /// The number goes out.
    Dialling(Call, String),
    /// The far end may answer.
    Placed {
        call: Call,
        answered_at: Option<Instant>,
    },
    Talking(Call),
}

/// A call of the branch.
#[derive(Debug)]
struct Order {
    call: Call,
    number: String,
}

#[derive(Debug)]
struct Call {
    session: SessionId,
    describer: Describer,
    talk: Option<Talk>,
    /// What our 200 will say.
    answer: Option<Body>,
}

impl Gateway {
    /// On hook.
    #[must_use]
    pub fn new(setup: GatewaySetup) -> Gateway {
        Gateway {
            number: setup.number,
            supervision: setup.supervision,
            uplink: Uplink::new(setup.place, setup.seed),
            state: State::Idle { rest_until: None },
            outputs: Outputs::default(),
        }
    }

    /// The exchange did something.
    pub fn handle_line(&mut self, now: Instant, event: FxoEvent) {
        match event {
            FxoEvent::Ringing => self.rung(now),
            FxoEvent::RingPause { .. } => {}
            FxoEvent::RingStopped => match &self.state {
                State::Ringing { .. } => self.state = State::Idle { rest_until: None },
                State::Bringing(call) => {
                    self.uplink.hang_up(now, call.session);
                    self.state = State::Idle { rest_until: None };
                }
                State::Idle { .. }
                | State::Resting { .. }
                | State::Seized { .. }
                | State::Dialling(..)
                | State::Placed { .. }
                | State::Talking(_) => {}
            },
            FxoEvent::Lost => {
                self.uplink.handle_presence(Presence::Away);
                self.gone(now);
            }
            FxoEvent::Back => self.uplink.handle_presence(Presence::There),
            FxoEvent::Disconnected => self.gone(now),
            FxoEvent::Polarity(polarity) => self.turned(now, polarity),
        }
        self.settle(now);
    }

    /// Its sound was heard, or was sent.
    pub fn handle_sound(&mut self, now: Instant, event: &ChannelEvent) {
        match event {
            ChannelEvent::CallerId(Ok(told)) => {
                if let State::Ringing { call_at, caller } = &mut self.state {
                    *caller = Some(told.clone());
                    *call_at = now;
                }
            }
            ChannelEvent::Heard(progress) => self.heard(now, *progress),
            ChannelEvent::Sent => self.sent(now),
            // Keys of the far end travel as sound and as events of the channel; an unreadable number is none.
            ChannelEvent::Digit(_) | ChannelEvent::CallerId(Err(_)) | ChannelEvent::Silence => {}
        }
        self.handle_timeout(now);
    }

    /// A datagram came.
    pub fn handle_bytes(&mut self, now: Instant, flow: Flow, bytes: &Bytes) {
        self.uplink.handle_bytes(now, flow, bytes);
        self.settle(now);
    }

    /// Time passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.uplink.handle_timeout(now);
        if self.due().is_some_and(|due| due <= now) {
            self.pass(now);
        }
        self.settle(now);
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.due().into_iter().chain(self.uplink.poll_timeout()).min()
    }

    /// What is to be done.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop()
    }

    /// Whether nobody uses it.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle { .. })
    }

    fn due(&self) -> Option<Instant> {
        match &self.state {
            State::Idle { rest_until } => *rest_until,
            State::Ringing { call_at, .. } => Some(*call_at),
            State::Resting { until, .. } => Some(*until),
            State::Seized { give_up_at, .. } => Some(*give_up_at),
            State::Placed { answered_at, .. } => *answered_at,
            State::Bringing(_) | State::Dialling(..) | State::Talking(_) => None,
        }
    }

    fn pass(&mut self, now: Instant) {
        let idle = State::Idle { rest_until: None };
        self.state = match std::mem::replace(&mut self.state, idle) {
            State::Idle { .. } => State::Idle { rest_until: None },
            State::Ringing { caller, .. } => self.bring(now, caller.as_ref()),
            State::Resting { order, .. } => self.seize(now, order),
            State::Seized { order, .. } => {
                // A line without dial tone takes no call; the branch goes another way.
                self.uplink.reject(now, order.call.session, UNAVAILABLE);
                self.release(now)
            }
            State::Placed { call, .. } => self.answered(now, call),
            other @ (State::Bringing(_) | State::Dialling(..) | State::Talking(_)) => other,
        };
    }

    fn rung(&mut self, now: Instant) {
        if let State::Idle { .. } = self.state {
            self.state = State::Ringing {
                call_at: now + NUMBER_WITHIN,
                caller: None,
            };
        }
    }

    /// A call of the exchange for the branch.
    fn bring(&mut self, now: Instant, caller: Option<&CallerId>) -> State {
        let mut describer = self.uplink.describer();
        let body = describer.offer(Direction::SendRecv);
        let from = caller.and_then(from_header);
        let number = self.number.clone();
        match self.uplink.invite(now, &number, (from, body)) {
            Some(session) => State::Bringing(Call {
                session,
                describer,
                talk: None,
                answer: None,
            }),
            None => State::Idle { rest_until: None },
        }
    }

    fn seize(&mut self, now: Instant, order: Order) -> State {
        self.outputs.push(Output::Seize);
        State::Seized {
            order,
            give_up_at: now + DIAL_TONE_WITHIN,
        }
    }

    fn release(&mut self, now: Instant) -> State {
        self.outputs.push(Output::Release);
        State::Idle {
            rest_until: Some(now + REST),
        }
    }

    fn answered(&mut self, now: Instant, mut call: Call) -> State {
        let body = call.answer.take();
        self.uplink.answer(now, call.session, body);
        State::Talking(call)
    }

    fn turned(&mut self, now: Instant, polarity: Polarity) {
        let idle = State::Idle { rest_until: None };
        self.state = match (std::mem::replace(&mut self.state, idle), polarity, self.supervision) {
            (State::Placed { call, .. }, Polarity::Reverse, Supervision::Polarity) => self.answered(now, call),
            (State::Talking(call), Polarity::Forward, Supervision::Polarity) => {
                self.uplink.hang_up(now, call.session);
                self.release(now)
            }
            (other, Polarity::Forward | Polarity::Reverse, Supervision::Polarity | Supervision::Time) => other,
        };
    }

    fn heard(&mut self, now: Instant, progress: Progress) {
        let idle = State::Idle { rest_until: None };
        self.state = match (std::mem::replace(&mut self.state, idle), progress) {
            (State::Seized { order, .. }, Progress::Dial) => State::Dialling(order.call, order.number),
            (State::Seized { order, .. }, Progress::Busy | Progress::Congestion) => {
                self.uplink.reject(now, order.call.session, UNAVAILABLE);
                self.release(now)
            }
            (State::Placed { call, .. }, Progress::Busy | Progress::Congestion) => {
                let status = match progress {
                    Progress::Busy => BUSY,
                    Progress::Dial | Progress::Ringback | Progress::Congestion | Progress::Waiting => UNAVAILABLE,
                };
                self.uplink.reject(now, call.session, status);
                self.release(now)
            }
            // The far end hung up.
            (State::Talking(call), Progress::Busy | Progress::Congestion | Progress::Dial) => {
                self.uplink.hang_up(now, call.session);
                self.release(now)
            }
            (
                other,
                Progress::Dial | Progress::Ringback | Progress::Busy | Progress::Congestion | Progress::Waiting,
            ) => other,
        };
    }

    fn sent(&mut self, now: Instant) {
        let idle = State::Idle { rest_until: None };
        self.state = match std::mem::replace(&mut self.state, idle) {
            State::Dialling(call, _) => {
                if let Some(body) = call.answer.clone() {
                    // The caller hears what the exchange says.
                    self.uplink.early(now, call.session, body);
                }
                State::Placed {
                    call,
                    answered_at: match self.supervision {
                        Supervision::Polarity => None,
                        Supervision::Time => Some(now + ANSWERED_AFTER),
                    },
                }
            }
            other @ (State::Idle { .. }
            | State::Ringing { .. }
            | State::Bringing(_)
            | State::Resting { .. }
            | State::Seized { .. }
            | State::Placed { .. }
            | State::Talking(_)) => other,
        };
    }

    /// The exchange took its voltage away, or the cable is out.
    fn gone(&mut self, now: Instant) {
        let idle = State::Idle { rest_until: None };
        self.state = match std::mem::replace(&mut self.state, idle) {
            State::Bringing(call) | State::Talking(call) => {
                self.uplink.hang_up(now, call.session);
                self.release(now)
            }
            State::Resting {
                order: Order { call, .. },
                ..
            }
            | State::Seized {
                order: Order { call, .. },
                ..
            }
            | State::Dialling(call, _)
            | State::Placed { call, .. } => {
                self.uplink.reject(now, call.session, UNAVAILABLE);
                self.release(now)
            }
            State::Idle { .. } | State::Ringing { .. } => State::Idle { rest_until: None },
        };
    }

    fn settle(&mut self, now: Instant) {
        while let Some(news) = self.uplink.poll_news(now) {
            match news {
                News::Invite { key, request } => self.ordered(now, (key, request)),
                News::Session { id, event } => self.session(now, id, event),
            }
        }
        self.outputs.want(self.sound());
        while let Some(transmit) = self.uplink.poll_transmit() {
            self.outputs.push(Output::Transmit(transmit));
        }
    }

    /// The branch calls out.
    fn ordered(&mut self, now: Instant, (key, request): (ServerKey, Message)) {
        let State::Idle { rest_until } = self.state else {
            self.uplink.refuse(now, (key, &request), BUSY);
            return;
        };
        let number = Uri::parse(request.request_uri()).map(|uri| uri.user_unescaped().into_owned());
        let mut describer = self.uplink.describer();
        let answer = match Body::of(&request).map(|offer| describer.answer(&offer, Direction::SendRecv)) {
            Some(None) => {
                self.uplink.refuse(now, (key, &request), NOT_ACCEPTABLE);
                return;
            }
            Some(Some(answer)) => Some(answer),
            None => None,
        };
        let Some(session) = self.uplink.accept(now, key, request) else {
            return;
        };
        let (answer, talk) = answer.unzip();
        let answer = answer.or_else(|| Some(describer.offer(Direction::SendRecv)));
        let call = Call {
            session,
            describer,
            talk,
            answer,
        };
        let order = Order {
            call,
            number: number.unwrap_or_default(),
        };
        self.state = match rest_until.filter(|until| *until > now) {
            Some(until) => State::Resting { order, until },
            None => self.seize(now, order),
        };
    }

    fn session(&mut self, now: Instant, id: SessionId, event: SessionEvent) {
        let is_ours = self.call().is_some_and(|call| call.session == id);
        if !is_ours {
            return;
        }
        match event {
            SessionEvent::Answered { body, .. } => {
                let idle = State::Idle { rest_until: None };
                if let State::Bringing(mut call) = std::mem::replace(&mut self.state, idle) {
                    call.talk = body.as_ref().and_then(talk_of);
                    self.outputs.push(Output::Seize);
                    self.state = State::Talking(call);
                }
            }
            SessionEvent::Acknowledged { body } | SessionEvent::ReofferAcknowledged { body } => {
                self.described(body.as_ref());
            }
            SessionEvent::ReofferAnswered { body, .. } => self.described(body.as_ref()),
            SessionEvent::Reoffer { body, .. } => self.reoffered(now, (id, body.as_ref())),
            // An extension that is busy leaves the line ringing: whoever calls decides how long.
            SessionEvent::Refused { .. } => self.state = State::Idle { rest_until: None },
            SessionEvent::Cancelled { .. } | SessionEvent::Ended { .. } => self.state = self.release(now),
            SessionEvent::Refer { key, .. } => {
                self.uplink
                    .agent()
                    .answer_refer(now, id, key, Verdict::Refuse { status: DECLINED });
            }
            SessionEvent::Info { key, .. } | SessionEvent::InDialog { key, .. } => {
                self.uplink.agent().respond_in_dialog(now, key, 200);
            }
            SessionEvent::Challenged { .. } => self.uplink.hang_up(now, id),
            SessionEvent::Trying
            | SessionEvent::Progress { .. }
            | SessionEvent::Redirected { .. }
            | SessionEvent::AnswerSent
            | SessionEvent::ReofferRefused { .. }
            | SessionEvent::ReofferWithdrawn
            | SessionEvent::ReferProgress { .. }
            | SessionEvent::InDialogAnswered { .. } => {}
        }
    }

    fn described(&mut self, body: Option<&Body>) {
        let talk = body.and_then(talk_of);
        if let (Some(call), Some(talk)) = (self.call_mut(), talk) {
            call.talk = Some(talk);
        }
    }

    fn reoffered(&mut self, now: Instant, (id, offer): (SessionId, Option<&Body>)) {
        let Some(call) = self.call_mut() else { return };
        let body = match offer {
            None => Some(call.describer.offer(Direction::SendRecv)),
            Some(offer) => call.describer.answer(offer, Direction::SendRecv).map(|(body, talk)| {
                call.talk = Some(talk);
                body
            }),
        };
        match body {
            Some(body) => self.uplink.agent().answer_reoffer(now, id, Some(body)),
            None => self.uplink.agent().refuse_reoffer(now, id, NOT_ACCEPTABLE),
        }
    }

    fn call(&self) -> Option<&Call> {
        match &self.state {
            State::Idle { .. } | State::Ringing { .. } => None,
            State::Resting { order, .. } | State::Seized { order, .. } => Some(&order.call),
            State::Bringing(call) | State::Dialling(call, _) | State::Placed { call, .. } | State::Talking(call) => {
                Some(call)
            }
        }
    }

    fn call_mut(&mut self) -> Option<&mut Call> {
        match &mut self.state {
            State::Idle { .. } | State::Ringing { .. } => None,
            State::Resting { order, .. } | State::Seized { order, .. } => Some(&mut order.call),
            State::Bringing(call) | State::Dialling(call, _) | State::Placed { call, .. } | State::Talking(call) => {
                Some(call)
            }
        }
    }

    fn sound(&self) -> ChannelPlan {
        match &self.state {
            State::Idle { .. }
            | State::Ringing { .. }
            | State::Bringing(_)
            | State::Resting { .. }
            | State::Seized { .. } => ChannelPlan::default(),
            State::Dialling(_, number) => ChannelPlan {
                hear: Hear::Send(vec![Signal::Keys(number.trim_start_matches('+').to_owned())]),
                talk: None,
            },
            State::Placed { call, .. } | State::Talking(call) => ChannelPlan {
                hear: Hear::Far,
                talk: call.talk,
            },
        }
    }
}

/// Who calls, as the exchange told it; nothing where it told nothing.
fn from_header(caller: &CallerId) -> Option<String> {
    let Presented::Given(number) = &caller.number else {
        return None;
    };
    let number: String = number.chars().filter(|c| c.is_ascii_digit() || *c == '+').collect();
    let name = match &caller.name {
        Presented::Given(name) => {
            let printable: String = name
                .chars()
                .filter(|c| !c.is_control() && !"\"\\".contains(*c))
                .collect();
            format!("\"{printable}\" ")
        }
        Presented::Private | Presented::Unavailable => String::new(),
    };
    (!number.is_empty()).then(|| format!("{name}<sip:{number}@line.invalid>"))
}

const BUSY: u16 = 486;
const UNAVAILABLE: u16 = 503;
const DECLINED: u16 = 603;
const NOT_ACCEPTABLE: u16 = 488;
/// The number comes with or after the first ring, which takes up to two seconds of sound and four of silence.
const NUMBER_WITHIN: Duration = Duration::from_secs(5);
/// Q.23 wants it within three in nearly all cases; the detector needs a part of a second.
const DIAL_TONE_WITHIN: Duration = Duration::from_secs(5);
/// Exchanges take a shorter break for a recall.
const REST: Duration = Duration::from_millis(1500);
/// A busy tone is recognised within two of its cycles, and connecting takes as long.
const ANSWERED_AFTER: Duration = Duration::from_secs(5);

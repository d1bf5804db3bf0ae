//! One device's sound as a machine.

use std::collections::VecDeque;
use std::time::Instant;

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::SeedableRng;

use super::ear::{Ear, Heard};
use super::echo::EchoCanceller;
use super::event::{ChannelEvent, ChannelFigures};
use super::gain::{Gain, Meter};
use super::listener::Listener;
use super::mouth::{Mouth, Played};
use super::plan::{ChannelConfig, ChannelPlan, Hear, Talk};
use super::talker::{Speech, Talker, VoicePacket};
use super::{CHANNEL_EVENTS_MAX, FRAME_SAMPLES, Frame};

/// The sound of one device.
///
/// Input: [`handle_plan`](Self::handle_plan), [`handle_packet`](Self::handle_packet), [`handle_digit`](Self::handle_digit),
/// and for each 20 ms [`handle_microphone`](Self::handle_microphone), then [`fill_speaker`](Self::fill_speaker). Output:
/// [`poll_packet`](Self::poll_packet), [`poll_event`](Self::poll_event). Question: [`figures`](Self::figures).
#[derive(Clone, Debug)]
pub struct Channel {
    config: ChannelConfig,
    plan: ChannelPlan,
    rng: ChaCha12Rng,
    microphone: Gain,
    speaker: Gain,
    meters: (Meter, Meter),
    echo: Option<EchoCanceller>,
    ear: Ear,
    mouth: Mouth,
    call: Option<Call>,
    /// Frames in which a key that is heard is the echo of one that was played.
    echoing: u32,
    events: VecDeque<ChannelEvent>,
    events_dropped: u64,
}

/// What lives as long as the plan has a call.
#[derive(Clone, Debug)]
struct Call {
    talk: Talk,
    talker: Talker,
    listener: Listener,
}

impl Channel {
    /// Silent, in no call.
    #[must_use]
    pub fn new(config: ChannelConfig) -> Channel {
        let plan = ChannelPlan::default();
        Channel {
            config,
            rng: ChaCha12Rng::seed_from_u64(config.seed),
            microphone: Gain::new(config.gains.microphone_db),
            speaker: Gain::new(config.gains.speaker_db),
            meters: (Meter::default(), Meter::default()),
            echo: EchoCanceller::new(config.echo_tail_ms),
            ear: Ear::new(config.device, config.analog),
            mouth: Mouth::new(&plan.hear, config.analog),
            plan,
            call: None,
            echoing: 0,
            events: VecDeque::with_capacity(CHANNEL_EVENTS_MAX),
            events_dropped: 0,
        }
    }

    /// The state that is wanted now. A call goes on as long as each plan has one, whatever else of it changes.
    pub fn handle_plan(&mut self, now: Instant, plan: ChannelPlan) {
        if plan.hear != self.plan.hear {
            self.mouth = Mouth::new(&plan.hear, self.config.analog);
        }
        self.call = match (self.call.take(), plan.talk) {
            (_, None) => None,
            (Some(mut call), Some(talk)) => {
                call.listener.handle_change(now, call.talk.direction);
                Some(Call { talk, ..call })
            }
            (None, Some(talk)) => Some(Call {
                talk,
                talker: Talker::new(&mut self.rng),
                listener: Listener::new(now),
            }),
        };
        self.plan = plan;
    }

    /// A packet from the far end; what is not RTP of the call is dropped.
    pub fn handle_packet(&mut self, now: Instant, data: &[u8]) {
        if let Some(call) = &mut self.call {
            call.listener.handle_packet(now, &call.talk, data);
        }
    }

    /// A key of the device that makes no sound (a dial, a handset's) goes to the far end.
    pub fn handle_digit(&mut self, _now: Instant, digit: char) {
        if let Some(call) = &mut self.call {
            call.talker.dial(digit);
        }
    }

    /// 20 ms from the device.
    pub fn handle_microphone(&mut self, _now: Instant, frame: &Frame) {
        let mut frame = *frame;
        self.microphone.apply(&mut frame);
        if let Some(echo) = &mut self.echo {
            echo.handle_heard(&mut frame);
        }
        self.meters.0.handle_frame(&frame);
        let is_echo = self.echoing > 0;
        self.echoing = self.echoing.saturating_sub(1);
        let (events, dropped) = (&mut self.events, &mut self.events_dropped);
        let mut talker = self.call.as_mut().map(|call| &mut call.talker);
        self.ear.handle_frame(&frame, |heard| match (heard, &mut talker) {
            (Heard::KeyUp, talker) => talker.iter_mut().for_each(|talker| talker.release()),
            (Heard::Event(ChannelEvent::Digit(_)), _) if is_echo => {}
            (Heard::Event(event), talker) => {
                if let (ChannelEvent::Digit(key), Some(talker)) = (&event, talker) {
                    talker.press(*key);
                }
                push(events, dropped, event);
            }
        });
        let speech = if self.ear.suspects_key() {
            Speech::Key
        } else {
            Speech::Sound
        };
        if let Some(call) = &mut self.call {
            call.talker.handle_frame(&call.talk, (&frame, speech));
        }
    }

    /// The next 20 ms for the device.
    pub fn fill_speaker(&mut self, now: Instant, frame: &mut Frame) {
        // Filled whether it is heard or not, so that it stays in time.
        let mut far = [0; FRAME_SAMPLES];
        let mut is_key = self.mouth.is_key();
        if let Some(call) = &mut self.call {
            is_key |= call.listener.is_key();
            call.listener.fill(now, &mut far);
            if call.listener.falls_silent(now, &call.talk) {
                push(&mut self.events, &mut self.events_dropped, ChannelEvent::Silence);
            }
        }
        if self.mouth.fill(frame) == Played::Ended {
            push(&mut self.events, &mut self.events_dropped, ChannelEvent::Sent);
        }
        if is_key {
            self.echoing = ECHOING_FRAMES;
        }
        match self.plan.hear {
            Hear::Far => *frame = far,
            Hear::FarAnd(_) => add(frame, &far),
            Hear::Silence | Hear::Tone(_) | Hear::Send(_) => {}
        }
        self.speaker.apply(frame);
        if let Some(echo) = &mut self.echo {
            echo.handle_played(frame);
        }
        self.meters.1.handle_frame(frame);
    }

    /// A packet for [`Talk::remote`].
    pub fn poll_packet(&mut self) -> Option<VoicePacket> {
        self.call.as_mut()?.talker.poll_packet()
    }

    /// What was heard or sent, oldest first.
    pub fn poll_event(&mut self) -> Option<ChannelEvent> {
        self.events.pop_front()
    }

    /// The state that was wanted last.
    #[must_use]
    pub fn plan(&self) -> &ChannelPlan {
        &self.plan
    }

    /// Levels and counts up to now.
    #[must_use]
    pub fn figures(&self) -> ChannelFigures {
        ChannelFigures {
            microphone_dbm0: self.meters.0.dbm0(),
            speaker_dbm0: self.meters.1.dbm0(),
            echo: self.echo.as_ref().map(EchoCanceller::figures),
            reception: self.call.as_ref().map(|call| call.listener.figures()),
            events_dropped: self.events_dropped,
        }
    }
}

fn add(frame: &mut Frame, other: &Frame) {
    for (sample, other) in frame.iter_mut().zip(other) {
        *sample = sample.saturating_add(*other);
    }
}

fn push(events: &mut VecDeque<ChannelEvent>, dropped: &mut u64, event: ChannelEvent) {
    if events.len() >= CHANNEL_EVENTS_MAX {
        events.pop_front();
        *dropped += 1;
    }
    events.push_back(event);
}

/// 300 ms: the buffers of a card, a hybrid, and the time in which a key is recognised.
const ECHOING_FRAMES: u32 = 15;

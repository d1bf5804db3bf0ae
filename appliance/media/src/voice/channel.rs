//! One device's sound as a machine.

use std::collections::VecDeque;
use std::time::Instant;

use super::ear::{Ear, Heard};
use super::event::{ChannelEvent, ChannelFigures};
use super::gain::{Gain, Meter};
use super::mouth::{Mouth, Played};
use super::plan::{ChannelConfig, ChannelPlan};
use super::{CHANNEL_EVENTS_MAX, Frame};

/// The sound of one device.
///
/// Input: [`handle_plan`](Self::handle_plan), and for each 20 ms [`handle_microphone`](Self::handle_microphone), then
/// [`fill_speaker`](Self::fill_speaker). Output: [`poll_event`](Self::poll_event). Question: [`figures`](Self::figures).
#[derive(Clone, Debug)]
pub struct Channel {
    config: ChannelConfig,
    plan: ChannelPlan,
    microphone: Gain,
    speaker: Gain,
    meters: (Meter, Meter),
    ear: Ear,
    mouth: Mouth,
    events: VecDeque<ChannelEvent>,
    events_dropped: u64,
}

impl Channel {
    /// Silent, in no call.
    #[must_use]
    pub fn new(config: ChannelConfig) -> Channel {
        let plan = ChannelPlan::default();
        Channel {
            config,
            microphone: Gain::new(config.gains.microphone_db),
            speaker: Gain::new(config.gains.speaker_db),
            meters: (Meter::default(), Meter::default()),
            ear: Ear::new(config.device, config.analog),
            mouth: Mouth::new(&plan.hear, config.analog),
            plan,
            events: VecDeque::with_capacity(CHANNEL_EVENTS_MAX),
            events_dropped: 0,
        }
    }

    /// The state that is wanted now.
    pub fn handle_plan(&mut self, _now: Instant, plan: ChannelPlan) {
        if plan.hear != self.plan.hear {
            self.mouth = Mouth::new(&plan.hear, self.config.analog);
        }
        self.plan = plan;
    }

    /// 20 ms from the device.
    pub fn handle_microphone(&mut self, _now: Instant, frame: &Frame) {
        let mut frame = *frame;
        self.microphone.apply(&mut frame);
        self.meters.0.handle_frame(&frame);
        let (events, dropped) = (&mut self.events, &mut self.events_dropped);
        self.ear.handle_frame(&frame, |heard| match heard {
            Heard::Event(event) => push(events, dropped, event),
            Heard::KeyUp => {}
        });
    }

    /// The next 20 ms for the device.
    pub fn fill_speaker(&mut self, _now: Instant, frame: &mut Frame) {
        if self.mouth.fill(frame) == Played::Ended {
            push(&mut self.events, &mut self.events_dropped, ChannelEvent::Sent);
        }
        self.speaker.apply(frame);
        self.meters.1.handle_frame(frame);
    }

    /// What was heard or sent, oldest first.
    pub fn poll_event(&mut self) -> Option<ChannelEvent> {
        self.events.pop_front()
    }

    /// Levels and counts up to now.
    #[must_use]
    pub fn figures(&self) -> ChannelFigures {
        ChannelFigures {
            microphone_dbm0: self.meters.0.dbm0(),
            speaker_dbm0: self.meters.1.dbm0(),
            events_dropped: self.events_dropped,
        }
    }
}

fn push(events: &mut VecDeque<ChannelEvent>, dropped: &mut u64, event: ChannelEvent) {
    if events.len() >= CHANNEL_EVENTS_MAX {
        events.pop_front();
        *dropped += 1;
    }
    events.push_back(event);
}

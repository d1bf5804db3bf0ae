//! What is recognised in the sound of a device: keys, call-progress tones, callers' numbers.

use branchline_config::country::{Analog, CallerIdSignal};

use super::Frame;
use super::event::ChannelEvent;
use super::plan::Device;
use crate::tone::{
    BELL_202, CallerIdReceiver, DtmfDetector, DtmfEvent, Progress, ProgressDetector, RepeatDetector, V23,
};

/// Everything that listens to one device.
#[derive(Clone, Debug)]
pub(super) struct Ear {
    keys: Option<DtmfDetector>,
    progress: Option<ProgressDetector>,
    repeated: Option<RepeatDetector>,
    caller: Option<CallerIdReceiver>,
}

/// One thing heard; the end of a key is nobody's event, but a talker must know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    Event(ChannelEvent),
    KeyUp,
}

impl Ear {
    pub(super) fn new(device: Device, analog: &Analog) -> Ear {
        let is_line = match device {
            Device::Line => true,
            Device::Telephone | Device::Handset => false,
        };
        let keys = match device {
            Device::Telephone | Device::Line => Some(DtmfDetector::new()),
            Device::Handset => None,
        };
        let fsk = match analog.caller_id {
            Some(CallerIdSignal::Bell202) => Some(BELL_202),
            Some(CallerIdSignal::V23AfterRing | CallerIdSignal::V23BeforeRing) => Some(V23),
            Some(CallerIdSignal::Dtmf) | None => None,
        };
        Ear {
            keys,
            progress: is_line.then(|| ProgressDetector::new(analog)),
            repeated: is_line.then(RepeatDetector::new),
            caller: fsk.filter(|_| is_line).map(CallerIdReceiver::new),
        }
    }

    /// Whether the last frame holds a key, or the beginning of what may be one.
    pub(super) fn suspects_key(&self) -> bool {
        self.keys.as_ref().is_some_and(DtmfDetector::suspects)
    }

    pub(super) fn handle_frame(&mut self, frame: &Frame, mut tell: impl FnMut(Heard)) {
        if let Some(keys) = &mut self.keys {
            keys.handle_block(frame);
            while let Some(event) = keys.poll_event() {
                tell(match event {
                    DtmfEvent::Down { key } => Heard::Event(ChannelEvent::Digit(key)),
                    DtmfEvent::Up { .. } => Heard::KeyUp,
                });
            }
        }
        let progress = self.hear_progress(frame);
        let caller = self.caller.as_mut().and_then(|caller| caller.handle_block(frame));
        let told = progress.map(ChannelEvent::Heard).into_iter();
        told.chain(caller.map(ChannelEvent::CallerId))
            .for_each(|event| tell(Heard::Event(event)));
    }

    /// A tone of the country, or one that nobody knows but which does not end: it is what an exchange has for a hang-up.
    fn hear_progress(&mut self, frame: &Frame) -> Option<Progress> {
        let progress = self.progress.as_mut()?;
        let told = progress.handle_block(frame);
        let repeated = self.repeated.as_mut().and_then(|repeated| repeated.handle_block(frame));
        let learnt = repeated.filter(|_| progress.heard().is_none());
        told.or(learnt.map(|_| Progress::Busy))
    }
}

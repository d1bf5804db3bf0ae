use std::collections::VecDeque;

use branchline_board::Polarity;
use branchline_media::voice::ChannelPlan;
use branchline_sip::Transmit;

/// One thing to do for a telephone or a line, in order.
#[derive(Clone, Debug)]
pub enum Output {
    /// Send a SIP message.
    Transmit(Transmit),
    /// The sound that is wanted now.
    Sound(ChannelPlan),
    /// A digit that was dialled by pulses during a call.
    Digit(char),
    /// Ring the telephone.
    Ring,
    /// Ring it no longer.
    StopRinging,
    /// Turn the telephone's loop.
    Polarity(Polarity),
    /// Close the line's loop.
    Seize,
    /// Open it.
    Release,
}

/// What is to be done, and the sound that was asked for last.
#[derive(Debug, Default)]
pub(crate) struct Outputs {
    waiting: VecDeque<Output>,
    sound: ChannelPlan,
}

impl Outputs {
    pub(crate) fn push(&mut self, output: Output) {
        self.waiting.push_back(output);
    }

    /// The same sound again is nothing to do.
    pub(crate) fn want(&mut self, sound: ChannelPlan) {
        if self.sound != sound {
            self.sound = sound.clone();
            self.waiting.push_back(Output::Sound(sound));
        }
    }

    pub(crate) fn pop(&mut self) -> Option<Output> {
        self.waiting.pop_front()
    }
}

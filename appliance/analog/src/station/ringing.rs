//! Ringing, and the caller's number before it or in its first pause.

use branchline_board::Polarity;
use branchline_config::country::{Analog, CallerIdSignal};
use branchline_media::tone::CallerId;
use branchline_media::voice::{Hear, Signal};

use crate::output::{Output, Outputs};

/// A telephone that rings, or is about to.
#[derive(Debug)]
pub(super) struct Ringing {
    caller: CallerId,
    signal: Option<CallerIdSignal>,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The number goes first.
    Announcing,
    Ringing,
    /// The number goes in the first pause.
    Telling,
    Told,
}

impl Ringing {
    pub(super) fn begin(analog: &Analog, caller: CallerId, outputs: &mut Outputs) -> Ringing {
        let stage = match analog.caller_id {
            Some(CallerIdSignal::V23BeforeRing) => {
                outputs.push(Output::Polarity(Polarity::Reverse));
                Stage::Announcing
            }
            Some(CallerIdSignal::Dtmf) => Stage::Announcing,
            Some(CallerIdSignal::Bell202 | CallerIdSignal::V23AfterRing) | None => {
                outputs.push(Output::Ring);
                Stage::Ringing
            }
        };
        Ringing {
            caller,
            signal: analog.caller_id,
            stage,
        }
    }

    pub(super) fn handle_pause(&mut self, rings: u32) {
        let tells = match self.signal {
            Some(CallerIdSignal::Bell202 | CallerIdSignal::V23AfterRing) => rings == 1,
            Some(CallerIdSignal::V23BeforeRing | CallerIdSignal::Dtmf) | None => false,
        };
        if tells && self.stage == Stage::Ringing {
            self.stage = Stage::Telling;
        }
    }

    pub(super) fn handle_sent(&mut self, outputs: &mut Outputs) {
        match self.stage {
            Stage::Announcing => {
                if self.signal == Some(CallerIdSignal::V23BeforeRing) {
                    outputs.push(Output::Polarity(Polarity::Forward));
                }
                outputs.push(Output::Ring);
                self.stage = Stage::Told;
            }
            Stage::Telling => self.stage = Stage::Told,
            Stage::Ringing | Stage::Told => {}
        }
    }

    pub(super) fn stop(&self, outputs: &mut Outputs) {
        if self.stage == Stage::Announcing {
            outputs.push(Output::Polarity(Polarity::Forward));
        }
        outputs.push(Output::StopRinging);
    }

    pub(super) fn hear(&self) -> Hear {
        match self.stage {
            Stage::Announcing | Stage::Telling => Hear::Send(vec![Signal::CallerId(self.caller.clone())]),
            Stage::Ringing | Stage::Told => Hear::Silence,
        }
    }
}

//! How an established session ends: BYE from either side, and what has to be said before it.

use std::time::Duration;

use crate::agent::{End, SessionEvent};
use crate::message::{Message, Method, Name};
use crate::transaction::ServerKey;

use super::super::{Purpose, Turn};
use super::established::{Established, Rest, Stage};
use super::refer::Reported;

// The transferred call may ring that long after its transferor has hung up.
const LINGER: Duration = Duration::from_secs(120);
// Several repetitions of a NOTIFY; a caller should not wait longer for the line to clear.
const REPORT_MAX: Duration = Duration::from_secs(2);

impl Established {
    /// Ends the session from our side.
    pub(super) fn hang_up(&mut self, turn: &mut Turn<'_>, reason: Option<&str>) -> Rest {
        if !self.is_open() {
            return Rest::Stays;
        }
        self.settle(turn);
        if self.usage.awaits_first_ack() {
            self.stage = Stage::HangingUp {
                reason: reason.map(Into::into),
            };
            return Rest::Stays;
        }
        self.say_bye(turn, reason)
    }

    /// Sends the BYE, after the reports that are under way: some transferors drop the dialog with it and never hear the outcome.
    pub(super) fn say_bye(&mut self, turn: &mut Turn<'_>, reason: Option<&str>) -> Rest {
        if self.reported.as_ref().is_some_and(Reported::is_under_way) {
            self.stage = Stage::Reporting {
                reason: reason.map(Into::into),
                until: turn.now + REPORT_MAX,
            };
            return Rest::Stays;
        }
        self.send_bye(turn, reason)
    }

    pub(super) fn send_bye(&mut self, turn: &mut Turn<'_>, reason: Option<&str>) -> Rest {
        let mut bye = self.usage.dialog.request(&Method::Bye);
        if let Some(reason) = reason {
            bye = bye.header(Name::Reason, reason);
        }
        self.stage = Stage::Leaving;
        match turn.send(&self.usage.dialog, bye, Purpose::Bye) {
            Some(_) => Rest::Stays,
            None => self.finish(turn, End::ByBox),
        }
    }

    /// Answers what is still open on both sides.
    fn settle(&mut self, turn: &mut Turn<'_>) {
        self.usage.acknowledge_owed(turn, None);
        self.usage.refuse_owed(turn, 487);
        self.usage.drop_offers();
        self.usage.cancel_offer(turn);
        self.usage.timer = None;
        if let Some(reported) = self.reported.take_if(|reported| !reported.is_reporting()) {
            reported.drop_unanswered(turn);
        }
    }

    /// Reports the end; what is owed to a transferor keeps the dialog alive for a while.
    pub(super) fn finish(&mut self, turn: &mut Turn<'_>, why: End) -> Rest {
        self.settle(turn);
        self.usage.unacked = None;
        turn.emit(SessionEvent::Ended { why });
        if self.reported.is_some() {
            self.stage = Stage::Lingering {
                until: turn.now + LINGER,
            };
            return Rest::Stays;
        }
        Rest::Over
    }

    /// Says BYE without waiting for its answer.
    pub(super) fn leave(&mut self, turn: &mut Turn<'_>, why: End) -> Rest {
        self.settle(turn);
        let bye = self.usage.dialog.request(&Method::Bye);
        turn.send_unwatched(&self.usage.dialog, bye);
        self.finish(turn, why)
    }

    pub(super) fn handle_bye(&mut self, turn: &mut Turn<'_>, key: ServerKey, request: Message) -> Rest {
        turn.refuse(key, &request, 200);
        match &self.stage {
            Stage::Open => {
                let reason = request.text(Name::Reason).map(|reason| reason.into_owned());
                self.finish(turn, End::Bye { reason, request })
            }
            Stage::HangingUp { .. } | Stage::Reporting { .. } | Stage::Leaving => self.finish(turn, End::ByBox),
            Stage::Lingering { .. } => Rest::Stays,
        }
    }
}

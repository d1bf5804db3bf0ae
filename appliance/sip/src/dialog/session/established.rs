//! A session whose INVITE was answered with 2xx, until its last trace is gone (RFC 3261 sections 13 to 15).

use std::time::Instant;

use crate::agent::{End, SessionEvent};
use crate::flow::Flow;
use crate::message::{Message, Method, Name};
use crate::transaction::{ClientKey, Failure, ServerKey};

use super::super::session_timer::{Due, SessionTimer};
use super::super::{Dialog, Headers, Local, NextHop, Purpose, Turn};
use super::refer::{Asked, Reported, read_notify};
use super::reoffer_outcome::Verdict as Offered;
use super::usage::{Usage, Which};
use super::{Direction, Finality, TransferProgress};

#[derive(Debug)]
pub(super) struct Established {
    pub(super) usage: Usage,
    pub(super) stage: Stage,
    /// CSeq of our INVITE, while other branches of its fork may still answer; 0 for an incoming call.
    invite_cseq: u32,
    dismissed: Vec<Dismissed>,
    pub(super) reported: Option<Reported>,
    pub(super) asked: Asked,
}

#[derive(Debug)]
pub(super) enum Stage {
    Open,
    /// The BYE waits for the ACK to our 2xx.
    HangingUp {
        reason: Option<Box<str>>,
    },
    /// The BYE waits for the reports on a transfer that are under way.
    Reporting {
        reason: Option<Box<str>>,
        until: Instant,
    },
    /// The BYE is out.
    Leaving,
    /// Over for the caller; reports on a transfer are still owed.
    Lingering {
        until: Instant,
    },
}

/// Another branch of the fork that also answered.
#[derive(Debug)]
struct Dismissed {
    tag: Box<str>,
    flow: Flow,
    ack: Message,
}

/// Whether anything is left.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Rest {
    Stays,
    Over,
}

// More answering branches than a forking proxy rings at once in a branch.
const DISMISSED_MAX: usize = 16;

impl Established {
    pub(super) fn new(usage: Usage) -> Established {
        Established {
            usage,
            stage: Stage::Open,
            invite_cseq: 0,
            dismissed: Vec::new(),
            reported: None,
            asked: Asked::Nothing,
        }
    }

    pub(super) fn of_invite(usage: Usage, cseq: u32) -> Established {
        Established {
            invite_cseq: cseq,
            ..Established::new(usage)
        }
    }

    pub(super) fn is_open(&self) -> bool {
        match self.stage {
            Stage::Open => true,
            Stage::HangingUp { .. } | Stage::Reporting { .. } | Stage::Leaving | Stage::Lingering { .. } => false,
        }
    }

    pub(super) fn handle_ack(&mut self, turn: &mut Turn<'_>, flow: Flow, ack: &Message) -> Rest {
        match &mut self.stage {
            Stage::Open => {
                self.usage.handle_ack(turn, flow, ack);
                self.usage.pump(turn);
                Rest::Stays
            }
            Stage::HangingUp { reason } => {
                let reason = reason.take();
                let events = turn.core.events.len();
                let which = self.usage.handle_ack(turn, flow, ack);
                // The caller has hung up already and waits for nothing but the end.
                turn.core.events.truncate(events);
                match which {
                    Some(Which::First) => self.say_bye(turn, reason.as_deref()),
                    Some(Which::Again) | None => {
                        self.stage = Stage::HangingUp { reason };
                        Rest::Stays
                    }
                }
            }
            Stage::Reporting { .. } | Stage::Leaving | Stage::Lingering { .. } => Rest::Stays,
        }
    }

    pub(super) fn handle_refer(&mut self, turn: &mut Turn<'_>, key: ServerKey, request: Message) {
        if self.reported.is_some() {
            return turn.refuse(key, &request, 491);
        }
        self.reported = Reported::receive(turn, key, request);
    }

    pub(super) fn handle_notify(&mut self, turn: &mut Turn<'_>, key: ServerKey, request: &Message) {
        let event = request.text(Name::Event).unwrap_or_default();
        let is_refer = event
            .split(';')
            .next()
            .is_some_and(|name| name.trim().eq_ignore_ascii_case("refer"));
        if !is_refer || self.asked == Asked::Nothing {
            return turn.refuse(key, request, 481);
        }
        turn.refuse(key, request, 200);
        let TransferProgress { status, finality } = read_notify(request);
        let ended = finality == Finality::Final;
        self.asked = if ended { Asked::Nothing } else { Asked::Reported };
        turn.emit(SessionEvent::ReferProgress { status, ended });
    }

    pub(super) fn handle_subscribe(&mut self, turn: &mut Turn<'_>, key: ServerKey, request: &Message) {
        match &mut self.reported {
            Some(reported) if reported.is_reporting() => {
                reported.handle_subscribe(turn, &mut self.usage.dialog, (key, request));
            }
            Some(_) | None => {
                let response = turn.response(request, 489).header(Name::AllowEvents, "refer").finish();
                turn.respond(key, response);
            }
        }
    }

    /// A final response (or its absence) to a request of ours inside the dialog.
    pub(super) fn handle_final(&mut self, turn: &mut Turn<'_>, done: Done<'_>) -> Rest {
        let status = done.status();
        if matches!(self.stage, Stage::Lingering { .. }) && done.purpose != Purpose::Notify {
            return Rest::Stays;
        }
        match done.purpose {
            // A BYE of the peer's may have ended it before.
            Purpose::Bye => {
                return match self.stage {
                    Stage::Leaving => self.finish(turn, End::ByBox),
                    Stage::Open | Stage::HangingUp { .. } | Stage::Reporting { .. } | Stage::Lingering { .. } => {
                        Rest::Stays
                    }
                };
            }
            Purpose::Offer if !self.is_open() => {
                // The peer's 2xx wants its ACK, whatever came in between.
                let success = done
                    .outcome
                    .ok()
                    .filter(|response| (200..300).contains(&response.status()) && *response.method() == Method::Invite);
                if let Some(response) = success {
                    self.usage.acknowledge(turn, response.cseq(), None);
                }
                return Rest::Stays;
            }
            Purpose::Offer => {
                let verdict = match done.outcome {
                    Ok(response) => self.usage.handle_offer_response(turn, response, done.direction),
                    Err(why) => self.usage.handle_offer_failed(turn, why),
                };
                return match verdict {
                    Offered::PeerGone if self.is_open() => self.leave(turn, End::PeerGone),
                    Offered::PeerGone | Offered::GoesOn => Rest::Stays,
                };
            }
            Purpose::Notify => return self.notified(turn, (done.key, status)),
            Purpose::Refer => {
                if status >= 300 || self.asked == Asked::Sent {
                    self.asked = if status >= 300 { Asked::Nothing } else { Asked::Sent };
                    turn.emit(SessionEvent::ReferProgress {
                        status,
                        ended: status >= 300,
                    });
                }
            }
            Purpose::Caller => {
                let response = done.outcome.ok().cloned();
                turn.emit(SessionEvent::InDialogAnswered {
                    key: done.key,
                    status,
                    response,
                });
            }
            Purpose::Prack | Purpose::Invite => return Rest::Stays,
        }
        // RFC 5057 section 5.1: 481 ends the whole dialog.
        if status == 481 && self.is_open() {
            self.finish(turn, End::PeerGone)
        } else {
            Rest::Stays
        }
    }

    fn notified(&mut self, turn: &mut Turn<'_>, done: (ClientKey, u16)) -> Rest {
        let Some(reported) = &mut self.reported else {
            return Rest::Stays;
        };
        if !reported.handle_final(turn, &mut self.usage.dialog, done) {
            self.reported = None;
        }
        let is_under_way = self.reported.as_ref().is_some_and(Reported::is_under_way);
        match &mut self.stage {
            Stage::Lingering { .. } if self.reported.is_none() => Rest::Over,
            Stage::Reporting { reason, .. } if !is_under_way => {
                let reason = reason.take();
                self.send_bye(turn, reason.as_deref())
            }
            Stage::Open
            | Stage::HangingUp { .. }
            | Stage::Reporting { .. }
            | Stage::Leaving
            | Stage::Lingering { .. } => Rest::Stays,
        }
    }

    /// A 2xx to an INVITE of ours after the first: a repetition, or another branch of the fork (RFC 3261 section 13.2.2.4).
    pub(super) fn handle_late_success(&mut self, turn: &mut Turn<'_>, flow: Flow, response: &Message) {
        if self.usage.repeat_ack(turn, response) || response.cseq() != self.invite_cseq {
            return;
        }
        let tag = response.to_tag().unwrap_or_default();
        if let Some(known) = self.dismissed.iter().find(|known| &*known.tag == tag) {
            return turn.core.endpoint.send_again(known.flow, &known.ack);
        }
        if self.dismissed.len() >= DISMISSED_MAX {
            return;
        }
        let local = Local {
            tag: turn.tag,
            contact: self.usage.dialog.contact(),
            next_hop: NextHop::Flow,
        };
        let mut dialog = Dialog::of_response(response, flow, &local);
        let credentials = self.usage.credentials(self.invite_cseq);
        let ack = turn.core.dismiss(turn.now, &mut dialog, &credentials);
        self.dismissed.push(Dismissed {
            tag: tag.into(),
            flow: dialog.flow(),
            ack,
        });
    }

    /// Sends a request of the caller's in the dialog.
    pub(super) fn compose(&mut self, method: &Method, headers: &Headers) -> crate::message::Builder {
        headers.write(self.usage.dialog.request(method))
    }

    pub(super) fn due_at(&self) -> Option<Instant> {
        match &self.stage {
            Stage::Open | Stage::HangingUp { .. } => {
                let timer = self.usage.timer.as_ref().map(SessionTimer::due_at);
                [self.usage.due_at(), timer].into_iter().flatten().min()
            }
            Stage::Leaving => None,
            Stage::Reporting { until, .. } | Stage::Lingering { until } => Some(*until),
        }
    }

    pub(super) fn handle_timeout(&mut self, turn: &mut Turn<'_>) -> Rest {
        match &mut self.stage {
            Stage::Leaving => return Rest::Stays,
            Stage::Reporting { reason, until } => {
                if turn.now < *until {
                    return Rest::Stays;
                }
                let reason = reason.take();
                return self.send_bye(turn, reason.as_deref());
            }
            Stage::Lingering { until } => return if turn.now >= *until { Rest::Over } else { Rest::Stays },
            Stage::Open | Stage::HangingUp { .. } => {}
        }
        if self.usage.fire_unacked(turn) {
            let why = if self.is_open() {
                End::Unacknowledged
            } else {
                End::ByBox
            };
            return self.leave(turn, why);
        }
        if self.usage.ours.has_given_up(turn.now) {
            return self.leave(turn, End::Unacknowledged);
        }
        self.usage.fire_cancel(turn);
        match self
            .usage
            .timer
            .as_mut()
            .map_or(Due::Nothing, |timer| timer.fire(turn.now))
        {
            Due::Nothing => {}
            Due::Refresh => self.usage.refresh(turn),
            Due::Expired => return self.leave(turn, End::Expired),
        }
        self.usage.pump(turn);
        Rest::Stays
    }
}

/// The end of a client transaction inside the dialog.
#[derive(Clone, Copy)]
pub(super) struct Done<'a> {
    pub(super) key: ClientKey,
    pub(super) purpose: Purpose,
    pub(super) direction: Direction,
    pub(super) outcome: Result<&'a Message, Failure>,
}

impl Done<'_> {
    pub(super) fn status(&self) -> u16 {
        match self.outcome {
            Ok(response) => response.status(),
            Err(Failure::Timeout) => 408,
            Err(Failure::Flow) => 503,
        }
    }
}

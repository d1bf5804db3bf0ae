//! REFER inside a session (RFC 3515): the implicit subscription and its NOTIFYs, in both roles.

use std::time::{Duration, Instant};

use crate::agent::SessionEvent;
use crate::message::{Message, Method, Name};
use crate::transaction::{ClientKey, ServerKey};

use super::super::replaces::split_refer_to;
use super::super::{Dialog, Purpose, Turn};
use super::{Finality, Referral, TransferProgress, Verdict};

/// The peer's REFER that we report on.
#[derive(Debug)]
pub(super) struct Reported {
    state: State,
    /// CSeq of the REFER: names the subscription when there are several.
    number: u32,
    expires_at: Instant,
}

#[derive(Debug)]
enum State {
    /// The caller owes a verdict.
    Asked { key: ServerKey, request: Message },
    /// Reports go out one at a time; a newer one replaces the one that waits.
    Reporting {
        in_flight: Option<(ClientKey, Finality)>,
        next: Option<TransferProgress>,
    },
}

/// Our own REFER.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Asked {
    Nothing,
    Sent,
    Reported,
}

// Longer than any call may ring.
const SUBSCRIPTION_S: u64 = 300;

impl Reported {
    /// Takes a REFER; answers it itself if it is malformed.
    pub(super) fn receive(turn: &mut Turn<'_>, key: ServerKey, request: Message) -> Option<Reported> {
        let mut targets = request.values(Name::ReferTo);
        let (Some(target), None) = (targets.next(), targets.next()) else {
            turn.refuse(key, &request, 400);
            return None;
        };
        let Ok(address) = crate::message::NameAddr::parse(target) else {
            turn.refuse(key, &request, 400);
            return None;
        };
        let (refer_to, replaces) = split_refer_to(address.uri_text);
        let referred_by = request.text(Name::ReferredBy).map(|text| text.into_owned());
        let event = SessionEvent::Refer {
            key,
            refer_to,
            replaces,
            referred_by,
            request: request.clone(),
        };
        turn.emit(event);
        Some(Reported {
            number: request.cseq(),
            state: State::Asked { key, request },
            expires_at: turn.now + Duration::from_secs(SUBSCRIPTION_S),
        })
    }

    /// Answers the REFER; false once there is nothing to report on.
    pub(super) fn answer(&mut self, turn: &mut Turn<'_>, dialog: &mut Dialog, verdict: Verdict) -> bool {
        let State::Asked { key, request } = &self.state else {
            return true;
        };
        match verdict {
            Verdict::Refuse { status } => {
                turn.refuse(*key, request, status.clamp(300, 699));
                false
            }
            Verdict::Accept => {
                let response = turn
                    .response(request, 202)
                    .header(Name::Contact, dialog.contact())
                    .finish();
                turn.respond(*key, response);
                self.state = State::Reporting {
                    in_flight: None,
                    next: None,
                };
                // RFC 3515 section 2.4.4: at once, whatever the state.
                self.report(
                    turn,
                    dialog,
                    TransferProgress {
                        status: 100,
                        finality: Finality::Interim,
                    },
                );
                true
            }
        }
    }

    pub(super) fn report(&mut self, turn: &mut Turn<'_>, dialog: &mut Dialog, progress: TransferProgress) {
        let State::Reporting { in_flight, next } = &mut self.state else {
            return;
        };
        let has_ended = |progress: &TransferProgress| progress.finality == Finality::Final;
        if in_flight.is_some_and(|(_, finality)| finality == Finality::Final) || next.as_ref().is_some_and(has_ended) {
            return;
        }
        if in_flight.is_some() {
            *next = Some(progress);
            return;
        }
        let notify = compose(dialog, (self.number, self.expires_at), turn.now, progress);
        *in_flight = turn
            .send(dialog, notify, Purpose::Notify)
            .map(|key| (key, progress.finality));
    }

    /// A NOTIFY of ours is through with `status`; false once there is nothing more to report.
    pub(super) fn handle_final(&mut self, turn: &mut Turn<'_>, dialog: &mut Dialog, done: (ClientKey, u16)) -> bool {
        let (key, status) = done;
        let State::Reporting { in_flight, next } = &mut self.state else {
            return true;
        };
        let Some((_, finality)) = in_flight.take_if(|(known, _)| *known == key) else {
            return true;
        };
        if finality == Finality::Final || status >= 300 {
            return false;
        }
        if let Some(next) = next.take() {
            self.report(turn, dialog, next);
        }
        true
    }

    /// A SUBSCRIBE that refreshes or ends the implicit subscription.
    pub(super) fn handle_subscribe(
        &mut self,
        turn: &mut Turn<'_>,
        dialog: &mut Dialog,
        request: (ServerKey, &Message),
    ) {
        let (key, request) = request;
        let expires_s = request
            .number(Name::Expires)
            .map_or(SUBSCRIPTION_S, u64::from)
            .min(SUBSCRIPTION_S);
        self.expires_at = turn.now + Duration::from_secs(expires_s);
        let response = turn
            .response(request, 200)
            .header(Name::Contact, dialog.contact())
            .header(Name::Expires, expires_s)
            .finish();
        turn.respond(key, response);
        let finality = if expires_s == 0 {
            Finality::Final
        } else {
            Finality::Interim
        };
        self.report(turn, dialog, TransferProgress { status: 100, finality });
    }

    /// Refuses what the caller did not answer.
    pub(super) fn drop_unanswered(&self, turn: &mut Turn<'_>) {
        match &self.state {
            State::Asked { key, request } => turn.refuse(*key, request, 487),
            State::Reporting { .. } => {}
        }
    }

    /// True once accepted: reports are still to come.
    pub(super) fn is_reporting(&self) -> bool {
        match &self.state {
            State::Asked { .. } => false,
            State::Reporting { .. } => true,
        }
    }

    /// True while a NOTIFY waits for its answer or for its turn.
    pub(super) fn is_under_way(&self) -> bool {
        match &self.state {
            State::Asked { .. } => false,
            State::Reporting { in_flight, next } => in_flight.is_some() || next.is_some(),
        }
    }

    pub(super) fn is_asked_by(&self, wanted: ServerKey) -> bool {
        matches!(&self.state, State::Asked { key, .. } if *key == wanted)
    }
}

fn compose(
    dialog: &mut Dialog,
    (number, expires_at): (u32, Instant),
    now: Instant,
    progress: TransferProgress,
) -> crate::message::Builder {
    let notify = dialog
        .request(&Method::Notify)
        .header(Name::Event, format_args!("refer;id={number}"));
    let notify = match progress.finality {
        Finality::Interim => {
            let left_s = expires_at.saturating_duration_since(now).as_secs().max(1);
            notify.header(Name::SubscriptionState, format_args!("active;expires={left_s}"))
        }
        Finality::Final => notify.header(Name::SubscriptionState, "terminated;reason=noresource"),
    };
    let fragment = format!(
        "SIP/2.0 {} {}\r\n",
        progress.status,
        crate::message::reason_phrase(progress.status)
    );
    notify.body("message/sipfrag;version=2.0", fragment.as_bytes())
}

/// Sends our REFER; false if another one is open or there is no room.
pub(super) fn send_refer(turn: &mut Turn<'_>, dialog: &mut Dialog, referral: &Referral) -> bool {
    let mut request = dialog.request(&Method::Refer).header(Name::ReferTo, &referral.refer_to);
    if let Some(referred_by) = &referral.referred_by {
        request = request.header(Name::ReferredBy, referred_by);
    }
    turn.send(dialog, request, Purpose::Refer).is_some()
}

/// Reads a NOTIFY about our REFER: the status in its sipfrag.
pub(super) fn read_notify(notify: &Message) -> TransferProgress {
    let ended = notify.text(Name::SubscriptionState).is_some_and(|state| {
        state
            .trim_start()
            .get(..10)
            .is_some_and(|word| word.eq_ignore_ascii_case("terminated"))
    });
    let body = String::from_utf8_lossy(notify.body());
    let status = body
        .strip_prefix("SIP/2.0 ")
        .and_then(|rest| rest.get(..3))
        .and_then(|code| code.parse().ok());
    let status = status.unwrap_or(100);
    let finality = if ended || status >= 200 {
        Finality::Final
    } else {
        Finality::Interim
    };
    TransferProgress { status, finality }
}

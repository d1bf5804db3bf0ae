//! The side that reports state (RFC 6665 section 4.2).

use std::time::{Duration, Instant};

use crate::dialog::{Core, Dialog, Local, OutOfOrder, Owner, Tag, with_body};
use crate::flow::Flow;
use crate::message::{Builder, Message, Method, Name};
use crate::transaction::{Failure, ServerKey};

use super::{
    Acceptance, Notice, NoticeState, Outcome, SubscriptionEnd, SubscriptionEvent, SubscriptionId, emit, respond,
};

pub(super) struct Notifier {
    id: SubscriptionId,
    tag: Tag,
    dialog: Dialog,
    event: Box<str>,
    expires_s_max: u32,
    expires_at: Instant,
    /// The last state, for refreshes.
    last: Option<Notice>,
    /// `last` is newer than what was sent.
    is_due: bool,
    state: State,
}

enum State {
    Running {
        in_flight: bool,
    },
    /// The last NOTIFY is to be sent or is out.
    Ending {
        in_flight: bool,
        sent: bool,
        why: SubscriptionEnd,
        reason: Box<str>,
    },
    Over,
}

// How long a state that was only fetched may take to be reported.
const FETCH: Duration = Duration::from_secs(30);

impl Notifier {
    pub(super) fn accept(
        core: &mut Core,
        now: Instant,
        (id, tag): (SubscriptionId, Tag),
        acceptance: Acceptance,
    ) -> Notifier {
        let Acceptance {
            key,
            flow,
            next_hop,
            request,
            local_contact,
            expires_s_max,
        } = acceptance;
        let dialog = Dialog::of_request(
            &request,
            flow,
            &Local {
                tag,
                contact: &local_contact,
                next_hop,
            },
        );
        let mut notifier = Notifier {
            id,
            tag,
            dialog,
            event: request.text(Name::Event).unwrap_or_default().as_ref().into(),
            expires_s_max,
            expires_at: now,
            last: None,
            is_due: false,
            state: State::Running { in_flight: false },
        };
        let expires_s = notifier.grant(core, now, (key, &request));
        if expires_s == 0 {
            notifier.expires_at = now + FETCH;
            notifier.state = State::Ending {
                in_flight: false,
                sent: false,
                why: SubscriptionEnd::Unsubscribed,
                reason: "timeout".into(),
            };
        }
        notifier
    }

    fn grant(&mut self, core: &mut Core, now: Instant, (key, request): (ServerKey, &Message)) -> u32 {
        let expires_s = request
            .number(Name::Expires)
            .unwrap_or(self.expires_s_max)
            .min(self.expires_s_max);
        self.expires_at = now + Duration::from_secs(u64::from(expires_s));
        let response = Builder::response_with_tag(request, 200, &self.tag.to_string())
            .header(Name::Contact, self.dialog.contact())
            .header(Name::Expires, expires_s)
            .header(Name::Server, &core.settings.user_agent)
            .finish();
        core.endpoint.respond(now, key, response);
        expires_s
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    pub(super) fn call_id(&self) -> &str {
        self.dialog.call_id()
    }

    pub(super) fn due_at(&self) -> Option<Instant> {
        match &self.state {
            State::Running { .. } | State::Ending { in_flight: false, .. } => Some(self.expires_at),
            State::Ending { .. } | State::Over => None,
        }
    }

    pub(super) fn notify(&mut self, core: &mut Core, now: Instant, notice: Notice) {
        match &self.state {
            State::Running { in_flight } => {
                if let NoticeState::Terminated { reason } = &notice.state {
                    let (in_flight, reason) = (*in_flight, reason.as_str().into());
                    self.state = State::Ending {
                        in_flight,
                        sent: false,
                        why: SubscriptionEnd::ByBox,
                        reason,
                    };
                }
            }
            State::Ending { .. } => {}
            State::Over => return,
        }
        self.last = Some(notice);
        self.is_due = true;
        self.pump(core, now);
    }

    /// Sends the newest state unless an older one is still in the air.
    fn pump(&mut self, core: &mut Core, now: Instant) {
        let state = match &mut self.state {
            State::Running { in_flight } if !*in_flight && self.is_due => {
                *in_flight = true;
                let left_s = self.expires_at.saturating_duration_since(now).as_secs();
                let word = match self.last.as_ref().map(|notice| &notice.state) {
                    Some(NoticeState::Pending) => "pending",
                    Some(NoticeState::Active | NoticeState::Terminated { .. }) | None => "active",
                };
                format!("{word};expires={left_s}")
            }
            State::Ending {
                in_flight,
                sent,
                reason,
                ..
            } if !*in_flight && !*sent && self.is_due => {
                *in_flight = true;
                *sent = true;
                format!("terminated;reason={reason}")
            }
            State::Running { .. } | State::Ending { .. } | State::Over => return,
        };
        self.is_due = false;
        let notify = self
            .dialog
            .request(&Method::Notify)
            .header(Name::Event, &self.event)
            .header(Name::SubscriptionState, state);
        let notify = with_body(notify, self.last.as_ref().and_then(|notice| notice.body.as_ref()));
        if core
            .send(now, self.dialog.flow(), notify, Owner::Subscription(self.id))
            .is_err()
        {
            self.end(core, SubscriptionEnd::PeerGone);
        }
    }

    fn end(&mut self, core: &mut Core, why: SubscriptionEnd) {
        self.state = State::Over;
        emit(core, self.id, SubscriptionEvent::Ended { why });
    }

    fn begin_end(&mut self, core: &mut Core, now: Instant, why: SubscriptionEnd) {
        let in_flight = match &self.state {
            State::Running { in_flight } => *in_flight,
            State::Ending { .. } | State::Over => return,
        };
        self.state = State::Ending {
            in_flight,
            sent: false,
            why,
            reason: "timeout".into(),
        };
        self.is_due = true;
        self.pump(core, now);
    }

    pub(super) fn handle_subscribe(
        &mut self,
        core: &mut Core,
        now: Instant,
        (key, flow): (ServerKey, Flow),
        request: &Message,
    ) {
        let is_mine = request.from_tag().unwrap_or_default() == self.dialog.remote_tag();
        if !is_mine || !matches!(self.state, State::Running { .. }) {
            return respond(core, now, (key, request), 481);
        }
        if let Err(OutOfOrder) = self.dialog.receive(request, flow) {
            return respond(core, now, (key, request), 500);
        }
        self.dialog.refresh_target(request);
        let expires_s = self.grant(core, now, (key, request));
        if expires_s == 0 {
            return self.begin_end(core, now, SubscriptionEnd::Unsubscribed);
        }
        emit(core, self.id, SubscriptionEvent::Refreshed { expires_s });
        // RFC 6665 section 4.2.1.2: each SUBSCRIBE is followed by a NOTIFY at once.
        self.is_due = true;
        self.pump(core, now);
    }

    pub(super) fn handle_final(&mut self, core: &mut Core, now: Instant, outcome: Outcome<'_>) {
        let is_gone = match outcome {
            Ok((_, response)) => response.status() == 481,
            Err(Failure::Timeout | Failure::Flow) => true,
        };
        match std::mem::replace(&mut self.state, State::Over) {
            State::Over => {}
            State::Ending { sent: true, why, .. } => self.end(core, why),
            State::Running { .. } | State::Ending { .. } if is_gone => self.end(core, SubscriptionEnd::PeerGone),
            State::Running { .. } => self.state = State::Running { in_flight: false },
            State::Ending { why, reason, .. } => {
                self.state = State::Ending {
                    in_flight: false,
                    sent: false,
                    why,
                    reason,
                };
            }
        }
        self.pump(core, now);
    }

    pub(super) fn handle_timeout(&mut self, core: &mut Core, now: Instant) {
        if now < self.expires_at {
            return;
        }
        match &self.state {
            State::Running { .. } => self.begin_end(core, now, SubscriptionEnd::Expired),
            State::Ending { .. } => {
                self.is_due = true;
                self.pump(core, now);
            }
            State::Over => {}
        }
    }
}

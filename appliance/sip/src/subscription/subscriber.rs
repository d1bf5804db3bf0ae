//! The side that asks for state (RFC 6665 section 4.1).

use std::time::{Duration, Instant};

use crate::dialog::{Body, Core, Dialog, Headers, Local, OutOfOrder, Owner, Tag};
use crate::flow::Flow;
use crate::message::{Builder, Message, Method, Name};
use crate::transaction::{Failure, Full, ServerKey};

use super::{Outcome, SubscriptionEnd, SubscriptionEvent, SubscriptionId, SubscriptionRequest, emit, respond};

pub(super) struct Subscriber {
    id: SubscriptionId,
    tag: Tag,
    call_id: Box<str>,
    request: SubscriptionRequest,
    dialog: Option<Dialog>,
    state: State,
}

enum State {
    /// The first SUBSCRIBE is out.
    Asking,
    Running {
        in_flight: bool,
        refresh_at: Instant,
        expires_at: Instant,
    },
    /// The SUBSCRIBE with Expires 0 is out, then the last NOTIFY is awaited.
    Leaving {
        give_up_at: Instant,
    },
    Over,
}

const FIRST_CSEQ: u32 = 1;
// As long as the transaction layer tries (64*T1).
const PATIENCE: Duration = Duration::from_secs(32);

impl Subscriber {
    pub(super) fn start(
        core: &mut Core,
        now: Instant,
        (id, tag): (SubscriptionId, Tag),
        request: SubscriptionRequest,
    ) -> Result<Subscriber, Full> {
        let call_id = core.fresh_call_id();
        let subscribe = Builder::request(&Method::Subscribe, &request.request_uri)
            .header(Name::MaxForwards, 70)
            .header(Name::From, format_args!("{};tag={tag}", request.from))
            .header(Name::To, &request.to)
            .header(Name::CallId, &call_id)
            .header(Name::CSeq, format_args!("{FIRST_CSEQ} SUBSCRIBE"))
            .header(Name::Contact, &request.contact)
            .header(Name::Event, &request.event)
            .header(Name::Expires, request.expires_s);
        let subscribe = request.headers.write(subscribe);
        core.send(now, request.flow, subscribe, Owner::Subscription(id))?;
        Ok(Subscriber {
            id,
            tag,
            call_id: call_id.into(),
            request,
            dialog: None,
            state: State::Asking,
        })
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    pub(super) fn call_id(&self) -> &str {
        &self.call_id
    }

    pub(super) fn due_at(&self) -> Option<Instant> {
        match &self.state {
            State::Running {
                in_flight: false,
                refresh_at,
                expires_at,
            } => Some(*refresh_at.min(expires_at)),
            State::Running { expires_at, .. } => Some(*expires_at),
            State::Leaving { give_up_at } => Some(*give_up_at),
            State::Asking | State::Over => None,
        }
    }

    fn end(&mut self, core: &mut Core, why: SubscriptionEnd) {
        self.state = State::Over;
        emit(core, self.id, SubscriptionEvent::Ended { why });
    }

    fn local(&self) -> Local<'_> {
        Local {
            tag: self.tag,
            contact: &self.request.contact,
            next_hop: self.request.next_hop,
        }
    }

    fn run(&mut self, now: Instant, expires_s: u32) {
        let whole = Duration::from_secs(u64::from(expires_s));
        // Early enough for a lost refresh to be repeated.
        let refresh = whole.saturating_sub(PATIENCE).max(whole / 2);
        self.state = State::Running {
            in_flight: false,
            refresh_at: now + refresh,
            expires_at: now + whole,
        };
    }

    fn send(&mut self, core: &mut Core, now: Instant, expires_s: u32) -> bool {
        let Some(dialog) = &mut self.dialog else { return false };
        let subscribe = dialog
            .request(&Method::Subscribe)
            .header(Name::Event, &self.request.event)
            .header(Name::Expires, expires_s);
        // The path of the dialog replaces the one of the first request.
        let headers: Headers = self
            .request
            .headers
            .iter()
            .filter(|(name, _)| *name != Name::Route)
            .map(|(name, value)| (name, value.to_owned()))
            .collect();
        core.send(
            now,
            dialog.flow(),
            headers.write(subscribe),
            Owner::Subscription(self.id),
        )
        .is_ok()
    }

    pub(super) fn handle_final(&mut self, core: &mut Core, now: Instant, outcome: Outcome<'_>) {
        match (&self.state, outcome) {
            (State::Over | State::Leaving { .. }, Ok((_, response))) if response.status() < 300 => {}
            (State::Over, _) => {}
            (State::Leaving { .. }, _) => self.end(core, SubscriptionEnd::ByBox),
            (State::Asking | State::Running { .. }, Ok((flow, response))) if response.status() < 300 => {
                if self.dialog.is_none() {
                    let dialog = Dialog::of_response(response, flow, &self.local());
                    self.dialog = Some(dialog);
                } else if let Some(dialog) = &mut self.dialog {
                    dialog.refresh_target(response);
                }
                let expires_s = response.number(Name::Expires).unwrap_or(self.request.expires_s);
                self.run(now, expires_s);
                emit(core, self.id, SubscriptionEvent::Accepted { expires_s });
            }
            (State::Asking, Ok((_, response))) => {
                let response = response.clone();
                self.end(core, SubscriptionEnd::Refused { response });
            }
            (State::Asking, Err(Failure::Timeout | Failure::Flow)) => self.end(core, SubscriptionEnd::PeerGone),
            (State::Running { .. }, Ok((_, response))) if response.status() == 481 => {
                self.end(core, SubscriptionEnd::PeerGone);
            }
            // It still runs until it expires; the refresh is tried once more halfway there.
            (State::Running { expires_at, .. }, _) => {
                let expires_at = *expires_at;
                let refresh_at = now + expires_at.saturating_duration_since(now) / 2;
                self.state = if expires_at.saturating_duration_since(now) > Duration::from_secs(1) {
                    State::Running {
                        in_flight: false,
                        refresh_at,
                        expires_at,
                    }
                } else {
                    State::Running {
                        in_flight: true,
                        refresh_at,
                        expires_at,
                    }
                };
            }
        }
    }

    pub(super) fn handle_notify(
        &mut self,
        core: &mut Core,
        now: Instant,
        (key, flow): (ServerKey, Flow),
        request: Message,
    ) {
        if self.dialog.is_none() {
            let mut dialog = Dialog::of_notify(&request, flow, &self.local());
            dialog.continue_after(FIRST_CSEQ);
            self.dialog = Some(dialog);
        } else if let Some(dialog) = &mut self.dialog {
            if request.from_tag().unwrap_or_default() != dialog.remote_tag() {
                return respond(core, now, (key, &request), 481);
            }
            if let Err(OutOfOrder) = dialog.receive(&request, flow) {
                return respond(core, now, (key, &request), 500);
            }
            dialog.refresh_target(&request);
        }
        respond(core, now, (key, &request), 200);
        let state = request.text(Name::SubscriptionState).unwrap_or_default().into_owned();
        let mut parts = state.split(';').map(str::trim);
        let terminated = parts.next().is_some_and(|word| word.eq_ignore_ascii_case("terminated"));
        let param = |wanted: &str| {
            let mut params = parts.clone().filter_map(|part| part.split_once('='));
            params
                .find(|(name, _)| name.trim().eq_ignore_ascii_case(wanted))
                .map(|(_, value)| value.trim().to_owned())
        };
        let (reason, expires_s) = (
            param("reason"),
            param("expires").and_then(|value| value.parse::<u32>().ok()),
        );
        emit(
            core,
            self.id,
            SubscriptionEvent::Notified {
                body: Body::of(&request),
                request,
            },
        );
        match (&self.state, terminated) {
            (State::Leaving { .. }, true) => self.end(core, SubscriptionEnd::ByBox),
            (State::Asking | State::Running { .. }, true) => self.end(core, SubscriptionEnd::Terminated { reason }),
            (State::Running { in_flight: false, .. }, false) => {
                if let Some(expires_s) = expires_s {
                    self.run(now, expires_s);
                }
            }
            (State::Asking | State::Running { .. } | State::Leaving { .. } | State::Over, _) => {}
        }
    }

    pub(super) fn unsubscribe(&mut self, core: &mut Core, now: Instant) {
        match &self.state {
            // A final response to the open SUBSCRIBE, or its NOTIFY, ends it; a 2xx is let expire at the notifier.
            State::Asking | State::Running { in_flight: true, .. } => {}
            State::Running { in_flight: false, .. } => {
                if !self.send(core, now, 0) {
                    return self.end(core, SubscriptionEnd::ByBox);
                }
            }
            State::Leaving { .. } | State::Over => return,
        }
        self.state = State::Leaving {
            give_up_at: now + PATIENCE,
        };
    }

    pub(super) fn handle_timeout(&mut self, core: &mut Core, now: Instant) {
        match &self.state {
            State::Running { expires_at, .. } if now >= *expires_at => self.end(core, SubscriptionEnd::Expired),
            State::Running {
                in_flight: false,
                refresh_at,
                expires_at,
            } if now >= *refresh_at => {
                let (refresh_at, expires_at) = (*refresh_at, *expires_at);
                let in_flight = self.send(core, now, self.request.expires_s);
                let refresh_at = if in_flight { refresh_at } else { expires_at };
                self.state = State::Running {
                    in_flight,
                    refresh_at,
                    expires_at,
                };
            }
            State::Leaving { give_up_at } if now >= *give_up_at => self.end(core, SubscriptionEnd::ByBox),
            State::Running { .. } | State::Leaving { .. } | State::Asking | State::Over => {}
        }
    }
}

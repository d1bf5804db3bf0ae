//! Our INVITE that has no final response yet (RFC 3261 section 13.2), with its early dialogs.

use std::time::{Duration, Instant};

use crate::agent::{ALLOW, End, Refusal, SessionEvent};
use crate::flow::Flow;
use crate::message::{Builder, Message, Method, Name, NameAddr};
use crate::transaction::{ClientKey, Failure, Full, Room};

use super::super::resend::GIVE_UP;
use super::super::session_timer::SessionTimer;
use super::super::signer::{self, Asked};
use super::super::turn::Reliability;
use super::super::{Body, Dialog, Headers, Local, Purpose, Turn, with_body};
use super::Invitation;
use super::established::Established;
use super::forks::Forks;
use super::usage::{Exchange, Usage};

#[derive(Debug)]
pub(super) struct Outgoing {
    invitation: Invitation,
    call_id: Box<str>,
    cseq: u32,
    state: State,
    pub(super) forks: Forks,
    least_s: u32,
    tries: u8,
    asked: Asked,
    /// Those of the last INVITE, for its ACK.
    credentials: Headers,
    heard: Heard,
}

/// Whether any provisional response has come yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Heard {
    Nothing,
    Provisional,
}

#[derive(Debug)]
enum State {
    Calling {
        key: ClientKey,
        give_up_at: Instant,
    },
    /// The caller owes credentials or a hang-up.
    Challenged {
        response: Message,
        give_up_at: Instant,
    },
    /// CANCEL is out or waits for the first response; `outcome` is what the caller hears in the end.
    Cancelling {
        outcome: Outcome,
        give_up_at: Instant,
    },
}

#[derive(Clone, Copy, Debug)]
enum Outcome {
    ByBox,
    TimedOut,
}

/// What became of it.
pub(super) enum Step {
    Stays,
    Answered(Box<Established>),
    /// A 2xx came too late: it is acknowledged, and a BYE follows.
    Unwanted(Box<Established>),
    Over,
}

// Credentials, proxy credentials, a stale nonce, and the interval of a 422.
const TRIES_MAX: u8 = 6;
// Above the 64*T1 after which the transaction layer gives a CANCEL up.
const CANCEL_MAX: Duration = Duration::from_secs(80);

impl Outgoing {
    pub(super) fn start(
        turn: &mut Turn<'_>,
        invitation: Invitation,
        (call_id, room): (&str, Room),
    ) -> Result<Outgoing, Full> {
        let cseq = 1 + turn.core.below(1_000);
        let give_up_at = turn.now + turn.core.settings.ring_max;
        let mut outgoing = Outgoing {
            invitation,
            call_id: call_id.into(),
            cseq,
            state: State::Cancelling {
                outcome: Outcome::ByBox,
                give_up_at,
            },
            forks: Forks::default(),
            least_s: 0,
            tries: 0,
            asked: Asked::default(),
            credentials: Headers::new(),
            heard: Heard::Nothing,
        };
        let is_admitted = match room {
            Room::Open => true,
            Room::Reserved => {
                let request = outgoing.compose(turn);
                turn.core.endpoint.will_be_priority(outgoing.flow(), request)
            }
            Room::Nothing => false,
        };
        if !is_admitted {
            return Err(Full);
        }
        outgoing.send(turn)?;
        Ok(outgoing)
    }

    fn send(&mut self, turn: &mut Turn<'_>) -> Result<(), Full> {
        self.cseq = self.cseq.saturating_add(1);
        let request = self.compose(turn);
        let key = turn.send_on(self.invitation.flow, request, Purpose::Invite)?;
        let given = self
            .invitation
            .headers
            .only(&[Name::Authorization, Name::ProxyAuthorization]);
        self.credentials = given.replaced_by(turn.credentials());
        self.state = State::Calling {
            key,
            give_up_at: turn.now + self.invitation.ring_max.unwrap_or(turn.core.settings.ring_max),
        };
        self.forks.clear();
        Ok(())
    }

    fn compose(&self, turn: &Turn<'_>) -> Builder {
        let invitation = &self.invitation;
        let reliability = if invitation.body.is_some() {
            Reliability::Offered
        } else {
            Reliability::Withheld
        };
        let mut request = Builder::request(&Method::Invite, &invitation.request_uri);
        for route in &invitation.route {
            request = request.header(Name::Route, route);
        }
        request = request
            .header(Name::MaxForwards, invitation.max_forwards)
            .header(Name::From, format_args!("{};tag={}", invitation.from, turn.tag))
            .header(Name::To, &invitation.to)
            .header(Name::CallId, &self.call_id)
            .header(Name::CSeq, format_args!("{} INVITE", self.cseq))
            .header(Name::Contact, &invitation.contact)
            .header(Name::Allow, ALLOW)
            .header(Name::Supported, turn.core.supported(reliability));
        request = SessionTimer::write_wish(request, &turn.core.settings, self.least_s);
        let request = invitation.headers.write(request);
        match &invitation.attachment {
            Some(attachment) => attachment.write(request, invitation.body.as_ref()),
            None => with_body(request, invitation.body.as_ref()),
        }
    }

    pub(super) fn call_id(&self) -> &str {
        &self.call_id
    }

    pub(super) fn flow(&self) -> Flow {
        self.invitation.flow
    }

    pub(super) fn request_uri(&self) -> &str {
        &self.invitation.request_uri
    }

    /// Sends the INVITE again, after a challenge.
    pub(super) fn retry(&mut self, turn: &mut Turn<'_>, headers: Headers) -> Step {
        match &self.state {
            State::Challenged { .. } => {}
            State::Calling { .. } | State::Cancelling { .. } => return Step::Stays,
        }
        let first = std::mem::take(&mut self.invitation.headers);
        self.invitation.headers = first.replaced_by(headers);
        self.send_or_refuse(turn)
    }

    fn send_or_refuse(&mut self, turn: &mut Turn<'_>) -> Step {
        match self.send(turn) {
            Ok(()) => Step::Stays,
            Err(Full) => refused(turn, 503, None, Refusal::Flow),
        }
    }

    /// Withdraws the call.
    pub(super) fn cancel(&mut self, turn: &mut Turn<'_>, reason: Option<&str>) -> Step {
        self.withdraw(turn, reason, Outcome::ByBox)
    }

    fn withdraw(&mut self, turn: &mut Turn<'_>, reason: Option<&str>, outcome: Outcome) -> Step {
        match &self.state {
            State::Calling { key, .. } => {
                turn.core.endpoint.cancel(turn.now, *key, reason);
                self.state = State::Cancelling {
                    outcome,
                    give_up_at: turn.now + CANCEL_MAX,
                };
                Step::Stays
            }
            State::Challenged { .. } => over(turn, outcome),
            State::Cancelling { .. } => Step::Stays,
        }
    }

    fn is_cancelling(&self) -> Option<Outcome> {
        match &self.state {
            State::Cancelling { outcome, .. } => Some(*outcome),
            State::Calling { .. } | State::Challenged { .. } => None,
        }
    }

    pub(super) fn handle_response(&mut self, turn: &mut Turn<'_>, flow: Flow, response: Message) -> Step {
        match response.status() {
            0..=100 => {
                self.hear(turn);
                Step::Stays
            }
            101..=199 => {
                self.hear(turn);
                self.provisional(turn, flow, response);
                Step::Stays
            }
            200..=299 => self.accepted(turn, flow, response),
            _ => self.refused(turn, response),
        }
    }

    fn hear(&mut self, turn: &mut Turn<'_>) {
        if self.heard == Heard::Nothing && self.is_cancelling().is_none() {
            self.heard = Heard::Provisional;
            turn.emit(SessionEvent::Trying);
        }
    }

    fn provisional(&mut self, turn: &mut Turn<'_>, flow: Flow, response: Message) {
        let offered = self.invitation.body.is_some();
        if let Some(tag) = response.to_tag()
            && self.forks.find(tag).is_none()
        {
            self.forks.add(self.usage_of(turn, flow, &response));
        }
        let fork = response.to_tag().and_then(|tag| self.forks.find(tag));
        let number = fork.as_ref().map_or(0, |fork| fork.number);
        if let Some(fork) = fork {
            fork.usage.observe(&response);
            if response.has_token(Name::Require, "100rel") {
                if !fork.take_reliable(turn, &response) {
                    return;
                }
                if offered && Body::description(&response).is_some() {
                    fork.usage.exchange = Exchange::Quiet;
                }
            }
        }
        if self.is_cancelling().is_none() {
            turn.emit(SessionEvent::Progress {
                status: response.status(),
                reason_phrase: response.reason_phrase().into_owned(),
                body: Body::of(&response),
                fork: number,
                response,
            });
        }
    }

    fn usage_of(&self, turn: &Turn<'_>, flow: Flow, response: &Message) -> Usage {
        let local = Local {
            tag: turn.tag,
            contact: &self.invitation.contact,
            next_hop: self.invitation.next_hop,
        };
        let exchange = if self.invitation.body.is_some() {
            Exchange::OurOffer
        } else {
            Exchange::Quiet
        };
        let mut usage = Usage::new(Dialog::of_response(response, flow, &local), exchange);
        usage.local_body = self.invitation.body.clone();
        usage.note_credentials(self.cseq, self.credentials.clone());
        usage
    }

    fn accepted(&mut self, turn: &mut Turn<'_>, flow: Flow, response: Message) -> Step {
        let tag = response.to_tag().unwrap_or_default();
        let mut usage = match self.forks.take(tag) {
            Some(known) => known,
            None => self.usage_of(turn, flow, &response),
        };
        self.forks.refuse_owed(turn);
        usage.dialog.confirm(&response);
        usage.dialog.follow(flow);
        usage.observe(&response);
        if self.is_cancelling().is_some() {
            usage.acknowledge(turn, self.cseq, None);
            return Step::Unwanted(Box::new(Established::of_invite(usage, self.cseq)));
        }
        usage.timer = SessionTimer::granted(turn.now, &response, &turn.core.settings);
        let body = Body::of(&response);
        let needs_answer = self.invitation.body.is_none() && body.as_ref().is_some_and(Body::is_description);
        if needs_answer {
            usage.owe_answer(turn.now, self.cseq);
        } else {
            usage.close_first_exchange();
            usage.acknowledge(turn, self.cseq, None);
        }
        turn.emit(SessionEvent::Answered {
            body,
            needs_answer,
            response,
        });
        Step::Answered(Box::new(Established::of_invite(usage, self.cseq)))
    }

    fn refused(&mut self, turn: &mut Turn<'_>, response: Message) -> Step {
        self.forks.refuse_owed(turn);
        self.forks.clear();
        if let Some(outcome) = self.is_cancelling() {
            return over(turn, outcome);
        }
        let status = response.status();
        self.tries = self.tries.saturating_add(1);
        match status {
            401 | 407 if self.tries < TRIES_MAX => self.challenged(turn, response),
            422 if self.tries < TRIES_MAX && response.number(Name::MinSe).is_some() => {
                self.least_s = response.number(Name::MinSe).unwrap_or(0);
                self.send_or_refuse(turn)
            }
            300..=399 => {
                let contacts = response
                    .values(Name::Contact)
                    .filter_map(|value| NameAddr::parse(value).ok());
                let contacts = contacts.map(|contact| contact.uri_text.to_owned()).collect();
                turn.emit(SessionEvent::Redirected { contacts });
                refused(turn, status, Some(response), Refusal::Peer)
            }
            _ => refused(turn, status, Some(response), Refusal::Peer),
        }
    }

    fn challenged(&mut self, turn: &mut Turn<'_>, response: Message) -> Step {
        match turn.answer_challenge(&mut self.asked, &response) {
            signer::Outcome::Answered => self.send_or_refuse(turn),
            signer::Outcome::Refused => refused(turn, response.status(), Some(response), Refusal::Peer),
            signer::Outcome::NoAccount => {
                self.state = State::Challenged {
                    response: response.clone(),
                    give_up_at: turn.now + GIVE_UP,
                };
                turn.emit(SessionEvent::Challenged { response });
                Step::Stays
            }
        }
    }

    pub(super) fn handle_failed(&mut self, turn: &mut Turn<'_>, why: Failure) -> Step {
        self.forks.refuse_owed(turn);
        match (self.is_cancelling(), why) {
            (Some(outcome), _) => over(turn, outcome),
            (None, Failure::Timeout) => refused(turn, 408, None, Refusal::Timeout),
            (None, Failure::Flow) => refused(turn, 503, None, Refusal::Flow),
        }
    }

    pub(super) fn due_at(&self) -> Instant {
        let first = match &self.state {
            State::Calling { give_up_at, .. }
            | State::Challenged { give_up_at, .. }
            | State::Cancelling { give_up_at, .. } => *give_up_at,
        };
        self.forks.due_at().map_or(first, |due| due.min(first))
    }

    pub(super) fn handle_timeout(&mut self, turn: &mut Turn<'_>) -> Step {
        self.forks.pump(turn);
        match &self.state {
            State::Calling { give_up_at, .. } if turn.now >= *give_up_at => {
                self.withdraw(turn, None, Outcome::TimedOut)
            }
            State::Challenged { response, give_up_at } if turn.now >= *give_up_at => {
                refused(turn, response.status(), Some(response.clone()), Refusal::Peer)
            }
            State::Cancelling { outcome, give_up_at } if turn.now >= *give_up_at => over(turn, *outcome),
            State::Calling { .. } | State::Challenged { .. } | State::Cancelling { .. } => Step::Stays,
        }
    }
}

fn over(turn: &mut Turn<'_>, outcome: Outcome) -> Step {
    match outcome {
        Outcome::ByBox => {
            turn.emit(SessionEvent::Ended { why: End::ByBox });
            Step::Over
        }
        Outcome::TimedOut => refused(turn, 408, None, Refusal::Timeout),
    }
}

fn refused(turn: &mut Turn<'_>, status: u16, response: Option<Message>, why: Refusal) -> Step {
    turn.emit(SessionEvent::Refused { status, response, why });
    Step::Over
}

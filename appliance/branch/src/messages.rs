//! Requests that are passed on and answered with what comes back: instant messages between extensions (RFC 3428), of
//! which each phone of the addressee gets a copy and the first answer counts, and INFO and MESSAGE inside a call.

use std::collections::HashMap;

use branchline_call::LegId;
use branchline_route::{ArrivalKind, Decision, Request};
use branchline_sip::Flow;
use branchline_sip::agent::{Body, Full, Headers, InDialogRequest, SessionId};
use branchline_sip::message::{Builder, Message, Method, Name};
use branchline_sip::transaction::{ClientKey, ServerKey};

use crate::Branch;
use crate::identity::{Shown, host};
use crate::legs::Party;
use crate::now::Now;
use crate::targets::ContactTarget;

/// Copies on their way.
#[derive(Default)]
pub(crate) struct Messages {
    of_copy: HashMap<ClientKey, ServerKey>,
    open: HashMap<ServerKey, Open>,
}

struct Open {
    request: Message,
    copies: u32,
    /// The session it went into; when that ends no answer comes.
    into: Option<SessionId>,
}

impl Messages {
    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }
}

impl Branch {
    pub(crate) fn message(&mut self, now: Now, (key, flow): (ServerKey, Flow), request: &Message) {
        let party = match self.identify(now, flow, request) {
            Ok(party) => party,
            Err(challenge) => return self.agent.respond_and_forget(key, challenge),
        };
        if let Some(retry_after_s) = self.admit(now, flow.remote.ip(), ArrivalKind::Other) {
            let response = Builder::response(request, 503).header(Name::RetryAfter, retry_after_s);
            return self.agent.respond(now.mono, key, response);
        }
        let dialled = crate::dial::dialled(request);
        let asked = Request::new(self.caller(&party), &dialled);
        // A call in progress is no reason to refuse a text.
        let status = match self.called_extension(&asked) {
            Some(extension) => self.copy_message(now, (key, &party), (request, extension.as_str())),
            None => Err(
                match branchline_route::decide(&asked, &self.tables, self.legs.state()) {
                    Decision::Refuse { status, .. } => status,
                    Decision::Extension(_)
                    | Decision::Trunks { .. }
                    | Decision::Emergency { .. }
                    | Decision::Hosted { .. }
                    | Decision::Echo => 405,
                },
            ),
        };
        if let Err(status) = status {
            self.agent.respond(now.mono, key, Builder::response(request, status));
        }
    }

    fn copy_message(
        &mut self,
        now: Now,
        (key, party): (ServerKey, &Party),
        (request, extension): (&Message, &str),
    ) -> Result<(), u16> {
        let from = self.shown(party, request);
        let contacts: Vec<ContactTarget> = self.contact_groups(extension).into_iter().flatten().collect();
        let mut copies = 0;
        let body = Body::of(request);
        for contact in contacts {
            if let Ok(copy) = self.send_message(now, &contact, (&from, body.as_ref())) {
                self.messages.of_copy.insert(copy, key);
                copies += 1;
            }
        }
        if copies == 0 {
            return Err(480);
        }
        self.messages.open.insert(
            key,
            Open {
                request: request.clone(),
                copies,
                into: None,
            },
        );
        Ok(())
    }

    /// One message to one phone.
    pub(crate) fn send_message(
        &mut self,
        now: Now,
        contact: &ContactTarget,
        (from, body): (&Shown, Option<&Body>),
    ) -> Result<ClientKey, Full> {
        let domain = host(contact.flow.local);
        let tag = self.agent.fresh_tag();
        let message = Builder::request(&Method::Message, &contact.uri)
            .header(Name::From, format_args!("{};tag={tag}", from.name_addr(&domain)))
            .header(Name::To, contact.to(&domain))
            .header(Name::CallId, self.agent.fresh_call_id())
            .header(Name::CSeq, "1 MESSAGE")
            .header(Name::MaxForwards, 69);
        // The way the registration came (RFC 3327 section 5.3).
        let message = contact
            .path
            .iter()
            .fold(message, |message, hop| message.header(Name::Route, hop));
        let message = match body {
            Some(body) => message.body(&body.content_type, &body.bytes),
            None => message,
        };
        self.agent.request(now.mono, contact.flow, message)
    }

    /// A final response to a copy, or none at all. Says whether it was one of ours.
    pub(crate) fn message_answered(&mut self, now: Now, copy: ClientKey, status: u16) -> bool {
        let Some(key) = self.messages.of_copy.remove(&copy) else {
            return false;
        };
        let Some(open) = self.messages.open.get_mut(&key) else {
            return true;
        };
        open.copies -= 1;
        if (200..300).contains(&status) || open.copies == 0 {
            let response = Builder::response(&open.request, passed_status(status)).finish();
            self.messages.open.remove(&key);
            self.agent.respond(now.mono, key, response);
        }
        true
    }

    /// A request in a call (INFO, MESSAGE) goes to the other party of the conversation, whose answer comes back.
    pub(crate) fn pass_in_dialog(&mut self, now: Now, leg: LegId, key: ServerKey, request: &Message) {
        let peer = self.calls.peer_of(leg).and_then(|peer| self.session_of(peer));
        let Some(peer) = peer else {
            return self.agent.respond_in_dialog(now.mono, key, 481);
        };
        let passed = InDialogRequest {
            method: request.method().clone(),
            headers: end_to_end(request),
            body: Body::of(request),
        };
        let Some(copy) = self.agent.send_in_dialog(now.mono, peer, &passed) else {
            return self.agent.respond_in_dialog(now.mono, key, 500);
        };
        self.messages.of_copy.insert(copy, key);
        let open = Open {
            request: request.clone(),
            copies: 1,
            into: Some(peer),
        };
        self.messages.open.insert(key, open);
    }

    /// A session is over: what was passed into it gets no answer any more.
    pub(crate) fn session_left(&mut self, now: Now, session: SessionId) {
        let of_session = |open: &Open| open.into == Some(session);
        if !self.messages.open.values().any(of_session) {
            return;
        }
        let mut left: Vec<ServerKey> = self
            .messages
            .open
            .extract_if(|_, open| of_session(open))
            .map(|(key, _)| key)
            .collect();
        left.sort_unstable();
        self.messages.of_copy.retain(|_, key| !left.contains(key));
        for key in left {
            self.agent.respond_in_dialog(now.mono, key, 500);
        }
    }
}

/// What belongs to the body or to those who talk, not to the dialog.
fn end_to_end(request: &Message) -> Headers {
    let passes = |name: &Name<'_>| {
        matches!(
            name,
            Name::InfoPackage
                | Name::ContentDisposition
                | Name::ContentEncoding
                | Name::ContentLanguage
                | Name::Subject
                | Name::Date
        )
    };
    request
        .fields()
        .filter(|field| passes(&field.name))
        .map(|field| (field.name, String::from_utf8_lossy(field.value).into_owned()))
        .collect()
}

/// The answer to a request that was passed on: nothing that concerned only the box and the other party, and nothing that
/// would end the sender's own dialog.
fn passed_status(status: u16) -> u16 {
    match status {
        401 | 404 | 405 | 407 | 408 | 410 | 416 | 481..=485 | 501..=504 | 604 => 500,
        status => status,
    }
}

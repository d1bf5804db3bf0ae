//! Instant messages between extensions (RFC 3428): each phone of the addressee gets a copy, the first answer counts.

use std::collections::HashMap;

use branchline_route::{ArrivalKind, Decision, Request};
use branchline_sip::Flow;
use branchline_sip::agent::{Body, Full};
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
            Err(challenge) => return self.agent.respond_and_forget(key, *challenge),
        };
        if let Some(retry_after_s) = self.admit(now, flow.remote.ip(), ArrivalKind::Other) {
            let response = Builder::response(request, 503).header(Name::RetryAfter, retry_after_s);
            return self.agent.respond(now.mono, key, response.finish());
        }
        let dialled = crate::dial::dialled(request);
        let asked = Request::new(self.caller(&party), &dialled);
        let decision = match branchline_route::decide(&asked, &self.tables, self.legs.state()) {
            // Texts between telephones of the branch stay here.
            Decision::Hosted { otherwise, .. } => *otherwise,
            other => other,
        };
        let status = match decision {
            Decision::Extension(extension) => self.copy_message(now, (key, &party), (request, extension.as_str())),
            // A call in progress is no reason to refuse a text.
            Decision::Refuse {
                why: branchline_route::Why::Busy,
                ..
            } => self.copy_message(now, (key, &party), (request, &dialled)),
            Decision::Trunks { .. } | Decision::Emergency { .. } | Decision::Hosted { .. } | Decision::Echo => Err(405),
            Decision::Refuse { status, .. } => Err(status),
        };
        if let Err(status) = status {
            self.agent
                .respond(now.mono, key, Builder::response(request, status).finish());
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
            let response = Builder::response(&open.request, status).finish();
            self.messages.open.remove(&key);
            self.agent.respond(now.mono, key, response);
        }
        true
    }
}

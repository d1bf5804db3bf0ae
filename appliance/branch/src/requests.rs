//! Requests outside of any dialog: registrations, OPTIONS, messages, and what the box doesn't do.

use std::collections::VecDeque;
use std::time::Instant;

use branchline_journal::Event;
use branchline_route::ArrivalKind;
use branchline_sip::Flow;
use branchline_sip::agent::{ALLOW, Response};
use branchline_sip::binding::{BindingEvent, RegisterOutcome, Removal};
use branchline_sip::message::{Builder, Message, Method, Name};
use branchline_sip::transaction::ServerKey;

use crate::Branch;
use crate::inspect::{ACCEPT, is_known_scheme};
use crate::journal::PATIENCE;
use crate::now::Now;
use crate::output::{About, Level};
use crate::setup::to_journal;

/// Answers to REGISTER that wait until the new contact would survive the end of the program.
#[derive(Default)]
pub(crate) struct Replies {
    waiting: VecDeque<Reply>,
}

struct Reply {
    seq: u64,
    until: Instant,
    key: ServerKey,
    response: Response,
}

impl Replies {
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.waiting.front().map(|reply| reply.until)
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }
}

impl Branch {
    pub(crate) fn handle_request(&mut self, now: Now, (key, flow): (ServerKey, Flow), request: &Message) {
        // A registration and a message are counted where they are handled; a trunk has to be told that the box lives.
        let is_counted = !matches!(request.method(), Method::Register | Method::Message);
        if is_counted
            && !self.trunks.has_address(flow.remote)
            && let Some(retry_after_s) = self.admit(now, flow.remote.ip(), ArrivalKind::Other)
        {
            self.explain_turned_away(flow, (503, OVERLOAD));
            let response = Builder::response(request, 503).header(Name::RetryAfter, retry_after_s);
            return self.agent.respond_and_forget(key, response);
        }
        let response = match request.method() {
            Method::Register => return self.register(now, (key, flow), request),
            _ if !is_known_scheme(request) => Builder::response_with_tag(request, 416, "0"),
            Method::Message => return self.message(now, (key, flow), request),
            Method::Options => self.capabilities(request),
            Method::Subscribe | Method::Publish => Builder::response(request, 489),
            Method::Invite | Method::Ack | Method::Bye | Method::Cancel | Method::Prack => {
                Builder::response(request, 481)
            }
            Method::Update | Method::Info | Method::Notify | Method::Refer => Builder::response(request, 481),
            Method::Other(_) => Builder::response(request, 405).header(Name::Allow, ALLOW),
        };
        self.agent.respond(now.mono, key, response);
    }

    fn capabilities(&self, request: &Message) -> Builder {
        Builder::response_with_tag(request, 200, "0")
            .header(Name::Allow, ALLOW)
            .header(Name::Accept, ACCEPT)
            .header(Name::Supported, "replaces, timer, 100rel, path, outbound")
    }

    fn register(&mut self, now: Now, (key, flow): (ServerKey, Flow), request: &Message) {
        if let Some(retry_after_s) = self.admit(now, flow.remote.ip(), ArrivalKind::Register) {
            self.explain_turned_away(flow, (503, OVERLOAD));
            let response = Builder::response(request, 503).header(Name::RetryAfter, retry_after_s);
            return self.agent.respond_and_forget(key, response);
        }
        let extension = match self.authenticate(now, flow, request) {
            Ok(extension) => extension,
            Err(challenge) => return self.agent.respond_and_forget(key, challenge),
        };
        let before = self.journal.last_seq();
        // The password proves one extension; it registers that one and no other (RFC 3261 section 10.3, step 4).
        let own = request
            .to()
            .uri()
            .is_ok_and(|uri| uri.user_unescaped() == extension.as_str());
        if !own {
            self.explain_register(flow, &extension, Err((403, &"it is another extension's")));
            let response = Builder::response_with_tag(request, 403, "0");
            return self.agent.respond(now.mono, key, response);
        }
        let outcome = self.bindings.handle_register(self.moment(now), request, flow);
        while let Some(event) = self.bindings.poll_event() {
            self.binding_changed(now, event);
        }
        let tag = self.agent.fresh_tag();
        let response = Response::from(outcome.response(request, &tag));
        let changed = self.journal.last_seq();
        match &outcome {
            RegisterOutcome::Accepted { .. } => {
                self.counters.registers_accepted += 1;
                self.explain_register(flow, &extension, Ok(()));
            }
            RegisterOutcome::Refused(why) => self.explain_register(flow, &extension, Err((why.status(), why))),
        }
        let full = self.replies.waiting.len() >= REPLIES_MAX;
        if changed == before || full || self.journal.is_written(changed) {
            self.agent.respond(now.mono, key, response);
        } else {
            // A 200 promises that the contact is known: after a crash it must still be.
            let reply = Reply {
                seq: changed,
                until: now.mono + PATIENCE,
                key,
                response,
            };
            self.replies.waiting.push_back(reply);
        }
    }

    /// Journals a change of the registrations.
    pub(crate) fn binding_changed(&mut self, now: Now, event: BindingEvent) {
        let (BindingEvent::Changed { binding, .. }
        | BindingEvent::Refreshed { binding, .. }
        | BindingEvent::Removed { binding, .. }) = &event;
        self.follow_binding(&binding.user);
        self.tell_binding(&event);
        self.neighbours.handle_binding(now.mono);
        let event = match event {
            BindingEvent::Changed {
                binding,
                keep_until_utc_ms,
            }
            | BindingEvent::Refreshed {
                binding,
                keep_until_utc_ms,
            } => Event::BindingSet(Box::new(to_journal(binding, keep_until_utc_ms))),
            BindingEvent::Removed { binding, .. } => Event::BindingRemoved(to_journal(binding, 0).key()),
        };
        self.journal(now, event);
    }

    /// Who came and who went is worth a line in the log; who stays is not.
    fn tell_binding(&mut self, event: &BindingEvent) {
        let (binding, text, why) = match event {
            BindingEvent::Changed { binding, .. } => (binding, "registered", None),
            BindingEvent::Removed { binding, why } => (binding, "registration ended", Some(removal(*why).to_owned())),
            BindingEvent::Refreshed { .. } => return,
        };
        let about = About {
            extension: Some(binding.user.to_string()),
            address: Some(binding.flow.remote.to_string()),
            why,
            ..About::default()
        };
        self.notice_about(Level::Info, text, about);
    }

    /// Sends the answers whose contacts are written, and those that have waited long enough for a slow disk.
    pub(crate) fn send_safe_replies(&mut self, now: Now) {
        while let Some(reply) = self.replies.waiting.front() {
            if !self.journal.is_written(reply.seq) && reply.until > now.mono {
                break;
            }
            if let Some(reply) = self.replies.waiting.pop_front() {
                self.agent.respond(now.mono, reply.key, reply.response);
            }
        }
    }
}

fn removal(why: Removal) -> &'static str {
    match why {
        Removal::Requested => "taken back",
        Removal::Expired => "not refreshed",
        Removal::Replaced => "another took its place",
        Removal::FlowLost => "its connection is lost",
    }
}

/// Why a request is turned away with a 503.
pub(crate) const OVERLOAD: &str = "too much at once";
/// Answers held back for the disk at once; beyond it they go out at once.
const REPLIES_MAX: usize = 4096;

//! Everything that comes in from the network and from the rest of the box.

use std::net::IpAddr;

use branchline_journal::DatabaseMode;
use branchline_media::{Family, MediaEvent};
use branchline_route::{Carrier, FailureKind, Peer, Service};
use branchline_sip::agent::AgentEvent;
use branchline_sip::message::{Message, Method, Name};
use branchline_sip::transaction::ClientKey;
use branchline_sip::{Flow, Transmit, Transport};
use bytes::Bytes;

use crate::now::Now;
use crate::output::{About, Command, FlowFault, Journalled, Output, Resolved, Watched};
use crate::trace::{self, Way};
use crate::{Branch, Level, Trust};

impl Branch {
    /// One datagram, or one message cut from a stream.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "what is kept of the message shares this buffer"
    )]
    pub fn handle_message(&mut self, now: Now, flow: Flow, bytes: Bytes) {
        self.counters.sip_received += 1;
        let peer = peer(flow);
        let is_hosted = self.hosted.is_at(flow.remote);
        let guarded = self.is_guarded(flow);
        if self.is_shut_out(now, flow, &bytes) {
            self.counters.banned_requests += 1;
            return;
        }
        match Message::parse(bytes.clone()) {
            Ok(message) => {
                self.trace(now, flow, &message, Way::Arrived);
                if is_hosted {
                    self.hosted_spoke(now, flow, &message);
                }
                if !guarded || !self.turn_away_scanner(now, flow, &message) {
                    self.agent.handle_message(now.mono, flow, message);
                }
            }
            Err(fault) => {
                self.counters.sip_malformed += 1;
                if guarded {
                    self.guard.handle_failure(now.mono, peer, FailureKind::Malformed);
                }
                // The agent answers 400 where the headers for that can be read.
                self.agent.handle_malformed(now.mono, flow, &bytes, fault);
            }
        }
        self.settle(now);
    }

    /// Whether there is more to do with these bytes than to drop or refuse them, for a shell that has to ask the kernel
    /// before it can say which address of the box they came to.
    pub fn is_worth_asking(&self, now: Now, flow: Flow, bytes: &Bytes) -> bool {
        !self.is_shut_out(now, flow, bytes)
            && Message::parse(bytes.clone())
                .is_ok_and(|message| !self.is_guarded(flow) || self.scanner(&message).is_none())
    }

    /// A stream broke or fell silent, or an ICMP error came back.
    pub fn handle_flow_failed(&mut self, now: Now, flow: Flow, fault: FlowFault) {
        if let Some(connection) = flow.connection {
            self.bindings.handle_connection_closed(connection);
        }
        self.trunks.handle_flow_failed(flow);
        self.hosted.handle_flow_failed(now.mono, flow, fault);
        self.agent.handle_flow_failed(now.mono, flow);
        self.settle(now);
    }

    /// The addresses of the box whose interfaces are up and have a carrier, whenever they change.
    pub fn handle_links(&mut self, now: Now, linked: &[IpAddr]) {
        self.hosted.handle_links(now.mono, linked);
        self.settle(now);
    }

    /// The relay reports.
    pub fn handle_media(&mut self, now: Now, event: MediaEvent) {
        self.handle_media_event(now, event);
        self.settle(now);
    }

    /// Media ports that are bound and free.
    pub fn handle_ports(&mut self, family: Family, ports: &[u16]) {
        self.anchors.pool_mut().handle_ready(family, ports);
    }

    /// How many more bound ports of a family the box would like in stock.
    pub fn ports_wanted(&self, family: Family) -> usize {
        self.anchors.pool().wanted(family)
    }

    /// The journal has come on.
    pub fn handle_journal(&mut self, now: Now, journalled: Journalled) {
        self.journal.handle_journalled(journalled);
        self.send_safe_replies(now);
        self.forget_safe_calls();
        self.settle(now);
    }

    /// The call database fails, catches up, or is well again. Calls in progress go on; while it fails, new ones are held
    /// to `[storage] class_while_degraded`, emergencies never.
    pub fn handle_storage(&mut self, now: Now, database: DatabaseMode) {
        if self.mode.database == database {
            return;
        }
        self.mode.database = database;
        self.restrict();
        self.settle(now);
    }

    /// Sets how much extensions may do.
    pub(crate) fn restrict(&mut self) {
        let service = match (self.mode.database, self.trust) {
            (DatabaseMode::Normal | DatabaseMode::Recovering, Trust::Full) => Service::Full,
            (DatabaseMode::Degraded, Trust::Full) | (_, Trust::Restricted) => Service::Restricted,
        };
        self.legs.set_service(service);
    }

    /// A look-up came back.
    pub fn handle_resolved(&mut self, now: Now, resolved: Resolved) {
        if resolved.trunk == crate::hosted::HOSTED {
            self.hosted.handle_resolved(now.mono, resolved);
        } else {
            self.trunks.handle_resolved(now.mono, resolved);
        }
        self.settle(now);
    }

    /// An order.
    pub fn handle_command(&mut self, now: Now, command: Command) {
        match command {
            Command::Configure(configuration) => self.configure(now, *configuration),
            Command::HangUp { call } => {
                let known = self
                    .facts
                    .iter()
                    .find(|(_, facts)| facts.id.to_string() == call)
                    .map(|(id, _)| *id);
                if let Some(id) = known {
                    self.calls.hang_up(now.mono, id, branchline_call::Cause::CLEARED);
                }
            }
            Command::Unban { address } => self.guard.handle_unban(address),
            Command::Trace(watched) => self.watched = watched,
            Command::Explain(watched) => self.explained = watched,
        }
        self.settle(now);
    }

    /// How long messages waited for this machine, for overload control.
    pub fn handle_queue_delay(&mut self, delay: std::time::Duration) {
        self.queue_delay = delay;
    }

    pub(crate) fn handle_agent(&mut self, now: Now, event: AgentEvent) {
        match event {
            AgentEvent::Invite { key, flow, request } => self.handle_invite(now, (key, flow), request),
            AgentEvent::InviteCancelled { .. } => {}
            AgentEvent::Request { key, flow, request } => self.handle_request(now, (key, flow), &request),
            AgentEvent::Response { key, response } => self.handle_response(now, key, Some(&response)),
            AgentEvent::Failed { key, .. } => self.handle_response(now, key, None),
            AgentEvent::Session { id, event } => self.handle_session(now, id, event),
            // Lamps and message waiting come with the features that feed them; no subscription is accepted yet.
            AgentEvent::Subscription { .. } => {}
        }
    }

    /// A response to a request of ours that belongs to no call; `None` when none came.
    fn handle_response(&mut self, now: Now, key: ClientKey, response: Option<&Message>) {
        let status = response.map_or(408, Message::status);
        if status >= 200 && !self.message_answered(now, key, status) && !self.hosted_answered(now, key, response) {
            self.trunk_answered(now, key, response);
        }
    }

    /// The name of a known scanner that sends this; whatever calls for help is none.
    fn scanner(&self, message: &Message) -> Option<String> {
        let is_call_for_help = || *message.method() == Method::Invite && self.is_emergency(message);
        if !message.is_request() || *message.method() == Method::Ack {
            return None;
        }
        let agent = message.text(Name::UserAgent).unwrap_or_default().to_ascii_lowercase();
        let is_known = SCANNERS.iter().any(|scanner| agent.contains(scanner)) && !is_call_for_help();
        is_known.then_some(agent)
    }

    /// A known scanner gets no answer and no second chance.
    fn turn_away_scanner(&mut self, now: Now, flow: Flow, message: &Message) -> bool {
        let Some(agent) = self.scanner(message) else {
            return false;
        };
        self.count_failure(now, flow, (FailureKind::Scanner, &format!("scanner {agent:?}")));
        self.counters.banned_requests += 1;
        true
    }

    /// Holds something against a source; a source that is shut out for it is worth a line in the log.
    pub(crate) fn count_failure(&mut self, now: Now, flow: Flow, (kind, why): (FailureKind, &str)) {
        if let Some(ban) = self.guard.handle_failure(now.mono, peer(flow), kind)
            && self.notices.allows(now.mono)
        {
            let minutes = ban.until.saturating_duration_since(now.mono).as_secs().div_ceil(60);
            self.notice_about(
                Level::Warning,
                format!("{} is shut out for {minutes} min: {why}", ban.source),
                About {
                    address: Some(flow.remote.to_string()),
                    ..About::default()
                },
            );
        }
    }

    /// Datagrams can be forged: nobody may have a trunk shut out.
    fn is_guarded(&self, flow: Flow) -> bool {
        !self.hosted.is_at(flow.remote) && !self.trunks.has_address(flow.remote)
    }

    fn is_shut_out(&self, now: Now, flow: Flow, bytes: &Bytes) -> bool {
        self.is_guarded(flow) && self.guard.is_banned(now.mono, peer(flow)) && !self.passes_ban(flow, bytes)
    }

    /// A banned address may still call for help, and what belongs to a call of it goes on.
    fn passes_ban(&self, flow: Flow, bytes: &Bytes) -> bool {
        let has_call = self.legs.has_source(flow.remote.ip());
        if !has_call && !bytes.starts_with(b"INVITE ") {
            return false;
        }
        Message::parse(bytes.clone()).is_ok_and(|message| {
            let in_call = !message.is_request() || message.to_tag().is_some() || *message.method() == Method::Cancel;
            (has_call && in_call) || (*message.method() == Method::Invite && self.is_emergency(&message))
        })
    }

    /// Whether these bytes begin a call for help, for a shell that takes no other calls any more.
    pub fn is_call_for_help(&self, bytes: &Bytes) -> bool {
        bytes.starts_with(b"INVITE ") && Message::parse(bytes.clone()).is_ok_and(|invite| self.is_emergency(&invite))
    }

    /// An INVITE to an emergency number of the country.
    pub(crate) fn is_emergency(&self, invite: &Message) -> bool {
        branchline_route::emergency_number(&crate::dial::dialled(invite), &self.tables).is_some()
    }

    fn trace(&mut self, now: Now, flow: Flow, message: &Message, way: Way) {
        if self.watched == Watched::Yes {
            let now = self.journal.dated(now);
            self.outputs
                .push_back(Output::Trace(Box::new(trace::line(now, flow, message, way))));
        }
    }

    pub(crate) fn trace_sent(&mut self, now: Now, transmit: &Transmit) {
        if self.watched == Watched::Yes
            && let Ok(message) = Message::parse(transmit.bytes.clone())
        {
            self.trace(now, transmit.flow, &message, Way::Sent);
        }
    }
}

fn peer(flow: Flow) -> Peer {
    Peer {
        address: flow.remote.ip(),
        carrier: match flow.transport {
            Transport::Udp => Carrier::Datagram,
            Transport::Tcp | Transport::Tls => Carrier::Connection,
        },
    }
}

/// User-Agent texts of tools that look for boxes to break into.
const SCANNERS: [&str; 7] = [
    "friendly-scanner",
    "sipvicious",
    "sipcli",
    "sip-scan",
    "sundayddr",
    "vaxsipuseragent",
    "sipptk",
];

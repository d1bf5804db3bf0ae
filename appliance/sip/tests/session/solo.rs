//! One agent against a peer played by hand.

use std::time::Instant;

use branchline_sip::agent::{Agent, AgentSettings, SessionId};
use branchline_sip::{Builder, Message, Method, Name};

use super::pair::{A, ANSWER, OFFER, flow, invitation, origin, word};

pub(crate) struct Solo {
    pub(crate) now: Instant,
    pub(crate) agent: Agent,
    pub(crate) sent: Vec<Message>,
}

impl Solo {
    pub(crate) fn new() -> Solo {
        Solo::with(AgentSettings::default())
    }

    pub(crate) fn with(settings: AgentSettings) -> Solo {
        Solo {
            now: origin(),
            agent: Agent::new(settings, [3; 32]),
            sent: Vec::new(),
        }
    }

    pub(crate) fn collect(&mut self) {
        while let Some(transmit) = self.agent.poll_transmit() {
            self.sent.push(Message::parse(transmit.bytes).unwrap());
        }
    }

    pub(crate) fn call(&mut self) -> (SessionId, Message) {
        let id = self.agent.invite(self.now, invitation(Some(OFFER))).unwrap();
        self.collect();
        (id, self.sent.pop().unwrap())
    }

    pub(crate) fn take(&mut self, message: Message) {
        self.agent.handle_message(self.now, flow(A), message);
        self.collect();
    }

    pub(crate) fn reply(&mut self, invite: &Message, status: u16, tag: &str) {
        let response = Builder::response_with_tag(invite, status, tag)
            .header(Name::Contact, format_args!("<sip:{tag}@192.0.2.2>"))
            .body("application/sdp", ANSWER)
            .finish();
        self.take(response);
    }

    pub(crate) fn words(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.agent.poll_event())
            .map(|event| word(&event))
            .collect()
    }

    pub(crate) fn methods(&mut self) -> Vec<String> {
        let name = |message: &Message| match message.status() {
            0 => format!("{} {}", message.method(), message.request_uri()),
            status => status.to_string(),
        };
        self.sent.drain(..).map(|message| name(&message)).collect()
    }

    pub(crate) fn request(&mut self, method: &str, to: &str, cseq: u32) -> Builder {
        Builder::request(&Method::of(method), "sip:box@192.0.2.1")
            .header(
                Name::Via,
                format_args!("SIP/2.0/UDP 192.0.2.2;branch=z9hG4bK{method}{cseq}"),
            )
            .header(Name::MaxForwards, 70)
            .header(Name::From, "<sip:bob@192.0.2.2>;tag=one")
            .header(Name::To, to)
            .header(Name::CSeq, format_args!("{cseq} {method}"))
    }
}

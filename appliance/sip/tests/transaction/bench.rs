//! One endpoint on a virtual time line, and the messages of its peer.

use std::time::{Duration, Instant};

use branchline_sip::transaction::{Endpoint, Event, Limits, ServerKey};
use branchline_sip::{Builder, Flow, Message, Method, Name};

pub(crate) struct Bench {
    pub(crate) endpoint: Endpoint,
    start: Instant,
    pub(crate) now: Instant,
}

/// Origin of the virtual time line.
#[expect(
    clippy::disallowed_methods,
    reason = "an Instant has no other constructor; nothing reads the clock again"
)]
pub(crate) fn origin() -> Instant {
    Instant::now()
}

pub(crate) const BOX: &str = "192.0.2.1:5060";
pub(crate) const PHONE: &str = "198.51.100.7:40000";

pub(crate) fn udp() -> Flow {
    Flow::udp(BOX.parse().unwrap(), PHONE.parse().unwrap())
}

impl Bench {
    pub(crate) fn new() -> Bench {
        Bench::with(Limits::default())
    }

    pub(crate) fn with(limits: Limits) -> Bench {
        let start = origin();
        Bench {
            endpoint: Endpoint::new(limits, [7; 32]),
            start,
            now: start,
        }
    }

    /// Lets time pass up to `ms` after the start, firing each timer when it is due.
    pub(crate) fn until(&mut self, ms: u64) {
        let end = self.start + Duration::from_millis(ms);
        while let Some((at, _)) = self.endpoint.poll_timeout().filter(|(at, _)| *at <= end) {
            self.now = self.now.max(at);
            self.endpoint.handle_timeout(self.now);
        }
        self.now = end;
    }

    pub(crate) fn take(&mut self, message: Message) {
        self.take_on(udp(), message);
    }

    pub(crate) fn take_on(&mut self, flow: Flow, message: Message) {
        self.endpoint.handle_message(self.now, flow, message);
    }

    /// Takes a request that must come up as a new one.
    pub(crate) fn begin(&mut self, request: Message) -> ServerKey {
        self.begin_on(udp(), request)
    }

    pub(crate) fn begin_on(&mut self, flow: Flow, request: Message) -> ServerKey {
        self.take_on(flow, request);
        match self.events().pop() {
            Some(Event::Request { key, .. }) => key,
            other => panic!("no request came up, but {other:?}"),
        }
    }

    pub(crate) fn answer(&mut self, key: ServerKey, status: u16) {
        let request = self.endpoint.server_request(key).unwrap().clone();
        let response = Builder::response_with_tag(&request, status, "box").finish();
        self.endpoint.respond(self.now, key, response);
    }

    pub(crate) fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.endpoint.poll_event()).collect()
    }

    pub(crate) fn sent(&mut self) -> Vec<(Flow, Message)> {
        let transmits = std::iter::from_fn(|| self.endpoint.poll_transmit());
        transmits
            .map(|transmit| (transmit.flow, Message::parse(transmit.bytes).unwrap()))
            .collect()
    }

    /// Drops what was sent unread, and counts it.
    pub(crate) fn sent_count(&mut self) -> usize {
        std::iter::from_fn(|| self.endpoint.poll_transmit()).count()
    }

    /// First words of what was sent: a method, or a status with the method it answers.
    pub(crate) fn sent_words(&mut self) -> Vec<String> {
        self.sent().iter().map(|(_, message)| word(message)).collect()
    }

    /// Names of the events, with the status of responses.
    pub(crate) fn event_words(&mut self) -> Vec<String> {
        self.events().iter().map(event_word).collect()
    }
}

pub(crate) fn word(message: &Message) -> String {
    match message.is_request() {
        true => message.method().to_string(),
        false => format!("{} {}", message.status(), message.method()),
    }
}

pub(crate) fn event_word(event: &Event) -> String {
    match event {
        Event::Request { request, .. } => format!("request {}", request.method()),
        Event::Ack { .. } => "ack".into(),
        Event::Cancelled { .. } => "cancelled".into(),
        Event::Response { response, .. } => format!("response {}", response.status()),
        Event::Failed { why, .. } => format!("failed {why:?}"),
        Event::Unacknowledged { .. } => "unacknowledged".into(),
        Event::Stray { response, .. } => format!("stray {}", response.status()),
        Event::Refused { why, .. } => format!("refused {why:?}"),
    }
}

/// The top Via as written.
pub(crate) fn via_of(message: &Message) -> &str {
    std::str::from_utf8(message.value(Name::Via).unwrap()).unwrap()
}

/// A request of the peer.
#[derive(Clone)]
pub(crate) struct Ask {
    pub(crate) method: Method,
    pub(crate) via: String,
    pub(crate) uri: &'static str,
    pub(crate) call_id: String,
    pub(crate) to_tag: Option<&'static str>,
    pub(crate) cseq: u32,
}

pub(crate) fn ask(method: Method) -> Ask {
    let via = "SIP/2.0/UDP phone.example;branch=z9hG4bKone;rport".to_owned();
    Ask {
        method,
        via,
        uri: "sip:201@box.example",
        call_id: "call-1".to_owned(),
        to_tag: None,
        cseq: 1,
    }
}

impl Ask {
    pub(crate) fn branch(self, branch: &str) -> Ask {
        Ask {
            via: format!("SIP/2.0/UDP phone.example;branch={branch};rport"),
            ..self
        }
    }

    pub(crate) fn message(&self) -> Message {
        let to_tag = self.to_tag.map_or(String::new(), |tag| format!(";tag={tag}"));
        self.bare()
            .header_on_top(Name::Via, &self.via)
            .header(Name::To, format_args!("<sip:201@box.example>{to_tag}"))
            .finish()
    }

    fn bare(&self) -> Builder {
        Builder::request(&self.method, self.uri)
            .header(Name::MaxForwards, 70)
            .header(Name::From, "<sip:202@box.example>;tag=caller")
            .header(Name::CallId, &self.call_id)
            .header(Name::CSeq, format_args!("{} {}", self.cseq, self.method))
    }

    /// The same as a request of our own, which has no Via yet.
    pub(crate) fn builder(&self) -> Builder {
        self.bare().header(Name::To, "<sip:201@box.example>")
    }
}

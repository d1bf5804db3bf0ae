//! What the table tests of the machines share: a clock that starts at zero, messages, and outcomes as short text.

use std::fmt::Debug;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::outcome::{Outcome, Send, Tell};
use super::timers::{Clock, Reason, Timing};
use crate::flow::Transport;
use crate::message::{Builder, Message, Method, Name};

/// One step of a machine: when (ms), what comes in, then what is to go out, the state after, and its deadline.
pub(super) type Row<Input> = (u64, Input, &'static str, &'static str, &'static str);

pub(super) struct Stage {
    start: Instant,
    timing: Timing,
    transport: Transport,
}

impl Stage {
    pub(super) fn new(transport: Transport) -> Stage {
        // The origin of the virtual time line; nothing reads the clock again.
        #[expect(clippy::disallowed_methods, reason = "an Instant has no other constructor")]
        let start = Instant::now();
        Stage {
            start,
            timing: Timing::default(),
            transport,
        }
    }

    pub(super) fn at(&self, ms: u64) -> Clock<'_> {
        Clock {
            now: self.start + Duration::from_millis(ms),
            timing: &self.timing,
            transport: self.transport,
        }
    }

    /// Compares one step with its row.
    pub(super) fn check<Input: Debug>(
        &self,
        row: &Row<Input>,
        outcome: &Outcome,
        machine: &dyn Debug,
        deadline: Option<(Instant, Reason)>,
    ) {
        let (at_ms, input, does, state, due) = row;
        let debug = format!("{machine:?}");
        let name = debug.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
        let deadline = deadline.map_or(String::new(), |(at, reason)| {
            format!("{reason:?} {}", (at - self.start).as_millis())
        });
        let seen = (show(outcome), name.to_owned(), deadline);
        let wanted = ((*does).to_owned(), (*state).to_owned(), (*due).to_owned());
        assert_eq!(seen, wanted, "after {input:?} at {at_ms} ms over {}", self.transport);
    }
}

fn show(outcome: &Outcome) -> String {
    let word = |bytes: &Bytes| {
        let text = String::from_utf8_lossy(bytes);
        let mut words = text.split(' ').map(str::to_owned);
        let first = words.next().unwrap_or_default();
        if first == "SIP/2.0" {
            words.next().unwrap_or_default()
        } else {
            first
        }
    };
    let send = match &outcome.send {
        Send::Nothing => None,
        Send::First(bytes) => Some(word(bytes)),
        Send::Again(bytes) => Some(format!("{} again", word(bytes))),
    };
    let tell = (outcome.tell != Tell::Nothing).then(|| format!("tell {:?}", outcome.tell));
    [send, tell].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

pub(super) fn request(method: &Method) -> Message {
    Builder::request(method, "sip:201@box.example")
        .header(Name::Via, "SIP/2.0/UDP phone.example;branch=z9hG4bK1;rport")
        .header(Name::MaxForwards, 70)
        .header(Name::Route, "<sip:proxy.example;lr>")
        .header(Name::From, "<sip:202@box.example>;tag=a")
        .header(Name::To, "<sip:201@box.example>")
        .header(Name::CallId, "call-1")
        .header(Name::CSeq, format_args!("7 {method}"))
        .finish()
}

pub(super) fn response(method: &Method, status: u16) -> Message {
    Builder::response_with_tag(&request(method), status, "b").finish()
}

//! A flow of calls: events of legs in, what the calls want as short texts out.

use std::time::{Duration, Instant};

use branchline_call::{Action, After, Attempt, CallId, Calls, LegEvent, LegId, NewCall, Patience};
use branchline_sdp::Sdp;

pub(crate) type Target = &'static str;

pub(crate) struct Flow {
    pub(crate) calls: Calls<Target>,
    pub(crate) now: Instant,
}

pub(crate) fn sdp(port: u16, direction: &str) -> Sdp {
    let text = format!(
        "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio {port} RTP/AVP 0 8\r\na={direction}\r\n"
    );
    Sdp::parse(text.as_bytes()).unwrap()
}

pub(crate) fn talk(port: u16) -> Option<Sdp> {
    Some(sdp(port, "sendrecv"))
}

/// Its answer to our invitation.
pub(crate) fn answered(port: u16) -> LegEvent {
    LegEvent::Answered {
        body: talk(port),
        needs_answer: false,
    }
}

/// Its answer to a change.
pub(crate) fn agreed(port: u16) -> LegEvent {
    LegEvent::ReofferAnswered {
        body: talk(port),
        needs_answer: false,
    }
}

pub(crate) fn hold(port: u16) -> LegEvent {
    LegEvent::Reoffer {
        offer: Some(sdp(port, "sendonly")),
    }
}

pub(crate) fn attempt(targets: &[Target], after: After) -> Attempt<Target> {
    Attempt {
        targets: targets.to_vec(),
        patience: Patience::new(Duration::from_secs(4), Duration::from_secs(20)),
        after,
        then: Vec::new(),
    }
}

pub(crate) fn id(n: u8) -> CallId {
    CallId([n; 16])
}

impl Flow {
    #[expect(
        clippy::disallowed_methods,
        reason = "one reading to have an Instant at all; the flow then moves it itself"
    )]
    pub(crate) fn new() -> Self {
        Flow {
            calls: Calls::new(),
            now: Instant::now(),
        }
    }

    pub(crate) fn place(&mut self, n: u8, attempts: Vec<Attempt<Target>>) -> LegId {
        self.calls.place(
            self.now,
            NewCall {
                id: id(n),
                offer: talk(1000),
                attempts,
            },
        )
    }

    pub(crate) fn event(&mut self, leg: LegId, event: LegEvent) -> Vec<String> {
        self.calls.handle_leg(self.now, leg, event);
        self.drain()
    }

    pub(crate) fn wait(&mut self, time: Duration) -> Vec<String> {
        self.now += time;
        self.calls.handle_timeout(self.now);
        self.drain()
    }

    /// What is wanted; every answer leaves at once.
    pub(crate) fn drain(&mut self) -> Vec<String> {
        let mut names = Vec::new();
        while let Some(action) = self.calls.poll_action() {
            names.push(name(&action));
            if let Action::Answer { leg, .. } = action {
                self.calls.handle_leg(self.now, leg, LegEvent::AnswerSent);
            }
        }
        names
    }

    /// A call that is up: caller's leg, callee's leg.
    pub(crate) fn up(&mut self, n: u8) -> (LegId, LegId) {
        let caller = self.place(n, vec![attempt(&["callee"], After::Any)]);
        let callee = LegId(caller.0 + 1);
        self.drain();
        self.event(callee, answered(2000));
        (caller, callee)
    }
}

pub(crate) fn port(sdp: Option<&Sdp>) -> String {
    sdp.map_or_else(
        || "none".into(),
        |sdp| format!("{}{}", sdp.media()[0].port(), if sdp.is_hold() { " hold" } else { "" }),
    )
}

pub(crate) fn name(action: &Action<Target>) -> String {
    match action {
        Action::Invite { leg, target, offer, .. } => format!("invite {} {target} {}", leg.0, port(offer.as_ref())),
        Action::Progress { leg, status, early } => format!("progress {} {status} {}", leg.0, port(early.as_ref())),
        Action::Answer { leg, body } => format!("answer {} {}", leg.0, port(body.as_ref())),
        Action::Refuse { leg, cause } => format!("refuse {} {}", leg.0, cause.status),
        Action::Acknowledge { leg, answer } => format!("ack {} {}", leg.0, port(answer.as_ref())),
        Action::Reoffer { leg, offer } => format!("reoffer {} {}", leg.0, port(offer.as_ref())),
        Action::AnswerReoffer { leg, body } => format!("answer-reoffer {} {}", leg.0, port(body.as_ref())),
        Action::RefuseReoffer { leg, status } => format!("refuse-reoffer {} {status}", leg.0),
        Action::AcknowledgeReoffer { leg, answer } => format!("ack-reoffer {} {}", leg.0, port(answer.as_ref())),
        Action::HangUp { leg, cause } => format!("hang-up {} {}", leg.0, cause.q850),
        Action::TransferProgress { leg, status } => format!("notify {} {status}", leg.0),
        Action::MediaChanged(_) => "media".into(),
        Action::Answered { by, .. } => format!("answered by {}", by.0),
        Action::Finished(summary) => {
            format!(
                "finished {:?} {} {} transfers",
                summary.ended_by, summary.cause.status, summary.transfers
            )
        }
    }
}

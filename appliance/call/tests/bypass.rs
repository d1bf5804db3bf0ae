//! A call that went out and came back is joined without its loop.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::{Duration, Instant};

use branchline_call::{Action, After, Attempt, CallId, Calls, LegEvent, LegId, NewCall, Patience};
use branchline_sdp::Sdp;

struct Loop {
    calls: Calls<&'static str>,
    now: Instant,
    caller: LegId,
    out: LegId,
    back: LegId,
    callee: LegId,
}

fn sdp(codecs: &str) -> Sdp {
    let text = format!(
        "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP {codecs}\r\n"
    );
    Sdp::parse(text.as_bytes()).unwrap()
}

fn invited(calls: &mut Calls<&'static str>) -> LegId {
    std::iter::from_fn(|| calls.poll_action())
        .find_map(|action| match action {
            Action::Invite { leg, .. } => Some(leg),
            _other => None,
        })
        .unwrap()
}

impl Loop {
    /// 201 calls, by way of somewhere else, 202; `codecs` is what that somewhere makes of the caller's offer.
    #[expect(clippy::disallowed_methods, reason = "one reading to have an Instant at all")]
    fn new(codecs: &str) -> Loop {
        let now = Instant::now();
        let mut calls = Calls::new();
        let attempt = |target| Attempt {
            targets: vec![target],
            patience: Patience::new(Duration::from_secs(4), Duration::from_secs(30)),
            after: After::Any,
            then: Vec::new(),
        };
        let mut place = |id, offer, target| {
            let new = NewCall {
                id: CallId([id; 16]),
                offer: Some(offer),
                attempts: vec![attempt(target)],
            };
            let caller = calls.place(now, new);
            (caller, invited(&mut calls))
        };
        let (caller, out) = place(1, sdp("0 8"), "elsewhere");
        let (back, callee) = place(2, sdp(codecs), "202");
        Loop {
            calls,
            now,
            caller,
            out,
            back,
            callee,
        }
    }

    fn answer(&mut self, leg: LegId, codecs: &str) {
        let event = LegEvent::Answered {
            body: Some(sdp(codecs)),
            needs_answer: false,
        };
        self.calls.handle_leg(self.now, leg, event);
        while self.calls.poll_action().is_some() {}
    }

    /// Joins the two; what the legs are told, by their names.
    fn bypass(&mut self) -> Option<Vec<String>> {
        self.calls.bypass(self.now, self.out, self.back)?;
        let names = [
            (self.caller, "caller"),
            (self.out, "out"),
            (self.back, "back"),
            (self.callee, "callee"),
        ];
        let name = |leg: LegId| names.iter().find(|(known, _)| *known == leg).unwrap().1;
        let told = |action: Action<&'static str>| match action {
            Action::HangUp { leg, .. } => Some(format!("hang up {}", name(leg))),
            Action::Refuse { leg, .. } => Some(format!("refuse {}", name(leg))),
            Action::Answer { leg, .. } => Some(format!("answer {}", name(leg))),
            Action::Reoffer { leg, .. } => Some(format!("reoffer {}", name(leg))),
            Action::RefuseReoffer { leg, status } => Some(format!("{status} to {}", name(leg))),
            Action::Answered { .. } => Some("answered".to_owned()),
            _other => None,
        };
        Some(
            std::iter::from_fn(|| self.calls.poll_action())
                .filter_map(told)
                .collect(),
        )
    }
}

#[test]
fn two_that_talk_are_joined_without_hearing_of_it() {
    let mut it = Loop::new("0 8");
    it.answer(it.callee, "8");
    it.answer(it.out, "8");
    assert_eq!(it.bypass().unwrap(), ["hang up out", "hang up back"]);
    assert_eq!(it.calls.bridge(CallId([1; 16])), [it.caller, it.callee]);
    assert_eq!(
        (it.calls.len(), it.calls.call_of(it.callee)),
        (1, Some(CallId([1; 16])))
    );
    it.calls
        .handle_leg(it.now, it.callee, LegEvent::Ended(branchline_call::Cause::CLEARED));
    assert!(it.calls.is_empty());
}

#[test]
fn two_whose_codecs_were_changed_on_the_way_agree_anew() {
    let mut it = Loop::new("9");
    it.answer(it.callee, "9");
    it.answer(it.out, "8");
    assert_eq!(it.bypass().unwrap(), ["reoffer caller", "hang up out", "hang up back"]);
}

#[test]
fn a_change_that_was_on_its_way_is_refused() {
    let mut it = Loop::new("0 8");
    it.answer(it.callee, "8");
    it.answer(it.out, "8");
    let offer = Some(sdp("0"));
    it.calls.handle_leg(it.now, it.caller, LegEvent::Reoffer { offer });
    while it.calls.poll_action().is_some() {}
    assert_eq!(it.bypass().unwrap(), ["491 to caller", "hang up out", "hang up back"]);
}

#[test]
fn what_rings_rings_on_and_answers_the_caller() {
    let mut it = Loop::new("0 8");
    assert_eq!(it.bypass().unwrap(), ["hang up out", "refuse back"]);
    let event = LegEvent::Answered {
        body: Some(sdp("8")),
        needs_answer: false,
    };
    it.calls.handle_leg(it.now, it.callee, event);
    assert!(it.calls.is_talking(CallId([1; 16])));
}

#[test]
fn what_rings_with_an_offer_the_caller_does_not_understand_is_left() {
    let mut it = Loop::new("9");
    assert_eq!(it.bypass(), None);
    assert_eq!(it.calls.len(), 2);
}

#[test]
fn an_answer_that_was_on_its_way_arrives() {
    let mut it = Loop::new("0 8");
    it.answer(it.callee, "8");
    assert_eq!(it.bypass().unwrap(), ["hang up out", "answer caller", "hang up back"]);
    it.calls.handle_leg(it.now, it.caller, LegEvent::AnswerSent);
    assert!(matches!(it.calls.poll_action(), Some(Action::Answered { by, .. }) if by == it.callee));
}

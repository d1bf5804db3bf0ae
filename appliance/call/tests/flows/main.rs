//! Call flows seen from the legs: events in, actions out.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod transfers;

use std::time::{Duration, Instant};

use branchline_call::{Action, After, Attempt, CallId, Calls, Cause, LegEvent, LegId, NewCall, Replaced};
use branchline_sdp::Sdp;

type Target = &'static str;

struct Flow {
    calls: Calls<Target>,
    now: Instant,
}

fn sdp(port: u16, direction: &str) -> Sdp {
    let text = format!(
        "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio {port} RTP/AVP 0 8\r\na={direction}\r\n"
    );
    Sdp::parse(text.as_bytes()).unwrap()
}

fn talk(port: u16) -> Option<Sdp> {
    Some(sdp(port, "sendrecv"))
}

fn attempt(targets: &[Target], after: After) -> Attempt<Target> {
    Attempt {
        targets: targets.to_vec(),
        sign: Duration::from_secs(4),
        ring: Duration::from_secs(20),
        after,
        then: Vec::new(),
    }
}

fn id(n: u8) -> CallId {
    CallId([n; 16])
}

impl Flow {
    #[expect(
        clippy::disallowed_methods,
        reason = "one reading to have an Instant at all; the flow then moves it itself"
    )]
    fn new() -> Self {
        Flow {
            calls: Calls::new(),
            now: Instant::now(),
        }
    }

    fn place(&mut self, n: u8, attempts: Vec<Attempt<Target>>) -> LegId {
        self.calls.place(
            self.now,
            NewCall {
                id: id(n),
                offer: talk(1000),
                attempts,
            },
        )
    }

    fn event(&mut self, leg: LegId, event: LegEvent) -> Vec<String> {
        self.calls.handle_leg(self.now, leg, event);
        self.drain()
    }

    fn wait(&mut self, time: Duration) -> Vec<String> {
        self.now += time;
        self.calls.handle_timeout(self.now);
        self.drain()
    }

    /// What is wanted; every answer leaves at once.
    fn drain(&mut self) -> Vec<String> {
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
    fn up(&mut self, n: u8) -> (LegId, LegId) {
        let caller = self.place(n, vec![attempt(&["callee"], After::Any)]);
        let callee = LegId(caller.0 + 1);
        self.drain();
        self.event(
            callee,
            LegEvent::Answered {
                body: talk(2000),
                needs_answer: false,
            },
        );
        (caller, callee)
    }
}

fn port(sdp: Option<&Sdp>) -> String {
    sdp.map_or_else(
        || "none".into(),
        |sdp| format!("{}{}", sdp.media()[0].port(), if sdp.is_hold() { " hold" } else { "" }),
    )
}

fn name(action: &Action<Target>) -> String {
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

#[test]
fn a_call_is_rung_answered_and_hung_up() {
    let mut flow = Flow::new();
    let caller = flow.place(1, vec![attempt(&["201"], After::Any)]);
    assert_eq!(flow.drain(), ["invite 2 201 1000"]);
    let callee = LegId(2);
    assert_eq!(
        flow.event(
            callee,
            LegEvent::Progress {
                status: 180,
                early: None
            }
        ),
        ["progress 1 180 none"]
    );
    assert!(
        flow.event(
            callee,
            LegEvent::Progress {
                status: 180,
                early: None
            }
        )
        .is_empty(),
        "the same news is told once"
    );
    assert_eq!(
        flow.event(
            callee,
            LegEvent::Answered {
                body: talk(2000),
                needs_answer: false
            }
        ),
        ["answer 1 2000", "media", "answered by 2"]
    );
    assert_eq!(flow.calls.bridge(id(1)), [caller, callee]);
    assert_eq!(
        flow.event(callee, LegEvent::Ended(Cause::CLEARED)),
        ["hang-up 1 16", "finished Callee 200 0 transfers"]
    );
    assert!(flow.calls.is_empty());
    assert_eq!(flow.calls.poll_timeout(), None);
}

#[test]
fn the_first_of_several_phones_to_answer_silences_the_others() {
    let mut flow = Flow::new();
    flow.place(1, vec![attempt(&["desk", "mobile"], After::Any)]);
    flow.drain();
    let actions = flow.event(
        LegId(3),
        LegEvent::Answered {
            body: talk(2000),
            needs_answer: false,
        },
    );
    assert_eq!(actions, ["hang-up 2 26", "answer 1 2000", "media", "answered by 3"]);
    assert!(
        flow.event(
            LegId(2),
            LegEvent::Answered {
                body: talk(9),
                needs_answer: false
            }
        )
        .is_empty()
    );
}

#[test]
fn nobody_answers_so_the_call_goes_to_the_next_attempt_and_then_fails() {
    let mut flow = Flow::new();
    flow.place(
        1,
        vec![attempt(&["desk"], After::Any), attempt(&["mailbox"], After::NoAnswer)],
    );
    flow.drain();
    assert!(flow.event(LegId(2), LegEvent::Trying).is_empty());
    assert!(flow.wait(Duration::from_secs(19)).is_empty());
    assert_eq!(
        flow.wait(Duration::from_secs(1)),
        ["hang-up 2 19", "invite 3 mailbox 1000"]
    );
    assert_eq!(
        flow.event(LegId(3), LegEvent::Refused(Cause::BUSY)),
        ["refuse 1 486", "finished Callee 486 0 transfers"]
    );
    assert!(flow.calls.is_empty());
}

#[test]
fn a_trunk_that_fails_is_followed_by_the_next_but_a_wrong_number_is_not() {
    let attempts = || vec![attempt(&["one"], After::Any), attempt(&["two"], After::Unreachable)];
    let mut flow = Flow::new();
    flow.place(1, attempts());
    flow.drain();
    assert_eq!(
        flow.event(LegId(2), LegEvent::Refused(Cause::of_status(503))),
        ["invite 3 two 1000"]
    );
    let mut flow = Flow::new();
    flow.place(1, attempts());
    flow.drain();
    let actions = flow.event(LegId(2), LegEvent::Refused(Cause::of_status(404)));
    assert_eq!(actions, ["refuse 1 404", "finished Box 404 0 transfers"]);
}

#[test]
fn the_caller_gives_up_and_every_phone_stops_ringing() {
    let mut flow = Flow::new();
    let caller = flow.place(1, vec![attempt(&["a", "b"], After::Any)]);
    flow.drain();
    let actions = flow.event(caller, LegEvent::Ended(Cause::CANCELLED));
    assert_eq!(
        actions,
        ["hang-up 2 16", "hang-up 3 16", "finished Caller 487 0 transfers"]
    );
    assert!(flow.calls.is_empty());
}

#[test]
fn a_call_without_any_target_is_refused_at_once() {
    let mut flow = Flow::new();
    flow.place(1, vec![attempt(&[], After::Any)]);
    assert_eq!(flow.drain(), ["refuse 1 480", "finished Box 480 0 transfers"]);
}

#[test]
fn early_media_of_one_phone_is_heard_and_not_cut_by_another() {
    let mut flow = Flow::new();
    flow.place(1, vec![attempt(&["a", "b"], After::Any)]);
    flow.drain();
    let early = flow.event(
        LegId(2),
        LegEvent::Progress {
            status: 183,
            early: talk(2000),
        },
    );
    assert_eq!(early, ["progress 1 183 2000", "media"]);
    assert_eq!(flow.calls.bridge(id(1)), [LegId(1), LegId(2)]);
    let second = flow.event(
        LegId(3),
        LegEvent::Progress {
            status: 180,
            early: talk(3000),
        },
    );
    assert_eq!(second, ["progress 1 180 none"]);
}

#[test]
fn hold_and_resume_pass_from_one_phone_to_the_other() {
    let mut flow = Flow::new();
    let (caller, callee) = flow.up(1);
    let hold = Some(sdp(1000, "sendonly"));
    assert_eq!(
        flow.event(caller, LegEvent::Reoffer { offer: hold }),
        ["reoffer 2 1000 hold"]
    );
    assert!(flow.calls.is_held(id(1)));
    let answer = Some(sdp(2000, "recvonly"));
    let answered = flow.event(
        callee,
        LegEvent::ReofferAnswered {
            body: answer,
            needs_answer: false,
        },
    );
    assert_eq!(answered, ["answer-reoffer 1 2000", "media"]);
    assert_eq!(
        flow.event(caller, LegEvent::Reoffer { offer: talk(1000) }),
        ["reoffer 2 1000"]
    );
    flow.event(
        callee,
        LegEvent::ReofferAnswered {
            body: talk(2000),
            needs_answer: false,
        },
    );
    assert!(!flow.calls.is_held(id(1)));
}

#[test]
fn a_refresh_that_changes_nothing_leaves_the_other_phone_in_peace() {
    let mut flow = Flow::new();
    let (caller, _) = flow.up(1);
    assert_eq!(
        flow.event(caller, LegEvent::Reoffer { offer: talk(1000) }),
        ["answer-reoffer 1 2000"]
    );
}

#[test]
fn both_phones_change_at_once_and_the_second_is_told_to_wait() {
    let mut flow = Flow::new();
    let (caller, callee) = flow.up(1);
    flow.event(
        caller,
        LegEvent::Reoffer {
            offer: Some(sdp(1000, "sendonly")),
        },
    );
    let glare = flow.event(
        callee,
        LegEvent::Reoffer {
            offer: Some(sdp(2000, "sendonly")),
        },
    );
    assert_eq!(glare, ["refuse-reoffer 2 491"]);
}

#[test]
fn a_call_without_an_offer_carries_the_answer_in_the_acknowledgement() {
    let mut flow = Flow::new();
    let caller = flow.calls.place(
        flow.now,
        NewCall {
            id: id(1),
            offer: None,
            attempts: vec![attempt(&["201"], After::Any)],
        },
    );
    assert_eq!(flow.drain(), ["invite 2 201 none"]);
    let answered = flow.event(
        LegId(2),
        LegEvent::Answered {
            body: talk(2000),
            needs_answer: true,
        },
    );
    assert_eq!(answered, ["answer 1 2000", "media", "answered by 2"]);
    assert_eq!(
        flow.event(caller, LegEvent::Acknowledged { answer: talk(1000) }),
        ["ack 2 1000", "media"]
    );
}

#[test]
fn an_offerless_change_asks_the_other_phone_for_its_offer() {
    let mut flow = Flow::new();
    let (caller, callee) = flow.up(1);
    assert_eq!(
        flow.event(caller, LegEvent::Reoffer { offer: None }),
        ["reoffer 2 none"]
    );
    let offered = flow.event(
        callee,
        LegEvent::ReofferAnswered {
            body: talk(2002),
            needs_answer: true,
        },
    );
    assert_eq!(offered, ["answer-reoffer 1 2002", "media"]);
    let acknowledged = flow.event(caller, LegEvent::ReofferAcknowledged { answer: talk(1002) });
    assert_eq!(acknowledged, ["ack-reoffer 2 1002", "media"]);
}

#[test]
fn a_call_whose_media_stopped_is_ended_by_the_box() {
    let mut flow = Flow::new();
    let (caller, _) = flow.up(1);
    assert_eq!(
        flow.event(caller, LegEvent::Silent),
        ["hang-up 1 31", "hang-up 2 31", "finished Box 500 0 transfers"]
    );
}

#[test]
fn events_of_a_forgotten_leg_change_nothing() {
    let mut flow = Flow::new();
    assert!(flow.event(LegId(77), LegEvent::Ended(Cause::CLEARED)).is_empty());
    assert_eq!(
        flow.calls.take_over(flow.now, LegId(77), sdp(1, "sendrecv")),
        Replaced::Gone
    );
}

#[test]
fn a_trunk_that_gives_no_sign_of_life_is_left_after_seconds() {
    let mut flow = Flow::new();
    flow.place(
        1,
        vec![attempt(&["one"], After::Any), attempt(&["two"], After::Unreachable)],
    );
    flow.drain();
    assert_eq!(
        flow.wait(Duration::from_secs(4)),
        ["hang-up 2 102", "invite 3 two 1000"]
    );
    flow.event(LegId(3), LegEvent::Trying);
    assert!(
        flow.wait(Duration::from_secs(10)).is_empty(),
        "one that answered with 100 may take its time"
    );
}

#[test]
fn what_follows_a_forward_that_does_not_apply_is_not_tried() {
    let mut flow = Flow::new();
    let forward = Attempt {
        then: vec![attempt(&["trunk 2"], After::Unreachable)],
        ..attempt(&["trunk 1"], After::Busy)
    };
    flow.place(1, vec![attempt(&[], After::Any), forward]);
    assert_eq!(flow.drain(), ["refuse 1 480", "finished Box 480 0 transfers"]);
}

#[test]
fn a_refused_hold_leaves_the_call_as_it_was() {
    let mut flow = Flow::new();
    let (caller, callee) = flow.up(1);
    flow.event(
        caller,
        LegEvent::Reoffer {
            offer: Some(sdp(1000, "sendonly")),
        },
    );
    assert_eq!(
        flow.event(callee, LegEvent::ReofferRefused { status: 488 }),
        ["refuse-reoffer 1 488"]
    );
    assert!(!flow.calls.is_held(id(1)));
}

#[test]
fn a_caller_that_heard_one_phone_and_got_another_is_told_of_it() {
    let mut flow = Flow::new();
    let caller = flow.place(1, vec![attempt(&["early", "answers"], After::Any)]);
    let (early, answers) = (LegId(caller.0 + 1), LegId(caller.0 + 2));
    flow.drain();
    let progress = LegEvent::Progress {
        status: 183,
        early: talk(2000),
    };
    assert_eq!(flow.event(early, progress), ["progress 1 183 2000", "media"]);
    let answered = LegEvent::Answered {
        body: talk(3000),
        needs_answer: false,
    };
    assert!(flow.event(answers, answered).contains(&"answer 1 3000".to_owned()));
    assert_eq!(
        flow.event(caller, LegEvent::Acknowledged { answer: None }),
        ["reoffer 1 3000"]
    );
    flow.event(caller, agreed(1000));
    let hold = LegEvent::Reoffer {
        offer: Some(sdp(1000, "sendonly")),
    };
    assert_eq!(
        flow.event(caller, hold),
        ["reoffer 3 1000 hold"],
        "the exchange is over"
    );
}

#[test]
fn a_change_that_is_taken_back_is_taken_back_at_the_other_phone() {
    let refusal = LegEvent::ReofferRefused { status: 488 };
    for (answer, expected) in [(agreed(2000), vec!["reoffer 2 1000", "media"]), (refusal, vec![])] {
        let mut flow = Flow::new();
        let (caller, callee) = flow.up(1);
        flow.event(caller, LegEvent::Acknowledged { answer: None });
        let hold = LegEvent::Reoffer {
            offer: Some(sdp(1000, "sendonly")),
        };
        assert_eq!(flow.event(caller, hold), ["reoffer 2 1000 hold"]);
        assert!(flow.event(caller, LegEvent::ReofferWithdrawn).is_empty());
        assert_eq!(flow.event(callee, answer), expected);
        flow.event(callee, agreed(2000));
        let offer = Some(sdp(2000, "sendonly"));
        assert_eq!(
            flow.event(callee, LegEvent::Reoffer { offer }),
            ["reoffer 1 2000 hold"],
            "the call goes on"
        );
    }
}

#[test]
fn a_party_is_taken_off_hold_though_the_other_refuses_its_description() {
    let mut flow = Flow::new();
    let (held, transferor) = flow.up(1);
    let hold = LegEvent::Reoffer {
        offer: Some(sdp(2000, "sendonly")),
    };
    flow.event(transferor, hold);
    flow.event(held, agreed(1000));
    let (consulting, consulted) = flow.up(2);
    assert!(flow.calls.transfer_attended(flow.now, transferor, consulting));
    assert!(flow.drain().contains(&format!("reoffer {} 1000", consulted.0)));
    let refused = LegEvent::ReofferRefused { status: 488 };
    assert_eq!(flow.event(consulted, refused), [format!("reoffer {} 2000", held.0)]);
}

fn agreed(port: u16) -> LegEvent {
    LegEvent::ReofferAnswered {
        body: talk(port),
        needs_answer: false,
    }
}

#[test]
fn a_call_that_ends_before_its_invitations_are_sent_rings_nobody() {
    let mut flow = Flow::new();
    flow.place(1, vec![attempt(&["201", "202"], After::Any)]);
    flow.calls.hang_up(flow.now, id(1), Cause::NO_RESOURCE);
    assert_eq!(flow.drain(), ["refuse 1 503", "finished Box 503 0 transfers"]);
}

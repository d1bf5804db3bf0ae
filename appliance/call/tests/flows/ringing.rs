//! From the first ring to the answer, or to the end without one.

use std::time::Duration;

use branchline_call::{After, Attempt, Cause, LegEvent, LegId, NewCall, Patience, Replaced};

use crate::flow::{Flow, agreed, answered, attempt, hold, id, sdp, talk};

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
        flow.event(callee, answered(2000)),
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
    let actions = flow.event(LegId(3), answered(2000));
    assert_eq!(actions, ["hang-up 2 26", "answer 1 2000", "media", "answered by 3"]);
    assert!(flow.event(LegId(2), answered(9)).is_empty());
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
fn a_path_that_says_no_more_than_100_is_left_for_the_next_when_its_time_is_over() {
    let patience = Patience {
        trying: Duration::from_secs(8),
        ..Patience::new(Duration::from_secs(4), Duration::from_secs(20))
    };
    let progress = LegEvent::Progress {
        status: 183,
        early: None,
    };
    for (signs, ends_s) in [
        (vec![LegEvent::Trying], 8),
        (vec![LegEvent::Trying, progress.clone()], 20),
        (vec![progress], 20),
    ] {
        let mut flow = Flow::new();
        let first = Attempt {
            patience,
            ..attempt(&["one"], After::Any)
        };
        flow.place(1, vec![first, attempt(&["two"], After::Any)]);
        flow.drain();
        for sign in signs {
            assert!(flow.event(LegId(2), sign).is_empty(), "the caller has nothing to show");
        }
        assert!(flow.wait(Duration::from_millis(ends_s * 1000 - 1)).is_empty());
        let next = flow.wait(Duration::from_millis(1));
        assert_eq!(
            next.last().map(String::as_str),
            Some("invite 3 two 1000"),
            "{ends_s}: {next:?}"
        );
    }
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
    let answered = answered(3000);
    assert!(flow.event(answers, answered).contains(&"answer 1 3000".to_owned()));
    assert_eq!(
        flow.event(caller, LegEvent::Acknowledged { answer: None }),
        ["reoffer 1 3000"]
    );
    flow.event(caller, agreed(1000));
    let hold = hold(1000);
    assert_eq!(
        flow.event(caller, hold),
        ["reoffer 3 1000 hold"],
        "the exchange is over"
    );
}

#[test]
fn a_call_that_ends_before_its_invitations_are_sent_rings_nobody() {
    let mut flow = Flow::new();
    flow.place(1, vec![attempt(&["201", "202"], After::Any)]);
    flow.calls.hang_up(flow.now, id(1), Cause::NO_RESOURCE);
    assert_eq!(flow.drain(), ["refuse 1 503", "finished Box 503 0 transfers"]);
}

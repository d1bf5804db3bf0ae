//! Changes within a call: hold, refresh, a new offer from either side.

use branchline_call::LegEvent;

use crate::flow::{Flow, agreed, hold, id, sdp, talk};

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
    flow.event(callee, agreed(2000));
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
    flow.event(caller, hold(1000));
    let glare = flow.event(callee, hold(2000));
    assert_eq!(glare, ["refuse-reoffer 2 491"]);
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
fn a_refused_hold_leaves_the_call_as_it_was() {
    let mut flow = Flow::new();
    let (caller, callee) = flow.up(1);
    flow.event(caller, hold(1000));
    assert_eq!(
        flow.event(callee, LegEvent::ReofferRefused { status: 488 }),
        ["refuse-reoffer 1 488"]
    );
    assert!(!flow.calls.is_held(id(1)));
}

#[test]
fn a_change_that_is_taken_back_is_taken_back_at_the_other_phone() {
    let refusal = LegEvent::ReofferRefused { status: 488 };
    for (answer, expected) in [(agreed(2000), vec!["reoffer 2 1000", "media"]), (refusal, vec![])] {
        let mut flow = Flow::new();
        let (caller, callee) = flow.up(1);
        flow.event(caller, LegEvent::Acknowledged { answer: None });
        let hold = hold(1000);
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

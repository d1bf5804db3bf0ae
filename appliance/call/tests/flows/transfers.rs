//! Parties that change: transfers, and phones that take the place of others.

use super::*;

#[test]
fn a_blind_transfer_connects_the_held_party_with_the_new_one() {
    let mut flow = Flow::new();
    let (caller, callee) = flow.up(1);
    flow.event(
        callee,
        LegEvent::Reoffer {
            offer: Some(sdp(2000, "sendonly")),
        },
    );
    flow.event(
        caller,
        LegEvent::ReofferAnswered {
            body: Some(sdp(1000, "recvonly")),
            needs_answer: false,
        },
    );
    assert!(
        flow.calls
            .transfer_blind(flow.now, callee, vec![attempt(&["203"], After::Any)])
    );
    assert_eq!(flow.drain(), ["media", "invite 3 203 1000"]);
    assert_eq!(
        flow.event(
            LegId(3),
            LegEvent::Progress {
                status: 180,
                early: None
            }
        ),
        ["notify 2 180"]
    );
    let joined = flow.event(
        LegId(3),
        LegEvent::Answered {
            body: talk(3000),
            needs_answer: false,
        },
    );
    assert_eq!(joined, ["reoffer 1 3000", "notify 2 200", "hang-up 2 16", "media"]);
    assert_eq!(flow.calls.bridge(id(1)), [caller, LegId(3)]);
    flow.event(
        caller,
        LegEvent::ReofferAnswered {
            body: talk(1000),
            needs_answer: false,
        },
    );
    let ended = flow.event(caller, LegEvent::Ended(Cause::CLEARED));
    assert_eq!(ended, ["hang-up 3 16", "finished Caller 200 1 transfers"]);
}

#[test]
fn a_blind_transfer_that_fails_gives_the_call_back() {
    let mut flow = Flow::new();
    let (caller, callee) = flow.up(1);
    flow.calls
        .transfer_blind(flow.now, caller, vec![attempt(&["203"], After::Any)]);
    flow.drain();
    assert_eq!(
        flow.event(LegId(3), LegEvent::Refused(Cause::BUSY)),
        ["notify 1 486", "media"]
    );
    assert_eq!(flow.calls.bridge(id(1)), [caller, callee]);
}

#[test]
fn a_transferor_who_hangs_up_at_once_does_not_end_the_transfer() {
    let mut flow = Flow::new();
    let (caller, callee) = flow.up(1);
    flow.calls
        .transfer_blind(flow.now, caller, vec![attempt(&["203"], After::Any)]);
    flow.drain();
    assert!(flow.event(caller, LegEvent::Ended(Cause::CLEARED)).is_empty());
    let joined = flow.event(
        LegId(3),
        LegEvent::Answered {
            body: talk(3000),
            needs_answer: false,
        },
    );
    assert_eq!(joined, ["reoffer 2 3000", "media"]);
    assert_eq!(
        flow.calls.bridge(id(1)),
        [LegId(3), callee],
        "the new party stands on the caller's side"
    );
}

#[test]
fn an_attended_transfer_joins_the_two_far_parties() {
    let mut flow = Flow::new();
    let (first, callee) = flow.up(1);
    let (second, consulted) = flow.up(2);
    assert!(flow.calls.transfer_attended(flow.now, first, second));
    let actions = flow.drain();
    assert_eq!(
        actions,
        [
            "reoffer 4 2000",
            "hang-up 3 16",
            "notify 1 200",
            "media",
            "hang-up 1 16",
            "finished Caller 200 1 transfers"
        ]
    );
    let answer = flow.event(
        consulted,
        LegEvent::ReofferAnswered {
            body: talk(4000),
            needs_answer: false,
        },
    );
    assert_eq!(answer, ["reoffer 2 4000", "media"]);
    flow.event(
        callee,
        LegEvent::ReofferAnswered {
            body: talk(2000),
            needs_answer: false,
        },
    );
    assert_eq!(flow.calls.bridge(id(2)), [callee, consulted]);
    flow.event(callee, LegEvent::Ended(Cause::CLEARED));
    assert!(flow.calls.is_empty());
}

#[test]
fn an_attended_transfer_to_a_phone_that_still_rings_waits_for_it() {
    let mut flow = Flow::new();
    let (first, callee) = flow.up(1);
    let second = flow.place(2, vec![attempt(&["203"], After::Any)]);
    flow.drain();
    assert!(flow.calls.transfer_attended(flow.now, first, second));
    flow.drain();
    let joined = flow.event(
        LegId(4),
        LegEvent::Answered {
            body: talk(4000),
            needs_answer: false,
        },
    );
    assert_eq!(joined, ["answered by 4", "reoffer 2 4000", "media"]);
    assert_eq!(flow.calls.bridge(id(2)), [callee, LegId(4)]);
}

#[test]
fn a_new_phone_takes_the_place_of_a_talker() {
    let mut flow = Flow::new();
    let (caller, callee) = flow.up(1);
    let Replaced::Taken(new) = flow.calls.take_over(flow.now, callee, sdp(5000, "sendrecv")) else {
        panic!("gone")
    };
    assert_eq!(flow.drain(), ["reoffer 1 5000"]);
    let done = flow.event(
        caller,
        LegEvent::ReofferAnswered {
            body: talk(1000),
            needs_answer: false,
        },
    );
    assert_eq!(done, ["answer 3 1000", "hang-up 2 26", "media"]);
    assert_eq!(flow.calls.bridge(id(1)), [caller, new]);
}

#[test]
fn a_new_phone_picks_up_for_one_that_rings() {
    let mut flow = Flow::new();
    let caller = flow.place(1, vec![attempt(&["201"], After::Any)]);
    flow.drain();
    let Replaced::Taken(new) = flow.calls.take_over(flow.now, LegId(2), sdp(5000, "sendrecv")) else {
        panic!("gone")
    };
    assert_eq!(
        flow.drain(),
        [
            "answer 3 1000",
            "hang-up 2 26",
            "answer 1 5000",
            "media",
            "answered by 3"
        ]
    );
    assert_eq!(flow.calls.bridge(id(1)), [caller, new]);
}

//! Parties that change: transfers, and phones that take the place of others.

use branchline_call::{After, Cause, LegEvent, LegId, Replaced};

use crate::flow::{Flow, agreed, answered, attempt, hold, id, sdp};

#[test]
fn a_blind_transfer_connects_the_held_party_with_the_new_one() {
    let mut flow = Flow::new();
    let (caller, callee) = flow.up(1);
    flow.event(callee, hold(2000));
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
    let joined = flow.event(LegId(3), answered(3000));
    assert_eq!(joined, ["reoffer 1 3000", "notify 2 200", "hang-up 2 16", "media"]);
    assert_eq!(flow.calls.bridge(id(1)), [caller, LegId(3)]);
    flow.event(caller, agreed(1000));
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
    let joined = flow.event(LegId(3), answered(3000));
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
    let answer = flow.event(consulted, agreed(4000));
    assert_eq!(answer, ["reoffer 2 4000", "media"]);
    flow.event(callee, agreed(2000));
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
    let joined = flow.event(LegId(4), answered(4000));
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
    let done = flow.event(caller, agreed(1000));
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

#[test]
fn a_party_is_taken_off_hold_though_the_other_refuses_its_description() {
    let mut flow = Flow::new();
    let (held, transferor) = flow.up(1);
    let hold = hold(2000);
    flow.event(transferor, hold);
    flow.event(held, agreed(1000));
    let (consulting, consulted) = flow.up(2);
    assert!(flow.calls.transfer_attended(flow.now, transferor, consulting));
    assert!(flow.drain().contains(&format!("reoffer {} 1000", consulted.0)));
    let refused = LegEvent::ReofferRefused { status: 488 };
    assert_eq!(flow.event(consulted, refused), [format!("reoffer {} 2000", held.0)]);
}

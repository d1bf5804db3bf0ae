//! CANCEL, BYE and 200 crossing each other, at every distance in time.

use super::pair::{A, ANSWER, B, OFFER, Pair, answer};

#[test]
fn a_cancel_and_an_answer_may_cross_at_any_distance() {
    let (mut cancelled, mut answered) = (0, 0);
    for distance_ms in -25_i64..=25 {
        let mut pair = Pair::new();
        let (a, b) = pair.ring(Some(OFFER));
        pair.run_ms(300);
        pair.words(A);
        if distance_ms < 0 {
            pair.agents[B].answer(pair.now, b, answer(ANSWER));
            pair.run_ms(distance_ms.unsigned_abs());
            pair.agents[A].hang_up(pair.now, a, None);
        } else {
            pair.agents[A].hang_up(pair.now, a, None);
            pair.run_ms(distance_ms.unsigned_abs());
            pair.agents[B].answer(pair.now, b, answer(ANSWER));
        }
        pair.run_ms(5_000);
        let (caller, callee) = (pair.words(A), pair.words(B));
        assert_eq!(
            caller.last().map(String::as_str),
            Some("Ended ByBox"),
            "{distance_ms} ms"
        );
        match callee.last().map(String::as_str) {
            Some("Cancelled") => cancelled += 1,
            Some("Ended Bye") => answered += 1,
            other => panic!("{distance_ms} ms: {other:?}"),
        }
        pair.assert_quiet();
    }
    assert!(
        cancelled > 5 && answered > 5,
        "{cancelled} cancelled, {answered} answered"
    );
}

#[test]
fn both_sides_may_hang_up_at_once() {
    for distance_ms in 0..=15 {
        let mut pair = Pair::new();
        let (a, b) = pair.talk();
        pair.agents[A].hang_up(pair.now, a, None);
        pair.run_ms(distance_ms);
        pair.agents[B].hang_up(pair.now, b, None);
        pair.run_ms(1_000);
        let ends = [pair.words(A), pair.words(B)].concat();
        assert_eq!(ends.len(), 2, "{ends:?}");
        pair.assert_quiet();
    }
}

#[test]
fn a_callee_that_hangs_up_before_the_ack_says_bye_after_it() {
    let mut pair = Pair::new();
    let (_, b) = pair.ring(Some(OFFER));
    pair.swallow.push((A, "ACK", 3));
    pair.agents[B].answer(pair.now, b, answer(ANSWER));
    pair.run_ms(100);
    pair.agents[B].hang_up(pair.now, b, None);
    pair.run_ms(1_000);
    assert_eq!(pair.sent(B, "BYE"), 0);
    pair.run_ms(10_000);
    assert_eq!(pair.sent(B, "BYE"), 1);
    assert_eq!(
        (pair.words(A), pair.words(B)),
        (
            vec!["Answered".to_owned(), "Ended Bye".to_owned()],
            vec!["AnswerSent".to_owned(), "Ended ByBox".to_owned()]
        )
    );
    pair.assert_quiet();
}

#[test]
fn a_200_that_nobody_acknowledges_is_repeated_for_32_s_then_hung_up() {
    let mut pair = Pair::new();
    let (_, b) = pair.ring(Some(OFFER));
    pair.swallow.push((A, "ACK", 1_000));
    pair.agents[B].answer(pair.now, b, answer(ANSWER));
    pair.run_ms(31_900);
    assert_eq!(pair.words(B), ["AnswerSent"]);
    // 0, 0.5, 1.5, 3.5, 7.5, then every 4 s.
    assert_eq!(pair.sent(B, "SIP/2.0 200"), 11);
    pair.run_ms(200);
    assert_eq!(pair.words(B), ["Ended Unacknowledged"]);
    assert_eq!(pair.words(A), ["Answered", "Ended Bye"]);
    pair.assert_quiet();
}

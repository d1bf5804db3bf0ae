//! Reliable provisional responses (RFC 3262) over a network that loses them.

use branchline_sip::agent::{Body, Headers, Progress};

use super::pair::{A, ANSWER, B, OFFER, Pair, answer};

fn early() -> Progress {
    Progress {
        status: 183,
        body: Some(Body::sdp(ANSWER)),
        headers: Headers::new(),
    }
}

#[test]
fn an_early_answer_survives_lost_responses_and_lost_pracks() {
    for (side, prefix) in [(B, "SIP/2.0 183"), (A, "PRACK")] {
        let mut pair = Pair::new();
        let (a, b) = pair.ring(Some(OFFER));
        pair.swallow.push((side, prefix, 2));
        pair.agents[B].progress(pair.now, b, early());
        pair.agents[B].answer(pair.now, b, answer(ANSWER));
        pair.run_ms(20);
        assert_eq!(
            pair.sent(B, "SIP/2.0 200"),
            0,
            "the 200 waits for the PRACK of the answer"
        );
        assert!(pair.words(B).is_empty(), "and so does the news of it");
        pair.run_ms(5_000);
        assert_eq!(pair.words(A), ["Progress 183 body", "Answered"], "{prefix}");
        assert_eq!(pair.words(B), ["AnswerSent", "Acknowledged"], "{prefix}");
        assert!(
            pair.last_sent(B, "SIP/2.0 200").contains("Content-Length: 0"),
            "the answer is not repeated"
        );
        pair.agents[A].hang_up(pair.now, a, None);
        pair.assert_quiet();
    }
}

#[test]
fn a_reliable_response_that_is_never_confirmed_ends_the_call() {
    let mut pair = Pair::new();
    let (_, b) = pair.ring(Some(OFFER));
    pair.swallow.push((B, "SIP/2.0 183", 100));
    pair.agents[B].progress(pair.now, b, early());
    pair.run_ms(33_000);
    assert_eq!(
        (pair.words(A), pair.words(B)),
        (vec!["Refused 504".to_owned()], vec!["Ended Unacknowledged".to_owned()])
    );
    // Sent at 0, 0.5, 1.5, 3.5, 7.5, 15.5 and 31.5 s.
    assert_eq!(pair.sent(B, "SIP/2.0 183"), 7);
    pair.assert_quiet();
}

//! re-INVITE and UPDATE: glare, late offers, refusals.

use branchline_sip::agent::Body;

use super::pair::{A, ANSWER, B, OFFER, Pair};

#[test]
fn a_new_offer_is_answered_from_either_side() {
    for first in [A, B] {
        let mut pair = Pair::new();
        let (a, b) = pair.talk();
        let (id, other) = if first == A { (a, b) } else { (b, a) };
        pair.agents[first].reoffer(pair.now, id, Some(Body::sdp(OFFER)));
        pair.run_ms(50);
        assert_eq!(pair.words(1 - first), ["Reoffer INVITE"]);
        pair.agents[1 - first].answer_reoffer(pair.now, other, Some(Body::sdp(ANSWER)));
        pair.run_ms(50);
        assert_eq!(pair.words(first), ["ReofferAnswered"]);
        assert_eq!(pair.words(1 - first), ["ReofferAcknowledged"]);
        pair.agents[A].hang_up(pair.now, a, None);
        pair.assert_quiet();
    }
}

#[test]
fn an_offerless_reinvite_is_answered_in_the_ack() {
    let mut pair = Pair::new();
    let (a, b) = pair.talk();
    pair.agents[A].reoffer(pair.now, a, None);
    pair.run_ms(50);
    assert_eq!(pair.words(B), ["Reoffer INVITE empty"]);
    pair.agents[B].answer_reoffer(pair.now, b, Some(Body::sdp(OFFER)));
    pair.run_ms(50);
    assert_eq!(pair.words(A), ["ReofferAnswered owed"]);
    pair.agents[A].acknowledge_reoffer(pair.now, a, Some(Body::sdp(ANSWER)));
    pair.run_ms(50);
    assert_eq!(pair.words(B), ["ReofferAcknowledged body"]);
    pair.agents[B].hang_up(pair.now, b, None);
    pair.assert_quiet();
}

#[test]
fn colliding_offers_are_retried_until_both_came_through() {
    let mut pair = Pair::new();
    let (a, b) = pair.talk();
    pair.agents[A].reoffer(pair.now, a, Some(Body::sdp(OFFER)));
    pair.agents[B].reoffer(pair.now, b, Some(Body::sdp(OFFER)));
    let mut words = [Vec::new(), Vec::new()];
    for _ in 0..400 {
        pair.run_ms(20);
        for (side, id) in [(A, a), (B, b)] {
            for word in pair.words(side) {
                if word == "Reoffer INVITE" {
                    pair.agents[side].answer_reoffer(pair.now, id, Some(Body::sdp(ANSWER)));
                }
                words[side].push(word);
            }
        }
    }
    assert_eq!(pair.sent(A, "SIP/2.0 491") + pair.sent(B, "SIP/2.0 491"), 2);
    for side in words {
        assert_eq!(
            side.iter().filter(|word| *word == "ReofferAnswered").count(),
            1,
            "{side:?}"
        );
    }
    pair.agents[A].hang_up(pair.now, a, None);
    pair.assert_quiet();
}

#[test]
fn a_refused_offer_leaves_the_call_as_it_was() {
    let mut pair = Pair::new();
    let (a, b) = pair.talk();
    pair.agents[A].reoffer(pair.now, a, Some(Body::sdp(OFFER)));
    pair.agents[A].reoffer(pair.now, a, Some(Body::sdp(OFFER)));
    pair.run_ms(50);
    pair.agents[B].refuse_reoffer(pair.now, b, 488);
    pair.run_ms(50);
    assert_eq!(pair.words(A), ["ReofferRefused 491", "ReofferRefused 488"]);
    assert!(pair.agents[A].session(a).is_some() && pair.agents[B].session(b).is_some());
    pair.agents[A].hang_up(pair.now, a, None);
    pair.assert_quiet();
}

#[test]
fn a_reinvite_that_the_peer_leaves_open_is_cancelled() {
    let mut pair = Pair::new();
    let (a, _) = pair.talk();
    pair.agents[A].reoffer(pair.now, a, Some(Body::sdp(OFFER)));
    pair.run_ms(61_000);
    assert_eq!(pair.words(A), ["ReofferRefused 487"]);
    assert_eq!(pair.words(B), ["Reoffer INVITE", "ReofferWithdrawn"]);
    pair.agents[A].hang_up(pair.now, a, None);
    pair.assert_quiet();
}

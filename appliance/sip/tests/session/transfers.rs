//! REFER, its NOTIFYs, and Replaces.

use branchline_sip::agent::{
    AgentEvent, Finality, Referral, Replaces, ReplacesFault, SessionEvent, SessionId, TransferProgress, Verdict,
};

use super::pair::{A, ANSWER, B, OFFER, Pair, answer};

fn referral() -> Referral {
    Referral {
        refer_to: "<sip:carol@192.0.2.3?Replaces=x%3Bto-tag%3D1%3Bfrom-tag%3D2>".into(),
        referred_by: None,
    }
}

#[test]
fn a_transfer_is_reported_until_its_end_even_after_the_bye() {
    for hangs_up in [false, true] {
        let mut pair = Pair::new();
        let (a, b) = pair.talk();
        pair.agents[A].refer(pair.now, a, &referral());
        pair.run_ms(50);
        let Some(AgentEvent::Session {
            event:
                SessionEvent::Refer {
                    key,
                    refer_to,
                    replaces,
                    ..
                },
            ..
        }) = pair.event(B)
        else {
            panic!("no REFER")
        };
        assert_eq!(
            (refer_to.as_str(), replaces.unwrap().call_id.as_str()),
            ("sip:carol@192.0.2.3", "x")
        );
        pair.agents[B].answer_refer(pair.now, b, key, Verdict::Accept);
        pair.run_ms(50);
        assert_eq!(pair.words(A), ["ReferProgress 202 false", "ReferProgress 100 false"]);
        if hangs_up {
            pair.agents[A].hang_up(pair.now, a, None);
            pair.run_ms(50);
            assert_eq!(pair.words(B), ["Ended Bye"]);
        }
        for (status, finality) in [(180, Finality::Interim), (200, Finality::Final)] {
            pair.agents[B].notify_refer(pair.now, b, TransferProgress { status, finality });
            pair.run_ms(50);
        }
        let words = pair.words(A);
        match hangs_up {
            false => assert_eq!(words, ["ReferProgress 180 false", "ReferProgress 200 true"]),
            true => assert_eq!(words, ["Ended ByBox"]),
        }
        pair.agents[A].hang_up(pair.now, a, None);
        pair.assert_quiet();
    }
}

/// A REFER that B has accepted and whose first NOTIFY is on its way.
fn accepted(pair: &mut Pair) -> (SessionId, SessionId) {
    let (a, b) = pair.talk();
    pair.agents[A].refer(pair.now, a, &referral());
    pair.run_ms(50);
    let Some(AgentEvent::Session {
        event: SessionEvent::Refer { key, .. },
        ..
    }) = pair.event(B)
    else {
        panic!("no REFER")
    };
    pair.agents[B].answer_refer(pair.now, b, key, Verdict::Accept);
    (a, b)
}

const DONE: TransferProgress = TransferProgress {
    status: 200,
    finality: Finality::Final,
};

#[test]
fn the_bye_waits_for_the_answer_to_the_last_report() {
    let mut pair = Pair::new();
    let (_, b) = accepted(&mut pair);
    pair.agents[B].notify_refer(pair.now, b, DONE);
    pair.agents[B].hang_up(pair.now, b, Some("Q.850;cause=16"));
    // Only the first NOTIFY is in the air yet; the last one waits behind it.
    pair.run_ms(25);
    assert_eq!((pair.sent(B, "NOTIFY"), pair.sent(B, "BYE")), (2, 0));
    pair.run_ms(100);
    assert_eq!(
        pair.words(A),
        [
            "ReferProgress 202 false",
            "ReferProgress 100 false",
            "ReferProgress 200 true",
            "Ended Bye"
        ]
    );
    assert_eq!(pair.words(B), ["Ended ByBox"]);
    assert!(pair.last_sent(B, "BYE").contains("Reason: Q.850;cause=16"));
    pair.assert_quiet();
}

#[test]
fn the_bye_waits_two_seconds_at_most_for_a_report() {
    let mut pair = Pair::new();
    let (_, b) = accepted(&mut pair);
    pair.run_ms(100);
    pair.agents[B].notify_refer(pair.now, b, DONE);
    pair.swallow.push((B, "NOTIFY", u32::MAX));
    pair.agents[B].hang_up(pair.now, b, None);
    pair.run_ms(1_900);
    assert_eq!(pair.sent(B, "BYE"), 0);
    pair.run_ms(200);
    assert_eq!(pair.sent(B, "BYE"), 1);
    assert_eq!(pair.words(B), ["Ended ByBox"]);
    pair.assert_quiet();
}

#[test]
fn the_bye_goes_at_once_when_no_report_is_open() {
    let mut pair = Pair::new();
    let (_, b) = accepted(&mut pair);
    pair.run_ms(100);
    pair.agents[B].hang_up(pair.now, b, None);
    pair.collect();
    assert_eq!(pair.sent(B, "BYE"), 1);
    // The peer may also say BYE itself while ours is held.
    let mut pair = Pair::new();
    let (a, b) = accepted(&mut pair);
    pair.swallow.push((B, "NOTIFY", u32::MAX));
    pair.agents[B].hang_up(pair.now, b, None);
    pair.agents[A].hang_up(pair.now, a, None);
    pair.run_ms(100);
    assert_eq!(
        (pair.sent(B, "BYE"), pair.words(B)),
        (0, vec!["Ended ByBox".to_owned()])
    );
    pair.assert_quiet();
}

#[test]
fn an_offer_that_waited_is_dropped_with_the_call() {
    let mut pair = Pair::new();
    let (a, b) = accepted(&mut pair);
    pair.agents[A].reoffer(pair.now, a, answer(OFFER).body);
    pair.run_ms(15);
    pair.agents[B].reoffer(pair.now, b, answer(OFFER).body);
    pair.agents[B].hang_up(pair.now, b, None);
    pair.run_ms(10_000);
    assert_eq!((pair.sent(B, "INVITE"), pair.sent(B, "BYE")), (0, 1));
    pair.assert_quiet();
}

#[test]
fn a_session_is_found_by_what_replaces_names() {
    let mut pair = Pair::new();
    let (a, b) = pair.talk();
    let view = pair.agents[B].session(b).unwrap();
    let named = Replaces {
        call_id: view.call_id.into(),
        to_tag: view.local_tag_text(),
        from_tag: view.remote_tag.into(),
        early_only: false,
    };
    assert_eq!(pair.agents[B].find_dialog(&named), Ok(b));
    let early_only = Replaces {
        early_only: true,
        ..named.clone()
    };
    assert_eq!(pair.agents[B].find_dialog(&early_only), Err(ReplacesFault::Answered));
    let wrong = Replaces {
        call_id: "other".into(),
        ..named.clone()
    };
    assert_eq!(pair.agents[B].find_dialog(&wrong), Err(ReplacesFault::NotFound));
    pair.agents[B].hang_up(pair.now, b, None);
    assert_eq!(pair.agents[B].find_dialog(&named), Err(ReplacesFault::Ended));
    pair.run_ms(50);
    assert_eq!(pair.agents[B].find_dialog(&named), Err(ReplacesFault::NotFound));
    assert!(pair.agents[A].session(a).is_none());
    // A callee's ringing call cannot be taken over (RFC 3891 section 3).
    let (_, ringing) = pair.ring_again(Some(OFFER));
    let view = pair.agents[B].session(ringing).unwrap();
    let ringing = Replaces {
        call_id: view.call_id.into(),
        to_tag: view.local_tag_text(),
        from_tag: view.remote_tag.into(),
        early_only: false,
    };
    assert_eq!(pair.agents[B].find_dialog(&ringing), Err(ReplacesFault::NotFound));
}

#[test]
fn a_transferor_names_its_own_call_whether_it_rings_or_talks() {
    let mut pair = Pair::new();
    let (_, ringing) = pair.ring(Some(OFFER));
    let named = |pair: &Pair, id| {
        let view = pair.agents[B].session(id).unwrap();
        Replaces {
            call_id: view.call_id.into(),
            to_tag: view.local_tag_text(),
            from_tag: view.remote_tag.into(),
            early_only: false,
        }
    };
    let of_ringing = named(&pair, ringing);
    assert_eq!(pair.agents[B].find_consultation(&of_ringing), Ok(ringing));
    let other_caller = Replaces {
        from_tag: "other".into(),
        ..of_ringing.clone()
    };
    let not_found = Err(ReplacesFault::NotFound);
    assert_eq!(pair.agents[B].find_consultation(&other_caller), not_found);
    pair.agents[B].answer(pair.now, ringing, answer(ANSWER));
    pair.run_ms(50);
    assert_eq!(pair.agents[B].find_consultation(&of_ringing), Ok(ringing));
    let early_only = Replaces {
        early_only: true,
        ..of_ringing.clone()
    };
    assert_eq!(
        pair.agents[B].find_consultation(&early_only),
        Err(ReplacesFault::Answered)
    );
    pair.agents[B].hang_up(pair.now, ringing, None);
    pair.run_ms(50);
    assert_eq!(pair.agents[B].find_consultation(&of_ringing), not_found);
}

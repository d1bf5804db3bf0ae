//! Subscriptions (RFC 6665): both roles against each other.

use branchline_sip::agent::{
    Acceptance, AgentEvent, Body, Headers, NextHop, Notice, NoticeState, SubscriptionId, SubscriptionRequest,
};

use super::pair::{A, B, OFFER, Pair, contact, flow};

fn subscribed(pair: &mut Pair, expires_s: u32) -> (SubscriptionId, SubscriptionId) {
    let request = SubscriptionRequest {
        flow: flow(A),
        next_hop: NextHop::Flow,
        request_uri: "sip:201@192.0.2.2".into(),
        from: "<sip:200@192.0.2.1>".into(),
        to: "<sip:201@192.0.2.2>".into(),
        contact: contact(A),
        event: "dialog".into(),
        expires_s,
        headers: Headers::new(),
    };
    let a = pair.agents[A].subscribe(pair.now, request).unwrap();
    pair.run_ms(20);
    let Some(AgentEvent::Request { key, flow, request }) = pair.event(B) else {
        panic!("no SUBSCRIBE")
    };
    let local_contact = contact(B);
    let acceptance = Acceptance {
        key,
        flow,
        next_hop: NextHop::Flow,
        request,
        local_contact,
        expires_s_max: 600,
    };
    let b = pair.agents[B].accept_subscription(pair.now, acceptance).unwrap();
    pair.agents[B].notify(
        pair.now,
        b,
        Notice {
            state: NoticeState::Active,
            body: Some(Body::sdp(OFFER)),
        },
    );
    pair.run_ms(50);
    (a, b)
}

#[test]
fn a_subscription_is_refreshed_and_ends_by_either_side() {
    for side in [A, B] {
        let mut pair = Pair::new();
        let (a, b) = subscribed(&mut pair, 3_600);
        let words = pair.words(A);
        assert!(
            words.contains(&"Accepted".to_owned()) && words.contains(&"Notified".to_owned()),
            "{words:?}"
        );
        assert!(pair.last_sent(B, "SIP/2.0 200").contains("Expires: 600"));
        pair.run_ms(1_800_000);
        assert!(pair.sent(A, "SUBSCRIBE") >= 4);
        assert!(!pair.words(A).contains(&"Ended".to_owned()) && !pair.words(B).contains(&"Ended".to_owned()));
        if side == A {
            pair.agents[A].unsubscribe(pair.now, a);
        } else {
            let state = NoticeState::Terminated {
                reason: "noresource".into(),
            };
            pair.agents[B].notify(pair.now, b, Notice { state, body: None });
        }
        pair.run_ms(100);
        assert_eq!(pair.words(A).last().map(String::as_str), Some("Ended"));
        assert_eq!(pair.words(B).last().map(String::as_str), Some("Ended"));
        pair.assert_quiet();
    }
}

#[test]
fn a_subscription_whose_watcher_is_gone_ends() {
    let mut pair = Pair::new();
    subscribed(&mut pair, 120);
    pair.words(A);
    pair.network.loss_percent = 100;
    pair.run_ms(200_000);
    assert_eq!(
        (pair.words(A), pair.words(B)),
        (vec!["Ended".to_owned()], vec!["Ended".to_owned()])
    );
    pair.assert_quiet();
}

#[test]
fn a_state_that_is_only_fetched_is_reported_once() {
    let mut pair = Pair::new();
    subscribed(&mut pair, 0);
    pair.run_ms(100);
    assert_eq!(pair.sent(B, "NOTIFY"), 1);
    assert!(
        pair.last_sent(B, "NOTIFY")
            .contains("Subscription-State: terminated;reason=timeout")
    );
    pair.assert_quiet();
}

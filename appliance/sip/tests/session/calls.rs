//! Calls that nothing disturbs.

use branchline_sip::agent::{
    ALLOW, AgentEvent, AgentSettings, Direction, Headers, InDialogRequest, Progress, Rejection, SessionEvent,
    SessionState,
};
use branchline_sip::{Message, Method, Name};

use super::pair::{A, ANSWER, B, GOOD, OFFER, Pair, answer, invitation};
use super::solo::Solo;

#[test]
fn a_call_is_set_up_and_torn_down_by_either_side() {
    for (first, words) in [(A, ["Ended ByBox", "Ended Bye"]), (B, ["Ended Bye", "Ended ByBox"])] {
        let mut pair = Pair::new();
        let (a, b) = pair.ring(Some(OFFER));
        pair.agents[B].progress(pair.now, b, Progress::status(180));
        pair.run_ms(100);
        assert_eq!(pair.words(A), ["Progress 180"]);
        pair.agents[B].answer(pair.now, b, answer(ANSWER));
        pair.run_ms(100);
        assert_eq!(
            (pair.words(A), pair.words(B)),
            (
                vec!["Answered".to_owned()],
                vec!["AnswerSent".to_owned(), "Acknowledged".to_owned()]
            )
        );
        let view = pair.agents[A].session(a).unwrap();
        assert_eq!(
            (view.state, view.direction),
            (SessionState::Established, Direction::Outgoing)
        );
        assert_eq!(view.remote_target, "sip:side1@192.0.2.2:5060");
        pair.agents[first].hang_up(pair.now, [a, b][first], Some("Q.850;cause=16"));
        pair.run_ms(100);
        assert_eq!([pair.words(A), pair.words(B)].concat(), words);
        assert!(pair.last_sent(first, "BYE").contains("Reason: Q.850;cause=16"));
        pair.assert_quiet();
    }
}

#[test]
fn the_first_sign_of_the_callee_is_reported_once_and_first() {
    for (statuses, words) in [
        (vec![100, 100, 180], vec!["Trying", "Progress 180 body"]),
        (vec![183, 100], vec!["Trying", "Progress 183 body"]),
        (vec![200], vec!["Answered"]),
        (vec![486], vec!["Refused 486"]),
    ] {
        let mut solo = Solo::new();
        let (_, invite) = solo.call();
        assert!(solo.words().is_empty());
        for status in &statuses {
            solo.reply(&invite, *status, "one");
        }
        assert_eq!(solo.words(), words, "{statuses:?}");
    }
}

#[test]
fn the_callee_of_a_call_that_is_being_withdrawn_is_no_news() {
    let mut solo = Solo::new();
    let (id, invite) = solo.call();
    solo.agent.hang_up(solo.now, id, None);
    solo.reply(&invite, 100, "one");
    assert!(solo.words().is_empty());
}

#[test]
fn a_late_offer_is_answered_in_the_ack() {
    let mut pair = Pair::new();
    let (a, b) = pair.ring(None);
    pair.agents[B].answer(pair.now, b, answer(OFFER));
    pair.run_ms(3_000);
    assert_eq!(pair.words(A), ["Answered owed"]);
    assert_eq!(pair.words(B), ["AnswerSent"]);
    pair.agents[A].acknowledge(pair.now, a, answer(ANSWER).body);
    pair.run_ms(100);
    assert_eq!(pair.words(B), ["Acknowledged body"]);
    pair.agents[A].hang_up(pair.now, a, None);
    pair.assert_quiet();
}

#[test]
fn a_late_offer_that_nobody_answers_ends_the_call() {
    let mut pair = Pair::new();
    let (_, b) = pair.ring(None);
    pair.agents[B].answer(pair.now, b, answer(OFFER));
    pair.run_ms(40_000);
    assert_eq!(pair.words(A), ["Answered owed", "Ended Unacknowledged"]);
    assert_eq!(pair.words(B), ["AnswerSent", "Acknowledged", "Ended Bye"]);
    pair.assert_quiet();
}

#[test]
fn a_refusal_carries_its_headers_and_ends_both_sides() {
    let mut pair = Pair::new();
    let (_, b) = pair.ring(Some(OFFER));
    let mut rejection = Rejection::status(486);
    rejection.reason_phrase = Some("On the other line".into());
    rejection.headers = Headers::new().with(Name::RetryAfter, 20);
    pair.agents[B].reject(pair.now, b, &rejection);
    pair.run_ms(100);
    assert_eq!(
        (pair.words(A), pair.words(B)),
        (vec!["Refused 486".to_owned()], vec!["Ended ByBox".to_owned()])
    );
    let response = pair.last_sent(B, "SIP/2.0 486 On the other line");
    assert!(response.contains("Retry-After: 20"));
    pair.assert_quiet();
}

#[test]
fn a_challenge_is_answered_in_the_same_call_with_the_next_number() {
    let mut pair = Pair::new();
    let a = pair.agents[A].invite(pair.now, invitation(Some(OFFER))).unwrap();
    pair.run_ms(50);
    let Some(AgentEvent::Invite { key, request, .. }) = pair.event(B) else {
        panic!("no INVITE")
    };
    let challenge = branchline_sip::Builder::response_with_tag(&request, 401, "x")
        .header(Name::WwwAuthenticate, "Digest realm=\"b\", nonce=\"n\"")
        .finish();
    pair.agents[B].respond_and_forget(key, challenge);
    pair.run_ms(50);
    assert_eq!(pair.words(A), ["Challenged"]);
    pair.agents[A].retry_invite(
        pair.now,
        a,
        Headers::new().with(Name::Authorization, "Digest username=\"a\""),
    );
    pair.run_ms(50);
    let again = match pair.event(B) {
        Some(AgentEvent::Invite { request, .. }) => request,
        other => panic!("no second INVITE but {other:?}"),
    };
    assert_eq!(
        (again.call_id(), again.cseq(), again.from_tag()),
        (request.call_id(), request.cseq() + 1, request.from_tag())
    );
    assert_eq!(
        again.text(Name::Authorization).as_deref(),
        Some("Digest username=\"a\"")
    );
    pair.agents[A].hang_up(pair.now, a, None);
    // The CANCEL waits for the 100 that comes after 200 ms.
    pair.run_ms(400);
    assert_eq!(
        (pair.words(A), pair.words(B)),
        (vec!["Ended ByBox".to_owned()], vec!["InviteCancelled".to_owned()])
    );
    pair.assert_quiet();
}

#[test]
fn an_unanswered_challenge_becomes_a_refusal() {
    let mut pair = Pair::new();
    pair.agents[A].invite(pair.now, invitation(Some(OFFER))).unwrap();
    pair.run_ms(50);
    let Some(AgentEvent::Invite { key, request, .. }) = pair.event(B) else {
        panic!("no INVITE")
    };
    pair.agents[B].respond_and_forget(
        key,
        branchline_sip::Builder::response_with_tag(&request, 407, "x").finish(),
    );
    pair.run_ms(33_000);
    assert_eq!(pair.words(A), ["Challenged", "Refused 407"]);
    pair.assert_quiet();
}

#[test]
fn a_redirection_names_its_contacts() {
    let mut pair = Pair::new();
    let (_, b) = pair.ring(Some(OFFER));
    let mut rejection = Rejection::status(302);
    rejection.headers = Headers::new().with(Name::Contact, "<sip:x@192.0.2.9>, <sip:y@192.0.2.9>;q=0.5");
    pair.agents[B].reject(pair.now, b, &rejection);
    pair.run_ms(100);
    match pair.event(A) {
        Some(AgentEvent::Session {
            event: SessionEvent::Redirected { contacts },
            ..
        }) => {
            assert_eq!(contacts, ["sip:x@192.0.2.9", "sip:y@192.0.2.9"]);
        }
        other => panic!("no redirection but {other:?}"),
    }
    assert_eq!(pair.words(A), ["Refused 302"]);
    pair.assert_quiet();
}

#[test]
fn an_invite_that_nobody_answers_is_given_up_on_both_sides() {
    let mut pair = Pair::new();
    let (_, b) = pair.ring(Some(OFFER));
    pair.agents[B].progress(pair.now, b, Progress::status(180));
    pair.run_ms(210_000);
    let words = pair.words(A);
    assert_eq!(
        (words.first().unwrap().as_str(), words.last().unwrap().as_str()),
        ("Progress 180", "Refused 408")
    );
    assert!(
        words[1..words.len() - 1].iter().all(|word| word == "Progress 180"),
        "{words:?}"
    );
    assert_eq!(pair.words(B).len(), 1);
    pair.assert_quiet();
}

#[test]
fn an_unreachable_callee_is_a_408_after_64_t1() {
    let mut pair = Pair::new();
    pair.network.loss_percent = 100;
    pair.agents[A].invite(pair.now, invitation(Some(OFFER))).unwrap();
    pair.run_ms(31_900);
    assert!(pair.words(A).is_empty());
    pair.run_ms(200);
    assert_eq!(pair.words(A), ["Refused 408"]);
    pair.assert_quiet();
}

#[test]
fn requests_inside_the_dialog_are_handed_up_and_answered() {
    let mut pair = Pair::new();
    let (a, b) = pair.talk();
    for (method, word) in [(Method::Info, "Info"), (Method::Message, "InDialog")] {
        let request = InDialogRequest {
            method,
            headers: Headers::new(),
            body: None,
        };
        pair.agents[A].send_in_dialog(pair.now, a, &request).unwrap();
        pair.run_ms(50);
        let (name, key) = match pair.event(B) {
            Some(AgentEvent::Session {
                id,
                event: SessionEvent::Info { key, .. },
            }) if id == b => ("Info", key),
            Some(AgentEvent::Session {
                id,
                event: SessionEvent::InDialog { key, .. },
            }) if id == b => ("InDialog", key),
            other => panic!("not handed up: {other:?}"),
        };
        assert_eq!(name, word);
        pair.agents[B].respond_in_dialog(pair.now, key, 200);
        pair.run_ms(50);
        assert_eq!(pair.words(A), ["InDialogAnswered 200"]);
    }
    let options = InDialogRequest {
        method: Method::Options,
        headers: Headers::new(),
        body: None,
    };
    pair.agents[A].send_in_dialog(pair.now, a, &options).unwrap();
    pair.run_ms(50);
    assert_eq!(
        (pair.words(A), pair.words(B)),
        (vec!["InDialogAnswered 200".to_owned()], Vec::new())
    );
    pair.agents[A].hang_up(pair.now, a, None);
    pair.assert_quiet();
}

#[test]
fn every_message_that_names_our_methods_names_the_same_ones() {
    let mut solo = Solo::new();
    let (_, invite) = solo.call();
    let told = |message: &Message| {
        let methods = message.values(Name::Allow).map(String::from_utf8_lossy);
        methods.collect::<Vec<_>>().join(", ")
    };
    assert_eq!(told(&invite), ALLOW);
    solo.reply(&invite, 200, "one");
    solo.sent.clear();
    let to = format!("<sip:alice@192.0.2.1>;tag={}", invite.from_tag().unwrap());
    for (cseq, method) in ["OPTIONS", "PUBLISH"].into_iter().enumerate() {
        let request = solo
            .request(method, &to, 1 + cseq as u32)
            .header(Name::CallId, invite.call_id())
            .finish();
        solo.take(request);
        let response = solo.sent.pop().unwrap();
        assert_eq!(told(&response), ALLOW, "{method}");
    }
    let methods: Vec<Method> = ALLOW.split(", ").map(Method::of).collect();
    assert!(methods.iter().all(|method| !matches!(method, Method::Other(_))));
    assert!(!methods.contains(&Method::Subscribe) && !methods.contains(&Method::Publish));
}

#[test]
fn beyond_the_bound_a_call_gets_503() {
    let full = AgentSettings {
        sessions_max: 1,
        ..AgentSettings::default()
    };
    let mut pair = Pair::with(GOOD, 1, [AgentSettings::default(), full]);
    let (_, b) = pair.ring(Some(OFFER));
    pair.agents[A].invite(pair.now, invitation(Some(OFFER))).unwrap();
    pair.run_ms(50);
    let Some(AgentEvent::Invite { key, flow, request }) = pair.event(B) else {
        panic!("no INVITE")
    };
    let invite = branchline_sip::agent::IncomingInvite {
        key,
        flow,
        next_hop: branchline_sip::agent::NextHop::Flow,
        request,
        local_contact: super::pair::contact(B),
        ring_max: None,
    };
    assert!(pair.agents[B].accept_invite(pair.now, invite).is_err());
    pair.run_ms(50);
    assert_eq!(pair.words(A), ["Refused 503"]);
    pair.agents[B].hang_up(pair.now, b, None);
    pair.assert_quiet();
}

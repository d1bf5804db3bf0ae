//! Requests in, responses out.

use branchline_sip::transaction::{Counters, Event, Limits, Priority, Refusal};
use branchline_sip::{Builder, Flow, Message, Method, Name};
use bytes::Bytes;

use crate::bench::{Ask, BOX, Bench, PHONE, ask, udp, via_of};

#[test]
fn an_invite_gets_its_100_after_200_ms_unless_it_is_answered() {
    for (answered, sent) in [
        (None, vec!["100 INVITE"]),
        (Some(180), vec!["180 INVITE"]),
        (Some(486), vec!["486 INVITE"]),
    ] {
        let mut bench = Bench::new();
        let key = bench.begin(ask(Method::Invite).message());
        bench.until(199);
        assert_eq!(bench.sent_words(), [""; 0]);
        if let Some(status) = answered {
            bench.answer(key, status);
        }
        bench.until(400);
        assert_eq!(bench.sent_words(), sent);
    }
}

#[test]
fn a_repeated_request_is_answered_by_the_endpoint_alone() {
    let mut bench = Bench::new();
    let register = ask(Method::Register).message();
    let key = bench.begin(register.clone());
    bench.take(register.clone());
    bench.answer(key, 200);
    bench.take(register.clone());
    bench.until(31_000);
    bench.take(register);
    assert_eq!(bench.sent_words(), ["200 REGISTER"; 3]);
    assert_eq!(bench.event_words(), [""; 0]);
    assert_eq!(bench.endpoint.server_request(key).map(Message::method), None);
    let Counters {
        retransmissions,
        repeated_requests,
        ..
    } = bench.endpoint.counters();
    assert_eq!((retransmissions, repeated_requests), (2, 3));
    bench.until(32_000);
    assert!(bench.endpoint.is_empty());
}

#[test]
fn an_answer_without_a_to_tag_gets_one_that_stays_the_same() {
    let tag_of = |status: u16, given: Option<&str>, asked: Option<&'static str>| {
        let mut bench = Bench::new();
        let request = Ask {
            to_tag: asked,
            ..ask(Method::Invite)
        }
        .message();
        let key = bench.begin(request.clone());
        let response = match given {
            Some(tag) => Builder::response_with_tag(&request, status, tag).finish(),
            None => Builder::response(&request, status).finish(),
        };
        match status {
            401 => bench.endpoint.respond_and_forget(key, response),
            _ => bench.endpoint.respond(bench.now, key, response),
        }
        let (_, sent) = bench.sent().pop().unwrap();
        sent.to_tag().map(str::to_owned)
    };
    for status in [101, 183, 200, 401, 404] {
        assert!(
            tag_of(status, None, None).is_some_and(|tag| tag.len() == 16),
            "{status}"
        );
        assert_eq!(tag_of(status, Some("mine"), None).as_deref(), Some("mine"));
        assert_eq!(tag_of(status, None, Some("dialog")).as_deref(), Some("dialog"));
        // Each bench draws the same key for its tags.
        assert_eq!(tag_of(status, None, None), tag_of(183, None, None));
    }
    assert_eq!(tag_of(100, None, None), None);
}

#[test]
fn requests_are_told_apart_by_branch_sent_by_and_method_alone() {
    let first = ask(Method::Options);
    let with = |via: &str| Ask {
        via: via.to_owned(),
        call_id: "other".to_owned(),
        ..ask(Method::Options)
    };
    let cases = [
        ("same", with("SIP/2.0/UDP phone.example;branch=z9hG4bKone"), false),
        (
            "sent-by and branch in another case",
            with("SIP/2.0/UDP PHONE.example;branch=Z9HG4BKONE"),
            false,
        ),
        (
            "another branch",
            with("SIP/2.0/UDP phone.example;branch=z9hG4bKtwo"),
            true,
        ),
        (
            "another host",
            with("SIP/2.0/UDP other.example;branch=z9hG4bKone"),
            true,
        ),
        (
            "another port",
            with("SIP/2.0/UDP phone.example:5070;branch=z9hG4bKone"),
            true,
        ),
        (
            "another method",
            Ask {
                method: Method::Info,
                ..with("SIP/2.0/UDP phone.example;branch=z9hG4bKone")
            },
            true,
        ),
        ("without the cookie", with("SIP/2.0/UDP phone.example;branch=one"), true),
        (
            "nothing after the cookie",
            with("SIP/2.0/UDP phone.example;branch=z9hG4bK"),
            true,
        ),
    ];
    for (what, second, is_new) in cases {
        let mut bench = Bench::new();
        bench.begin(first.message());
        bench.take(second.message());
        assert_eq!(bench.events().len(), usize::from(is_new), "{what}");
    }
}

#[test]
fn a_request_from_another_source_cannot_divert_the_answer() {
    let mut bench = Bench::new();
    let invite = ask(Method::Invite).message();
    let key = bench.begin(invite.clone());
    let elsewhere = Flow {
        remote: "203.0.113.66:5060".parse().unwrap(),
        ..udp()
    };
    bench.take_on(elsewhere, invite);
    bench.answer(key, 486);
    let targets: Vec<_> = bench.sent().iter().map(|(flow, _)| flow.remote.to_string()).collect();
    assert_eq!(targets, [PHONE]);
}

#[test]
fn requests_without_the_magic_cookie_are_matched_as_rfc_2543_says() {
    let old = |method| Ask {
        via: "SIP/2.0/UDP phone.example;branch=1".to_owned(),
        ..ask(method)
    };
    let mut bench = Bench::new();
    let key = bench.begin(old(Method::Invite).message());
    bench.take(old(Method::Invite).message());
    assert_eq!(bench.event_words(), [""; 0]);
    bench.answer(key, 486);
    bench.take(
        Ask {
            to_tag: Some("box"),
            ..old(Method::Ack)
        }
        .message(),
    );
    bench.until(40_000);
    assert_eq!(bench.event_words(), [""; 0], "the ACK was taken for another's");
    assert!(bench.endpoint.is_empty());
    bench.begin(
        Ask {
            cseq: 2,
            ..old(Method::Invite)
        }
        .message(),
    );
}

#[test]
fn the_ack_of_an_old_client_to_a_2xx_goes_up() {
    let old = |method| Ask {
        via: "SIP/2.0/UDP phone.example".to_owned(),
        ..ask(method)
    };
    let mut bench = Bench::new();
    let key = bench.begin(old(Method::Invite).message());
    bench.answer(key, 200);
    bench.take(
        Ask {
            to_tag: Some("box"),
            ..old(Method::Ack)
        }
        .message(),
    );
    assert_eq!(bench.event_words(), ["ack"]);
}

#[test]
fn a_copy_that_took_another_path_gets_482() {
    let first = ask(Method::Invite);
    let copy = first.clone().branch("z9hG4bKcopy");
    let cases = [
        ("a copy", copy.clone(), Some("482 INVITE")),
        (
            "another extension of a fork",
            Ask {
                uri: "sip:203@box.example",
                ..copy.clone()
            },
            None,
        ),
        (
            "the next request",
            Ask {
                cseq: 2,
                ..copy.clone()
            },
            None,
        ),
        (
            "another call",
            Ask {
                call_id: "call-2".to_owned(),
                ..copy.clone()
            },
            None,
        ),
        (
            "in a dialog",
            Ask {
                to_tag: Some("box"),
                ..copy.clone()
            },
            None,
        ),
        (
            "another method",
            Ask {
                method: Method::Options,
                ..copy
            },
            None,
        ),
    ];
    for (what, second, answer) in cases {
        let mut bench = Bench::new();
        bench.begin(first.message());
        bench.take(second.message());
        assert_eq!(bench.sent_words(), answer.into_iter().collect::<Vec<_>>(), "{what}");
        assert_eq!(bench.endpoint.len(), if answer.is_some() { 1 } else { 2 }, "{what}");
    }
}

#[test]
fn a_request_may_come_again_over_another_path_once_the_first_is_over() {
    let mut bench = Bench::new();
    let key = bench.begin(ask(Method::Options).message());
    bench.answer(key, 200);
    bench.until(32_001);
    bench.begin(ask(Method::Options).branch("z9hG4bKcopy").message());
}

#[test]
fn a_cancel_is_answered_and_told_once() {
    let cases = [
        ("unanswered", vec![], vec!["cancelled"]),
        ("ringing", vec![180], vec!["cancelled"]),
        ("answered", vec![180, 200], vec![]),
        ("refused", vec![486], vec![]),
    ];
    for (what, answers, events) in cases {
        let mut bench = Bench::new();
        let key = bench.begin(ask(Method::Invite).message());
        for status in answers {
            bench.answer(key, status);
        }
        bench.sent();
        bench.take(ask(Method::Cancel).message());
        bench.take(ask(Method::Cancel).message());
        assert_eq!(bench.event_words(), events, "{what}");
        assert_eq!(bench.sent_words(), ["200 CANCEL"; 2], "{what}");
        assert_eq!(bench.endpoint.len(), 1, "{what}");
    }
}

#[test]
fn the_answer_to_a_cancel_carries_the_tag_of_the_ringing() {
    let mut bench = Bench::new();
    let key = bench.begin(ask(Method::Invite).message());
    bench.answer(key, 180);
    bench.take(ask(Method::Cancel).message());
    let tags: Vec<_> = bench
        .sent()
        .iter()
        .map(|(_, response)| response.to_tag().map(str::to_owned))
        .collect();
    assert_eq!(tags, [Some("box".to_owned()), Some("box".to_owned())]);
    bench.answer(key, 487);
    assert_eq!(bench.sent_words(), ["487 INVITE"]);
    bench.take(
        Ask {
            to_tag: Some("box"),
            ..ask(Method::Ack)
        }
        .message(),
    );
    bench.until(10_000);
    assert!(bench.endpoint.is_empty());
}

#[test]
fn a_cancel_without_its_invite_gets_481() {
    for before in [None, Some(Method::Options)] {
        let mut bench = Bench::new();
        if let Some(method) = before {
            bench.begin(ask(method).message());
        }
        bench.take(ask(Method::Cancel).message());
        assert_eq!(bench.sent_words(), ["481 CANCEL"]);
        assert_eq!(bench.event_words(), ["refused NothingToCancel"]);
    }
}

#[test]
fn an_ack_to_a_2xx_goes_up_and_one_to_a_refusal_does_not() {
    let mut bench = Bench::new();
    let key = bench.begin(ask(Method::Invite).message());
    bench.answer(key, 200);
    bench.take(
        Ask {
            to_tag: Some("box"),
            ..ask(Method::Ack).branch("z9hG4bKack")
        }
        .message(),
    );
    assert_eq!(bench.event_words(), ["ack"]);
    let key = bench.begin(
        Ask {
            call_id: "call-2".to_owned(),
            ..ask(Method::Invite).branch("z9hG4bKtwo")
        }
        .message(),
    );
    bench.answer(key, 404);
    bench.take(
        Ask {
            to_tag: Some("box"),
            ..ask(Method::Ack).branch("z9hG4bKtwo")
        }
        .message(),
    );
    assert_eq!(bench.event_words(), [""; 0]);
    bench.until(40_000);
    assert_eq!(bench.event_words(), [""; 0]);
    assert!(bench.endpoint.is_empty());
}

#[test]
fn a_refusal_that_is_never_acknowledged_is_told_after_timer_h() {
    let mut bench = Bench::new();
    let key = bench.begin(ask(Method::Invite).message());
    bench.answer(key, 486);
    bench.until(31_999);
    assert_eq!(bench.event_words(), [""; 0]);
    bench.until(32_000);
    assert_eq!(bench.event_words(), ["unacknowledged"]);
    assert_eq!(bench.sent_words().len(), 11);
    assert!(bench.endpoint.is_empty());
}

fn is_emergency(request: &Message) -> bool {
    request.request_uri().starts_with("sip:112@")
}

#[test]
fn a_full_table_refuses_with_503_and_keeps_room_for_emergencies() {
    let limits = Limits {
        server: 20,
        priority: Priority::new(is_emergency),
        ..Limits::default()
    };
    let mut bench = Bench::with(limits);
    let nth = |n: usize, uri| {
        let call_id = format!("call-{n}");
        Ask {
            call_id,
            uri,
            ..ask(Method::Invite)
        }
        .branch(&format!("z9hG4bK{n}"))
        .message()
    };
    for n in 0..18 {
        bench.begin(nth(n, "sip:201@box.example"));
    }
    let refused = nth(18, "sip:201@box.example");
    bench.take(refused.clone());
    bench.take(refused.clone());
    let sent = bench.sent();
    assert_eq!(sent.len(), 2);
    for (_, response) in &sent {
        assert_eq!(response.status(), 503);
        assert!((5..10).contains(&response.number(Name::RetryAfter).unwrap()));
    }
    assert_eq!(
        sent[0].1.to_tag(),
        sent[1].1.to_tag(),
        "a stateless answer is always the same"
    );
    assert_eq!(bench.event_words(), ["refused Overload"; 2]);

    let ack = Builder::request(&Method::Ack, refused.request_uri())
        .copy(&refused, Name::Via)
        .copy(&refused, Name::From)
        .copy(&sent[0].1, Name::To)
        .copy(&refused, Name::CallId)
        .header(Name::CSeq, "1 ACK");
    bench.take(ack.finish());
    assert_eq!(
        bench.event_words(),
        [""; 0],
        "the ACK to a stateless refusal is absorbed"
    );

    bench.begin(nth(19, "sip:112@box.example"));
    bench.begin(nth(20, "sip:112@box.example"));
    bench.take(nth(21, "sip:112@box.example"));
    assert_eq!(bench.event_words(), ["refused Overload"]);
    assert_eq!((bench.endpoint.len(), bench.endpoint.counters().overloaded), (20, 3));
}

#[test]
fn what_is_answered_and_forgotten_leaves_nothing_and_comes_up_again() {
    let mut bench = Bench::new();
    for _ in 0..2 {
        let key = bench.begin(ask(Method::Register).message());
        let challenge = Builder::response_with_tag(&ask(Method::Register).message(), 401, "x").finish();
        bench.endpoint.respond_and_forget(key, challenge.clone());
        bench.endpoint.respond_and_forget(key, challenge.clone());
        bench.endpoint.respond(bench.now, key, challenge);
        let sent = bench.sent();
        assert_eq!(sent.len(), 1);
        assert!(via_of(&sent[0].1).ends_with("rport=40000"));
        assert!(bench.endpoint.is_empty());
        assert_eq!(bench.endpoint.poll_timeout(), None);
    }
}

#[test]
fn a_stale_key_finds_nothing_even_when_its_place_is_taken() {
    let mut bench = Bench::new();
    let stale = bench.begin(ask(Method::Options).message());
    bench.answer(stale, 200);
    bench.until(33_000);
    bench.sent();
    let live = bench.begin(ask(Method::Info).message());
    let response = Builder::response(&ask(Method::Options).message(), 404).finish();
    bench.endpoint.respond(bench.now, stale, response.clone());
    bench.endpoint.respond_and_forget(stale, response);
    assert!(bench.endpoint.server_request(stale).is_none());
    assert_eq!(bench.sent_words(), [""; 0]);
    assert!(bench.endpoint.server_request(live).is_some());
}

#[test]
fn bytes_that_do_not_parse_are_answered_only_where_the_sender_can_tell() {
    let rest = "Via: SIP/2.0/UDP phone.example;branch=z9hG4bKm;rport\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:b@b>\r\nCall-ID: m\r\n";
    let cases = [
        (
            format!("OPTIONS sip:b@b SIP/2.0\r\n{rest}CSeq: 1 INVITE\r\n\r\n"),
            Some("SIP/2.0 400 "),
        ),
        (
            format!("OPTIONS sip:b@b SIP/2.0\r\n{rest}CSeq: 1 OPTIONS\r\nContent-Length: 9\r\n\r\n"),
            Some("SIP/2.0 400 "),
        ),
        (
            format!("OPTIONS sip:b@b SIP/7.0\r\n{rest}CSeq: 1 OPTIONS\r\n\r\n"),
            Some("SIP/2.0 505 "),
        ),
        (format!("ACK sip:b@b SIP/2.0\r\n{rest}CSeq: 1 INVITE\r\n\r\n"), None),
        (format!("SIP/2.0 2000 OK\r\n{rest}CSeq: 1 OPTIONS\r\n\r\n"), None),
        ("OPTIONS sip:b@b SIP/2.0\r\nCSeq: 1 OPTIONS\r\n\r\n".to_owned(), None),
        ("\0\0\0".to_owned(), None),
    ];
    for (text, wanted) in cases {
        let mut bench = Bench::new();
        bench
            .endpoint
            .handle_bytes(bench.now, udp(), &Bytes::from(text.clone()));
        let sent = bench.endpoint.poll_transmit();
        let answer = sent.as_ref().map(|transmit| String::from_utf8_lossy(&transmit.bytes));
        match (wanted, &answer) {
            (None, None) => assert_eq!(bench.endpoint.counters().dropped, 1, "{text}"),
            (Some(start), Some(answer)) => {
                assert!(answer.starts_with(start) && answer.contains("z9hG4bKm"), "{answer}");
                assert_eq!(sent.as_ref().map(|transmit| transmit.flow), Some(udp()));
            }
            (wanted, answer) => panic!("{wanted:?} was due, {answer:?} came, for {text}"),
        }
        assert!(
            matches!(
                bench.events()[..],
                [Event::Refused {
                    why: Refusal::Malformed(_),
                    ..
                }]
            ),
            "{text}"
        );
        assert!(bench.endpoint.is_empty());
    }
}

#[test]
fn keep_alives_are_no_messages() {
    let mut bench = Bench::new();
    bench
        .endpoint
        .handle_bytes(bench.now, udp(), &Bytes::from_static(b"\r\n\r\n"));
    assert_eq!(bench.event_words(), [""; 0]);
    assert_eq!(bench.endpoint.counters(), Counters::default());
    assert_eq!(udp().local, BOX.parse().unwrap());
}

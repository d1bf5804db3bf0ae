//! Requests out, responses in.

use branchline_sip::transaction::{ClientKey, Full, Limits, Priority};
use branchline_sip::{Builder, ConnectionId, Flow, Message, Method, Name, Transport};

use crate::bench::{Ask, Bench, ask, udp};

fn start(bench: &mut Bench, method: Method) -> (ClientKey, Message) {
    let key = bench.endpoint.request(bench.now, udp(), ask(method).builder()).unwrap();
    let (flow, request) = bench.sent().pop().unwrap();
    assert_eq!(flow, udp());
    (key, request)
}

fn reply(request: &Message, status: u16) -> Message {
    Builder::response_with_tag(request, status, "peer").finish()
}

#[test]
fn a_request_leaves_with_our_via_on_top() {
    let mut bench = Bench::new();
    let (_, first) = start(&mut bench, Method::Options);
    let (_, second) = start(&mut bench, Method::Options);
    let via = first.top_via();
    assert_eq!(
        (via.transport, via.sent_by, via.rport()),
        ("UDP", "192.0.2.1:5060", Some(None))
    );
    assert!(via.branch().unwrap().starts_with("z9hG4bK") && via.branch().unwrap().len() > 20);
    assert_ne!(first.top_via().branch(), second.top_via().branch());
    assert_eq!(first.fields().next().unwrap().name, Name::Via);

    let tls = Flow {
        transport: Transport::Tls,
        ..udp()
    };
    bench
        .endpoint
        .request(bench.now, tls, ask(Method::Options).builder())
        .unwrap();
    let (_, request) = bench.sent().pop().unwrap();
    assert_eq!(request.top_via().transport, "TLS");
}

#[test]
fn two_seeds_never_share_branches_and_one_seed_repeats_itself() {
    let branch = |seed: u8| {
        let mut endpoint = branchline_sip::transaction::Endpoint::new(Limits::default(), [seed; 32]);
        endpoint
            .request(crate::bench::origin(), udp(), ask(Method::Options).builder())
            .unwrap();
        Message::parse(endpoint.poll_transmit().unwrap().bytes)
            .unwrap()
            .top_via()
            .branch()
            .unwrap()
            .to_owned()
    };
    assert_eq!(branch(1), branch(1));
    assert_ne!(branch(1), branch(2));
}

#[test]
fn only_a_response_to_a_live_request_goes_up() {
    let mut bench = Bench::new();
    let (_, request) = start(&mut bench, Method::Options);
    let text = |message: &Message| String::from_utf8_lossy(message.bytes()).into_owned();
    let parse = |text: String| Message::parse(text.into()).unwrap();
    let good = text(&reply(&request, 200));
    let branch = request.top_via().branch().unwrap().to_owned();
    let cases = [
        ("another branch", good.replace(&branch, "z9hG4bKguess")),
        ("no cookie", good.replace("z9hG4bK", "")),
        ("another method", good.replace("1 OPTIONS", "1 INFO")),
        (
            "a second Via",
            good.replace("From:", "Via: SIP/2.0/UDP x.example;branch=z9hG4bKx\r\nFrom:"),
        ),
    ];
    for (what, text) in cases {
        bench.take(parse(text));
        assert_eq!(bench.event_words(), [""; 0], "{what}");
    }
    assert_eq!(bench.endpoint.counters().dropped, 4);
    bench.take(parse(good.clone()));
    assert_eq!(bench.event_words(), ["response 200"]);
    bench.take(parse(good));
    assert_eq!(bench.event_words(), [""; 0]);
    bench.until(10_000);
    assert!(bench.endpoint.is_empty());
}

#[test]
fn a_late_2xx_to_an_invite_of_ours_is_stray_and_anything_else_is_dropped() {
    let mut bench = Bench::new();
    let (_, invite) = start(&mut bench, Method::Invite);
    let ok = reply(&invite, 200);
    bench.take(ok.clone());
    bench.until(33_000);
    assert_eq!(bench.event_words(), ["response 200"]);
    assert!(bench.endpoint.is_empty());
    bench.take(ok.clone());
    assert_eq!(bench.event_words(), ["stray 200"]);
    bench.take(reply(&invite, 486));
    let elsewhere = String::from_utf8_lossy(ok.bytes()).replace("192.0.2.1:5060", "203.0.113.5");
    bench.take(Message::parse(elsewhere.into()).unwrap());
    assert_eq!(bench.event_words(), [""; 0]);
    assert_eq!(bench.endpoint.counters().dropped, 2);
}

#[test]
fn each_2xx_of_a_fork_goes_up_under_the_same_key() {
    let mut bench = Bench::new();
    let (_, invite) = start(&mut bench, Method::Invite);
    for tag in ["one", "two", "one"] {
        bench.take(Builder::response_with_tag(&invite, 200, tag).finish());
    }
    assert_eq!(bench.event_words(), ["response 200"; 3]);
    assert_eq!(bench.sent_words(), [""; 0], "an ACK to a 2xx is the user's");
}

#[test]
fn a_refusal_is_acknowledged_on_the_flow_of_the_invite() {
    let mut bench = Bench::new();
    let (_, invite) = start(&mut bench, Method::Invite);
    bench.take(reply(&invite, 486));
    bench.take(reply(&invite, 486));
    let sent = bench.sent();
    assert_eq!(sent.len(), 2);
    for (flow, ack) in &sent {
        assert_eq!((*flow, ack.method(), ack.to_tag()), (udp(), &Method::Ack, Some("peer")));
        assert_eq!(ack.value(Name::Via), invite.value(Name::Via));
    }
    assert_eq!(bench.event_words(), ["response 486"]);
    bench.until(33_000);
    assert!(bench.endpoint.is_empty());
}

#[test]
fn a_request_without_answer_fails_after_64_t1() {
    for (method, sent) in [(Method::Invite, 6), (Method::Register, 10)] {
        let mut bench = Bench::new();
        start(&mut bench, method);
        bench.until(31_999);
        assert_eq!(bench.event_words(), [""; 0]);
        bench.until(32_000);
        assert_eq!(bench.event_words(), ["failed Timeout"]);
        assert_eq!(bench.sent_words().len(), sent);
        assert!(bench.endpoint.is_empty());
        assert_eq!(bench.endpoint.poll_timeout(), None);
    }
}

#[test]
fn a_cancel_waits_for_a_provisional_and_is_repeated_until_it_is_answered() {
    let mut bench = Bench::new();
    let (key, invite) = start(&mut bench, Method::Invite);
    bench
        .endpoint
        .cancel(bench.now, key, Some("SIP;cause=200;text=\"Call completed elsewhere\""));
    bench.endpoint.cancel(bench.now, key, None);
    bench.until(600);
    assert_eq!(bench.sent_words(), ["INVITE"], "the INVITE is still repeated");
    bench.take(reply(&invite, 180));
    let (flow, cancel) = bench.sent().pop().unwrap();
    assert_eq!(flow, udp());
    assert_eq!(
        (cancel.method(), cancel.cseq(), cancel.request_uri()),
        (&Method::Cancel, 1, invite.request_uri())
    );
    assert_eq!(
        (cancel.value(Name::Via), cancel.to_tag()),
        (invite.value(Name::Via), None)
    );
    assert!(cancel.text(Name::Reason).unwrap().contains("cause=200"));
    bench.until(2_200);
    assert_eq!(bench.sent_words(), ["CANCEL"; 2]);
    bench.take(reply(&cancel, 200));
    bench.until(20_000);
    assert_eq!(bench.sent_words(), [""; 0]);
    bench.take(reply(&invite, 487));
    assert_eq!(bench.sent_words(), ["ACK"]);
    assert_eq!(bench.event_words(), ["response 180", "response 487"]);
    bench.until(60_000);
    assert!(bench.endpoint.is_empty());
}

#[test]
fn a_final_that_comes_first_wins_over_the_cancel() {
    for (status, sent) in [(200, vec![]), (486, vec!["ACK"])] {
        let mut bench = Bench::new();
        let (key, invite) = start(&mut bench, Method::Invite);
        bench.endpoint.cancel(bench.now, key, None);
        bench.take(reply(&invite, status));
        bench.endpoint.cancel(bench.now, key, None);
        bench.until(40_000);
        assert_eq!(bench.event_words(), [format!("response {status}")]);
        assert_eq!(bench.sent_words(), sent);
        assert!(bench.endpoint.is_empty());
    }
    let mut bench = Bench::new();
    let (key, invite) = start(&mut bench, Method::Invite);
    bench.take(reply(&invite, 180));
    bench.endpoint.cancel(bench.now, key, None);
    bench.take(reply(&invite, 200));
    bench.until(10_000);
    assert_eq!(bench.sent_words(), ["CANCEL"], "a CANCEL that lost is not repeated");
    assert_eq!(bench.event_words(), ["response 180", "response 200"]);
}

#[test]
fn a_cancelled_invite_without_a_final_is_given_up() {
    for answers_cancel in [true, false] {
        let mut bench = Bench::new();
        let (key, invite) = start(&mut bench, Method::Invite);
        bench.take(reply(&invite, 180));
        bench.until(1_000);
        bench.endpoint.cancel(bench.now, key, None);
        let (_, cancel) = bench.sent().pop().unwrap();
        if answers_cancel {
            bench.take(reply(&cancel, 481));
        }
        bench.until(32_999);
        assert_eq!(bench.event_words(), ["response 180"]);
        bench.until(33_000);
        assert_eq!(bench.event_words(), ["failed Timeout"]);
        assert!(bench.endpoint.is_empty());
    }
}

#[test]
fn a_held_cancel_ends_with_timer_b() {
    let mut bench = Bench::new();
    let (key, _) = start(&mut bench, Method::Invite);
    bench.endpoint.cancel(bench.now, key, None);
    bench.until(32_000);
    assert_eq!(bench.event_words(), ["failed Timeout"]);
    assert_eq!(bench.sent_words(), ["INVITE"; 6]);
}

#[test]
fn only_an_invite_can_be_cancelled() {
    let mut bench = Bench::new();
    let (key, register) = start(&mut bench, Method::Register);
    bench.take(reply(&register, 100));
    bench.endpoint.cancel(bench.now, key, None);
    assert_eq!(bench.sent_words(), [""; 0]);
}

#[test]
fn a_failed_flow_fails_what_waits_on_it_and_nothing_else() {
    let stream = Flow {
        transport: Transport::Tcp,
        ..udp()
    };
    let on = |id| Flow {
        connection: Some(ConnectionId(id)),
        ..stream
    };
    let other_peer = Flow {
        remote: "198.51.100.8:5060".parse().unwrap(),
        ..udp()
    };
    let other_local = Flow {
        local: "192.0.2.2:5060".parse().unwrap(),
        ..udp()
    };
    let cases = [
        ("the same datagram flow", udp(), udp(), true),
        ("another peer", udp(), other_peer, false),
        ("another address of ours", udp(), other_local, false),
        ("another transport", udp(), stream, false),
        ("the same connection", on(1), on(1), true),
        ("another connection to the peer", on(1), on(2), false),
        ("a connection that could not be opened", stream, stream, true),
        ("the connection opened for it", stream, on(5), true),
        ("a new connection, where another stands", on(1), stream, false),
    ];
    for (what, used, failed, hit) in cases {
        for method in [Method::Invite, Method::Bye] {
            let mut bench = Bench::new();
            bench.endpoint.request(bench.now, used, ask(method).builder()).unwrap();
            bench.endpoint.handle_flow_failed(bench.now, failed);
            assert_eq!(
                bench.event_words().pop(),
                hit.then(|| "failed Flow".to_owned()),
                "{what}"
            );
            assert_eq!(bench.endpoint.is_empty(), hit, "{what}");
        }
    }
}

#[test]
fn a_failed_flow_leaves_finished_transactions_alone() {
    let mut bench = Bench::new();
    let (_, invite) = start(&mut bench, Method::Invite);
    let (_, bye) = start(&mut bench, Method::Bye);
    bench.take(reply(&invite, 200));
    bench.take(reply(&bye, 200));
    bench.events();
    bench.endpoint.handle_flow_failed(bench.now, udp());
    assert_eq!(bench.event_words(), [""; 0]);
}

#[test]
fn a_full_table_refuses_all_but_priority_requests() {
    let limits = Limits {
        client: 10,
        priority: Priority::new(|request| request.request_uri() == "sip:112@box.example"),
        ..Limits::default()
    };
    let mut bench = Bench::with(limits);
    let mut begin = |uri| {
        bench
            .endpoint
            .request(
                bench.now,
                udp(),
                Ask {
                    uri,
                    ..ask(Method::Invite)
                }
                .builder(),
            )
            .map(|_| ())
    };
    for _ in 0..9 {
        assert_eq!(begin("sip:201@box.example"), Ok(()));
    }
    assert_eq!(begin("sip:201@box.example"), Err(Full));
    assert_eq!(begin("sip:112@box.example"), Ok(()));
    assert_eq!(begin("sip:112@box.example"), Err(Full));
}

#[test]
fn an_ack_to_a_2xx_leaves_nothing_behind_and_can_be_repeated() {
    let mut bench = Bench::new();
    let ack = bench.endpoint.send_ack(udp(), ask(Method::Ack).builder());
    assert!(ack.top_via().branch().unwrap().starts_with("z9hG4bK"));
    bench.endpoint.send_again(udp(), &ack);
    let sent = bench.sent();
    assert_eq!(sent[0].1.bytes(), sent[1].1.bytes());
    assert_eq!(
        (bench.endpoint.len(), bench.endpoint.counters().retransmissions),
        (0, 1)
    );
}

#[test]
fn stale_client_keys_are_ignored() {
    let mut bench = Bench::new();
    let (stale, invite) = start(&mut bench, Method::Invite);
    bench.take(reply(&invite, 486));
    bench.until(40_000);
    bench.sent();
    let (_, live) = start(&mut bench, Method::Invite);
    bench.take(reply(&live, 180));
    bench.endpoint.cancel(bench.now, stale, None);
    assert_eq!(bench.sent_words(), [""; 0]);
}

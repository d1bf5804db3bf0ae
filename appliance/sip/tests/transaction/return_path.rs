//! Where responses go, and what their top Via tells.

use branchline_sip::{ConnectionId, Flow, Method, Name, Transport};

use crate::bench::{Ask, Bench, PHONE, ask, udp, via_of};

#[test]
fn a_response_goes_where_via_and_source_say_and_tells_the_source() {
    let cases = [
        (
            "SIP/2.0/UDP 198.51.100.7:40000;branch=z9hG4bKa",
            PHONE,
            "SIP/2.0/UDP 198.51.100.7:40000;branch=z9hG4bKa",
        ),
        (
            "SIP/2.0/UDP 10.0.0.9:5070;branch=z9hG4bKa",
            "198.51.100.7:5070",
            "SIP/2.0/UDP 10.0.0.9:5070;branch=z9hG4bKa;received=198.51.100.7",
        ),
        (
            "SIP/2.0/UDP phone.example;branch=z9hG4bKa",
            "198.51.100.7:5060",
            "SIP/2.0/UDP phone.example;branch=z9hG4bKa;received=198.51.100.7",
        ),
        (
            "SIP/2.0/UDP 10.0.0.9;rport;branch=z9hG4bKa",
            PHONE,
            "SIP/2.0/UDP 10.0.0.9;branch=z9hG4bKa;received=198.51.100.7;rport=40000",
        ),
        (
            "SIP/2.0/UDP 198.51.100.7:40000;branch=z9hG4bKa;rport",
            PHONE,
            "SIP/2.0/UDP 198.51.100.7:40000;branch=z9hG4bKa;received=198.51.100.7;rport=40000",
        ),
        (
            "SIP/2.0/UDP 10.0.0.9;received=203.0.113.1;rport=9;branch=z9hG4bKa;x=\"a;b\"",
            PHONE,
            "SIP/2.0/UDP 10.0.0.9;branch=z9hG4bKa;x=\"a;b\";received=198.51.100.7;rport=40000",
        ),
        (
            "SIP/2.0/UDP 198.51.100.7;maddr=203.0.113.1;branch=z9hG4bKa",
            "198.51.100.7:5060",
            "SIP/2.0/UDP 198.51.100.7;maddr=203.0.113.1;branch=z9hG4bKa",
        ),
    ];
    for (via, target, stamped) in cases {
        let mut bench = Bench::new();
        let key = bench.begin(
            Ask {
                via: via.to_owned(),
                ..ask(Method::Options)
            }
            .message(),
        );
        bench.answer(key, 200);
        let (flow, response) = bench.sent().pop().unwrap();
        assert_eq!(flow.remote, target.parse().unwrap(), "target for {via}");
        assert_eq!(via_of(&response), stamped);
    }
}

#[test]
fn only_the_top_via_is_touched() {
    let mut bench = Bench::new();
    let via = "SIP/2.0/UDP p.example;branch=z9hG4bKa;rport, SIP/2.0/UDP q.example;branch=z9hG4bKb;rport".to_owned();
    let key = bench.begin(
        Ask {
            via,
            ..ask(Method::Options)
        }
        .message(),
    );
    bench.answer(key, 200);
    let (_, response) = bench.sent().pop().unwrap();
    let vias: Vec<_> = response.values(Name::Via).map(String::from_utf8_lossy).collect();
    assert_eq!(
        vias,
        [
            "SIP/2.0/UDP p.example;branch=z9hG4bKa;received=198.51.100.7;rport=40000",
            "SIP/2.0/UDP q.example;branch=z9hG4bKb;rport"
        ]
    );
}

#[test]
fn an_ipv6_source_is_written_without_brackets() {
    let mut bench = Bench::new();
    let flow = Flow::udp(
        "[2001:db8::1]:5060".parse().unwrap(),
        "[2001:db8::9]:6000".parse().unwrap(),
    );
    let key = bench.begin_on(flow, ask(Method::Options).message());
    bench.answer(key, 200);
    let (back, response) = bench.sent().pop().unwrap();
    assert_eq!(back.remote, flow.remote);
    assert!(via_of(&response).ends_with(";received=2001:db8::9;rport=6000"));
}

#[test]
fn a_stream_answers_on_its_connection_and_asks_for_a_new_one_when_it_is_lost() {
    let connection = Some(ConnectionId(3));
    let flow = Flow {
        transport: Transport::Tcp,
        connection,
        ..udp()
    };
    let via = "SIP/2.0/TCP 10.0.0.9:5080;branch=z9hG4bKa".to_owned();
    let other = Flow {
        connection: Some(ConnectionId(4)),
        ..flow
    };
    for (failed, target, wanted) in [
        (None, PHONE, connection),
        (Some(other), PHONE, connection),
        (Some(flow), "198.51.100.7:5080", None),
    ] {
        let mut bench = Bench::new();
        let key = bench.begin_on(
            flow,
            Ask {
                via: via.clone(),
                ..ask(Method::Invite)
            }
            .message(),
        );
        if let Some(failed) = failed {
            bench.endpoint.handle_flow_failed(bench.now, failed);
        }
        bench.answer(key, 486);
        let (back, _) = bench.sent().pop().unwrap();
        assert_eq!(
            (back.remote, back.connection),
            (target.parse().unwrap(), wanted),
            "after {failed:?}"
        );
    }
}

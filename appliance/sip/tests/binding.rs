//! The registrar's table and the registration at a trunk.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

use std::time::{Duration, Instant};

use branchline_sip::binding::{
    Binding, BindingEvent, Bindings, BindingsConfig, Moment, RegisterOutcome, RegisterRefused, Registration,
    RegistrationConfig, RegistrationEvent, RegistrationState, Removal,
};
use branchline_sip::digest::{Account, Algorithm, Asker, Challenger, ChallengerConfig, Ha1, Stale, Verdict};
use branchline_sip::{Builder, ConnectionId, Flow, Message, Method, Name, Transport};

#[expect(clippy::disallowed_methods, reason = "any instant will do as the start of a test")]
fn start() -> Moment {
    Moment {
        now: Instant::now(),
        utc_ms: 1_800_000_000_000,
    }
}

fn later(at: Moment, seconds: u64) -> Moment {
    Moment {
        now: at.now + Duration::from_secs(seconds),
        utc_ms: at.utc_ms + seconds * 1000,
    }
}

fn flow() -> Flow {
    Flow::udp("10.0.0.1:5060".parse().unwrap(), "203.0.113.9:40000".parse().unwrap())
}

fn stream() -> Flow {
    Flow {
        transport: Transport::Tcp,
        connection: Some(ConnectionId(7)),
        ..flow()
    }
}

struct Register<'a> {
    call: &'a str,
    cseq: u32,
    lines: &'a [(Name<'static>, &'a str)],
}

fn register(register: &Register<'_>) -> Message {
    let builder = Builder::request(&Method::Register, "sip:branch")
        .header(Name::Via, "SIP/2.0/UDP 192.168.0.2;branch=z9hG4bK1")
        .header(Name::From, "<sip:201@branch>;tag=1")
        .header(Name::To, "<sip:201@branch>")
        .header(Name::CallId, register.call)
        .header(Name::CSeq, format_args!("{} REGISTER", register.cseq));
    register
        .lines
        .iter()
        .fold(builder, |builder, (name, value)| builder.header(*name, value))
        .try_finish()
        .unwrap()
}

fn simple(cseq: u32, contact: &str) -> Message {
    register(&Register {
        call: "c",
        cseq,
        lines: &[(Name::Contact, contact)],
    })
}

fn contacts(outcome: &RegisterOutcome) -> Vec<String> {
    match outcome {
        RegisterOutcome::Accepted { contacts, .. } => contacts.clone(),
        RegisterOutcome::Refused(why) => panic!("{why}"),
    }
}

fn events(table: &mut Bindings) -> Vec<String> {
    std::iter::from_fn(|| table.poll_event())
        .map(|event| match event {
            BindingEvent::Changed { binding, .. } => format!("+{}", binding.contact),
            BindingEvent::Refreshed { binding, .. } => format!("={}", binding.contact),
            BindingEvent::Removed { binding, why } => format!("-{} {why:?}", binding.contact),
        })
        .collect()
}

#[test]
fn contacts_are_granted_ranked_journalled_and_end() {
    let at = start();
    let mut table = Bindings::new(BindingsConfig::default());
    let both = simple(
        1,
        "<sip:201@10.1.1.1>;q=0.5, <sip:201@10.1.1.2;transport=tcp>;expires=90",
    );
    let outcome = table.handle_register(at, &both, flow());
    assert_eq!(
        contacts(&outcome),
        [
            "<sip:201@10.1.1.1>;expires=3600;q=0.500",
            "<sip:201@10.1.1.2;transport=tcp>;expires=90"
        ]
    );
    let response = outcome.response(&both, "box").try_finish().unwrap();
    assert_eq!((response.status(), response.contacts().count()), (200, 2));
    assert_eq!(
        events(&mut table),
        ["+sip:201@10.1.1.1", "+sip:201@10.1.1.2;transport=tcp"]
    );
    let ranked: Vec<_> = table
        .lookup("201")
        .iter()
        .map(|binding| binding.q_thousandths)
        .collect();
    assert_eq!(ranked, [1000, 500]);
    assert_eq!(table.lookup("201")[0].flow, flow());
    let (due, _) = table.poll_timeout().unwrap();
    assert_eq!(due, later(at, 90).now);
    table.handle_timeout(due);
    assert_eq!(events(&mut table), ["-sip:201@10.1.1.2;transport=tcp Expired"]);
    let query = register(&Register {
        call: "other",
        cseq: 1,
        lines: &[],
    });
    assert_eq!(
        contacts(&table.handle_register(later(at, 100), &query, flow())),
        ["<sip:201@10.1.1.1>;expires=3500;q=0.500"]
    );
    table.handle_timeout(later(at, 3600).now);
    assert!(table.is_empty() && table.poll_timeout().is_none());
}

#[test]
fn a_register_is_carried_out_whole_or_not_at_all() {
    let at = start();
    let mut table = Bindings::new(BindingsConfig {
        contacts_max: 3,
        ..BindingsConfig::default()
    });
    table.handle_register(at, &simple(5, "<sip:a@h>"), flow());
    let cases = [
        (
            simple(6, "<sip:b@h>, <sip:c@h>;expires=10"),
            RegisterRefused::IntervalTooBrief { min_s: 60 },
        ),
        (simple(6, "<sip:b@h>, *"), RegisterRefused::Malformed),
        (simple(6, "*"), RegisterRefused::Malformed),
        (simple(6, "<mailto:b@h>"), RegisterRefused::Malformed),
        (simple(6, "sip:b@h?x=1"), RegisterRefused::Malformed),
        (simple(5, "<sip:b@h>, <sip:a@h>"), RegisterRefused::OutOfOrder),
        (simple(6, "<sip:b@h>, <sip:c@h>, <sip:d@h>"), RegisterRefused::Full),
    ];
    for (request, why) in cases {
        let outcome = table.handle_register(at, &request, flow());
        assert_eq!(outcome, RegisterOutcome::Refused(why));
        assert_eq!(
            outcome.response(&request, "t").try_finish().unwrap().status(),
            why.status()
        );
        assert_eq!(table.lookup("201").len(), 1, "{why}");
    }
    let all = register(&Register {
        call: "c",
        cseq: 7,
        lines: &[(Name::Contact, "*"), (Name::Expires, "0")],
    });
    assert!(contacts(&table.handle_register(at, &all, flow())).is_empty());
    assert_eq!(events(&mut table), ["+sip:a@h", "-sip:a@h Requested"]);
}

#[test]
fn a_phone_that_moved_takes_its_own_place() {
    let at = start();
    let mut table = Bindings::new(BindingsConfig::default());
    let with = |uri: &str, id: &str| format!("<{uri}>;+sip.instance=\"<urn:uuid:1>\"{id}");
    for (call, uri, id) in [
        ("1", "sip:a@old", ""),
        ("2", "sip:a@new", ""),
        ("3", "sip:a@new", ";reg-id=1"),
        ("4", "sip:a@new", ";reg-id=2"),
    ] {
        let contact = with(uri, id);
        let request = register(&Register {
            call,
            cseq: 1,
            lines: &[(Name::Contact, &contact)],
        });
        table.handle_register(at, &request, stream());
    }
    let kept: Vec<_> = table
        .lookup("201")
        .iter()
        .map(|binding| (binding.contact.to_string(), binding.reg_id))
        .collect();
    assert_eq!(
        kept,
        [
            ("sip:a@new".to_owned(), Some(2)),
            ("sip:a@new".to_owned(), Some(1)),
            ("sip:a@new".to_owned(), None)
        ]
    );
    table.handle_connection_closed(ConnectionId(7));
    assert_eq!(table.len(), 1);
    assert_eq!(table.lookup("201")[0].flow.connection, None);
    let removals = events(&mut table);
    assert!(
        removals.contains(&format!("-sip:a@old {:?}", Removal::Replaced))
            && removals.contains(&"-sip:a@new FlowLost".to_owned()),
        "{removals:?}"
    );
}

#[test]
fn the_table_is_bounded_for_each_user() {
    let at = start();
    let mut table = Bindings::new(BindingsConfig {
        contacts_per_user_max: 2,
        ..BindingsConfig::default()
    });
    for port in 1..=5 {
        let request = simple(port, &format!("<sip:a@h:{port}>"));
        table.handle_register(at, &request, flow());
    }
    assert_eq!(
        table
            .lookup("201")
            .iter()
            .map(|binding| &*binding.contact)
            .collect::<Vec<_>>(),
        ["sip:a@h:5", "sip:a@h:4"]
    );
    assert_eq!(table.len(), 2);
}

#[test]
fn a_refresh_is_told_only_when_a_restart_would_otherwise_forget_the_phone() {
    for refresh_s in [60, 1800, 3400, 3599] {
        let mut table = Bindings::new(BindingsConfig::default());
        let (mut at, mut kept_until_utc_ms, mut told) = (start(), 0, 0);
        for cseq in 1..=40 {
            table.handle_register(at, &simple(cseq, "<sip:201@h>"), flow());
            while let Some(event) = table.poll_event() {
                let keep_until_utc_ms = match (told, event) {
                    (0, BindingEvent::Changed { keep_until_utc_ms, .. })
                    | (1.., BindingEvent::Refreshed { keep_until_utc_ms, .. }) => keep_until_utc_ms,
                    (_, event) => panic!("{event:?}"),
                };
                (kept_until_utc_ms, told) = (keep_until_utc_ms, told + 1);
            }
            let ends_utc_ms = table.lookup("201")[0].expires_utc_ms;
            assert!(kept_until_utc_ms >= ends_utc_ms, "forgotten before it ends");
            at = later(at, refresh_s);
        }
        assert!(told <= 21, "{told} of 40 refreshes told, one in {refresh_s} s");
    }
}

#[test]
fn a_phone_that_says_anything_new_is_told_at_once() {
    let with = |lines| {
        register(&Register {
            call: "c",
            cseq: 2,
            lines,
        })
    };
    let elsewhere = Flow::udp(flow().local, "203.0.113.9:40001".parse().unwrap());
    let cases = [
        (with(&[(Name::Contact, "<sip:201@h>")]), flow(), 0),
        (with(&[(Name::Contact, "<sip:201@h>")]), elsewhere, 1),
        (with(&[(Name::Contact, "<sip:201@h>;q=0.2")]), flow(), 1),
        (
            with(&[(Name::Contact, "<sip:201@h>"), (Name::Path, "<sip:p;lr>")]),
            flow(),
            1,
        ),
        (
            with(&[(Name::Contact, "<sip:201@h>"), (Name::UserAgent, "x")]),
            flow(),
            1,
        ),
    ];
    for (message, flow_of, told) in cases {
        let mut table = Bindings::new(BindingsConfig::default());
        table.handle_register(start(), &simple(1, "<sip:201@h>"), flow());
        assert_eq!(events(&mut table).len(), 1);
        table.handle_register(later(start(), 60), &message, flow_of);
        assert_eq!(events(&mut table).len(), told, "{message:?}");
    }
}

#[test]
fn bindings_survive_a_restart_with_their_path() {
    let at = start();
    let mut table = Bindings::new(BindingsConfig::default());
    let path = "<sip:edge.example;lr>";
    let lines = [
        (Name::Contact, "<sip:a@h>;expires=100"),
        (Name::Path, path),
        (Name::Supported, "path"),
    ];
    let request = register(&Register {
        call: "c",
        cseq: 1,
        lines: &lines,
    });
    let outcome = table.handle_register(at, &request, stream());
    assert_eq!(outcome.response(&request, "t").finish().text(Name::Path).unwrap(), path);
    let saved: Vec<Binding> = table.iter().cloned().collect();
    let mut reborn = Bindings::new(BindingsConfig::default());
    reborn.restore(later(at, 40), saved.clone());
    assert_eq!(reborn.poll_timeout().unwrap().0, later(at, 100).now);
    assert_eq!(
        (
            &*reborn.lookup("201")[0].path[0],
            reborn.lookup("201")[0].flow.connection
        ),
        (path, None)
    );
    let mut too_late = Bindings::new(BindingsConfig::default());
    too_late.restore(later(at, 100), saved);
    assert!(too_late.is_empty());
}

/// The flows to a phone that registered over `flow`: after the end of its stream, and after a restart.
fn flows_after_loss(flow: Flow, uri: &str, path: Option<&str>) -> [Flow; 2] {
    let at = start();
    let contact = format!("<{uri}>");
    let mut lines = vec![(Name::Contact, &*contact)];
    lines.extend(path.map(|path| (Name::Path, path)));
    let request = register(&Register {
        call: "1",
        cseq: 1,
        lines: &lines,
    });
    let mut table = Bindings::new(BindingsConfig::default());
    table.handle_register(at, &request, flow);
    let saved: Vec<Binding> = table.iter().cloned().collect();
    assert_eq!(table.lookup("201")[0].flow, flow);
    table.handle_connection_closed(ConnectionId(7));
    let mut reborn = Bindings::new(BindingsConfig::default());
    reborn.restore(later(at, 1), saved);
    [&table, &reborn].map(|table| table.lookup("201")[0].flow)
}

#[test]
fn a_phone_whose_stream_is_lost_is_reached_where_it_listens() {
    use Transport::{Tcp, Tls};
    // Transport, source, Contact, Path, where to connect.
    let cases = [
        (Tcp, "10.0.0.9:40000", "sip:a@10.0.0.9:5070", None, "10.0.0.9:5070"),
        (
            Tcp,
            "10.0.0.9:40000",
            "sip:a@10.0.0.9;transport=tcp",
            None,
            "10.0.0.9:5060",
        ),
        (Tls, "10.0.0.9:40000", "sip:a@10.0.0.9", None, "10.0.0.9:5061"),
        (
            Tcp,
            "[2001:db8::9]:40000",
            "sip:a@[2001:db8::9]:5070",
            None,
            "[2001:db8::9]:5070",
        ),
        // Behind NAT, by name, on no port: there is nothing better than where it came from.
        (
            Tcp,
            "203.0.113.9:40000",
            "sip:a@10.0.0.9:5070",
            None,
            "203.0.113.9:40000",
        ),
        (
            Tcp,
            "10.0.0.9:40000",
            "sip:a@phone.example:5070",
            None,
            "10.0.0.9:40000",
        ),
        (Tcp, "10.0.0.9:40000", "sip:a@10.0.0.9:0", None, "10.0.0.9:40000"),
        // Through an edge proxy, which is the first hop.
        (
            Tcp,
            "10.0.0.8:40000",
            "sip:a@10.0.0.9:5070",
            Some("<sip:10.0.0.8:5080;lr>"),
            "10.0.0.8:5080",
        ),
    ];
    for (transport, source, uri, path, expected) in cases {
        let flow = Flow {
            transport,
            remote: source.parse().unwrap(),
            ..stream()
        };
        for found in flows_after_loss(flow, uri, path) {
            assert_eq!(
                (found.remote.to_string().as_str(), found.connection),
                (expected, None),
                "{uri}"
            );
        }
    }
}

#[test]
fn a_datagram_phone_is_reached_where_it_registered_from_after_a_restart() {
    let at = start();
    let mut table = Bindings::new(BindingsConfig::default());
    table.handle_register(at, &simple(1, "<sip:a@203.0.113.9:5070>"), flow());
    let saved: Vec<Binding> = table.iter().cloned().collect();
    let mut reborn = Bindings::new(BindingsConfig::default());
    reborn.restore(later(at, 1), saved);
    assert_eq!(reborn.lookup("201")[0].flow, flow());
}

fn registration() -> Registration {
    let config = RegistrationConfig {
        registrar: "sip:trunk".into(),
        address: "sip:555@trunk".into(),
        contact: "sip:555@10.0.0.1:5060".into(),
        instance: None,
        account: Account::with_password("555", "pw"),
        expires_s: 60,
    };
    Registration::new(config, [3; 32])
}

fn sent(registration: &mut Registration) -> Message {
    let request = registration
        .poll_request()
        .unwrap()
        .header_on_top(Name::Via, "SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1");
    request.try_finish().unwrap()
}

#[test]
fn a_trunk_registers_through_challenge_and_423_and_refreshes() {
    let at = start();
    let mut trunk = Bindings::new(BindingsConfig {
        expires_min_s: 300,
        ..BindingsConfig::default()
    });
    let config = ChallengerConfig {
        realm: "trunk".into(),
        asker: Asker::Server,
        algorithms: vec![Algorithm::Sha256, Algorithm::Md5],
        nonce_lifetime: Duration::from_secs(60),
        nonces_max: 9,
    };
    let mut challenger = Challenger::new(config, at.now, [4; 32]);
    let mut us = registration();
    us.start();
    let mut statuses = Vec::new();
    for moment in [at, later(at, 280), later(at, 560)] {
        us.handle_timeout(moment.now);
        while let RegistrationState::Asking { .. } = us.state() {
            let request = sent(&mut us);
            let verdict = challenger.verify(moment.now, flow().remote.ip(), &request, |user| {
                Some(Ha1::of(user, "trunk", "pw"))
            });
            let response = match verdict {
                Verdict::Ok { .. } => trunk.handle_register(moment, &request, flow()).response(&request, "t"),
                Verdict::Challenge { stale } => {
                    challenger.challenge(moment.now, flow().remote.ip(), stale, Builder::response(&request, 401))
                }
                Verdict::Denied { .. } => challenger.challenge(
                    moment.now,
                    flow().remote.ip(),
                    Stale::No,
                    Builder::response(&request, 401),
                ),
            };
            let response = response.try_finish().unwrap();
            statuses.push(response.status());
            us.handle_response(moment.now, &response);
        }
    }
    assert_eq!(statuses, [401, 423, 200, 401, 200, 401, 200]);
    assert_eq!(us.poll_event(), Some(RegistrationEvent::Registered { expires_s: 300 }));
    us.stop();
    let bye = sent(&mut us);
    assert_eq!(bye.number(Name::Expires), Some(0));
    us.handle_response(
        later(at, 561).now,
        &trunk
            .handle_register(later(at, 561), &bye, flow())
            .response(&bye, "t")
            .finish(),
    );
    assert_eq!(us.state(), RegistrationState::Idle);
    assert!(trunk.is_empty());
}

#[test]
fn a_silent_trunk_is_tried_again_ever_more_slowly_and_a_wish_to_wait_is_kept() {
    let at = start();
    let mut us = registration();
    us.start();
    let mut now = at.now;
    for full_s in [30, 60, 120, 240, 480, 960, 1800, 1800] {
        let _ = us.poll_request().unwrap();
        us.handle_failure(now, 408);
        let wait = us.poll_timeout().unwrap().0 - now;
        assert!(
            wait >= Duration::from_secs(full_s) / 2 && wait <= Duration::from_secs(full_s),
            "{wait:?} {full_s}"
        );
        now += wait;
        us.handle_timeout(now);
    }
    let request = sent(&mut us);
    us.handle_response(
        now,
        &Builder::response(&request, 503)
            .header(Name::RetryAfter, "3000 (tea)")
            .finish(),
    );
    assert_eq!(us.poll_timeout().unwrap().0, now + Duration::from_secs(3000));
}

#[test]
fn a_wrong_password_does_not_hammer_the_trunk() {
    let at = start();
    let config = ChallengerConfig {
        realm: "trunk".into(),
        asker: Asker::Proxy,
        algorithms: vec![Algorithm::Sha256, Algorithm::Md5],
        nonce_lifetime: Duration::from_secs(60),
        nonces_max: 9,
    };
    let mut challenger = Challenger::new(config, at.now, [4; 32]);
    let mut us = registration();
    us.start();
    let mut requests = 0;
    while let RegistrationState::Asking { .. } = us.state() {
        let request = sent(&mut us);
        requests += 1;
        us.handle_response(
            at.now,
            &challenger
                .challenge(at.now, flow().remote.ip(), Stale::No, Builder::response(&request, 407))
                .finish(),
        );
    }
    assert!(requests <= 3, "{requests}");
    assert_eq!(us.poll_event(), Some(RegistrationEvent::Failed { status: 407 }));
}

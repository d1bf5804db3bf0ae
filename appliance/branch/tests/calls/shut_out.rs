//! Who is shut out, and who cannot be.

use std::net::SocketAddr;
use std::time::Duration;

use branchline_branch::Command;
use branchline_sip::Flow;
use branchline_sip::agent::SessionEvent;
use branchline_sip::digest::{Account, Answerer};
use branchline_sip::message::{Builder, Message, Method, Name};
use bytes::Bytes;

use crate::office::{BOX, Office, moment};

/// A datagram that claims to be from `source`.
fn forge(office: &mut Office, source: SocketAddr, header: &str) {
    let nth = office.view().counters.sip_received;
    let text = format!(
        "REGISTER sip:x SIP/2.0\r\nVia: SIP/2.0/UDP {source};branch=z9hG4bKf{nth}\r\nFrom: <sip:201@x>;tag=a\r\n\
         To: <sip:201@x>\r\nCall-ID: f\r\nCSeq: 1 REGISTER\r\n{header}\r\n\r\n"
    );
    let flow = Flow::udp(BOX.parse().unwrap(), source);
    let at = moment(office.base, office.now);
    office.branch.handle_message(at, flow, Bytes::from(text));
    office.run();
}

fn register() -> Builder {
    Builder::request(&Method::Register, "sip:x")
        .header(Name::MaxForwards, 70)
        .header(Name::From, "<sip:201@x>;tag=g")
        .header(Name::To, "<sip:201@x>")
        .header(Name::CallId, "guess")
        .header(Name::CSeq, "1 REGISTER")
}

/// The answer of the box to a request of this phone.
fn ask(office: &mut Office, at: usize, request: Builder) -> Message {
    let flow = Flow::udp(office.phones[at].address, BOX.parse().unwrap());
    office.phones[at].agent.request(office.now, flow, request).unwrap();
    office.response(at)
}

/// A wrong password over a challenge that was sent to the address of this phone.
fn guess(office: &mut Office, at: usize) -> String {
    let challenge = ask(office, at, register());
    let mut answerer = Answerer::new(Account::with_password("201", "wrong"), [1; 32]);
    answerer.handle_challenge(&challenge).unwrap();
    let request = answerer.authorize(register()).finish();
    let text = String::from_utf8(request.bytes().to_vec()).unwrap();
    text.lines()
        .find(|line| line.starts_with("Authorization:"))
        .unwrap()
        .to_owned()
}

fn rings(office: &mut Office) -> bool {
    office.call(0, "202");
    office.accept(1);
    true
}

#[test]
fn datagrams_that_claim_to_be_from_a_registered_phone_do_not_shut_it_out() {
    let cases: [fn(&mut Office) -> String; 4] = [
        |_| "User-Agent: friendly-scanner".into(),
        |_| "no header".into(),
        |_| {
            "Authorization: Digest username=\"201\", realm=\"branchline\", nonce=\"x\", uri=\"sip:x\", response=\"x\""
                .into()
        },
        |office| guess(office, 1),
    ];
    for header in cases {
        let mut office = Office::new();
        assert_eq!((office.register(0), office.register(1)), (200, 200));
        let header = header(&mut office);
        let phone = office.phones[0].address;
        for _ in 0..300 {
            forge(&mut office, phone, &header);
        }
        assert_eq!(office.view().health.banned, Vec::<String>::new(), "{header}");
        assert!(rings(&mut office), "{header}");
    }
}

#[test]
fn who_hears_the_challenge_is_shut_out_for_its_guesses_and_who_is_only_named_is_not() {
    let stranger: SocketAddr = "203.0.113.9:5060".parse().unwrap();
    for (is_forged, banned_after_a_minute) in [(true, vec![]), (false, vec!["192.0.2.12"])] {
        let mut office = Office::new();
        assert_eq!(office.register(1), 200);
        let phone = office.phones[1].address;
        let header = guess(&mut office, 1);
        for _ in 0..200 {
            assert!(is_forged || office.view().health.banned.is_empty());
            forge(&mut office, if is_forged { stranger } else { phone }, &header);
        }
        office.wait(Duration::from_secs(61));
        assert_eq!(office.view().health.banned, banned_after_a_minute);
    }
}

#[test]
fn a_password_over_a_challenge_for_somebody_else_is_answered_with_a_challenge() {
    let mut office = Office::new();
    let header = guess(&mut office, 1);
    let credentials = header.split_once(": ").unwrap().1;
    for (at, status) in [(1, 403), (0, 401)] {
        let answer = ask(&mut office, at, register().header(Name::Authorization, credentials));
        assert_eq!(answer.status(), status, "{at}");
    }
    assert_eq!(office.view().counters.auth_failures, 2);
}

#[test]
fn a_scanner_is_shut_out_for_a_minute_or_until_somebody_lets_it_in() {
    let mut office = Office::new();
    office.register(1);
    let scanner: SocketAddr = "203.0.113.9:5060".parse().unwrap();
    forge(&mut office, scanner, "User-Agent: friendly-scanner");
    assert_eq!(office.view().health.banned, ["203.0.113.9"]);
    let before = office.view().counters;
    forge(&mut office, scanner, "User-Agent: polite");
    assert_eq!(office.view().counters.banned_requests, before.banned_requests + 1);
    assert_eq!(office.view().counters.sip_sent, before.sip_sent, "no answer");
    office.wait(Duration::from_secs(60));
    assert_eq!(office.view().health.banned, Vec::<String>::new());
    forge(&mut office, scanner, "User-Agent: friendly-scanner");
    let at = moment(office.base, office.now);
    let address = scanner.ip();
    office.branch.handle_command(at, Command::Unban { address });
    assert_eq!(office.view().health.banned, Vec::<String>::new());
}

#[test]
fn a_phone_registered_before_a_restart_is_still_known() {
    let mut office = Office::new();
    assert_eq!((office.register(0), office.register(1)), (200, 200));
    office.restart();
    let phone = office.phones[0].address;
    forge(&mut office, phone, "User-Agent: friendly-scanner");
    office.call(0, "202");
    let status = office.event(0, |event| match event {
        SessionEvent::Refused { status, .. } => Some(status),
        SessionEvent::Trying => Some(100),
        _ => None,
    });
    assert_eq!((status, office.view().health.banned.len()), (100, 0));
}

#[test]
fn what_is_dropped_or_refused_is_not_worth_asking_the_kernel_for() {
    let mut office = Office::new();
    let banned: SocketAddr = "203.0.113.9:5060".parse().unwrap();
    forge(&mut office, banned, "User-Agent: friendly-scanner");
    let help = "INVITE sip:112@x SIP/2.0";
    let cases = [
        ("198.51.100.1:5060", "OPTIONS sip:x SIP/2.0", "", true),
        (
            "198.51.100.1:5060",
            "OPTIONS sip:x SIP/2.0",
            "User-Agent: sipvicious\r\n",
            false,
        ),
        ("198.51.100.1:5060", "garbage", "", false),
        ("203.0.113.9:5060", "OPTIONS sip:x SIP/2.0", "", false),
        ("203.0.113.9:5060", help, "", true),
    ];
    for (source, first, header, expected) in cases {
        let method = first.split(' ').next().unwrap();
        let text = format!(
            "{first}\r\nVia: SIP/2.0/UDP {source};branch=z9hG4bKw\r\nFrom: <sip:a@x>;tag=a\r\nTo: <sip:b@x>\r\n\
             Call-ID: w\r\nCSeq: 1 {method}\r\n{header}\r\n"
        );
        let flow = Flow::udp("0.0.0.0:5060".parse().unwrap(), source.parse().unwrap());
        let at = moment(office.base, office.now);
        let found = office.branch.is_worth_asking(at, flow, &Bytes::from(text));
        assert_eq!(found, expected, "{source} {first} {header}");
    }
}

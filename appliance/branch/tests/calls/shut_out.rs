//! Who is shut out, and who cannot be.

use std::net::SocketAddr;
use std::time::Duration;

use branchline_branch::Command;
use branchline_sip::Flow;
use branchline_sip::agent::SessionEvent;
use bytes::Bytes;

use crate::office::{BOX, Office, moment};

/// A datagram that claims to be from `source`.
fn forge(office: &mut Office, source: SocketAddr, header: &str) {
    let text = format!(
        "OPTIONS sip:x SIP/2.0\r\nVia: SIP/2.0/UDP {source};branch=z9hG4bKf\r\nFrom: <sip:a@x>;tag=a\r\nTo: <sip:b@x>\r\n\
         Call-ID: f\r\nCSeq: 1 OPTIONS\r\n{header}\r\n\r\n"
    );
    let flow = Flow::udp(BOX.parse().unwrap(), source);
    let at = moment(office.base, office.now);
    office.branch.handle_message(at, flow, Bytes::from(text));
    office.run();
}

fn rings(office: &mut Office) -> bool {
    office.call(0, "202");
    office.accept(1);
    true
}

#[test]
fn datagrams_that_claim_to_be_from_a_registered_phone_do_not_shut_it_out() {
    let cases = [
        "User-Agent: friendly-scanner",
        "no header",
        "Authorization: Digest username=\"201\", realm=\"branchline\", nonce=\"x\", uri=\"sip:x\", response=\"x\"",
    ];
    for header in cases {
        let mut office = Office::new();
        assert_eq!((office.register(0), office.register(1)), (200, 200));
        let phone = office.phones[0].address;
        for _ in 0..300 {
            forge(&mut office, phone, header);
        }
        assert_eq!(office.view().health.banned, Vec::<String>::new(), "{header}");
        assert!(rings(&mut office), "{header}");
    }
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

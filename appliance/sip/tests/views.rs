//! Typed views of single headers.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

use branchline_sip::message::{
    Authentication, Contact, Event, Privacy, RAck, Reason, ReasonProtocol, Refresher, Replaces, SessionExpires,
    SubscriptionPhase, SubscriptionState,
};
use branchline_sip::{NameAddr, ParseError};

fn contact(text: &str) -> NameAddr<'_> {
    match Contact::parse(text.as_bytes()).unwrap() {
        Contact::Address(address) => address,
        Contact::All => panic!("{text}"),
    }
}

#[test]
fn q_is_read_in_thousandths() {
    for (text, expected) in [
        ("", Some(1000)),
        (";q=0", Some(0)),
        (";q=0.5", Some(500)),
        (";q=.33", Some(330)),
        (";q=1.000", Some(1000)),
        (";q=1.1", None),
        (";q=2", None),
        (";q=0.1234", None),
        (";q=-1", None),
    ] {
        let value = format!("<sip:a@b>{text}");
        assert_eq!(contact(&value).q_thousandths(), expected, "{text}");
    }
}

#[test]
fn a_contact_tells_its_registration_parameters() {
    let value = "\"x, y\" <sip:a@b;transport=tcp>;expires=60;+sip.instance=\"<urn:uuid:00, 1>\";reg-id=1";
    let address = contact(value);
    assert_eq!(
        (address.expires_s(), address.reg_id(), address.instance().as_deref()),
        (Some(60), Some(1), Some("<urn:uuid:00, 1>"))
    );
    assert_eq!(Contact::parse(b"*"), Ok(Contact::All));
}

#[test]
fn small_headers_are_read_and_their_faults_named() {
    assert_eq!(
        RAck::parse(b"776656 1 INVITE"),
        Ok(RAck {
            rseq: 776_656,
            cseq: 1,
            method: "INVITE"
        })
    );
    assert_eq!(RAck::parse(b"1 INVITE"), Err(ParseError::Malformed("RAck")));
    let timer = SessionExpires::parse(b"1800 ;refresher=UAS").unwrap();
    assert_eq!(
        (timer.interval_s, timer.refresher, timer.to_string()),
        (1800, Some(Refresher::Uas), "1800;refresher=uas".to_owned())
    );
    let event = Event::parse(b"refer;id=9").unwrap();
    assert_eq!((event.package, event.id()), ("refer", Some("9")));
    let state = SubscriptionState::parse(b"Terminated;reason=noresource;retry-after=5").unwrap();
    assert_eq!(
        (state.phase, state.reason, state.retry_after_s),
        (SubscriptionPhase::Terminated, Some("noresource"), Some(5))
    );
    let reason = Reason::parse(b"Q.850 ;cause=16 ;text=\"Normal \\\"clearing\\\"\"").unwrap();
    assert_eq!((reason.protocol, reason.cause), (ReasonProtocol::Q850, Some(16)));
    assert_eq!(reason.to_string(), "Q.850;cause=16;text=\"Normal \\\"clearing\\\"\"");
    assert!(Privacy::parse(b"id; critical").hides_caller());
    assert!(!Privacy::parse(b"none").hides_caller());
}

#[test]
fn replaces_is_read_from_a_header_and_from_a_refer_to_uri() {
    let replaces = Replaces::parse(b"12@h;to-tag=a;from-tag=b;early-only").unwrap();
    assert_eq!(
        (
            replaces.call_id.as_ref(),
            replaces.to_tag.as_ref(),
            replaces.from_tag.as_ref(),
            replaces.early_only
        ),
        ("12@h", "a", "b", true)
    );
    assert_eq!(
        Replaces::parse(b"12@h;to-tag=a"),
        Err(ParseError::Malformed("Replaces"))
    );
    let refer_to = NameAddr::parse(b"<sip:b@h?X=1&Replaces=12%40h%3Bto-tag%3Da%3Bfrom-tag%3Db>").unwrap();
    let escaped = Replaces::in_uri_headers(refer_to.uri().unwrap().headers).unwrap();
    assert_eq!(escaped, "12@h;to-tag=a;from-tag=b");
}

#[test]
fn credentials_are_read_whatever_stands_in_their_quotes() {
    let value =
        b"Digest username=\"a, \\\"b\\\"\",realm=\"x\" ,  nc=0000000a, opaque=\"<\",qop=auth, algorithm=SHA-256";
    let digest = Authentication::parse(value).unwrap();
    assert!(digest.is_digest());
    for (name, expected) in [
        ("username", "a, \"b\""),
        ("REALM", "x"),
        ("nc", "0000000a"),
        ("qop", "auth"),
        ("algorithm", "SHA-256"),
        ("opaque", "<"),
    ] {
        assert_eq!(digest.get(name).as_deref(), Some(expected), "{name}");
    }
    assert!(Authentication::parse(b"Digest realm=\"open").is_err());
}

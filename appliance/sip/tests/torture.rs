//! Every message of RFC 4475 and RFC 5118 with what is expected of it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

use std::time::Instant;

use branchline_sip::binding::{Bindings, BindingsConfig, Moment, RegisterOutcome};
use branchline_sip::message::Refusal;
use branchline_sip::{Flow, Message, NameAddr, ParseError};
use bytes::Bytes;

#[derive(Debug, PartialEq, Clone, Copy)]
enum Expected {
    /// Parses. What is wrong with it, if anything, is for a layer above.
    Accept,
    /// Refused, and answered with this status.
    Answer(ParseError, u16),
    /// Refused without an answer.
    Discard(ParseError),
}
use Expected::{Accept, Answer, Discard};

const RFC4475: &[(&str, Expected)] = &[
    // 3.1.1 valid messages
    ("wsinv", Accept),
    ("intmeth", Accept),
    ("esc01", Accept),
    ("escnull", Accept),
    ("esc02", Accept),
    ("lwsdisp", Accept),
    ("longreq", Accept),
    ("dblreq", Accept),
    ("semiuri", Accept),
    ("transports", Accept),
    ("mpart01", Accept),
    ("unreason", Accept),
    ("noreason", Accept),
    // 3.1.2 invalid messages
    ("badinv01", Answer(ParseError::Malformed("Via"), 400)),
    ("clerr", Answer(ParseError::LengthBeyondEnd, 400)),
    ("ncl", Answer(ParseError::Malformed("Content-Length"), 400)),
    ("scalar02", Answer(ParseError::Malformed("CSeq"), 400)),
    ("scalarlg", Discard(ParseError::Malformed("CSeq"))),
    ("quotbal", Answer(ParseError::Malformed("To"), 400)),
    ("ltgtruri", Answer(ParseError::RequestUri, 400)),
    ("lwsruri", Answer(ParseError::RequestUri, 400)),
    ("lwsstart", Answer(ParseError::RequestUri, 400)),
    ("trws", Answer(ParseError::StartLine, 400)),
    // Escaped headers in a request URI may be refused or ignored; they are ignored.
    ("escruri", Accept),
    // Date is read by nobody.
    ("baddate", Accept),
    // The Contact is refused by who reads it.
    ("regbadct", Accept),
    // Blanks in the brackets do no harm, nor do unquoted display names; but the archived baddn lacks its empty line.
    ("badaspec", Accept),
    ("baddn", Discard(ParseError::Truncated)),
    ("badvers", Answer(ParseError::Version, 505)),
    ("mismatch01", Answer(ParseError::MethodMismatch, 400)),
    ("mismatch02", Answer(ParseError::MethodMismatch, 501)),
    ("bigcode", Discard(ParseError::StartLine)),
    // 3.2 transaction layer: an empty branch is no match key, which is told there.
    ("badbranch", Accept),
    // 3.3 application layer
    ("insuf", Answer(ParseError::Missing("From"), 400)),
    ("unkscm", Accept),
    ("novelsc", Accept),
    ("unksm2", Accept),
    ("bext01", Accept),
    ("invut", Accept),
    ("regaut01", Accept),
    ("multi01", Answer(ParseError::Repeated("CSeq"), 400)),
    ("mcl01", Answer(ParseError::LengthConflict, 400)),
    ("bcast", Accept),
    ("zeromf", Accept),
    ("cparam01", Accept),
    ("cparam02", Accept),
    ("regescrt", Accept),
    ("sdp01", Accept),
    // 3.4 backward compatibility
    ("inv2543", Accept),
];

const RFC5118: &[(&str, Expected)] = &[
    ("ipv6-good", Accept),
    ("ipv6-bad", Answer(ParseError::RequestUri, 400)),
    ("port-ambiguous", Accept),
    ("port-unambiguous", Accept),
    ("via-received-param-with-delim", Accept),
    ("via-received-param-no-delim", Accept),
    ("ipv6-in-sdp", Accept),
    ("mult-ip-in-header", Accept),
    ("mult-ip-in-sdp", Accept),
    ("ipv4-mapped-ipv6", Accept),
    ("ipv6-bug-abnf-3-colons", Accept),
    ("ipv6-correct-abnf-2-colons", Accept),
];

fn load(set: &str, name: &str) -> Vec<u8> {
    let path = format!("{}/tests/torture/{set}/{name}.dat", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|fault| panic!("{path}: {fault}"))
}

fn outcome(bytes: &[u8]) -> Expected {
    match Message::parse(Bytes::copy_from_slice(bytes)) {
        Ok(_) => Accept,
        Err(why) => match Refusal::for_bytes(bytes, why) {
            Some(refusal) => Answer(why, refusal.status),
            None => Discard(why),
        },
    }
}

fn message(set: &str, name: &str) -> Message {
    Message::parse(Bytes::from(load(set, name))).unwrap()
}

#[test]
fn every_torture_message_has_its_expected_outcome() {
    let mut wrong = Vec::new();
    for (set, table, files) in [("rfc4475", RFC4475, 49), ("rfc5118", RFC5118, 12)] {
        assert_eq!(table.len(), files);
        for (name, expected) in table {
            let seen = outcome(&load(set, name));
            if seen != *expected {
                wrong.push(format!("{name}: {seen:?}, expected {expected:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_answer_to_a_refused_message_parses() {
    for (name, expected) in RFC4475 {
        if let Answer(why, status) = expected {
            let refusal = Refusal::for_bytes(&load("rfc4475", name), *why).unwrap();
            let text = refusal.response("box");
            assert!(text.starts_with(format!("SIP/2.0 {status} ").as_bytes()));
            // A header that comes back as it was is as bad as it was.
            let comes_back = matches!(
                why,
                ParseError::Malformed("Via" | "CSeq" | "To") | ParseError::Missing(_) | ParseError::Version
            );
            let response = Message::parse(text);
            assert_eq!(response.is_err(), comes_back, "{name}");
            assert!(response.is_err() || response.unwrap().to_tag().is_some(), "{name}");
        }
    }
}

#[test]
fn the_parts_that_the_rfc_names_are_read() {
    let wsinv = message("rfc4475", "wsinv");
    assert_eq!(
        (wsinv.cseq(), wsinv.to_tag(), wsinv.from_tag()),
        (9, Some("1918181833n"), Some("98asjd8"))
    );
    assert_eq!(wsinv.from().display.as_deref(), Some("J Rosenberg \\\""));
    let vias: Vec<_> = wsinv
        .values(branchline_sip::Name::Via)
        .map(|via| branchline_sip::Via::parse(via).unwrap())
        .collect();
    assert_eq!(
        vias.iter().map(|via| via.branch().unwrap()).collect::<Vec<_>>(),
        ["390skdjuw", "z9hG4bK9ikj8", "z9hG4bK30239"]
    );
    let semiuri = message("rfc4475", "semiuri");
    let uri = branchline_sip::Uri::parse(semiuri.request_uri()).unwrap();
    assert_eq!(uri.user_unescaped(), "user;par=u@example.net");
    let dblreq = message("rfc4475", "dblreq");
    assert!(dblreq.bytes().len() < load("rfc4475", "dblreq").len());
    let mpart = message("rfc4475", "mpart01");
    assert!(mpart.body().len() == 553 && load("rfc4475", "mpart01").ends_with(mpart.body()));
    assert_eq!(
        message("rfc4475", "unreason").reason_phrase().chars().last(),
        Some('\u{435}')
    );
    let baddn = [&load("rfc4475", "baddn")[..], b"\r\n"].concat();
    let baddn = Message::parse(Bytes::from(baddn)).unwrap();
    assert_eq!(baddn.from().display.as_deref(), Some("Bell, Alexander"));
    let bad_contact = message("rfc4475", "regbadct");
    assert_eq!(bad_contact.contact().unwrap(), Err(ParseError::Address));
    let escaped = message("rfc4475", "regescrt");
    let contact: NameAddr<'_> = escaped.contact().unwrap().unwrap();
    assert_eq!(contact.uri().unwrap().headers, "Route=%3Csip:sip.example.com%3E");
    for name in ["via-received-param-with-delim", "via-received-param-no-delim"] {
        assert_eq!(
            message("rfc5118", name).top_via().received().unwrap().to_string(),
            "2001:db8::9:255"
        );
    }
}

/// What the registrar makes of each REGISTER, once its sender has proved who he is.
#[test]
fn every_registration_of_the_torture_tests_is_bound_or_refused() {
    let bound = |uris: &[&str]| Ok(uris.iter().map(|uri| format!("<{uri}>;expires=3600")).collect());
    let cases = [
        (
            "rfc4475",
            "escnull",
            bound(&["sip:%00@host5.example.com", "sip:%00%00@host5.example.com"]),
        ),
        ("rfc4475", "dblreq", bound(&["sip:j.user@host.example.com"])),
        // Headers outside of angle brackets cannot be told from the address.
        ("rfc4475", "regbadct", Err(400)),
        ("rfc4475", "regaut01", bound(&[])),
        ("rfc4475", "cparam01", bound(&["sip:+19725552222@gw1.example.net"])),
        (
            "rfc4475",
            "cparam02",
            bound(&["sip:+19725552222@gw1.example.net;unknownparam"]),
        ),
        (
            "rfc4475",
            "regescrt",
            bound(&["sip:user@example.com?Route=%3Csip:sip.example.com%3E"]),
        ),
        ("rfc4475", "unksm2", Err(400)),
        ("rfc5118", "ipv6-good", bound(&["sip:caller@[2001:db8::1]"])),
        ("rfc5118", "port-ambiguous", bound(&["sip:caller@[2001:db8::1]"])),
        ("rfc5118", "port-unambiguous", bound(&["sip:caller@[2001:db8::1]"])),
    ];
    #[expect(clippy::disallowed_methods, reason = "any instant will do as the start of a test")]
    let at = Moment {
        now: Instant::now(),
        utc_ms: 1_800_000_000_000,
    };
    for (set, name, expected) in cases {
        let mut bindings = Bindings::new(BindingsConfig::default());
        let flow = Flow::udp("192.0.2.1:5060".parse().unwrap(), "203.0.113.9:5060".parse().unwrap());
        let got = match bindings.handle_register(at, &message(set, name), flow) {
            RegisterOutcome::Accepted { contacts, .. } => Ok(contacts),
            RegisterOutcome::Refused(why) => Err(why.status()),
        };
        assert_eq!(got, expected, "{name}");
    }
}

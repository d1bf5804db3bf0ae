//! Messages in, views out, and messages of our own.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

use branchline_sip::message::{Host, Scheme};
use branchline_sip::{Builder, Message, Method, Name, ParseError, Uri};
use bytes::Bytes;

const INVITE: &str = "INVITE sip:bob@biloxi.example.com SIP/2.0\r\n\
v: SIP/2.0/UDP pc33.example.com;branch=z9hG4bK776asdhds;rport, SIP/2.0/TCP [2001:db8::1]:5070;branch=z9hG4bKb\r\n\
Max-Forwards: 70\r\n\
t : Bob <sip:bob@biloxi.example.com>\r\n\
f: \"J < D\" <sip:john.doe@atlanta.example.com;transport=tcp>;tag=1928301774\r\n\
i: a84b4c76e66710@pc33.example.com\r\n\
CSeq: 314159\r\n INVITE\r\n\
m: <sip:alice@pc33.example.com>;+sip.instance=\"<urn:uuid:1, 2>\", <sip:b@c>;q=0.5\r\n\
X-Caf\u{e9}-no: 1\r\n\
Subject: one\r\n\ttwo\r\n\
x-Odd: 1\r\n\
X-ODD: 2\r\n\
Supported: timer, 100rel\r\n\
l: 4\r\n\r\nbodysurplus";

fn parse(text: &str) -> Result<Message, ParseError> {
    Message::parse(Bytes::copy_from_slice(text.as_bytes()))
}

#[test]
fn an_ordinary_invite_is_read_in_all_its_views() {
    let invite = parse(&INVITE.replace("X-Caf\u{e9}-no: 1\r\n", "")).unwrap();
    assert!(invite.is_request());
    assert_eq!(invite.method(), &Method::Invite);
    assert_eq!(invite.request_uri(), "sip:bob@biloxi.example.com");
    assert_eq!(invite.call_id(), "a84b4c76e66710@pc33.example.com");
    assert_eq!(invite.cseq(), 314_159);
    assert_eq!((invite.from_tag(), invite.to_tag()), (Some("1928301774"), None));
    assert_eq!(invite.from().display.as_deref(), Some("J < D"));
    assert_eq!(invite.from().uri().unwrap().user, Some("john.doe"));
    assert_eq!(invite.to().display.as_deref(), Some("Bob"));
    let via = invite.top_via();
    assert_eq!(
        (via.transport, via.sent_by, via.branch(), via.rport()),
        ("UDP", "pc33.example.com", Some("z9hG4bK776asdhds"), Some(None))
    );
    assert_eq!(invite.values(Name::Via).count(), 2);
    assert_eq!(invite.values(Name::Contact).count(), 2);
    let contact = invite.contact().unwrap().unwrap();
    assert_eq!(contact.param("+sip.instance").unwrap().unwrap(), "<urn:uuid:1, 2>");
    assert_eq!(invite.text(Name::Subject).unwrap(), "one two");
    assert_eq!(invite.values(Name::Other("X-odd")).collect::<Vec<_>>(), [b"1", b"2"]);
    assert!(invite.has_token(Name::Supported, "100REL"));
    assert_eq!(invite.number(Name::MaxForwards), Some(70));
    assert_eq!(invite.body(), b"body");
    assert!(invite.bytes().ends_with(b"\r\n\r\nbody"));
}

#[test]
fn a_header_name_beyond_ascii_is_refused() {
    assert_eq!(parse(INVITE).unwrap_err(), ParseError::HeaderLine);
}

#[test]
fn uris_are_read_in_all_their_forms() {
    let uri = Uri::parse("sip:%23star;x@[2001:db8::9]:5070;transport=tcp;lr?Subject=a%20b").unwrap();
    assert_eq!(
        (uri.user, uri.port, uri.headers),
        (Some("%23star;x"), Some(5070), "Subject=a%20b")
    );
    assert_eq!(uri.user_unescaped(), "#star;x");
    assert_eq!(uri.host, Host::V6("2001:db8::9".parse().unwrap()));
    assert!(uri.params.has("LR"));
    let tel = Uri::parse("tel:+1-555;phone-context=x").unwrap();
    assert_eq!((tel.scheme, tel.user), (Scheme::Tel, Some("+1-555")));
    assert!(tel.same_as(&Uri::parse("tel:+1555;phone-context=X").unwrap()));
    assert!(Uri::parse("sip:2001:db8::1").is_err());
    assert_eq!(
        Uri::parse("nobodyknows:opaque").unwrap().scheme,
        Scheme::Other("nobodyknows")
    );
}

#[test]
fn a_response_carries_what_the_request_brought() {
    let invite = parse(&INVITE.replace("X-Caf\u{e9}-no: 1\r\n", "")).unwrap();
    let ok = Builder::response_with_tag(&invite, 200, "abc")
        .header(Name::Contact, "<sip:b@h>\r\nEvil: 1")
        .body("text/plain", b"hi")
        .finish();
    let text = String::from_utf8(ok.bytes().to_vec()).unwrap();
    assert!(text.starts_with("SIP/2.0 200 OK\r\nv: SIP/2.0/UDP pc33"), "{text}");
    assert!(
        text.contains("t : Bob <sip:bob@biloxi.example.com>;tag=abc\r\n"),
        "{text}"
    );
    assert!(text.contains("Contact: <sip:b@h>  Evil: 1\r\n"), "{text}");
    assert!(
        text.ends_with("Content-Type: text/plain\r\nContent-Length: 2\r\n\r\nhi"),
        "{text}"
    );
    assert_eq!(
        (ok.status(), ok.reason_phrase().as_ref(), ok.to_tag(), ok.cseq()),
        (200, "OK", Some("abc"), 314_159)
    );
    let busy = Builder::response(&invite, 486).reason_phrase("Gone Fishing").finish();
    assert_eq!(
        (busy.reason_phrase().as_ref(), busy.method()),
        ("Gone Fishing", &Method::Invite)
    );
}

#[test]
fn a_request_is_composed_and_its_uri_stays_one_word() {
    let request = Builder::request(&Method::Options, "sip:a b@c")
        .header(Name::From, "<sip:a@b>;tag=1")
        .header(Name::To, "<sip:c@d>")
        .header(Name::CallId, "x")
        .header(Name::CSeq, "1 OPTIONS")
        .header_on_top(Name::Via, "SIP/2.0/UDP h;branch=z9hG4bK1");
    let message = request.clone().try_finish().unwrap();
    assert_eq!(message.request_uri(), "sip:a%20b@c");
    assert_eq!(message.fields().next().unwrap().name, Name::Via);
    assert_eq!(request.finish().top_via().branch(), Some("z9hG4bK1"));
    let bare = Builder::request(&Method::Bye, "sip:x@y");
    assert_eq!(bare.clone().try_finish().unwrap_err(), ParseError::Missing("Via"));
    let bare = bare.finish();
    assert_eq!(
        (bare.method(), bare.request_uri(), bare.call_id()),
        (&Method::Bye, "sip:x@y", "")
    );
}
